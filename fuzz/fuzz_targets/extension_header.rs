//! The grammar of Sec-WebSocket-Extensions, beside its oracle, and there and back.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_handshake::properties::fuzz::extension_header(data));
