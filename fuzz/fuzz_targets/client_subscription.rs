//! A subscription and what a hub sends it, whole and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_client::properties::fuzz::client_subscription(data));
