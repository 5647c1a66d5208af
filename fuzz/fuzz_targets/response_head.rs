//! A response head found and parsed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_http1::properties::fuzz::response_head(data));
