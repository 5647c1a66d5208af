//! Lists of hops behind anything that a client may send.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_proxy::properties::fuzz::proxy_hops(data));
