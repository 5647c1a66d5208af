//! The bytes that the encoder writes.

use std::mem::size_of;

use sockeye_hpack::{Decoder, Encoder, Limits, Prebuilt, write_field, write_never_indexed};

use crate::{checks, hex, seen};

fn written(name: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_field(&mut out, name.as_bytes(), value.as_bytes());
    out
}

#[test]
fn the_static_table_is_used() {
    assert_eq!(written(":method", "GET"), hex("82"));
    assert_eq!(written(":status", "500"), hex("8e"));
    assert_eq!(written("accept-encoding", "gzip, deflate"), hex("90"));
    // A name with another value: an index of 4 bits, or of more.
    assert_eq!(written(":path", "!"), hex("04 01 21"));
    assert_eq!(written("vary", "!"), hex("0f2c 01 21"));
}

/// [hpack:7.1.3-never-indexed]
#[test]
fn credentials_are_never_indexed() {
    assert_eq!(written("authorization", "!"), hex("1f08 01 21"));
    assert_eq!(written("proxy-authorization", "!"), hex("1f22 01 21"));
    assert_eq!(written("cookie", "!"), hex("1f11 01 21"));
    assert_eq!(written("set-cookie", "!"), hex("1f28 01 21"));
    // Also where the static table has the whole field.
    assert_eq!(written("cookie", ""), hex("1f11 00"));
    let mut out = Vec::new();
    write_never_indexed(&mut out, b":method", b"GET");
    write_never_indexed(&mut out, b"k", b"!");
    assert_eq!(out, hex("12 03 474554 10 01 6b 01 21"));
    let (fields, result) = checks::decode(&mut Decoder::new(Limits::DEFAULT), &out);
    assert_eq!(
        (fields, result),
        (vec![seen(":method", "GET", true), seen("k", "!", true)], Ok(()))
    );
}

/// [hpack:names-lower-case]
#[test]
fn names_become_lower_case() {
    assert_eq!(written("Content-Type", "X"), written("content-type", "X"));
    assert_ne!(written("content-type", "X"), written("content-type", "x"));
    // Plain and coded.
    assert_eq!(written("Z!", ""), hex("00 02 7a21 00"));
    assert_eq!(written("AAA", ""), written("aaa", ""));
    assert_eq!(written("COOKIE", "!"), hex("1f11 01 21"));
}

#[test]
fn a_constant_is_what_would_be_written() {
    const BLOCK: Prebuilt<64> = Prebuilt::new()
        .field(":status", "200")
        .field("Content-Type", "text/event-stream")
        .field("x-unknown", "")
        .field("set-cookie", "a=b");
    let mut expected = Vec::new();
    for (name, value) in [
        (":status", "200"),
        ("content-type", "text/event-stream"),
        ("x-unknown", ""),
        ("set-cookie", "a=b"),
    ] {
        write_field(&mut expected, name.as_bytes(), value.as_bytes());
    }
    assert_eq!(BLOCK.as_bytes(), expected);
    assert_eq!(Prebuilt::<0>::default().as_bytes(), b"");
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_constant_has_to_have_room() {
    let _ = Prebuilt::<3>::new().field("vary", "!");
}

/// [hpack:4.2-signal]
#[test]
fn a_peer_that_lowers_its_table_is_answered() {
    let begun = |encoder: &mut Encoder| {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        block
    };
    let mut encoder = Encoder::new();
    assert_eq!(begun(&mut encoder), b"");
    encoder.table_bytes_announced(4096);
    encoder.table_bytes_announced(65_536);
    assert_eq!(begun(&mut encoder), b"", "never below the first bound");
    encoder.table_bytes_announced(4095);
    encoder.table_bytes_announced(65_536);
    assert_eq!(begun(&mut encoder), [0x20], "the lowest of the interval was below it");
    assert_eq!(begun(&mut encoder), b"");
    encoder.table_bytes_announced(0);
    assert_eq!(begun(&mut encoder), b"", "no bound is below 0");
    assert_eq!(size_of::<Encoder>(), 1);
}

/// Both ends agree whatever the bounds are. [hpack:4.2-signal] [hpack:4.2-update-owed]
#[test]
fn our_decoder_takes_our_updates() {
    for bounds in [&[0][..], &[4095], &[65_536], &[10, 4096], &[4096, 10, 20], &[]] {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(Limits::DEFAULT));
        for bytes in bounds {
            encoder.table_bytes_announced(*bytes);
            decoder.table_bytes_acknowledged(*bytes);
        }
        for _ in 0..2 {
            let mut block = Vec::new();
            encoder.begin(&mut block);
            write_field(&mut block, b"a", b"b");
            assert_eq!(checks::decode(&mut decoder, &block).1, Ok(()), "{bounds:?}");
        }
    }
}

/// A long value takes an integer of several bytes.
#[test]
fn long_strings() {
    for len in [126, 127, 128, 254, 255, 16_510, 70_000] {
        let value = b"!".repeat(len);
        checks::fields_round_trip(&[(&value, &value, false)], Some(1));
    }
}
