//! UTF-8 as it arrives, beside the standard library.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_frame::properties::fuzz::utf8(data));
