//! The hub against the model, by seed.
//!
//! `SOCKEYE_SEEDS=1000000 cargo test --release -p sockeye-hub --test model` runs more,
//! `SOCKEYE_SEED=4711` one.
//!
//! [hub:resume-epoch] [hub:resume-ahead] [hub:resume-complete] [hub:resume-trimmed]

use sockeye_hub::properties::{Totals, keeps_the_promise_by_seed};

/// Seeds in a run that does not say how many.
const SEEDS: u64 = 10_000;

#[test]
fn every_seed_keeps_the_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, count) = match number("SOCKEYE_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("SOCKEYE_SEEDS").unwrap_or(SEEDS)),
    };
    let mut totals = Totals::default();
    for seed in first..first + count {
        match std::panic::catch_unwind(|| keeps_the_promise_by_seed(seed)) {
            Ok(game) => totals.add(&game),
            Err(_) => panic!("seed {seed} broke the promise; repeat it with SOCKEYE_SEED={seed}"),
        }
    }
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
