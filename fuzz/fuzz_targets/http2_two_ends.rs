//! A client and a server of HTTP/2 over a network of any pace.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_http2::properties::fuzz::http2_two_ends(data));
