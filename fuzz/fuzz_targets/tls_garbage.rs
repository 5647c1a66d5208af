//! Any bytes instead of a handshake of TLS.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_tls::properties::garbage(data));
