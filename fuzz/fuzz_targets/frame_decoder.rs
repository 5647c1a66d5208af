//! The frame decoder, whole and cut, beside its oracle.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_frame::properties::fuzz::frame_decoder(data));
