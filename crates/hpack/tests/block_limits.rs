//! The bounds on the cost of a block, and the errors above them.

use std::mem::size_of;

use sockeye_hpack::{Decoder, Error, ErrorKind, Limits};

use crate::{checks, error, fields, hex, table};

const SMALL: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.block_bytes_max = 100;
    limits.fields_max = 4;
    limits.list_bytes_max = 200;
    limits.decoded_bytes_max = 1000;
    limits
};

/// [hpack:limit-block]
#[test]
fn a_longer_block_is_not_read() {
    let mut decoder = Decoder::new({
        let mut limits = SMALL;
        limits.fields_max = 200;
        limits.list_bytes_max = 5000;
        limits.decoded_bytes_max = 5000;
        limits
    });
    assert_eq!(fields(&mut decoder, &[0x82; 100]).len(), 100);
    let (seen, result) = checks::decode(&mut decoder, &[0x82; 101]);
    assert_eq!((seen.len(), result), (0, Err(Error::BlockTooLong)));
    assert_eq!(Error::BlockTooLong.kind(), ErrorKind::Excess);
    checks::errors_last(&mut decoder, Error::BlockTooLong);
}

/// [hpack:limit-fields] Empty names and values count, and each crumb of a cookie.
#[test]
fn fields_are_counted() {
    for field in ["82", "0000 00", "0f11 00", "4000 00"] {
        let mut decoder = Decoder::new(SMALL);
        let block = hex(field);
        assert_eq!(fields(&mut decoder, &block.repeat(4)).len(), 4);
        let (seen, result) = checks::decode(&mut decoder, &block.repeat(5));
        assert_eq!((seen.len(), result), (4, Err(Error::TooManyFields)), "{field}");
    }
}

/// [hpack:limit-list] Decoded bytes count, not those on the wire.
#[test]
fn decoded_bytes_are_counted() {
    // 200 bytes: a field of 168 and its 32. "0" has five bits.
    let exact = hex(&format!("00 00 e9 {}", "00".repeat(105)));
    let mut limits = SMALL;
    limits.block_bytes_max = 200;
    let mut decoder = Decoder::new(limits);
    assert_eq!(fields(&mut decoder, &exact)[0].1.len(), 168);
    let over = hex(&format!("00 01 61 e9 {}", "00".repeat(105)));
    let (seen, result) = checks::decode(&mut decoder, &over);
    assert_eq!((seen.len(), result), (0, Err(Error::ListTooLong)));

    // References of one byte to an entry of 50 + 32.
    let mut decoder = Decoder::new(SMALL);
    let entry = [&hex("4000 32")[..], &[b'x'; 50]].concat();
    assert_eq!(fields(&mut decoder, &entry).len(), 1);
    let (seen, result) = checks::decode(&mut decoder, &hex("be be be"));
    assert_eq!((seen.len(), result), (2, Err(Error::ListTooLong)));
}

/// [hpack:limit-table-kept] The fields behind the limit enter the table as they would have.
#[test]
fn a_refused_message_leaves_the_table_right() {
    for over in [Error::TooManyFields, Error::ListTooLong] {
        let limits = match over {
            Error::TooManyFields => {
                let mut limits = SMALL;
                limits.fields_max = 1;
                limits
            }
            _ => {
                let mut limits = SMALL;
                limits.list_bytes_max = 70;
                limits
            }
        };
        let mut decoder = Decoder::new(limits);
        let (seen, result) =
            checks::decode(&mut decoder, &hex("82 4001 6101 62 7e 01 63 be 82 4001 6481 1f"));
        assert_eq!((seen.len(), result), (1, Err(over)));
        assert_eq!(over.kind(), ErrorKind::Message);
        for (index, expected) in [("be", ("d", "a")), ("bf", ("a", "c")), ("c0", ("a", "b"))] {
            let (name, value) = expected;
            assert_eq!(fields(&mut decoder, &hex(index)), [(name.to_owned(), value.to_owned())]);
        }
    }
}

