//! The frame decoder, whole and cut, beside its oracle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_frame::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::frame_decoder(data));
