//! The payload of a Close frame.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_frame::properties::fuzz::close_frame(data));
