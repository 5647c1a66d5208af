//! Computes when messages should go out.

/// Moments at an even rate, dealt to connections in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    start: u64,
    interval_ns: f64,
    /// Connections that take turns.
    turns: u64,
    /// The moment that comes next.
    next: u64,
}

impl Pace {
    /// `rate` moments a second from `start` on, for `turns` connections together.
    pub(super) fn new(start: u64, rate: f64, turns: usize) -> Self {
        Self { start, interval_ns: 1e9 / rate, turns: turns.max(1) as u64, next: 0 }
    }

    /// When connection `turn` should send its message `number`.
    #[inline]
    pub(super) fn intended(&self, turn: usize, number: u64) -> u64 {
        self.moment(number.saturating_mul(self.turns).saturating_add(turn as u64))
    }

    fn moment(&self, index: u64) -> u64 {
        // A cast from a float saturates, and what is lost below 2^53 are fractions of a nanosecond.
        #[expect(clippy::cast_possible_truncation, reason = "saturates after centuries")]
        let ahead = (index as f64 * self.interval_ns) as u64;
        self.start.saturating_add(ahead)
    }

    /// When the next moment is.
    pub(super) fn due(&self) -> u64 {
        self.moment(self.next)
    }

    /// Moments that have come so far.
    pub(super) const fn begun(&self) -> u64 {
        self.next
    }

    /// Whose turn it is, if a moment has come.
    pub(super) fn next(&mut self, now: u64) -> Option<usize> {
        if self.due() > now {
            return None;
        }
        let turn = self.next % self.turns;
        self.next += 1;
        usize::try_from(turn).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn moments_are_dealt_in_turn_and_keep_their_time() {
        let mut pace = Pace::new(1_000, 1e6, 3);
        assert_eq!((pace.next(999), pace.next(1_000), pace.next(1_000)), (None, Some(0), None));
        // A pause does not move what should have been sent in it.
        let caught_up: Vec<_> = core::iter::from_fn(|| pace.next(5_000)).collect();
        assert_eq!(caught_up, [1, 2, 0, 1]);
        assert_eq!(pace.due(), 6_000);
        let of_second: Vec<u64> = (0..3).map(|number| pace.intended(1, number)).collect();
        assert_eq!(of_second, [2_000, 5_000, 8_000]);
    }
}
