//! Valid blocks that work the dynamic table hard, and the plain decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_hpack::properties::fuzz::hpack_instructions(data));
