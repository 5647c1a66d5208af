//! The opening handshake as the client verifies it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_handshake::properties::fuzz::client_verifies(data));
