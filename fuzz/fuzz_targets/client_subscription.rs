//! A subscription and what a hub sends it, whole and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_client::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::client_subscription(data));
