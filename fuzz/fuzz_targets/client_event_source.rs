//! An event source and what a server answers it, whole and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_client::properties::fuzz::client_event_source(data));
