//! Tokens, what is signed in them, and keys.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_auth::properties::fuzz::auth_token(data));
