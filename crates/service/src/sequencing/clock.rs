//! The time that messages carry.

use sockeye_server::Time;

/// How far the calendar has to be ahead of the counted time before it is believed, in milliseconds.
pub(super) const STEP_MS: u64 = 2_000;

/// Counts milliseconds since 1970, and never goes back.
///
/// The loop's clock has milliseconds and no date. The calendar has seconds and may be set. This
/// clock goes with the loop's, and jumps forward where the calendar does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The loop's time at the last call of `look`.
    seen: Time,
    now_ms: u64,
}

impl Clock {
    /// A clock that starts at the calendar's time, or at `floor_ms` if that is later.
    pub(crate) fn new(seen: Time, unix_seconds: u64, floor_ms: u64) -> Self {
        Self { seen, now_ms: unix_seconds.saturating_mul(1_000).max(floor_ms) }
    }

    /// Advances the clock to the loop's time `now`, and returns its own.
    pub(crate) fn look(&mut self, now: Time, unix_seconds: u64) -> u64 {
        self.now_ms = self.now_ms.saturating_add(now.since(self.seen));
        self.seen = now;
        let calendar_ms = unix_seconds.saturating_mul(1_000);
        if calendar_ms > self.now_ms.saturating_add(STEP_MS) {
            self.now_ms = calendar_ms;
        }
        self.now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_with_the_loop_and_follows_the_calendar_forward_only() {
        let start = Time::from_millis(7);
        let mut clock = Clock::new(start, 100, 0);
        assert_eq!(clock.look(start + 1_500, 101), 101_500);
        // The calendar was set back: time goes on.
        assert_eq!(clock.look(start + 2_000, 50), 102_000);
        // And forward: it jumps.
        assert_eq!(clock.look(start + 2_000, 500), 500_000);
        // Within the step it is only the calendar's coarseness.
        assert_eq!(clock.look(start + 2_010, 501), 500_010);
        // A log that has messages from later than the calendar.
        assert_eq!(Clock::new(start, 100, 200_000).look(start, 100), 200_000);
    }
}
