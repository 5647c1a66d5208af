//! An outbox that flushes into a socket which stalls.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_reactor::properties::fuzz::outbox(data));
