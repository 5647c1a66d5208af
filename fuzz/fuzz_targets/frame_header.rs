//! A header written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_frame::properties::fuzz::frame_header(data));
