//! Large messages in sessions that share an engine.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_deflate::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::deflate_sessions(data));
