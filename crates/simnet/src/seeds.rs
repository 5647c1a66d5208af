//! Many simulations in one test.

use std::panic::catch_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};

/// Results that a thread may be ahead of the sum.
const AHEAD_MAX: usize = 64;

/// Plays `seeds` seeds from zero, on every core, and adds up their results in the order of the seeds.
/// Returns how many it played.
///
/// `SOCKEYE_SEEDS` in the environment is another number of them, `SOCKEYE_SEED` a single one.
///
/// # Panics
/// If `play` does. The message names the lowest seed that failed, which repeats the panic. Other
/// threads play later seeds at the same time, so the output may have panics of those, too.
pub fn each_seed<T: Send>(seeds: u64, play: fn(u64) -> T, mut add: impl FnMut(&T)) -> u64 {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, count) = match number("SOCKEYE_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("SOCKEYE_SEEDS").unwrap_or(seeds)),
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| {
        let share =
            |core| play_on_thread(scope, (first + core as u64..first + count).step_by(cores), play);
        let results: Vec<_> = (0..cores).map(share).collect();
        for (seed, results) in (first..first + count).zip(results.iter().cycle()) {
            match results.recv() {
                Ok(Some(result)) => add(&result),
                Ok(None) | Err(_) => {
                    panic!("seed {seed} broke the promise; repeat it with SOCKEYE_SEED={seed}")
                }
            }
        }
    });
    count
}

/// Plays some seeds on a thread of their own, which hands over each result, or `None` for a panic.
fn play_on_thread<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    seeds: impl Iterator<Item = u64> + Send + 's,
    play: fn(u64) -> T,
) -> Receiver<Option<T>> {
    let (hand_over, results) = sync_channel(AHEAD_MAX);
    scope.spawn(move || {
        for seed in seeds {
            // The sum has ended if another seed has failed.
            if hand_over.send(catch_unwind(|| play(seed)).ok()).is_err() {
                return;
            }
        }
    });
    results
}

#[cfg(test)]
mod tests {
    use super::each_seed;

    #[test]
    #[should_panic(expected = "seed 3 broke the promise; repeat it with SOCKEYE_SEED=3")]
    fn a_failure_names_its_seed() {
        each_seed(5, |seed| assert_ne!(seed, 3), |()| ());
    }

    #[test]
    fn each_is_played_once_in_order() {
        let mut played = Vec::new();
        assert_eq!(each_seed(4, |seed| seed, |seed| played.push(*seed)), 4);
        assert_eq!(played, [0, 1, 2, 3]);
    }
}
