//! Encodes fields without a dynamic table: what they encode to depends on no connection.

use alloc::vec::Vec;

use crate::huffman;
use crate::static_table::{self, Found};

/// The most bytes of a representation beside name and value: its first integer and two lengths, of at
/// most 64 bits each.
const OVERHEAD_MAX: usize = 3 * 11;

/// How a field is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// As short as it gets, but for the names of credentials, which are never indexed.
    Usual,
    /// Never indexed.
    NeverIndexed,
}

/// Appends a field to a block.
///
/// It is an index if the static table has the whole field, and a literal without indexing if not. A
/// string is Huffman-coded where that is shorter. The fields `authorization`, `proxy-authorization`,
/// `cookie` and `set-cookie` are never indexed (§7.1.3).
///
/// Upper case in a name becomes lower case, as HTTP/2 asks (RFC 9113 §8.2.1). Nothing else is checked:
/// which names and values are valid is the caller's to know.
///
/// Call [`Encoder::begin`](crate::Encoder::begin) before the first field of a block.
pub fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    append(out, name, value, Form::Usual);
}

/// Appends a field that no recipient may put into a dynamic table, whatever its name is.
pub fn write_never_indexed(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    append(out, name, value, Form::NeverIndexed);
}

#[expect(clippy::indexing_slicing, reason = "the vector has just grown beyond its old length")]
#[expect(clippy::arithmetic_side_effects, reason = "lengths of what is in memory")]
fn append(out: &mut Vec<u8>, name: &[u8], value: &[u8], form: Form) {
    let start = out.len();
    out.resize(start + name.len() + value.len() + OVERHEAD_MAX, 0);
    let len = put_field(&mut out[start..], 0, name, value, form);
    out.truncate(start + len);
}

/// Writes a field from `at` on, and returns its end.
pub(crate) const fn put_field(
    out: &mut [u8],
    at: usize,
    name: &[u8],
    value: &[u8],
    form: Form,
) -> usize {
    let found = static_table::find(name, value);
    // [hpack:7.1.3-never-indexed] RFC 7541 §7.1.3: a value that is worth guessing is protected.
    let first = match form {
        Form::NeverIndexed => 0x10,
        Form::Usual if is_credential(found) => 0x10,
        Form::Usual => match found {
            Found::Field(index) => return put_integer(out, at, 0x80, 7, index as usize),
            Found::Name(_) | Found::Nothing => 0x00,
        },
    };
    let at = match found {
        Found::Field(index) | Found::Name(index) => put_integer(out, at, first, 4, index as usize),
        Found::Nothing => {
            // [hpack:names-lower-case] RFC 9113 §8.2.1: upper case makes a message malformed.
            let at = put_integer(out, at, first, 4, 0);
            put_string(out, at, name, true)
        }
    };
    put_string(out, at, value, false)
}

/// Whether the static table's name is `authorization`, `cookie`, `proxy-authorization` or `set-cookie`.
const fn is_credential(found: Found) -> bool {
    match found {
        Found::Field(index) | Found::Name(index) => matches!(index, 23 | 32 | 49 | 55),
        Found::Nothing => false,
    }
}

/// Writes an integer, whose prefix is the low `bits` of a byte with the high bits of `first` (§5.1).
#[expect(clippy::indexing_slicing, reason = "the caller brings room for OVERHEAD_MAX")]
#[expect(clippy::arithmetic_side_effects, reason = "bits is below 8, value at least the mask")]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
pub(crate) const fn put_integer(
    out: &mut [u8],
    mut at: usize,
    first: u8,
    bits: u32,
    mut value: usize,
) -> usize {
    let mask = (1 << bits) - 1;
    if value < mask {
        out[at] = first | value as u8;
        return at + 1;
    }
    out[at] = first | mask as u8;
    value -= mask;
    at += 1;
    while value >= 0x80 {
        out[at] = 0x80 | (value & 0x7f) as u8;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

/// Writes a string, Huffman-coded if that is shorter (§5.2).
#[expect(clippy::indexing_slicing, reason = "the caller brings room for the string")]
#[expect(clippy::arithmetic_side_effects, reason = "counts up to a length")]
const fn put_string(out: &mut [u8], at: usize, text: &[u8], lower_case: bool) -> usize {
    // [hpack:5.2-shorter] RFC 7541 §5.2: either form is allowed, the longer one never helps.
    let len = huffman::encoded_len(text, lower_case);
    if len < text.len() {
        let at = put_integer(out, at, 0x80, 7, len);
        return huffman::encode(text, lower_case, out, at);
    }
    let at = put_integer(out, at, 0, 7, text.len());
    let mut read = 0;
    while read < text.len() {
        out[at + read] = if lower_case { text[read].to_ascii_lowercase() } else { text[read] };
        read += 1;
    }
    at + read
}
