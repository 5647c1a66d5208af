//! Fields written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_hpack::properties::fuzz::hpack_fields(data));
