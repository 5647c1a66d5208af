//! Numbers that hold on a machine that is not quiet: ratios of the same round, and their range.

use std::fmt;

/// The median of some values, and their range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) count: usize,
}

impl Spread {
    /// `None` without values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Some(Self { median, least, most, count: sorted.len() })
    }
}

/// As a ratio: two digits.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 1 {
            return write!(f, "{:.2}", self.median);
        }
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.least, self.most)
    }
}

/// `upper / lower` of each round that has both.
pub(crate) fn by_round(upper: &[Option<f64>], lower: &[Option<f64>]) -> Vec<f64> {
    let both = upper.iter().zip(lower).filter_map(|(upper, lower)| upper.zip(*lower));
    both.filter(|(_, lower)| *lower > 0.0).map(|(upper, lower)| upper / lower).collect()
}

/// What a ratio or a figure may be at the most; it is judged as it is shown, with two digits.
pub(crate) fn is_within(value: f64, bound: f64) -> bool {
    (value * 100.0).round() <= (bound * 100.0).round()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_range_has_all() {
        let odd = Spread::of(&[3.0, 1.0, 2.0]).expect("there are values");
        assert_eq!((odd.median, odd.least, odd.most, odd.count), (2.0, 1.0, 3.0, 3));
        let even = Spread::of(&[4.0, 1.0, 2.0, 3.0]).expect("there are values");
        assert_eq!(even.median, 2.5);
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(odd.to_string(), "2.00 (1.00–3.00)");
        assert_eq!(Spread::of(&[0.5]).map(|it| it.to_string()).as_deref(), Some("0.50"));
    }

    #[test]
    fn only_what_ran_in_the_same_round_is_compared() {
        let (ours, theirs) =
            ([Some(2.0), None, Some(9.0), Some(1.0)], [Some(1.0), Some(7.0), None]);
        assert_eq!(by_round(&ours, &theirs), [2.0]);
        assert_eq!(by_round(&[Some(1.0)], &[Some(0.0)]), [] as [f64; 0]);
    }

    #[test]
    fn a_bound_is_held_as_it_is_shown() {
        assert!(is_within(1.004, 1.0) && !is_within(1.006, 1.0));
        assert!(is_within(0.7, 0.70) && is_within(0.0, 1.0));
    }
}
