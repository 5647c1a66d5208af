//! Rate limits: token buckets in whole numbers.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// One token, in the unit of buckets. A bucket gains `per_second` units in a millisecond, so each
/// refill is a whole number, and rounding loses nothing.
const TOKEN: u128 = 1_000;

/// The longest wait of an account above its rate of messages or requests, in milliseconds.
const WAIT_MS_MAX: u64 = 60_000;

/// Full buckets that one `take` forgets at the most. A `take` adds one bucket at the most, so with
/// two the table shrinks; and two are few, so no call takes long.
const FORGOTTEN_MAX: usize = 2;

/// A rate: tokens a second in the long run, and the burst after a rest. Each is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    pub(crate) const fn new(per_second: u32, burst: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        Self { per_second, burst: if burst == 0 { 1 } else { burst } }
    }

    /// A time in the unit of buckets.
    fn scaled(self, now_ms: u64) -> u128 {
        u128::from(now_ms) * u128::from(self.per_second)
    }

    fn room(self) -> u128 {
        u128::from(self.burst) * TOKEN
    }

    /// The tokens of a full bucket.
    pub(crate) const fn burst(self) -> usize {
        self.burst as usize
    }

    /// Milliseconds in which so many units come, rounded up.
    fn ms(self, units: u128) -> u64 {
        u64::try_from(units.div_ceil(u128::from(self.per_second))).unwrap_or(u64::MAX)
    }
}

/// The state of a bucket before a token was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Full: its owner has rested.
    Full,
    /// Not full.
    Used,
}

/// A token bucket, kept as the time at which it is full. A new one is full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    full_at: u128,
}

impl Bucket {
    /// Takes a token.
    ///
    /// # Errors
    /// Without a token: milliseconds until the next one. A refusal takes nothing.
    pub(crate) fn take(&mut self, rate: Rate, now_ms: u64) -> Result<Before, u64> {
        self.take_of(rate.burst(), rate, now_ms)
    }

    /// Takes a token if fewer than `part` of the burst are taken.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) fn take_of(&mut self, part: usize, rate: Rate, now_ms: u64) -> Result<Before, u64> {
        let (lacks, part) = (self.lacks(rate, now_ms), part as u128 * TOKEN);
        self.full_at = rate.scaled(now_ms) + lacks;
        let after = lacks + TOKEN;
        if after > part {
            return Err(rate.ms(after - part));
        }
        self.full_at += TOKEN;
        Ok(if lacks == 0 { Before::Full } else { Before::Used })
    }

    /// The units that are missing from the bucket: at most all, also after the clock went back or
    /// the rate changed.
    fn lacks(self, rate: Rate, now_ms: u64) -> u128 {
        self.full_at.saturating_sub(rate.scaled(now_ms)).min(rate.room())
    }
}

/// Schedules the return of clients that are turned away: one after the other, as fast as they can
/// be admitted, so that a crowd of any size does not come back at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queue {
    last: u128,
}

impl Queue {
    /// How long the next client is to wait, in milliseconds. Above `wait_ms_max` the schedule
    /// begins anew.
    pub(crate) fn wait_ms(&mut self, rate: Rate, wait_ms_max: u64, now_ms: u64) -> u64 {
        let now = rate.scaled(now_ms);
        let ahead = self.last.saturating_sub(now);
        let ahead = if rate.ms(ahead + TOKEN) > wait_ms_max { 0 } else { ahead };
        self.last = now + ahead + TOKEN;
        rate.ms(ahead + TOKEN)
    }
}

/// The bucket of one key, and the queue of those that it refused.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    bucket: Bucket,
    queue: Queue,
}

impl Entry {
    /// When it holds no information any more.
    fn until(&self) -> u128 {
        self.bucket.full_at.max(self.queue.last)
    }
}

