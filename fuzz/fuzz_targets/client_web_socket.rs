//! A WebSocket client and what a server sends it, whole and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_client::properties::fuzz::client_web_socket(data));
