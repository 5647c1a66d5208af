//! The times by which credentials are judged.

use core::ops::Add;

/// A point of the system's calendar, in milliseconds since 1970.
///
/// Everything that asks whether a credential is good takes this type, so that no count of another
/// clock is taken for the calendar by mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The point that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The point so many milliseconds after the beginning of 1970.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from this point until `later`; zero if that is past.
    pub const fn until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}

/// The point `ms` milliseconds later.
impl Add<u64> for UnixTime {
    type Output = Self;

    fn add(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// The present moment by two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// By the calendar, which may jump: for dates that outlive the process.
    pub unix: UnixTime,
    /// Milliseconds by a clock that never goes back and does not jump, since any start: for what
    /// only this process knows.
    pub elapsed_ms: u64,
}
