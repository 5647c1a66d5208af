//! Every input.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use sockeye_redis::properties::{self as checks, fuzz};

use crate::replay::replay;

/// A reply.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        "[a-zé \r]{0,9}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
        "[A-Z]{2,9} [a-z ]{0,20}".prop_map(|text| format!("-{text}\r\n").into_bytes()),
        any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        Just(b"$-1\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
        vec(any::<u8>(), 0..40).prop_map(|bytes| {
            [format!("${}\r\n", bytes.len()).into_bytes(), bytes, b"\r\n".to_vec()].concat()
        }),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        vec(inner, 0..6).prop_map(|elements| {
            [format!("*{}\r\n", elements.len()).into_bytes(), elements.concat()].concat()
        })
    })
}

/// A reply with some of its bytes changed, and bytes behind it.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\r\n$*+-:0129".to_vec())];
    let changes = vec((any::<Index>(), byte), 0..3);
    (reply(), changes, vec(any::<u8>(), 0..9)).prop_map(|(mut bytes, changes, behind)| {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(behind);
        bytes
    })
}

proptest! {
    #[test]
    fn replies_equal_the_oracle(input in nearly(), cuts in vec(any::<u8>(), 0..4)) {
        checks::replies_equal_oracle(&input, &cuts);
    }

    #[test]
    fn replies_stay_within_their_bound(
        input in nearly(),
        cuts in vec(any::<u8>(), 0..4),
        bytes_max in 0_usize..200,
    ) {
        checks::replies_stay_within(&input, &cuts, bytes_max);
    }

    #[test]
    fn commands_are_read_back(words in vec(vec(any::<u8>(), 0..200), 1..9)) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        checks::commands_round_trip(&words);
    }
}

#[test]
fn the_corpora() {
    replay(fuzz::TARGETS);
}
