//! Monotonic time in milliseconds, always an argument.

use core::ops::Add;
use core::time::Duration;

/// A point on a monotonic clock, in milliseconds since a start that only the clock knows.
///
/// Eight bytes instead of the sixteen of `std::time::Instant`: every connection stores a few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// Later than any time a clock reaches: "no deadline".
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `ms` milliseconds after the clock's start.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the clock's start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to `self`; zero where `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long to wait from `now` until `self`; `None` for [`Time::NEVER`].
    pub const fn wait_from(self, now: Self) -> Option<Duration> {
        if self.0 == u64::MAX { None } else { Some(Duration::from_millis(self.since(now))) }
    }
}

/// `time + ms`, saturating at [`Time::NEVER`].
impl Add<u64> for Time {
    type Output = Self;

    fn add(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn arithmetic_saturates() {
        let t = Time::from_millis(5);
        assert_eq!((t + 10).as_millis(), 15);
        assert_eq!(t.since(t + 10), 0);
        assert_eq!(Time::NEVER + 1, Time::NEVER);
        assert_eq!(Time::NEVER.wait_from(t), None);
        assert_eq!((t + 3).wait_from(t).map(|d| d.as_millis()), Some(3));
    }
}
