//! Arbitrary messages there and back, beside an oracle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_deflate::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::deflate_messages(data));
