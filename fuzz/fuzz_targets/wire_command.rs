//! A message of a client, read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_service::wire::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::wire_command(data));
