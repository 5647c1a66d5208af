//! The credentials of a request, tickets, and what logs show.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_auth::properties::fuzz::auth_request(data));
