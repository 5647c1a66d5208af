//! Two ends of TLS over a line that is cut, stalls, or is changed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_tls::properties::conversation(data));
