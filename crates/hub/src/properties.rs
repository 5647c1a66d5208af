//! The hub against a model that never forgets anything, for proptest, fuzz targets and seeds alike.
//!
//! The model keeps the whole log and, for each client, what it asked for, what it got and what it
//! was told. It knows the hub's promise, not the hub's rules: where it has to know what is still in
//! history, it looks. Every function panics on a violation.
#![allow(clippy::cast_possible_truncation)]

mod choices;
mod client;
mod oracle;
mod sessions;
mod setup;
mod world;

pub use setup::Totals;

use choices::Choices;
use world::World;

/// Plays the game that these bytes choose, to the end.
pub fn keeps_the_promise(choices: &[u8]) -> Totals {
    World::new(Choices::new(choices)).play()
}

/// The same, with choices from a seed.
pub fn keeps_the_promise_by_seed(seed: u64) -> Totals {
    keeps_the_promise(&choices::from_seed(seed))
}

/// A cursor's text is read as what was written, in one spelling only, and no text makes it fail.
pub fn cursors_round_trip(epoch: u64, seq: u64, text: &str) {
    use crate::{Cursor, Epoch, Seq, Start, Token};
    let cursor = Cursor { epoch: Epoch(epoch), seq: Seq(seq) };
    let written = cursor.to_string();
    assert_eq!(Cursor::parse(&written), Some(cursor));
    assert!(written.len() <= 28, "{written}");
    let token = Token::parse(text);
    if let Start::After(cursor) = token.start {
        let proof = token.proof.map_or_else(String::new, |proof| format!("~{proof}"));
        assert_eq!(format!("{cursor}{proof}"), text, "one spelling");
    }
}
