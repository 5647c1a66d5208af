//! A histogram of durations, fine enough for percentiles.
//!
//! Log-linear buckets: 128 for each power of two, so that what is read back is at most 1/128 above what
//! was recorded. Recording is an addition in a table, whatever the value.

/// Buckets of each power of two, as an exponent.
const PRECISION: u32 = 7;
const LINEAR: u64 = 1 << PRECISION;
/// Longer than this is recorded as this: about 18 minutes.
const NANOS_MAX: u64 = (1 << 40) - 1;
const BUCKETS: usize = (40 - PRECISION as usize + 1) << PRECISION;

/// A count of durations in nanoseconds.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
    sum: u128,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Nothing is recorded yet.
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max: 0, sum: 0 }
    }

    /// Counts a duration.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos.min(NANOS_MAX))] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
        self.sum += u128::from(nanos);
    }

    /// How many were recorded.
    pub(super) const fn count(&self) -> u64 {
        self.total
    }

    /// The longest, exactly.
    pub(super) const fn max(&self) -> u64 {
        self.max
    }

    pub(super) fn mean(&self) -> u64 {
        let mean = self.sum.checked_div(u128::from(self.total)).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }

    /// The duration that `per_mille` of a thousand do not exceed, as the upper end of its bucket: 999 is p99.9.
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let rank = u128::from(self.total) * u128::from(per_mille);
        let rank = u64::try_from(rank.div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(at).min(self.max);
            }
        }
        self.max
    }

    /// The buckets that have something, by the upper end of each.
    pub(super) fn filled(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(at, count)| (upper(at).min(self.max), *count))
    }
}

/// Values below twice `LINEAR` have a bucket each; above, the leading eight bits name it.
#[inline]
fn bucket(nanos: u64) -> usize {
    let shift = (63 - (nanos | LINEAR).leading_zeros()) - PRECISION;
    let at = (u64::from(shift) << PRECISION) + (nanos >> shift);
    usize::try_from(at).expect("a bucket of the table")
}

/// The largest value of a bucket.
fn upper(at: usize) -> u64 {
    let at = at as u64;
    let shift = (at >> PRECISION).saturating_sub(1);
    let leading = at - (shift << PRECISION);
    ((leading + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of numbers over all sizes, the same each time.
    fn numbers(count: usize) -> Vec<u64> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..count).map(|_| (next() & NANOS_MAX) >> (next() % 40)).collect()
    }

    #[test]
    fn each_value_is_in_the_bucket_that_ends_at_or_above_it() {
        let edges = (0..40).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        for value in edges.chain(numbers(10_000)) {
            let at = bucket(value);
            assert!(value <= upper(at), "{value} in a bucket up to {}", upper(at));
            assert!(at == 0 || value > upper(at - 1), "{value} belongs below {at}");
            assert!(upper(at) - value <= value / LINEAR, "{value} becomes {}", upper(at));
        }
        assert_eq!(bucket(NANOS_MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_a_sorted_list() {
        for count in [1, 2, 9, 1_000, 4_321] {
            let mut sorted = numbers(count);
            let mut histogram = Histogram::new();
            sorted.iter().for_each(|value| histogram.record(*value));
            sorted.sort_unstable();
            for per_mille in [1, 500, 900, 990, 999, 1000] {
                let rank = (count as u64 * per_mille).div_ceil(1000).max(1);
                let exact = sorted[usize::try_from(rank - 1).expect("small")];
                let found = histogram.quantile(per_mille);
                let allowed = exact..=exact + exact / LINEAR;
                assert!(allowed.contains(&found), "{per_mille} of {count}: {found} for {exact}");
            }
            let sum: u128 = sorted.iter().map(|value| u128::from(*value)).sum();
            assert_eq!(u128::from(histogram.mean()), sum / count as u128);
            assert_eq!(histogram.max(), sorted[count - 1]);
            assert_eq!(histogram.filled().map(|(_, count)| count).sum::<u64>(), count as u64);
        }
    }

    #[test]
    fn nothing_and_too_much_are_no_trouble() {
        let mut histogram = Histogram::new();
        assert_eq!((histogram.quantile(500), histogram.mean(), histogram.max()), (0, 0, 0));
        histogram.record(u64::MAX);
        assert_eq!((histogram.quantile(500), histogram.max()), (NANOS_MAX, u64::MAX));
        assert_eq!((histogram.count(), histogram.filled().count()), (1, 1));
    }
}
