//! The credentials of a request, tickets, and what logs show.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_auth::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::auth_request(data));
