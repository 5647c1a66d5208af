//! Whose turn it is to be told: rooms that have something to tell, of which all together may tell so
//! much in a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use sockeye_server::Time;

/// How far ahead of its rate the whole may be, in microseconds.
const AHEAD_US: u64 = 1_000_000;

/// Rooms with something to tell.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Those that still rest, and those whose time has come, by when that is or was.
    due: BTreeSet<(Time, Arc<str>)>,
    /// Those whose time has come, as they were seen, by how many there are to tell.
    by_size: BTreeSet<(usize, Time, Arc<str>)>,
    /// The same by their time, with how many there were.
    by_age: BTreeSet<(Time, Arc<str>, usize)>,
    /// When what has been told is paid for, in microseconds of the loop's time.
    paid_us: u64,
    /// The next turn is the smallest room's.
    smallest: bool,
}

impl Turns {
    /// A room has something to tell from then on.
    pub(super) fn add(&mut self, due: Time, room: &Arc<str>) {
        self.due.insert((due, Arc::clone(room)));
    }

    /// It has nobody to tell any more.
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
            // By then enough is paid for; rooms that come to wait meanwhile are noticed then.
            false => self.free(),
        }
    }

    /// From when on something may be told.
    fn free(&self) -> Time {
        Time::from_millis(self.paid_us.saturating_sub(AHEAD_US).div_ceil(1_000))
    }

    /// The next room to be told now, if there is one.
    ///
    /// [service:presence-shares] Each telling is as dear as there are who are told. While more is
    /// wanted than may be told, every other turn is that of the smallest room: otherwise a few large
    /// ones would make all wait. The turn between is that of who has waited longest, so that nobody
    /// waits for ever.
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
