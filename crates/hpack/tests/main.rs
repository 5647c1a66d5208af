//! The tests of this crate, as one program: each file is a module.

mod appendix_c;
mod block_limits;
mod corpus;
mod decoding_errors;
mod encoding;
mod eviction;
mod huffman_strings;
mod properties;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod static_table;
mod table_sizes;

use sockeye_hpack::properties::{self as checks, Seen};
use sockeye_hpack::{Decoder, Error};

/// The bytes of hexadecimal digits, between which there may be spaces.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit");
    assert_eq!(digits.len() % 2, 0, "whole bytes");
    digits
        .chunks(2)
        .map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).expect("a byte"))
        .collect()
}

/// Decodes a block that has to be right.
fn fields(decoder: &mut Decoder, block: &[u8]) -> Vec<(String, String)> {
    let (seen, result) = checks::decode(decoder, block);
    assert_eq!(result, Ok(()), "{block:02x?}");
    seen.into_iter().map(|(name, value, _)| (text(name), text(value))).collect()
}

/// Decodes a block that has to be wrong.
fn error(decoder: &mut Decoder, block: &[u8]) -> Error {
    let (_, result) = checks::decode(decoder, block);
    let error = result.expect_err("a wrong block");
    checks::errors_last(decoder, error);
    error
}

/// The newest `count` fields of the dynamic table, the newest first.
fn table(decoder: &mut Decoder, count: u8) -> Vec<(String, String)> {
    fields(decoder, &(0..count).map(|nth| 0x80 | (62 + nth)).collect::<Vec<_>>())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn seen(name: &str, value: &str, never_indexed: bool) -> Seen {
    (name.into(), value.into(), never_indexed)
}
