//! The counters of the engine, besides the hub's.

use sockeye_server::Histogram;

/// Plain numbers: the loop is one thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// When the engine was told the time first, in seconds since 1970.
    pub(crate) started_s: Option<u64>,
    /// Times a slow reader caught up.
    pub(crate) caught_up: u64,
    /// Times a slow reader was told of a gap, and went on.
    pub(crate) skipped: u64,
    pub(crate) delivery: DeliveryLag,
}

impl Counters {
    /// Counts what another service has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        let starts = [self.started_s, other.started_s];
        self.started_s = starts.into_iter().flatten().min();
        self.caught_up += other.caught_up;
        self.skipped += other.skipped;
        self.delivery.histogram.add(&other.delivery.histogram);
    }
}

/// The delivery lag: how long messages took to live subscribers and slow readers.
///
/// A delivery pays nothing for it. A message is one observation for all its live streams. The
/// observations of a turn are counted together after its flush, and only the turn's clock is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeliveryLag {
    histogram: Histogram,
    /// Milliseconds up to this turn, and how many messages took as long.
    fresh: Vec<(u64, u64)>,
}

/// The most different ages that are noted in one turn. Further ages count as the last one noted:
/// messages of one turn are about equally old.
const AGES_MAX: usize = 64;

impl DeliveryLag {
    /// Notes a message of that age, which was appended to outboxes.
    pub(crate) fn note(&mut self, age_ms: u64) {
        let is_full = self.fresh.len() == AGES_MAX;
        match self.fresh.last_mut() {
            Some((last, times)) if *last == age_ms => *times += 1,
            Some((_, times)) if is_full => *times += 1,
            Some(_) | None => self.fresh.push((age_ms, 1)),
        }
    }

    /// Notes that the outboxes were flushed, at the end of a turn that took so long.
    pub(crate) fn flushed(&mut self, turn_us: u64) {
        for (age_ms, times) in self.fresh.drain(..) {
            let us = age_ms.saturating_mul(1_000).saturating_add(turn_us);
            self.histogram.observe(us, times);
        }
    }

    pub(crate) const fn histogram(&self) -> &Histogram {
        &self.histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_become_lags_when_the_turn_is_over() {
        let mut lag = DeliveryLag::default();
        for age_ms in [0, 0, 3] {
            lag.note(age_ms);
        }
        assert_eq!(lag.histogram().count(), 0);
        lag.flushed(200);
        assert_eq!((lag.histogram().count(), lag.histogram().sum_us()), (3, 3_600));
        lag.flushed(200);
        assert_eq!(lag.histogram().count(), 3, "once");
        for age_ms in 0..1_000 {
            lag.note(age_ms);
        }
        assert_eq!(lag.fresh.len(), AGES_MAX);
        lag.flushed(0);
        assert_eq!(lag.histogram().count(), 1_003);
    }
}
