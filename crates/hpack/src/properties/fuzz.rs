//! The properties as fuzz targets: bytes read as the arguments of each.

use alloc::vec::Vec;

use super::fields_round_trip;
use super::{NO_LIMITS, Step, Written, cuts_tell_nothing_else, decoder_equals_oracle};
use crate::Limits;

/// A name, which is also that of a corpus, and what is done to its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets for this crate.
pub const TARGETS: &[Target] = &[
    ("hpack_blocks", hpack_blocks),
    ("hpack_instructions", hpack_instructions),
    ("hpack_fields", hpack_fields),
];

/// The limits: block, fields, list, decoded bytes. Then blocks behind their length; the length 255 is
/// an acknowledged bound of the table in two bytes, and 254 makes the rest one block.
pub fn hpack_blocks(data: &[u8]) {
    let Some((limits, mut rest)) = data.split_first_chunk::<4>() else { return };
    let limits = limits_of(*limits);
    let mut steps = Vec::new();
    while let Some(len) = rest.split_off_first() {
        let step = match len {
            255 => match rest.split_off(..2) {
                Some(bytes) => Step::Acknowledge(u32::from(bytes[0]) << 8 | u32::from(bytes[1])),
                None => return,
            },
            254 => Step::Block(core::mem::take(&mut rest).to_vec()),
            len => {
                let len = usize::from(*len).min(rest.len());
                Step::Block(rest.split_off(..len).unwrap().to_vec())
            }
        };
        steps.push(step);
    }
    decoder_equals_oracle(limits, &steps);
    decoder_equals_oracle(NO_LIMITS, &steps);
    for step in &steps {
        if let Step::Block(block) = step {
            cuts_tell_nothing_else(block.get(..64).unwrap_or(block));
        }
    }
}

/// Zero is no limit.
fn limits_of([block, fields, list, decoded]: [u8; 4]) -> Limits {
    let times = |byte: u8, unit| match usize::from(byte) {
        0 => usize::MAX,
        count => count * unit,
    };
    Limits {
        block_bytes_max: times(block, 16),
        fields_max: times(fields, 1),
        list_bytes_max: times(list, 64),
        decoded_bytes_max: times(decoded, 256),
    }
}

/// The limits, and two bytes an instruction: valid blocks that work the dynamic table hard.
pub fn hpack_instructions(data: &[u8]) {
    let Some((limits, rest)) = data.split_first_chunk::<4>() else { return };
    let (mut steps, mut block) = (Vec::new(), Vec::new());
    for pair in rest.chunks_exact(2) {
        let (op, argument) = (pair[0], pair[1]);
        match op {
            // One of the dynamic table's entries, mostly; then one of the static table's.
            0..60 => put_integer(&mut block, 0x80, 7, 62 + usize::from(op % 16)),
            60..80 => put_integer(&mut block, 0x80, 7, 1 + usize::from(argument % 61)),
            80..140 => put_literal(&mut block, 0x40, 6, 0, argument),
            140..180 => put_literal(&mut block, 0x40, 6, 60 + usize::from(op % 16), argument),
            180..200 => put_literal(&mut block, 0x00, 4, 58 + usize::from(op % 8), argument),
            200..220 => put_literal(&mut block, 0x10, 4, 58 + usize::from(op % 8), argument),
            220..230 => put_integer(&mut block, 0x20, 5, usize::from(argument) * 16),
            230..240 => {
                steps.push(Step::Block(core::mem::take(&mut block)));
                steps.push(Step::Acknowledge(u32::from(argument) * 16));
                put_integer(&mut block, 0x20, 5, usize::from(argument) * 16);
            }
            240.. => steps.push(Step::Block(core::mem::take(&mut block))),
        }
    }
    steps.push(Step::Block(block));
    decoder_equals_oracle(limits_of(*limits), &steps);
    decoder_equals_oracle(NO_LIMITS, &steps);
}

/// A literal whose strings have lengths from `argument`, the name by its index unless that is 0.
fn put_literal(block: &mut Vec<u8>, first: u8, bits: u32, index: usize, argument: u8) {
    put_integer(block, first, bits, index);
    if index == 0 {
        put_integer(block, 0, 7, usize::from(argument % 8));
        block.extend((0..argument % 8).map(|nth| b'a' + (argument ^ nth) % 26));
    }
    if argument & 0x80 == 0 {
        // "www" in Huffman's code, as often as it fits: three sevens of bits and three of padding.
        put_integer(block, 0x80, 7, 3);
        block.extend([0xf1, 0xe3, 0xc7]);
    } else {
        let len = usize::from(argument % 64) * 8;
        put_integer(block, 0, 7, len);
        block.extend((0..len).map(|nth| b'A' + (nth % 26) as u8));
    }
}

fn put_integer(block: &mut Vec<u8>, first: u8, bits: u32, mut value: usize) {
    let mask = (1 << bits) - 1;
    if value < mask {
        return block.push(first | value as u8);
    }
    block.push(first | mask as u8);
    value -= mask;
    while value > 127 {
        block.push(value as u8 | 0x80);
        value /= 128;
    }
    block.push(value as u8);
}

/// Whether the peer says a bound, and which; then fields: flags, length of name and value, both.
pub fn hpack_fields(data: &[u8]) {
    let Some(([says, high, low], mut rest)) = data.split_first_chunk::<3>() else { return };
    let bound = u32::from(*high) << 8 | u32::from(*low);
    let mut fields: Vec<Written<'_>> = Vec::new();
    while let Some([flags, name_len, value_len]) = rest.split_off(..3) {
        let Some(mut name) = rest.split_off(..usize::from(*name_len).min(rest.len())) else {
            return;
        };
        // Half of the names are of the static table.
        if flags & 2 != 0
            && let Some((known, _)) = crate::static_table::entry(1 + usize::from(*flags) / 4)
        {
            name = known;
        }
        let len = usize::from(*value_len).min(rest.len());
        let Some(value) = rest.split_off(..len) else { return };
        fields.push((name, value, flags & 1 != 0));
    }
    fields_round_trip(&fields, (says & 1 != 0).then_some(bound));
}
