//! An event source and what a server answers it, whole and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_client::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::client_event_source(data));
