//! Computes how long a client waits before its next connection.

/// Upper end of the random wait after the second failure in a row, in milliseconds.
const FIRST_MS: u64 = 250;
/// The bound at which the doubling stops, in milliseconds.
pub(crate) const LAST_MS: u64 = 30_000;

/// How long a client waits before its next attempt: counts failures in a row.
///
/// Each wait is what the server asked for, plus a random part of a bound. The bound doubles with each failure, from
/// 250 ms to 30 s, so that a crowd of clients spreads out.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Resets the count of failures, after a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after a lost connection, in milliseconds, from 64 random bits. The first one is `hint_ms` alone: the
    /// server may have restarted.
    pub fn after_loss(&mut self, hint_ms: u64, bits: u64) -> u64 {
        self.wait_ms(hint_ms, false, bits)
    }

    /// The wait after a refusal for lack of room, in milliseconds, from 64 random bits. It is at least half of the
    /// bound, so that each attempt comes later than the one before.
    pub fn when_busy(&mut self, hint_ms: u64, bits: u64) -> u64 {
        self.wait_ms(hint_ms, true, bits)
    }

    /// Counts a failure, and gives the wait. [client:hub-retry] It is at least `hint_ms`.
    pub(crate) fn wait_ms(&mut self, hint_ms: u64, busy: bool, bits: u64) -> u64 {
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.saturating_sub(if busy { 1 } else { 2 });
        let bound = if self.failures == 1 && !busy {
            0
        } else {
            1_u64
                .checked_shl(doublings)
                .map_or(LAST_MS, |it| it.saturating_mul(FIRST_MS).min(LAST_MS))
        };
        let least = if busy { bound / 2 } else { 0 };
        let spread = (u128::from(bits) * u128::from(bound - least + 1)) >> 64;
        hint_ms.saturating_add(least).saturating_add(u64::try_from(spread).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [client:hub-retry]
    #[test]
    fn waits_grow_to_a_bound_and_keep_the_hint() {
        for bits in [0, u64::MAX / 3, u64::MAX] {
            let mut backoff = Backoff::default();
            assert_eq!(backoff.wait_ms(0, false, bits), 0);
            let mut bound = FIRST_MS;
            for _ in 0..80 {
                let wait = backoff.wait_ms(0, false, bits);
                assert!(wait <= bound, "{wait} of {bound}");
                assert_eq!(wait, if bits == u64::MAX { bound } else { wait.min(bound / 2) });
                bound = (bound * 2).min(LAST_MS);
            }
            assert!((LAST_MS / 2..=LAST_MS).contains(&backoff.wait_ms(0, true, bits)));
            assert!(backoff.wait_ms(7, true, bits) >= LAST_MS / 2 + 7);
            backoff.reset();
            assert_eq!(backoff.wait_ms(1_500, false, bits), 1_500);
        }
    }

    #[test]
    fn whoever_is_sent_away_comes_ever_later() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..10).map(|_| backoff.wait_ms(0, true, 0)).collect();
        assert_eq!(waits[..5], [125, 250, 500, 1_000, 2_000]);
        assert_eq!(waits[9], LAST_MS / 2);
    }
}
