//! The payload of a Close frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_frame::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::close_frame(data));
