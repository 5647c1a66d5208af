//! Many simulations in one test.

/// Plays `seeds` seeds from zero, and hands what each came to to `add`. Gives how many it played.
///
/// `SOCKEYE_SEEDS` in the environment is another number of them, `SOCKEYE_SEED` a single one.
///
/// # Panics
/// If `play` does; the message names the seed, which repeats it.
pub fn each_seed<T>(seeds: u64, play: fn(u64) -> T, mut add: impl FnMut(&T)) -> u64 {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, count) = match number("SOCKEYE_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("SOCKEYE_SEEDS").unwrap_or(seeds)),
    };
    for seed in first..first + count {
        match std::panic::catch_unwind(|| play(seed)) {
            Ok(run) => add(&run),
            Err(_) => panic!("seed {seed} broke the promise; repeat it with SOCKEYE_SEED={seed}"),
        }
    }
    count
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