/// An error of the compression behind the limit still ends the connection.
#[test]
fn a_refused_message_is_still_checked() {
    for (rest, expected) in [
        ("80", Error::IndexZero),
        ("be", Error::IndexOutOfRange),
        ("00 00 81 00", Error::HuffmanPadding),
        ("00 00 05", Error::Truncated),
        ("20", Error::TableSizeMisplaced),
    ] {
        let mut decoder = Decoder::new({
            let mut limits = SMALL;
            limits.fields_max = 0;
            limits
        });
        assert_eq!(error(&mut decoder, &hex(&format!("82 {rest}"))), expected, "{rest}");
    }
}

/// [hpack:limit-decoded]
#[test]
fn a_bomb_of_references_stops() {
    // An entry of 4096 bytes, and a byte for each further 4 KiB.
    let mut decoder = Decoder::new(Limits::DEFAULT);
    let entry = [&hex("4000 7f e11e")[..], &vec![b'x'; 4064]].concat();
    assert_eq!(fields(&mut decoder, &entry).len(), 1);
    assert_eq!(table(&mut decoder, 1)[0].1.len(), 4064);
    let mut visited = 0;
    let result = decoder.decode(&vec![0xbe; 32 * 1024], &mut Vec::new(), |_| visited += 1);
    assert_eq!((visited, result), (4, Err(Error::DecodedTooLong)), "16 KiB of 256 KiB");
    assert_eq!(Error::DecodedTooLong.kind(), ErrorKind::Excess);
    checks::errors_last(&mut decoder, Error::DecodedTooLong);

    // Names of 4 KiB that are taken from the table and inserted again, at two bytes each.
    let mut decoder = Decoder::new(Limits::DEFAULT);
    let entry = [&hex("40 7f e11e")[..], &vec![b'x'; 4064], &[0]].concat();
    assert_eq!(fields(&mut decoder, &entry).len(), 1);
    let mut scratch = Vec::new();
    let result = decoder.decode(&[0x7e, 0].repeat(16 * 1024), &mut scratch, |_| {});
    assert_eq!(result, Err(Error::DecodedTooLong));
    assert!(scratch.capacity() <= 8192 && decoder.memory_bytes() <= 4096 * 11 / 8);

    // The static table alone: 42 bytes for each one.
    let mut decoder = Decoder::new(Limits::DEFAULT);
    let result = decoder.decode(&vec![0x82; 32 * 1024], &mut Vec::new(), |_| {});
    assert_eq!(result, Err(Error::DecodedTooLong));
}

/// [hpack:memory-table] The README has these numbers.
#[test]
fn memory() {
    assert_eq!(size_of::<Decoder>(), 152);
    let mut decoder = Decoder::new(Limits::DEFAULT);
    assert_eq!(decoder.memory_bytes(), 0);
    // Empty fields need the most entries: 128 of them.
    for _ in 0..10 {
        let _ = checks::decode(&mut decoder, &hex("4000 00").repeat(100));
    }
    assert_eq!(decoder.memory_bytes(), 128 * 12);
    // And long ones the most bytes.
    for (len, digits) in
        [(4064, "7fe11e"), (1, "01"), (4064, "7fe11e"), (2000, "7fd10e"), (0, "00")]
    {
        let block = [hex("40 00"), hex(digits), vec![b'!'; len]].concat();
        assert_eq!(fields(&mut decoder, &block)[0].1.len(), len);
    }
    assert_eq!(decoder.memory_bytes(), 128 * 12 + 4064);

    // Room that doubles stops at the bound: 2,100 bytes twice would be more.
    let mut decoder = Decoder::new(Limits::DEFAULT);
    for (len, digits) in [(2100, "7fb50f"), (1900, "7fed0d")] {
        let block = [hex("40 00"), hex(digits), vec![b'!'; len]].concat();
        assert_eq!(fields(&mut decoder, &block)[0].1.len(), len);
    }
    assert_eq!(decoder.memory_bytes(), 2 * 12 + 4064);
}
