//! How long to wait before asking again.

/// Upper end of the random wait after the second failure in a row, in milliseconds.
const FIRST_MS: u64 = 250;
/// What the doubling stops at.
const LAST_MS: u64 = 30_000;

/// Counts failures in a row. After the first one the wait is only what the server has asked for; each
/// further one doubles what is added to it, at random, so that a crowd spreads out.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Something went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Another failure: how long to wait, in milliseconds, at least `hint_ms`.
    pub(super) fn wait_ms(&mut self, hint_ms: u64, entropy: u64) -> u64 {
        let bound = match self.failures {
            0 => 0,
            failures => {
                let factor = 1_u64.checked_shl(failures - 1).unwrap_or(u64::MAX);
                FIRST_MS.saturating_mul(factor).min(LAST_MS)
            }
        };
        self.failures = self.failures.saturating_add(1);
        // At least half of the bound, so that waits do grow.
        let spread = (u128::from(entropy) * u128::from(bound / 2 + 1)) >> 64;
        let spread = u64::try_from(spread).unwrap_or_default();
        hint_ms.saturating_add(bound.div_ceil(2)).saturating_add(spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_keep_the_hint() {
        for entropy in [0, u64::MAX / 3, u64::MAX] {
            let mut backoff = Backoff::default();
            assert_eq!(backoff.wait_ms(0, entropy), 0);
            let mut bound = FIRST_MS;
            for _ in 0..80 {
                let wait = backoff.wait_ms(0, entropy);
                assert!((bound / 2..=bound + 1).contains(&wait), "{wait} of {bound}");
                bound = (bound * 2).min(LAST_MS);
            }
            assert!(backoff.wait_ms(7, entropy) >= LAST_MS / 2 + 7);
            backoff.reset();
            assert_eq!(backoff.wait_ms(1_500, entropy), 1_500);
        }
    }
}
