//! The opening handshake as the server decides it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_handshake::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::server_answers(data));
