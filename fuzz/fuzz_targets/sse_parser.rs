//! An event stream, whole and cut, beside its oracle and under a limit.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_sse::properties::fuzz::sse_parser(data));
