//! Two connections that talk and close.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_websocket::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::two_ends(data));
