//! Headers of the PROXY protocol in pieces, and an oracle that sees them whole.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_proxy::properties::fuzz::proxy_header(data));
