//! Events encoded and parsed again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_sse::properties::fuzz::sse_encoder(data));
