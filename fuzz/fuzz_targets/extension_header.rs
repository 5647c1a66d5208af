//! The grammar of Sec-WebSocket-Extensions, beside its oracle, and there and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_handshake::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::extension_header(data));
