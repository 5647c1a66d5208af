//! Each way in which a block is malformed, and that the decoder stays failed after it.

use sockeye_hpack::{Decoder, Error, ErrorKind, Limits};

use crate::{checks, error, fields, hex, pairs};

#[track_caller]
fn assert_error(block: &str, expected: Error) {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    assert_eq!(error(&mut decoder, &hex(block)), expected, "{block}");
    assert_eq!(expected.kind(), ErrorKind::Compression);
}

/// [hpack:6.1-index-zero]
#[test]
fn index_zero() {
    assert_error("80", Error::IndexZero);
}

/// [hpack:2.3.3-range]
#[test]
fn index_beyond_the_tables() {
    // The first free index, as a field and as each kind of name; one far away.
    for block in ["be", "7e 00", "0f2f 00", "1f2f 00", "ff80808008"] {
        assert_error(block, Error::IndexOutOfRange);
    }
    let mut decoder = Decoder::new(Limits::DEFAULT);
    // One entry: 62 is inside, 63 is not.
    assert_eq!(fields(&mut decoder, &hex("4001 6101 62 be")).len(), 2);
    assert_eq!(error(&mut decoder, &hex("bf")), Error::IndexOutOfRange);
}

/// [hpack:5.1-value] [hpack:5.1-length]
#[test]
fn integers_are_bounded() {
    // The greatest value is an index out of range; one more is too big; so is any longer encoding, also
    // of a small value.
    assert_error("ff80ffffff0f", Error::IndexOutOfRange);
    assert_error("ff81ffffff0f", Error::IntegerTooBig);
    assert_error("ffffffffff7f", Error::IntegerTooBig);
    assert_error("ff8080808080", Error::IntegerTooBig);
    assert_error("ff808080808000", Error::IntegerTooBig);
    assert_error("ffffffffffffffffffffff01", Error::IntegerTooBig);
    // Five bytes with leading zeros are a longer encoding of 127, which is out of range.
    assert_error("ff8080808000", Error::IndexOutOfRange);
    // The length of a string, a name's index and a size update are integers, too.
    assert_error("00 ffffffffff7f", Error::IntegerTooBig);
    assert_error("0fffffffff7f", Error::IntegerTooBig);
    assert_error("7fffffffff7f", Error::IntegerTooBig);
    assert_error("3fffffffff7f", Error::IntegerTooBig);
    let mut decoder = Decoder::new(Limits::DEFAULT);
    // 31 + 0, which a size update may say so.
    assert_eq!(fields(&mut decoder, &hex("3f8080808000")), []);
}

/// [hpack:5.1-truncated] [hpack:5.2-string-length]
#[test]
fn truncated_blocks() {
    for block in [
        "ff",
        "ff80",
        "ff80808080",
        "3f",
        "40",
        "00",
        "10",
        "0f",
        "41",
        "4001",
        "400161",
        "40016101",
        "00 01 61 7f",
        "00 01 61 ff",
        "00 7f",
        "00 7f e107",
        "00 ff ffffff0f",
        "82 00",
    ] {
        assert_error(block, Error::Truncated);
    }
}

/// A length far beyond the block reserves nothing. [hpack:5.2-string-length]
#[test]
fn a_declared_length_reserves_nothing() {
    for block in ["00 ff80ffffff0f", "40 7f80ffffff0f", "40 01 61 ff80ffffff0f"] {
        let (mut decoder, mut scratch) = (Decoder::new(Limits::DEFAULT), Vec::new());
        let result = decoder.decode(&hex(block), &mut scratch, |_| {});
        assert_eq!(result, Err(Error::Truncated));
        assert_eq!((scratch.capacity(), decoder.memory_bytes()), (0, 0));
    }
}

/// Fields before the error are visited, and no block after it.
#[test]
fn an_error_lasts() {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    let (seen, result) = checks::decode(&mut decoder, &hex("82 80 84"));
    assert_eq!((seen.len(), result), (1, Err(Error::IndexZero)));
    let (seen, result) = checks::decode(&mut decoder, &hex("82"));
    assert_eq!((seen.len(), result), (0, Err(Error::IndexZero)));
}

/// [hpack:2.1-order] [hpack:2.3.2-duplicates]
#[test]
fn order_and_duplicates_are_kept() {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    // The same field inserted twice, with another one between them.
    let block = hex("4001 6101 62 82 4001 6101 62 be bf");
    let ab = ("a", "b");
    let expected = pairs(&[ab, (":method", "GET"), ab, ab, ab]);
    assert_eq!(fields(&mut decoder, &block), expected);
}

/// Peers may log an error, a decoder and a field: no values are in them.
#[test]
fn debug_shows_no_values() {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    let mut shown = String::new();
    let block = hex("4006 7365 6372 6574 06 737761 6c6c6f");
    let result = decoder.decode(&block, &mut Vec::new(), |field| shown = format!("{field:?}"));
    assert_eq!(result, Ok(()));
    shown.push_str(&format!("{decoder:?}"));
    assert!(shown.contains("secret") && !shown.contains("swallo"), "{shown}");
}
