//! The negotiation of permessage-deflate, both sides, beside a naive reading.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_deflate::properties::fuzz::deflate_offers(data));
