//! The log in memory, and what waits on its connections.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Held, Hold, MemoryLimits, away, too_large};
use crate::engine::{Event, Full, LogEnds, Position, Rejection, State, Wake};

pub(super) struct Log {
    pub(super) limits: MemoryLimits,
    pub(super) unix_ms: u64,
    pub(super) entries: Vec<(Position, Arc<[u8]>)>,
    /// The newest entry's position, also if it was trimmed; `None` if the log does not exist.
    last: Option<Position>,
    identity: u64,
    pub(super) links: Vec<Link>,
    /// Appends of connections that were cut, and that come late.
    late: VecDeque<Append>,
}

/// One engine's connections.
pub(super) struct Link {
    pub(super) wake: Option<Wake>,
    is_up: bool,
    holds: Hold,
    /// Appends on their way.
    held: VecDeque<Append>,
    /// Appends fail from here on, until the owner has taken the event.
    is_dropping: bool,
    /// Events that come before anything that is read.
    events: VecDeque<Event>,
    /// The last position that was read, or the one before the first to read.
    read: Reading,
    /// Entries that may be read.
    allowed: Option<usize>,
    /// The ends have to be told.
    tells_ends: bool,
}

#[derive(Clone, Copy, Debug)]
enum Reading {
    Not,
    From(Position),
    After(Position),
}

#[derive(Clone, Debug)]
pub(super) enum Append {
    Entries(u64, Vec<Arc<[u8]>>),
    Begin(Arc<[u8]>),
    Raise(Arc<[u8]>),
}

impl Append {
    pub(super) fn entries(&self) -> &[Arc<[u8]>] {
        match self {
            Self::Entries(_, entries) => entries,
            Self::Begin(entry) | Self::Raise(entry) => core::slice::from_ref(entry),
        }
    }
}

impl Log {
    pub(super) const fn new(limits: MemoryLimits) -> Self {
        Self {
            limits,
            unix_ms: 1,
            entries: Vec::new(),
            last: None,
            identity: 1,
            links: Vec::new(),
            late: VecDeque::new(),
        }
    }

    pub(super) fn open(&mut self) -> usize {
        let events = VecDeque::from([Event::State(State::Up(self.ends()))]);
        self.links.push(Link {
            wake: None,
            is_up: true,
            holds: Hold::Off,
            held: VecDeque::new(),
            is_dropping: false,
            events,
            read: Reading::Not,
            allowed: None,
            tells_ends: false,
        });
        self.links.len() - 1
    }

    pub(super) fn ends(&self) -> LogEnds {
        let first = self.entries.first().map(|(position, _)| *position);
        LogEnds { identity: self.identity, first, last: self.last }
    }

    pub(super) fn fence(&self) -> u64 {
        self.last.map_or(0, |last| last.fence)
    }

    pub(super) fn push(&mut self, fence: u64, entry: Arc<[u8]>) {
        let number = match self.last {
            Some(last) if last.fence == fence => last.number + 1,
            Some(_) | None => 1,
        };
        let position = Position::new(fence, number);
        self.last = Some(position);
        self.entries.push((position, entry));
        self.ask_ends();
    }

    pub(super) fn erase(&mut self) {
        self.entries.clear();
        self.last = None;
        self.identity += 1;
        self.ask_ends();
    }

    pub(super) fn lose_tail(&mut self, entries: usize) {
        if let Some((last, _)) = entries.checked_sub(1).and_then(|at| self.entries.get(at)) {
            self.last = Some(*last);
            self.entries.truncate(entries);
            self.identity += 1;
            self.ask_ends();
        }
    }

    pub(super) fn trim(&mut self, before: Position) {
        self.entries.retain(|(position, _)| *position >= before);
    }

    pub(super) fn ask_ends(&mut self) {
        for link in &mut self.links {
            link.tells_ends = true;
            link.wake();
        }
    }

    pub(super) fn hold_writes(&mut self, link: usize, hold: Hold) {
        self.links[link].holds = hold;
        if hold == Hold::Off {
            self.deliver(link, usize::MAX);
        }
    }

    pub(super) fn allow_reads(&mut self, link: usize, entries: Option<usize>) {
        self.links[link].allowed = entries;
        self.links[link].wake();
    }

