//! The lines of a load that are still to be opened, and the pace at which they are.

use std::rc::Rc;

use super::load::SPIN_NS;
use super::opening::Opener;

/// Connections that are being opened at a time, so that the server sees a ramp instead of a storm.
const OPENING_MAX: usize = 128;
/// The most streams at a time: many of a connection are opened by one write.
const STREAMS_OPENING_MAX: usize = 1024;

/// The lines that are still to be opened.
#[derive(Default)]
pub(super) struct Ramp {
    pub(super) openers: Vec<Rc<Opener>>,
    /// How many, by opener.
    pub(super) wanted: Vec<(usize, usize)>,
    /// Nanoseconds between two.
    interval_ns: u64,
    pub(super) patience_ns: u64,
    next_at: u64,
    /// When one was opened, or begun.
    pub(super) moved_at: u64,
}

impl Ramp {
    /// `rate` is how many are opened a second; 0: as fast as the server takes them.
    pub(super) fn new(openers: Vec<Opener>, rate: u64, patience_ns: u64) -> Self {
        Self {
            openers: openers.into_iter().map(Rc::new).collect(),
            interval_ns: 1_000_000_000_u64.checked_div(rate).unwrap_or(0),
            patience_ns,
            ..Self::default()
        }
    }

    /// The opener of the next line.
    pub(super) fn next(&mut self, now: u64) -> Option<Rc<Opener>> {
        let (opener, count) = self.wanted.first_mut()?;
        let opener = Rc::clone(&self.openers[*opener]);
        *count -= 1;
        if *count == 0 {
            self.wanted.remove(0);
        }
        self.next_at = (self.next_at + self.interval_ns).max(now.saturating_sub(SPIN_NS));
        Some(opener)
    }

    /// When the next line may begin while `opening` are being opened.
    pub(super) fn due(&self, opening: usize) -> u64 {
        let Some((opener, _)) = self.wanted.first() else { return u64::MAX };
        let shared = self.openers[*opener].streams.unwrap_or(1);
        let most = OPENING_MAX.saturating_mul(shared).min(STREAMS_OPENING_MAX);
        if opening >= most { u64::MAX } else { self.next_at }
    }
}
