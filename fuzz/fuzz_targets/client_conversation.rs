//! All that a server can send to a connection, beside an oracle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_websocket::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::client_conversation(data));