    pub(super) fn send(&mut self, number: usize, append: Append) -> Result<(), Full> {
        let link = &mut self.links[number];
        if link.held.len() >= self.limits.appends_max {
            return Err(Full);
        }
        if link.is_dropping {
            return Ok(());
        }
        if !link.is_up {
            link.drop_appends(Rejection::Away);
            return Ok(());
        }
        link.held.push_back(append);
        if link.holds == Hold::Off {
            self.deliver(number, usize::MAX);
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, link: usize, appends: usize) {
        for _ in 0..appends {
            let Some(append) = self.links[link].held.pop_front() else { return };
            if let Err(rejection) = self.take(append) {
                self.links[link].drop_appends(rejection);
            }
        }
    }

    pub(super) fn deliver_late(&mut self, appends: usize) {
        for _ in 0..appends {
            let Some(append) = self.late.pop_front() else { return };
            // Nobody waits for the answer.
            let _ = self.take(append);
        }
    }

    pub(super) fn cut(&mut self, number: usize, held: Held) {
        match held {
            Held::Lost => {}
            Held::Late => {
                let held = core::mem::take(&mut self.links[number].held);
                self.late.extend(held);
            }
            Held::Arrived => self.deliver(number, usize::MAX),
        }
        let up = Event::State(State::Up(self.ends()));
        let link = &mut self.links[number];
        link.drop_appends(Rejection::Away);
        link.is_up = true;
        link.events.push_back(up);
        link.tells_ends = true;
        link.wake();
    }

    pub(super) fn take_away(&mut self, number: usize) {
        let link = &mut self.links[number];
        link.is_up = false;
        link.events.push_back(Event::State(away()));
        link.drop_appends(Rejection::Away);
        link.wake();
    }

    pub(super) fn restore(&mut self, number: usize) {
        if !self.links[number].is_up {
            self.cut(number, Held::Lost);
        }
    }

    pub(super) fn read_from(&mut self, number: usize, position: Position) {
        let link = &mut self.links[number];
        link.read = Reading::From(position);
        link.tells_ends = true;
    }

    pub(super) fn next(&mut self, number: usize) -> Option<Event> {
        let ends = self.ends();
        let Self { links, entries, .. } = self;
        let link = &mut links[number];
        if let Some(event) = link.events.pop_front() {
            link.is_dropping &= !matches!(event, Event::Dropped(_));
            return Some(event);
        }
        if !link.is_up {
            return None;
        }
        let at = match link.read {
            Reading::Not => return None,
            Reading::From(from) => entries.partition_point(|(position, _)| *position < from),
            Reading::After(last) => entries.partition_point(|(position, _)| *position <= last),
        };
        let Some((position, entry)) = entries.get(at) else {
            return core::mem::take(&mut link.tells_ends).then_some(Event::Ends(ends));
        };
        if let Some(allowed) = &mut link.allowed {
            *allowed = allowed.checked_sub(1)?;
        }
        link.read = Reading::After(*position);
        link.tells_ends = true;
        Some(Event::Entry(*position, Arc::clone(entry)))
    }

    fn take(&mut self, append: Append) -> Result<(), Rejection> {
        if let Some(too_large) = too_large(&append, &self.limits) {
            return Err(too_large);
        }
        let now = if self.limits.has_fences { self.unix_ms.max(1) } else { 0 };
        match append {
            Append::Entries(fence, entries) => {
                let last = self.last.ok_or(Rejection::Gone)?;
                if fence < last.fence {
                    return Err(Rejection::Fenced);
                }
                entries.into_iter().for_each(|entry| self.push(fence, entry));
            }
            Append::Begin(entry) if self.last.is_none() => self.push(now, entry),
            Append::Begin(_) => {}
            Append::Raise(entry) => {
                let last = self.last.ok_or(Rejection::Gone)?;
                let fence = if self.limits.has_fences { now.max(last.fence + 1) } else { 0 };
                self.push(fence, entry);
            }
        }
        Ok(())
    }
}

impl Link {
    fn wake(&self) {
        if let Some(wake) = &self.wake {
            wake();
        }
    }

    fn drop_appends(&mut self, rejection: Rejection) {
        self.held.clear();
        if !core::mem::replace(&mut self.is_dropping, true) {
            self.events.push_back(Event::Dropped(rejection));
        }
        self.wake();
    }
}

impl core::fmt::Debug for Log {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Log").field("ends", &self.ends()).finish_non_exhaustive()
    }
}
