//! The negotiation of permessage-deflate, both sides, beside a naive reading.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_deflate::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::deflate_offers(data));
