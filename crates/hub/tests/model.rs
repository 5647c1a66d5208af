//! The hub against the model, by seed.
//!
//! `SOCKEYE_SEEDS=1000000 cargo test --release -p sockeye-hub model::` runs more,
//! `SOCKEYE_SEED=4711` one.
//!
//! [hub:resume-epoch] [hub:resume-ahead] [hub:resume-complete] [hub:resume-trimmed]

use sockeye_hub::properties::{Totals, keeps_the_promise_by_seed};
use sockeye_simnet::each_seed;

/// Seeds in a run that does not say how many.
const SEEDS: u64 = 10_000;

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
        assert!(totals.evicted.iter().all(|evicted| evicted * 4 > count), "{totals:?}");
        assert!(totals.replayed > count && totals.duplicates > count, "{totals:?}");
    }
}
