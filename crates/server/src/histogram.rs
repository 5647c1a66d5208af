//! Counts events by how long they took.

/// Counts of events by how long each took. Each bound of [`BOUNDS_US`](Self::BOUNDS_US) has a count, and
/// one more is for events above the last bound. The sum of all times stands beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; Self::BOUNDS_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    /// The upper bounds of the counts, in microseconds, inclusive.
    pub const BOUNDS_US: [u64; 15] = [
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 10_000_000,
    ];

    /// Counts `times` events that took `us` microseconds each.
    pub fn observe(&mut self, us: u64, times: u64) {
        let at = Self::BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[at] = self.counts[at].saturating_add(times);
        self.sum_us = self.sum_us.saturating_add(us.saturating_mul(times));
    }

    /// Adds the counts of another histogram.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// For each bound, the number of events that took so long or less. The last item counts all events
    /// and has no bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = Self::BOUNDS_US.iter().copied().map(Some).chain([None]);
        let sums = self.counts.iter().scan(0_u64, |sum, count| {
            *sum = sum.saturating_add(*count);
            Some(*sum)
        });
        bounds.zip(sums)
    }

    /// The number of events.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The sum of all times, in microseconds.
    pub const fn sum_us(&self) -> u64 {
        self.sum_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_buckets_add_up() {
        let mut histogram = Histogram::default();
        histogram.observe(100, 1);
        histogram.observe(101, 2);
        histogram.observe(u64::MAX, 1);
        let found: Vec<(Option<u64>, u64)> = histogram.cumulative().collect();
        assert_eq!(found.len(), Histogram::BOUNDS_US.len() + 1);
        assert_eq!(found[..2], [(Some(100), 1), (Some(250), 3)]);
        assert_eq!(found[found.len() - 2..], [(Some(10_000_000), 3), (None, 4)]);
        assert_eq!((histogram.count(), histogram.sum_us()), (4, u64::MAX));
    }
}
