//! The dynamic table at its bound.

use sockeye_hpack::{Decoder, Error, Limits};

use crate::{error, fields, hex, pairs, table};

/// A literal with indexing: a name of one letter, a value of `len` times another.
fn literal(name: u8, value: u8, len: usize) -> Vec<u8> {
    let mut block = vec![0x40, 1, name];
    assert!(len < 127, "one byte of length");
    block.push(u8::try_from(len).expect("checked"));
    block.extend(vec![value; len]);
    block
}

/// A decoder whose table has room for `size` bytes.
fn sized(size: u8) -> Decoder {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    assert!((31..158).contains(&size), "two bytes of a size update");
    assert_eq!(fields(&mut decoder, &[0x3f, size - 31]), []);
    decoder
}

/// [hpack:4.4-evict] [hpack:4.1-size]
#[test]
fn the_oldest_goes_when_the_size_is_passed() {
    let mut decoder = sized(76);
    // 38 bytes each: two fill the table to the last byte.
    for (name, value) in [(b'a', b'1'), (b'b', b'2')] {
        assert_eq!(fields(&mut decoder, &literal(name, value, 5)).len(), 1);
    }
    assert_eq!(table(&mut decoder, 2), pairs(&[("b", "22222"), ("a", "11111")]));
    // One byte more than the first leaves: both go.
    assert_eq!(fields(&mut decoder, &literal(b'c', b'3', 6)).len(), 1);
    assert_eq!(table(&mut decoder, 1), pairs(&[("c", "333333")]));
    assert_eq!(error(&mut decoder, &hex("bf")), Error::IndexOutOfRange);
}

/// [hpack:4.4-too-large]
#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = sized(76);
    assert_eq!(fields(&mut decoder, &literal(b'a', b'1', 5)).len(), 1);
    // 77 bytes; the field itself is decoded.
    assert_eq!(fields(&mut decoder, &literal(b'b', b'2', 44)), pairs(&[("b", &"2".repeat(44))]));
    assert_eq!(fields(&mut decoder, &literal(b'd', b'4', 0)).len(), 1);
    assert_eq!(table(&mut decoder, 1), pairs(&[("d", "")]));
    let mut emptied = sized(76);
    assert_eq!(
        fields(&mut emptied, &[literal(b'a', b'1', 5), literal(b'b', b'2', 44)].concat()).len(),
        2
    );
    assert_eq!(error(&mut emptied, &hex("be")), Error::IndexOutOfRange);
    assert_eq!(fields(&mut decoder, &literal(b'c', b'3', 43)).len(), 1, "76 fit");
    assert_eq!(table(&mut decoder, 1), pairs(&[("c", &"3".repeat(43))]));
    assert_eq!(error(&mut decoder, &hex("bf")), Error::IndexOutOfRange);
}

/// [hpack:4.4-name-survives]
#[test]
fn a_name_outlives_the_entry_that_it_is_taken_from() {
    let mut decoder = sized(76);
    assert_eq!(fields(&mut decoder, &literal(b'n', b'1', 43)).len(), 1);
    // The name of entry 62, with a value that evicts it.
    let mut block = vec![0x40 | 62, 40];
    block.extend([b'2'; 40]);
    assert_eq!(fields(&mut decoder, &block), pairs(&[("n", &"2".repeat(40))]));
    assert_eq!(table(&mut decoder, 1), pairs(&[("n", &"2".repeat(40))]));
}

/// Fields lie over the end of the ring in every way while thousands go through it.
#[test]
fn entries_wrap_around() {
    let mut decoder = sized(157);
    let mut expected: Vec<(String, String)> = Vec::new();
    for round in 0..2000_u32 {
        let letter = b'a' + u8::try_from(round % 26).expect("a letter");
        let len = usize::try_from(round * 7 % 31).expect("small");
        assert_eq!(fields(&mut decoder, &literal(letter, letter, len)).len(), 1);
        let letter = char::from(letter).to_string();
        expected.insert(0, (letter.clone(), letter.repeat(len)));
        let size = |fields: &[(String, String)]| -> usize {
            fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
        };
        while size(&expected) > 157 {
            expected.pop();
        }
        let count = u8::try_from(expected.len()).expect("four at most");
        assert_eq!(table(&mut decoder, count), expected);
        assert!(decoder.memory_bytes() <= 157 * 11 / 8, "{}", decoder.memory_bytes());
    }
}
