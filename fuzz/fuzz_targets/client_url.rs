//! A URL, a reference to another, and what is written of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_client::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::client_url(data));
