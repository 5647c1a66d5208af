//! UTF-8 as it arrives, beside the standard library.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_frame::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::utf8(data));
