//! Arbitrary messages there and back, beside an oracle.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_deflate::properties::fuzz::deflate_messages(data));
