//! The hub against a model that forgets nothing.
//!
//! The model keeps the whole log and, for each client, its subscriptions, deliveries and declared
//! gaps. It knows the hub's promise, not its rules: it looks into the hub's history where it needs
//! to know what is still there. Every function panics on a violation.
//!
//! `SOCKEYE_SEEDS=1000000 cargo test --release -p sockeye-hub model::` runs more,
//! `SOCKEYE_SEED=4711` one.
//!
//! [hub:resume-epoch] [hub:resume-ahead] [hub:resume-forked] [hub:resume-complete] [hub:resume-trimmed]

#![allow(clippy::cast_possible_truncation)]

mod archive;
mod choices;
mod client;
mod oracle;
mod sessions;
mod setup;
mod world;

use choices::Choices;
use setup::Totals;
use sockeye_hub::{ChannelName, Pattern};
use sockeye_simnet::each_seed;
use world::World;

/// Seeds in a run that does not say how many.
const SEEDS: u64 = 10_000;

/// Plays the game that these bytes choose.
pub(crate) fn keeps_the_promise(choices: &[u8]) -> Totals {
    World::new(Choices::new(choices)).play()
}

/// Plays the game that a seed chooses.
fn keeps_the_promise_by_seed(seed: u64) -> Totals {
    keeps_the_promise(&choices::from_seed(seed))
}

/// The first segment of a name or pattern.
fn namespace(text: &str) -> &str {
    text.split(':').next().unwrap_or(text)
}

fn matches(pattern: &str, name: &str) -> bool {
    let name = ChannelName::new(name).expect("the model's names are names");
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name))
}

#[test]
fn every_seed_keeps_the_promise() {
    let mut totals = Totals::default();
    let count = each_seed(SEEDS, keeps_the_promise_by_seed, |game| totals.add(game));
    println!("model: {count} seeds, {totals:?}");
    // A model in which nothing happens proves nothing.
    if count >= 1000 {
        assert!(totals.gaps.iter().all(|gaps| gaps * 20 > count), "too few gaps: {totals:?}");
        assert!(totals.recovered > count && totals.recovered_with_gaps > count, "{totals:?}");
        assert!(totals.overruns * 20 > count && totals.aborted * 2 > count, "{totals:?}");
        assert!(totals.evicted.iter().all(|evicted| evicted * 8 > count), "{totals:?}");
        assert!(totals.pages > count && totals.in_fan_outs * 2 > count, "{totals:?}");
        assert!(totals.were_owed * 20 > count, "{totals:?}");
        assert!(totals.replayed > count && totals.duplicates > count, "{totals:?}");
    }
}
