//! An outbox that flushes into a socket which stalls.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_reactor::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::outbox(data));
