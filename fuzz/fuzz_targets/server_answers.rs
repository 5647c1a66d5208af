//! The opening handshake as the server decides it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_handshake::properties::fuzz::server_answers(data));