/// Token buckets, one for each key.
///
/// The table is bounded. A full bucket without a queue holds no information, and is forgotten. Above the bound, the
/// fullest of the remaining buckets is forgotten, and its owner gains the tokens that it lacked.
/// That cannot be exploited cheaply: an almost empty bucket is the fullest only if every other
/// bucket of the table is emptier. An attacker would have to keep as many accounts as the table has
/// places at their limits.
#[derive(Debug)]
pub(crate) struct Rates<K> {
    rate: Rate,
    entries: HashMap<K, Entry>,
    by_until: BTreeSet<(u128, K)>,
}

impl<K: Clone + Eq + Hash + Ord> Rates<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, entries: HashMap::new(), by_until: BTreeSet::new() }
    }

    /// Takes a token from the bucket of `key`. After a change of the rate, all buckets begin full.
    ///
    /// # Errors
    /// As [`Bucket::take`].
    pub(crate) fn take(
        &mut self,
        key: &K,
        rate: Rate,
        entries_max: usize,
        now_ms: u64,
    ) -> Result<Before, u64> {
        self.change(key, rate, entries_max, now_ms, |entry| entry.bucket.take(rate, now_ms))
    }

    /// Takes a token as [`take`](Self::take) does. A caller that is refused waits behind those that were refused
    /// before.
    ///
    /// # Errors
    /// Without a token: milliseconds until it is the caller's turn.
    pub(crate) fn take_or_wait(
        &mut self,
        key: &K,
        rate: Rate,
        entries_max: usize,
        now_ms: u64,
    ) -> Result<Before, u64> {
        // [service:rates-wait]
        self.change(key, rate, entries_max, now_ms, |entry| {
            let taken = entry.bucket.take(rate, now_ms);
            taken.map_err(|wait_ms| wait_ms.max(entry.queue.wait_ms(rate, WAIT_MS_MAX, now_ms)))
        })
    }

    /// The tokens of `key` that are taken, a part of one as a whole one.
    pub(crate) fn taken(&self, key: &K, rate: Rate, now_ms: u64) -> usize {
        let known = self.entries.get(key).filter(|_| self.rate == rate);
        let lacks = known.map_or(0, |entry| entry.bucket.lacks(rate, now_ms));
        usize::try_from(lacks.div_ceil(TOKEN)).unwrap_or(usize::MAX)
    }

    /// How long the next client that the bucket of `key` refuses is to wait, as
    /// [`Queue::wait_ms`].
    pub(crate) fn turn_away(
        &mut self,
        key: &K,
        rate: Rate,
        wait_ms_max: u64,
        entries_max: usize,
        now_ms: u64,
    ) -> u64 {
        self.change(key, rate, entries_max, now_ms, |entry| {
            entry.queue.wait_ms(rate, wait_ms_max, now_ms)
        })
    }

    /// The number of keys that are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn change<T>(
        &mut self,
        key: &K,
        rate: Rate,
        entries_max: usize,
        now_ms: u64,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> T {
        if self.rate != rate {
            *self = Self::new(rate);
        }
        let known = self.entries.get(key).copied();
        let mut entry = known.unwrap_or_default();
        let changed = change(&mut entry);
        self.put(key, known, entry);
        // [service:bound-rated]
        self.forget(entries_max, now_ms);
        changed
    }

    fn put(&mut self, key: &K, known: Option<Entry>, entry: Entry) {
        if let Some(known) = known {
            self.by_until.remove(&(known.until(), key.clone()));
        }
        self.by_until.insert((entry.until(), key.clone()));
        match self.entries.get_mut(key) {
            Some(it) => *it = entry,
            None => drop(self.entries.insert(key.clone(), entry)),
        }
    }

    /// Forgets some full buckets, and above the bound the fullest others.
    fn forget(&mut self, entries_max: usize, now_ms: u64) {
        let now = self.rate.scaled(now_ms);
        let mut forgotten = 0;
        while let Some((until, _)) = self.by_until.first() {
            let is_over = *until <= now && forgotten < FORGOTTEN_MAX;
            if !is_over && self.by_until.len() <= entries_max {
                return;
            }
            if let Some((_, key)) = self.by_until.pop_first() {
                self.entries.remove(&key);
            }
            forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests;
