//! Heads written from hostile names and values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_http1::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::http_writing(data));
