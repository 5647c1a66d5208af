//! The properties over generated choices: these shrink.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_hub::{Check, Cursor, Epoch, Seq, Start, Token};

use crate::model;

proptest! {
    #[test]
    fn keeps_the_promise(choices in vec(any::<u8>(), 0..800)) {
        model::keeps_the_promise(&choices);
    }

    #[test]
    fn cursors_round_trip(epoch: u64, seq: u64, check: u32, text in "1?[0-9a-zA-Z~.-]{0,30}") {
        check_round_trip(epoch, seq, check, &text);
    }
}

/// Checks that a cursor's text form round-trips, that it is unique, and that no text fails to
/// parse.
fn check_round_trip(epoch: u64, seq: u64, check: u32, text: &str) {
    let cursor = Cursor::new(Epoch(epoch), Seq(seq));
    for (cursor, bytes_max) in [(cursor, 28), (Cursor { check: Check::new(check), ..cursor }, 33)] {
        let written = cursor.to_string();
        assert_eq!(Cursor::parse(&written), Some(cursor));
        assert!(written.len() <= bytes_max, "{written}");
    }
    let token = Token::parse(text);
    if let Start::After(cursor) = token.start {
        let proof = token.proof.map_or_else(String::new, |proof| format!("~{proof}"));
        assert_eq!(format!("{cursor}{proof}"), text, "one spelling");
    }
}
