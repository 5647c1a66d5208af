//! Openings that wait: their cursor is ahead of this engine.
//!
//! Engines that read a shared log stand at different places of it. A client that comes with the cursor of another
//! engine is ahead of one that lags. Its opening waits until the engine has read on, or the wait is over: only then
//! is the cursor judged. A wait costs nothing until then. It is found by its position when the head moves, and by
//! its time when that has come.

use std::collections::{BTreeSet, HashMap};

use sockeye_hub::{Cursor, Epoch, Holder, Reason, Seq, Start, SubscriberKey};
use sockeye_server::Time;

use crate::engine::{Dialect, Engine};
use crate::sequencing::Sequencing;

/// The bytes that a wait counts as, and each of its names, besides the names' own.
const OVERHEAD_BYTES: usize = 256;
const NAME_BYTES: usize = 32;

/// A holder may have this part of the room for waits.
const HOLDERS: usize = 8;

/// The stream or the request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Opener {
    /// A stream that subscribes.
    Stream(SubscriberKey),
    /// A request that is held.
    Request(u64),
}

/// The openings that wait.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    waits: HashMap<Opener, Wait>,
    /// Those whose wait is not over yet.
    by_cursor: BTreeSet<(Epoch, Seq, Opener)>,
    by_time: BTreeSet<(Time, Opener)>,
    bytes: usize,
    by_holder: HashMap<Holder, usize>,
    pub(crate) counters: OpeningCounters,
}

/// How waits ended, and openings that did not wait because there was no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpeningCounters {
    /// The engine has read up to the cursor.
    pub(crate) reached: u64,
    /// The cursor was still ahead.
    pub(crate) ahead: u64,
    pub(crate) no_room: u64,
}

impl OpeningCounters {
    pub(crate) fn add(&mut self, other: Self) {
        self.reached += other.reached;
        self.ahead += other.ahead;
        self.no_room += other.no_room;
    }
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    cursor: Cursor,
    until: Time,
    holder: Holder,
    bytes: usize,
}

impl Openings {
    /// When the first wait is over.
    pub(crate) fn deadline(&self) -> Time {
        self.by_time.first().map_or(Time::NEVER, |(until, _)| *until)
    }

    pub(crate) fn len(&self) -> usize {
        self.waits.len()
    }

    /// The cursor that a stream's opening waits with.
    pub(crate) fn cursor_of(&self, subscriber: SubscriberKey) -> Option<Cursor> {
        if self.waits.is_empty() {
            return None;
        }
        self.waits.get(&Opener::Stream(subscriber)).map(|wait| wait.cursor)
    }

    /// Forgets an opening: it is judged now, or its client is gone.
    pub(crate) fn forget(&mut self, opener: Opener) {
        if self.waits.is_empty() {
            return;
        }
        let Some(wait) = self.waits.remove(&opener) else { return };
        self.end(opener, wait);
        self.bytes -= wait.bytes;
        if let Some(own) = self.by_holder.get_mut(&wait.holder) {
            *own -= wait.bytes;
            if *own == 0 {
                self.by_holder.remove(&wait.holder);
            }
        }
    }

    /// Has all requests be judged at once.
    pub(crate) fn end_requests(&mut self) {
        for (opener, wait) in &mut self.waits {
            if matches!(opener, Opener::Request(_)) && self.by_time.remove(&(wait.until, *opener)) {
                wait.until = Time::default();
                self.by_time.insert((wait.until, *opener));
            }
        }
    }

    fn end(&mut self, opener: Opener, wait: Wait) {
        self.by_cursor.remove(&(wait.cursor.epoch, wait.cursor.seq, opener));
        self.by_time.remove(&(wait.until, opener));
    }

    /// The next one whose wait is over at `head`, which is the position of the hub, and at this time.
    fn next_over(&self, head: Cursor, now: Time) -> Option<Opener> {
        // A cursor of another epoch is not waited for any more, wherever it sorts.
        let mut ends = self.by_cursor.first().into_iter().chain(self.by_cursor.last());
        let reached = ends.find(|(epoch, seq, _)| *epoch != head.epoch || *seq <= head.seq);
        let over = self.by_time.first().filter(|(until, _)| *until <= now);
        reached.map(|(.., opener)| *opener).or_else(|| over.map(|(_, opener)| *opener))
    }
}

impl<D: Dialect> Engine<D> {
    /// The cursor of a start that this engine may still come to.
    pub(crate) fn is_ahead(&self, start: Start) -> Option<Cursor> {
        let Start::After(cursor) = start else { return None };
        let may_come = self.limits.opening_wait_ms > 0
            && matches!(self.sequencing, Sequencing::Behind { .. })
            && self.hub.fault(start) == Some(Reason::Ahead);
        may_come.then_some(cursor)
    }

    /// The cursor of a stream that waits with it, and has nothing else yet. It is told no other one: with the head it
    /// would come back to what it has, or miss messages. [service:opening-waits]
    pub(crate) fn waits_with(&self, subscriber: SubscriberKey) -> Option<Cursor> {
        let own = self.openings.cursor_of(subscriber)?;
        (!self.hub.has_subscriptions(subscriber)).then_some(own)
    }

    /// Has an opening with these names wait for its cursor. Returns whether there was room.
    /// [service:opening-waits]
    pub(crate) fn await_cursor<'n>(
        &mut self,
        opener: Opener,
        (cursor, holder): (Cursor, Holder),
        names: impl Iterator<Item = &'n str>,
    ) -> bool {
        let bytes = names.fold(OVERHEAD_BYTES, |sum, name| sum + NAME_BYTES + name.len());
        let openings = &mut self.openings;
        let bytes_max = self.limits.openings_bytes_max;
        let own = openings.by_holder.get(&holder).copied().unwrap_or_default();
        let own_max = match holder {
            Holder::UNCOUNTED => bytes_max,
            _ => bytes_max.div_ceil(HOLDERS),
        };
        // [service:bound-openings]
        if openings.bytes + bytes > bytes_max || own + bytes > own_max {
            openings.counters.no_room += 1;
            return false;
        }
        let until = self.now + self.limits.opening_wait_ms;
        openings.waits.insert(opener, Wait { cursor, until, holder, bytes });
        openings.by_cursor.insert((cursor.epoch, cursor.seq, opener));
        openings.by_time.insert((until, opener));
        openings.bytes += bytes;
        *openings.by_holder.entry(holder).or_default() += bytes;
        true
    }

    /// The next opening whose wait is over: the engine has read on, a new epoch has begun, or the time has come.
    /// Each is given once. It is to be judged soon, and to be [forgotten](Openings::forget) then.
    #[inline]
    pub(crate) fn end_wait(&mut self) -> Option<Opener> {
        if self.openings.by_time.is_empty() {
            return None;
        }
        let head = self.hub.position();
        let opener = self.openings.next_over(head, self.now)?;
        let wait = *self.openings.waits.get(&opener)?;
        self.openings.end(opener, wait);
        let counters = &mut self.openings.counters;
        match wait.cursor.epoch == head.epoch && wait.cursor.seq <= head.seq {
            true => counters.reached += 1,
            false => counters.ahead += 1,
        }
        Some(opener)
    }
}
