//! The schedule of presence events: which channel sends next, under one rate for all channels
//! together.

use std::collections::BTreeSet;
use std::sync::Arc;

use sockeye_server::Time;

/// How far the events may run ahead of their rate, in microseconds.
const AHEAD_US: u64 = 1_000_000;

/// Channels that have an event to send.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Channels by the time from which they may send, until [`next`](Self::next) sees that it has
    /// come.
    due: BTreeSet<(Time, Arc<str>)>,
    /// Channels whose time has come, by the number of their watchers at that time.
    by_size: BTreeSet<(usize, Time, Arc<str>)>,
    /// The same channels by their time, each with that number.
    by_age: BTreeSet<(Time, Arc<str>, usize)>,
    /// When the events sent so far are paid for, in microseconds of the loop's time.
    paid_us: u64,
    /// Whether the next turn is that of the smallest channel.
    smallest: bool,
}

impl Turns {
    /// Adds a channel that may send its event from `due` on.
    pub(super) fn add(&mut self, due: Time, room: &Arc<str>) {
        self.due.insert((due, Arc::clone(room)));
    }

    /// Removes a channel that has no watchers any more.
    pub(super) fn remove(&mut self, due: Time, room: &Arc<str>) {
        self.due.remove(&(due, Arc::clone(room)));
        let from = (due, Arc::clone(room), 0);
        let found = self.by_age.range(from..).next().filter(|it| it.0 == due && it.1 == *room);
        if let Some((due, room, size)) = found.cloned() {
            self.by_age.remove(&(due, Arc::clone(&room), size));
            self.by_size.remove(&(size, due, room));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.due.len() + self.by_size.len()
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Time {
        let next = self.due.first().map_or(Time::NEVER, |(due, _)| *due);
        match self.by_size.is_empty() {
            true => next,
            // Nothing may be sent before; channels that become due meanwhile are seen then.
            false => self.free(),
        }
    }

    /// From when on an event may be sent.
    fn free(&self) -> Time {
        Time::from_millis(self.paid_us.saturating_sub(AHEAD_US).div_ceil(1_000))
    }

    /// The next channel that is to send its event now, if there is one.
    ///
    /// [service:presence-shares] An event costs as much as the channel has watchers. When not all
    /// channels can send, they are chosen alternately: the channel with the fewest watchers, then
    /// the channel that has waited longest. So many small channels do not wait for a few large
    /// ones, and none waits for ever.
    pub(super) fn next(
        &mut self,
        size: impl Fn(&str) -> usize,
        per_second: u64,
        now: Time,
    ) -> Option<Arc<str>> {
        while let Some((due, room)) = self.due.first().filter(|(due, _)| *due <= now).cloned() {
            self.due.pop_first();
            let size = size(&room);
            self.by_size.insert((size, due, Arc::clone(&room)));
            self.by_age.insert((due, room, size));
        }
        if self.free() > now {
            return None;
        }
        let turn = match self.smallest {
            true => self.by_size.first().cloned(),
            false => self.by_age.first().cloned().map(|(due, room, size)| (size, due, room)),
        };
        let (seen, due, room) = turn?;
        self.smallest = !self.smallest;
        self.by_age.remove(&(due, Arc::clone(&room), seen));
        self.by_size.remove(&(seen, due, Arc::clone(&room)));
        let cost_us = (size(&room) as u64).saturating_mul(1_000_000) / per_second.max(1);
        let now_us = now.as_millis().saturating_mul(1_000);
        self.paid_us = self.paid_us.max(now_us).saturating_add(cost_us);
        Some(room)
    }
}
