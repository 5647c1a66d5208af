//! A chunked body, whole and cut, beside its oracle, and there and back.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_http1::properties::fuzz::chunked(data));
