//! Commands of any words.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_redis::properties::fuzz::redis_commands(data));
