//! Requests on one connection of HTTP/2 and what a server sends, whole and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_client::properties::fuzz::client_http2(data));
