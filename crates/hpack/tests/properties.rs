//! The properties, with inputs from proptest.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_hpack::properties::{NO_LIMITS, Step, fuzz};

use crate::checks;

/// Bytes that often begin a representation, or are one.
fn block() -> impl Strategy<Value = Vec<u8>> {
    let representation = prop_oneof![
        (0x80_u8..0xca).prop_map(|byte| vec![byte]),
        (0_u8..8, vec(any::<u8>(), 0..12)).prop_map(|(kind, value)| literal(kind, b"name", &value)),
        (8_u8..16, vec(0x20_u8..0x7f, 0..40)).prop_map(|(kind, value)| literal(kind, b"", &value)),
        (0x20_u8..0x3f).prop_map(|byte| vec![byte]),
        vec(any::<u8>(), 1..4),
    ];
    vec(representation, 0..12).prop_map(|parts| parts.concat())
}

/// Eight kinds with a new name, and eight with one that has an index. Odd ones claim Huffman's code.
fn literal(kind: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![[0x40, 0x00, 0x10, 0x40][usize::from(kind / 2 % 4)]];
    if kind < 8 {
        block.push(u8::try_from(name.len()).expect("short"));
        block.extend(name);
    } else {
        block[0] |= 1 + kind % 4;
    }
    block.push((kind % 2) << 7 | u8::try_from(value.len()).expect("short"));
    block.extend(value);
    block
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => block().prop_map(Step::Block),
        1 => (0_u32..5000).prop_map(Step::Acknowledge),
    ]
}

proptest! {
    #[test]
    fn decoder_equals_oracle(steps in vec(step(), 0..8)) {
        checks::decoder_equals_oracle(NO_LIMITS, &steps);
    }

    #[test]
    fn within_any_limits(limits in any::<[u8; 4]>(), bytes in vec(any::<u8>(), 0..400)) {
        let mut data = limits.to_vec();
        data.extend(&bytes);
        fuzz::hpack_instructions(&data);
        fuzz::hpack_blocks(&data);
    }

    #[test]
    fn cuts_tell_nothing_else(block in block()) {
        checks::cuts_tell_nothing_else(&block);
    }

    #[test]
    fn fields_round_trip(
        fields in vec((vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..200), any::<bool>()), 0..6),
        bound in proptest::option::of(0_u32..10_000),
    ) {
        let fields: Vec<_> =
            fields.iter().map(|(name, value, never)| (&name[..], &value[..], *never)).collect();
        checks::fields_round_trip(&fields, bound);
    }

    #[test]
    fn fields_of_any_bytes(data in vec(any::<u8>(), 0..300)) {
        fuzz::hpack_fields(&data);
    }
}
