//! The opening handshake as the client verifies it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_handshake::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::client_verifies(data));
