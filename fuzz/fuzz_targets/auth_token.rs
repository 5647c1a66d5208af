//! Tokens, what is signed in them, and keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_auth::properties::fuzz;

fuzz_target!(|data: &[u8]| fuzz::auth_token(data));
