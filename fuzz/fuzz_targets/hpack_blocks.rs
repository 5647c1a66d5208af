//! Blocks of any bytes, and a decoder that is as plain as the RFC.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_hpack::properties::fuzz::hpack_blocks(data));
