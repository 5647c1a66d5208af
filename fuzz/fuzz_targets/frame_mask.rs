//! Masking beside a loop over bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_frame::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::frame_mask(data));
