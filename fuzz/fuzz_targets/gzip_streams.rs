//! Streams of gzip that share blocks.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sockeye_deflate::properties::fuzz::gzip_streams(data));
