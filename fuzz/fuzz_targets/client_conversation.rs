//! All that a server can send to a connection, beside an oracle.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_websocket::properties::fuzz::client_conversation(data));
