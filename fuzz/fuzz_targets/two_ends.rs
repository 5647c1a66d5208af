//! Two connections that talk and close.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_websocket::properties::fuzz::two_ends(data));
