//! The pace of publications: how much may wait for the log at a time.
//!
//! The log's answers are taken in its order, and each brings the deliveries of its message. So every
//! publication that the log has delays the next one. The log therefore gets publications as fast as they are
//! delivered. The others wait before it, in the fair queue of [`Work`](crate::engine::work::Work).

use std::collections::HashMap;

use crate::engine::work::Payer;
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

/// The bytes of publications that wait for their turn, by who pays for them.
#[derive(Debug, Default)]
pub(crate) struct PutOff {
    bytes: usize,
    /// Payers that have any.
    by_payer: HashMap<Payer, usize>,
}

impl PutOff {
    /// Whether a payer may have more of `max` bytes: as long as it has less than what is free. So many
    /// payers leave something to each newcomer. [service:bound-batches]
    pub(super) fn has_room(&self, payer: Payer, max: usize) -> bool {
        let own = self.by_payer.get(&payer).copied().unwrap_or(0);
        own < max.saturating_sub(self.bytes)
    }

    pub(super) fn add(&mut self, payer: Payer, bytes: usize) {
        self.bytes += bytes;
        *self.by_payer.entry(payer).or_default() += bytes;
    }

    pub(super) fn remove(&mut self, payer: Payer, bytes: usize) {
        self.bytes -= bytes;
        if let Some(own) = self.by_payer.get_mut(&payer) {
            *own -= bytes;
            if *own == 0 {
                self.by_payer.remove(&payer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Payer, PutOff};

    #[test]
    fn payers_that_take_all_they_get_leave_something_to_others() {
        const MAX: usize = 1 << 20;
        let payer = |id| Payer { id, weight: 1 };
        let mut put_off = PutOff::default();
        for _ in 0..MAX {
            for id in 0..100 {
                if put_off.has_room(payer(id), MAX) {
                    put_off.add(payer(id), 1_000);
                }
            }
            if (0..100).all(|id| !put_off.has_room(payer(id), MAX)) {
                break;
            }
        }
        assert!(put_off.bytes < MAX, "{}", put_off.bytes);
        assert!(put_off.has_room(payer(100), MAX));
        let of_each: Vec<usize> = put_off.by_payer.values().copied().collect();
        assert!(of_each.iter().all(|bytes| bytes.abs_diff(of_each[0]) <= 1_000), "{of_each:?}");
        for (id, bytes) in put_off.by_payer.clone() {
            put_off.remove(id, bytes);
        }
        assert_eq!((put_off.bytes, put_off.by_payer.len()), (0, 0));
    }
}
