//! Payloads and control items, written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_service::wire::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::wire_payload(data));
