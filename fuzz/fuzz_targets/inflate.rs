//! Arbitrary bytes inflated, beside an oracle and under a limit.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_deflate::properties::fuzz::inflate(data));
