//! Events encoded and parsed again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_sse::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::sse_encoder(data));
