//! Arbitrary bytes inflated, beside an oracle and under a limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_deflate::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::inflate(data));
