//! An event stream, whole and cut, beside its oracle and under a limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_sse::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::sse_parser(data));
