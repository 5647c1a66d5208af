//! The pace of publications: how much may wait for the log at a time.
//!
//! The log's answers are taken in its order, and each brings the deliveries of its message. So every
//! publication that the log has delays the next one. The log therefore gets publications as fast as they are
//! delivered. The others wait before it, in the fair queue of [`Work`](crate::engine::work::Work).

use crate::engine::{Limits, units};

/// The publications that have been given to the log, in units of work.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Of those that are not settled.
    waiting: u64,
    /// Of all since the start.
    given: u64,
    /// Turns are short, so less is delivered in each.
    is_slow: bool,
}

impl Pace {
    /// Notes a publication that waits for the log, with the number of its subscribers. Returns its units.
    pub(super) fn give(&mut self, subscribers: usize) -> u64 {
        let units = units::PUBLICATION + subscribers as u64 * units::DELIVERY;
        self.waiting += units;
        self.given += units;
        units
    }

    /// Notes that a publication of so many units is settled.
    pub(super) const fn settle(&mut self, units: u64) {
        self.waiting -= units;
    }

    /// Notes whether the turn is a short one.
    pub(crate) const fn note_turn(&mut self, is_short: bool) {
        self.is_slow = is_short;
    }

    /// Whether another publication may be given to the log.
    pub(crate) const fn is_open(&self, limits: &Limits) -> bool {
        let most = limits.publishing_units_max / if self.is_slow { 4 } else { 1 };
        // One is given at least, whatever the bound is.
        self.waiting == 0 || self.waiting < most
    }

    /// Units of all publications that were given to the log since the start.
    pub(crate) const fn given(&self) -> u64 {
        self.given
    }
}
