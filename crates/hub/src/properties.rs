//! The hub against a model that forgets nothing, for proptest, fuzz targets and seeds.
//!
//! The model keeps the whole log and, for each client, its subscriptions, deliveries and declared
//! gaps. It knows the hub's promise, not its rules: it looks into the hub's history where it needs
//! to know what is still there. Every function panics on a violation.
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

/// Plays the game that these bytes choose.
pub fn keeps_the_promise(choices: &[u8]) -> Totals {
    World::new(Choices::new(choices)).play()
}

/// Plays the game that a seed chooses.
pub fn keeps_the_promise_by_seed(seed: u64) -> Totals {
    keeps_the_promise(&choices::from_seed(seed))
}

/// Checks that a cursor's text form round-trips, that it is unique, and that no text fails to
/// parse.
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
