//! Large messages in sessions that share an engine.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_deflate::properties::fuzz::deflate_sessions(data));
