//! Heads written from hostile names and values.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_http1::properties::fuzz::http_writing(data));
