//! A response head found and parsed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_http1::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::response_head(data));
