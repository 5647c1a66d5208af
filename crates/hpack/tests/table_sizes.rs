//! Size updates, and the bounds that SETTINGS_HEADER_TABLE_SIZE sets.

use sockeye_hpack::{Decoder, Error, Limits};

use crate::{error, fields, hex, table};

fn decoder(acknowledged: &[u32]) -> Decoder {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    for bytes in acknowledged {
        decoder.table_bytes_acknowledged(*bytes);
    }
    decoder
}

/// [hpack:6.3-bound]
#[test]
fn an_update_stays_within_the_bound() {
    assert_eq!(fields(&mut decoder(&[]), &hex("3fe11f")), [], "4096");
    assert_eq!(error(&mut decoder(&[]), &hex("3fe21f")), Error::TableSizeTooBig, "4097");
    assert_eq!(fields(&mut decoder(&[8192]), &hex("3fe13f")), [], "8192");
    assert_eq!(error(&mut decoder(&[8192]), &hex("3fe23f")), Error::TableSizeTooBig, "8193");
    // A bound that was raised allows more; it does not ask for it.
    assert_eq!(fields(&mut decoder(&[8192]), &hex("82")).len(), 1);
}

/// [hpack:4.2-update-first]
#[test]
fn an_update_comes_before_the_fields() {
    for block in ["82 20", "0001 6100 20", "4001 6100 3fe11f", "20 82 20"] {
        assert_eq!(error(&mut decoder(&[]), &hex(block)), Error::TableSizeMisplaced, "{block}");
    }
}

/// [hpack:4.2-two-updates]
#[test]
fn a_block_has_two_updates() {
    assert_eq!(fields(&mut decoder(&[]), &hex("20 3fe11f 82")).len(), 1);
    assert_eq!(error(&mut decoder(&[]), &hex("20 20 20 82")), Error::TableSizeRepeated);
}

/// [hpack:4.2-update-owed]
#[test]
fn a_lowered_bound_asks_for_an_update() {
    for block in ["82", "", "4001 6100"] {
        assert_eq!(error(&mut decoder(&[4095]), &hex(block)), Error::TableSizeMissing, "{block}");
    }
    assert_eq!(fields(&mut decoder(&[4096]), &hex("82")).len(), 1, "not lowered");
    let mut lowered = decoder(&[100]);
    assert_eq!(fields(&mut lowered, &hex("3f45 82")).len(), 1, "100");
    assert_eq!(fields(&mut lowered, &hex("82")).len(), 1, "owed once");
    assert_eq!(error(&mut lowered, &hex("3f46")), Error::TableSizeTooBig, "101");

    // The encoder has chosen a smaller table by itself: a bound that is not below it asks for nothing.
    let mut small = decoder(&[]);
    assert_eq!(fields(&mut small, &hex("3f45")), []);
    small.table_bytes_acknowledged(100);
    assert_eq!(fields(&mut small, &hex("82")).len(), 1);
    small.table_bytes_acknowledged(99);
    assert_eq!(error(&mut small, &hex("82")), Error::TableSizeMissing);
}

/// [hpack:4.2-lowest]
#[test]
fn the_lowest_bound_of_an_interval_is_told_first() {
    // Down to 100 and up to 8192 again, between two blocks.
    let lowered = [100, 8192];
    assert_eq!(error(&mut decoder(&lowered), &hex("82")), Error::TableSizeMissing);
    assert_eq!(error(&mut decoder(&lowered), &hex("3fe13f")), Error::TableSizeTooBig);
    assert_eq!(error(&mut decoder(&lowered), &hex("3f46 3fe13f")), Error::TableSizeTooBig);
    assert_eq!(fields(&mut decoder(&lowered), &hex("3f45 3fe13f 82")).len(), 1);
    assert_eq!(fields(&mut decoder(&lowered), &hex("20 3fe13f 82")).len(), 1);
    let sunk = [200, 100, 150];
    assert_eq!(error(&mut decoder(&sunk), &hex("3f46")), Error::TableSizeTooBig);
    assert_eq!(fields(&mut decoder(&sunk), &hex("3f45 3f77 82")).len(), 1, "100, then 150");
    assert_eq!(error(&mut decoder(&sunk), &hex("3f45 3f78 82")), Error::TableSizeTooBig, "151");
}

/// A lower bound alone changes nothing: the peer's encoder does, at its next block. [hpack:4.3-evict]
#[test]
fn an_update_evicts() {
    let mut decoder = decoder(&[]);
    // Three entries of 34 bytes each.
    assert_eq!(fields(&mut decoder, &hex("4001 6101 31 4001 6101 32 4001 6101 33")).len(), 3);
    assert_eq!(table(&mut decoder, 3).len(), 3);
    assert_eq!(fields(&mut decoder, &hex("3f25")).len(), 0, "68: two of them");
    assert_eq!(table(&mut decoder, 2).len(), 2);
    assert_eq!(error(&mut decoder, &hex("c0")), Error::IndexOutOfRange);
}

#[test]
fn an_update_to_zero_frees_the_memory() {
    let mut decoder = decoder(&[]);
    assert_eq!(decoder.memory_bytes(), 0);
    assert_eq!(fields(&mut decoder, &hex("4001 6101 62")).len(), 1);
    assert!(decoder.memory_bytes() > 0);
    assert_eq!(fields(&mut decoder, &hex("20")), []);
    assert_eq!(decoder.memory_bytes(), 0);
    // A table without room takes nothing, and that is no error.
    assert_eq!(fields(&mut decoder, &hex("4001 6101 62")).len(), 1);
    assert_eq!(decoder.memory_bytes(), 0);
}
