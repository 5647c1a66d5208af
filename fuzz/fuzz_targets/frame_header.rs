//! A header written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_frame::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::frame_header(data));
