//! A server of HTTP/2 that reads anything.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_http2::properties::fuzz::http2_server(data));
