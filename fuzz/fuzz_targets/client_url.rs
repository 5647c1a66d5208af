//! A URL, a reference to another, and what is written of them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_client::properties::fuzz::client_url(data));
