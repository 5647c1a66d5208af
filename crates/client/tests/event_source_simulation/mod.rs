//! An event source against a server of many moods, in simulated time.
//!
//! The server has a log of events and replays it from behind `Last-Event-ID`. Its connections are cut at any byte,
//! in the head, too; they stall, answer byte by byte, redirect in circles, are busy. The oracle knows the log and the
//! rules: every event once and in order, waits as ruled and to the millisecond, no connection while waiting,
//! credentials at home, nothing after the end. A failure prints its seed:
//!
//! ```sh
//! SEED=17 cargo test -p sockeye-client event_source_simulation::
//! SEEDS=100000 cargo test -p sockeye-client event_source_simulation::    # a longer run
//! ```

mod server;
mod world;

use world::World;

/// Seeds of a run without `SEED` and `SEEDS`.
const SEEDS: u64 = 3000;

#[test]
fn every_event_once_and_in_order_whatever_the_server_does() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let only = number("SEED");
    let all = number("SEEDS").unwrap_or(SEEDS);
    let seeds = only.map_or(0..all, |seed| seed..seed + 1);
    let mut counts = world::Counts::default();
    for seed in seeds {
        // What the panic says is the oracle's; this says where.
        let run = std::panic::catch_unwind(|| World::new(seed).run());
        match run {
            Ok(run) => counts.add(&run),
            Err(_) => panic!("SEED={seed}"),
        }
    }
    println!("simulation: {counts:?}");
    if only.is_none() {
        counts.check_that_all_happened();
    }
}
