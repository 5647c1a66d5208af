//! Properties of every input, shared by the tests, the fuzz targets and corpus replays.
//!
//! Each function panics where its property does not hold. The oracle is written for plainness: a bit at
//! a time, everything allocated, nothing shared with the real code but the tables of the RFC.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    reason = "an oracle should read plainly, and a panic is its way to speak"
)]

pub mod fuzz;
mod oracle;

use alloc::vec::Vec;

pub use oracle::Oracle;

use crate::{Decoder, Encoder, Error, ErrorKind, Field, Limits, write_field, write_never_indexed};

/// A decoded field: name, value, whether it is never indexed.
pub type Seen = (Vec<u8>, Vec<u8>, bool);

/// A call to a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A block arrives.
    Block(Vec<u8>),
    /// The peer acknowledges a SETTINGS_HEADER_TABLE_SIZE.
    Acknowledge(u32),
}

/// Limits that no block of a test reaches.
pub const NO_LIMITS: Limits = Limits {
    block_bytes_max: usize::MAX,
    fields_max: usize::MAX,
    list_bytes_max: usize::MAX,
    decoded_bytes_max: usize::MAX,
};

/// Decodes a block, and collects what it visits.
pub fn decode(decoder: &mut Decoder, block: &[u8]) -> (Vec<Seen>, Result<(), Error>) {
    let (mut scratch, mut seen) = (b"of a block before".to_vec(), Vec::new());
    let result = decoder.decode(block, &mut scratch, |field| seen.push(own(&field)));
    (seen, result)
}

fn own(field: &Field<'_>) -> Seen {
    (field.name.to_vec(), field.value.to_vec(), field.never_indexed)
}

/// The decoder sees and says what the oracle does, within its bounds of memory and count.
pub fn decoder_equals_oracle(limits: Limits, steps: &[Step]) {
    let mut decoder = Decoder::new(limits);
    let mut oracle = Oracle::new(limits);
    let mut scratch = Vec::new();
    let (mut block_len_max, mut table_bytes_max) = (0, 4096);
    for step in steps {
        match step {
            Step::Acknowledge(bytes) => {
                decoder.table_bytes_acknowledged(*bytes);
                oracle.acknowledge(*bytes as usize);
                table_bytes_max = table_bytes_max.max(*bytes as usize);
            }
            Step::Block(block) => {
                let mut seen = Vec::new();
                let result = decoder.decode(block, &mut scratch, |field| seen.push(own(&field)));
                assert_eq!((&seen, result), (&oracle.seen(block), oracle.result()), "{block:02x?}");
                within_limits(&limits, &seen);
                block_len_max = block_len_max.max(block.len());
            }
        }
        // [hpack:memory-table]
        assert!(decoder.memory_bytes() <= table_bytes_max * 11 / 8, "of the table");
    }
    let scratch_max = 2 * (block_len_max * 8 / 5 + table_bytes_max);
    assert!(scratch.capacity() <= scratch_max.max(8), "a vector doubles at most");
}

fn within_limits(limits: &Limits, seen: &[Seen]) {
    let bytes: usize = seen.iter().map(|(name, value, _)| name.len() + value.len() + 32).sum();
    assert!(seen.len() <= limits.fields_max && bytes <= limits.list_bytes_max, "over the limits");
}

/// A block that is cut short is truncated or, between two fields, a shorter block; nothing else. Of two
/// blocks, one behind the other gives the same as both in one.
pub fn cuts_tell_nothing_else(block: &[u8]) {
    let (whole, result) = decode(&mut Decoder::new(NO_LIMITS), block);
    if result.is_err() {
        return;
    }
    for len in 0..block.len() {
        let (first, rest) = block.split_at(len);
        let mut decoder = Decoder::new(NO_LIMITS);
        let (mut seen, result) = decode(&mut decoder, first);
        assert!(whole.starts_with(&seen), "cut at {len} of {block:02x?}");
        match result {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, Error::Truncated, "cut at {len} of {block:02x?}");
                continue;
            }
        }
        let (others, result) = decode(&mut decoder, rest);
        // At most two size updates begin the whole block, so each of its parts may have one.
        assert_eq!(result, Ok(()), "behind {len} of {block:02x?}");
        seen.extend(others);
        assert_eq!(seen, whole, "cut at {len} of {block:02x?}");
    }
}

/// A caller's field: name, value, and whether to write it never indexed.
pub type Written<'a> = (&'a [u8], &'a [u8], bool);

/// Written fields are read again, names in lower case; credentials are never indexed; the decoder's
/// table stays empty.
pub fn fields_round_trip(fields: &[Written<'_>], table_bytes: Option<u32>) {
    let (mut encoder, mut block) = (Encoder::new(), Vec::new());
    let mut decoder = Decoder::new(NO_LIMITS);
    if let Some(bytes) = table_bytes {
        encoder.table_bytes_announced(bytes);
        decoder.table_bytes_acknowledged(bytes);
    }
    encoder.begin(&mut block);
    let (mut expected, mut plain_len) = (Vec::new(), block.len());
    for (name, value, never_indexed) in fields {
        if *never_indexed {
            write_never_indexed(&mut block, name, value);
        } else {
            write_field(&mut block, name, value);
        }
        let name = name.to_ascii_lowercase();
        let is_credential =
            [&b"authorization"[..], b"proxy-authorization", b"cookie", b"set-cookie"]
                .contains(&&name[..]);
        plain_len += name.len() + value.len() + 3 * 6;
        expected.push((name, value.to_vec(), *never_indexed || is_credential));
    }
    let (seen, result) = decode(&mut decoder, &block);
    assert_eq!((seen, result), (expected, Ok(())));
    assert!(block.len() <= plain_len, "a string is never longer than it is");
    assert_eq!(decoder.memory_bytes(), 0, "nothing was indexed");
}

/// After an error that only concerns a message, and after no other, the decoder goes on.
pub fn errors_last(decoder: &mut Decoder, error: Error) {
    let expected = match error.kind() {
        ErrorKind::Message => Ok(()),
        ErrorKind::Compression | ErrorKind::Excess => Err(error),
    };
    assert_eq!(decode(decoder, b"").1, expected);
}
