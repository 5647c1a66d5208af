//! The queues between the owner of an engine and its thread.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};

use crate::{Event, Full, LogEnds, Position, Rejection, State, Wake};

/// Bounds of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Appends that wait.
    pub append_entries_max: usize,
    /// Their bytes.
    pub append_bytes_max: usize,
    /// Events that the owner has not taken. The reader stops at the bound; what it reads at once may exceed it.
    pub event_entries_max: usize,
    /// Their bytes.
    pub event_bytes_max: usize,
}

/// An append that waits.
pub trait Job {
    /// The bytes of its entry.
    fn bytes(&self) -> usize;
}

/// An append for an engine without fences; `L` names a life of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Append<L> {
    /// An entry, and the life that the owner knew of. `None` if it knew of none.
    Entry(Option<L>, Arc<[u8]>),
    /// The first entry of a log.
    Begin(Arc<[u8]>),
}

impl<L> Job for Append<L> {
    fn bytes(&self) -> usize {
        match self {
            Self::Entry(_, entry) | Self::Begin(entry) => entry.len(),
        }
    }
}

/// A piece of news from the thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<M> {
    /// The event that the owner gets.
    Event(Event),
    /// A mark of the driver: what the owner does from here on is done under it.
    Mark(M),
}

/// The entries of a log that are not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// The identity of the log that the owner knew of; zero if it was told of none.
    pub identity: u64,
    /// The position before which nothing is needed.
    pub before: Position,
}

/// The next step of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Reads on from where it is.
    On,
    /// Begins anew at this position, in this generation.
    Anew(Position, u64),
    /// Nobody reads, or the owner has taken too little.
    Idle,
}

/// The jobs `J` of an owner, and events and marks `M` for it. A driver adds how its thread is woken.
pub struct Queues<J, M> {
    limits: QueueLimits,
    state: Mutex<Inner<J, M>>,
    /// The engine is stopped.
    stopped: Condvar,
    wake: OnceLock<Wake>,
    /// The owner was woken, and has not yet taken all events.
    is_woken: AtomicBool,
}

struct Inner<J, M> {
    is_stopped: bool,
    jobs: VecDeque<J>,
    job_bytes: usize,
    /// Jobs that were taken, and whose fate is not known.
    in_flight: usize,
    /// Appends are dropped until the owner has taken [`Event::Dropped`].
    is_dropping: bool,
    /// The newest entry that the server has taken. It may still lose it.
    added: Position,
    /// The newest entry that the owner was given.
    given: Position,
    trim: Option<Trim>,
    /// The identity of the log that the owner was told last; zero if there was none.
    identity: u64,
    /// The position from which the owner reads, and how often it has named one.
    from: Option<Position>,
    generation: u64,
    events: VecDeque<Told<M>>,
    event_bytes: usize,
}

impl<J, M> Default for Inner<J, M> {
    fn default() -> Self {
        Self {
            is_stopped: false,
            jobs: VecDeque::new(),
            job_bytes: 0,
            in_flight: 0,
            is_dropping: false,
            added: Position::ZERO,
            given: Position::ZERO,
            trim: None,
            identity: 0,
            from: None,
            generation: 0,
            events: VecDeque::new(),
            event_bytes: 0,
        }
    }
}

impl<J: Job, M> Queues<J, M> {
    /// Empty queues.
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            stopped: Condvar::new(),
            wake: OnceLock::new(),
            is_woken: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<J, M>> {
        self.state.lock().expect("no thread panics while it has the lock")
    }

    /// Wakes the owner, once for all events that it then takes.
    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel)
            && let Some(wake) = self.wake.get()
        {
            wake();
        }
    }

    // --- The owner -------------------------------------------------------------------------------

    /// Sets how the owner is woken.
    pub fn set_wake(&self, wake: Wake) {
        let _ = self.wake.set(wake);
        // Events may have come before.
        self.is_woken.store(false, Ordering::Release);
        if !self.lock().events.is_empty() {
            self.wake();
        }
    }

    /// Takes jobs, all or none. A job of more than `entry_bytes_max` drops all of them, and those that wait.
    ///
    /// # Errors
    /// [`Full`]: too much waits.
    pub fn append(
        &self,
        jobs: impl ExactSizeIterator<Item = J> + Clone,
        entry_bytes_max: usize,
    ) -> Result<(), Full> {
        let mut inner = self.lock();
        if inner.is_dropping {
            return Ok(());
        }
        let (entries, bytes) = (jobs.len(), jobs.clone().map(|job| job.bytes()).sum::<usize>());
        if jobs.clone().any(|job| job.bytes() > entry_bytes_max) {
            inner.reject(Rejection::TooLarge);
            drop(inner);
            self.wake();
            return Ok(());
        }
        let has_room = inner.jobs.len() + entries <= self.limits.append_entries_max
            && inner.job_bytes + bytes <= self.limits.append_bytes_max;
        if !has_room && !inner.jobs.is_empty() {
            return Err(Full);
        }
        inner.jobs.extend(jobs);
        inner.job_bytes += bytes;
        Ok(())
    }

    /// Keeps the greatest position before which nothing is needed, of the log that the owner knows of.
    pub fn trim(&self, before: Position) {
        let mut inner = self.lock();
        let identity = inner.identity;
        let waiting = inner.trim.filter(|trim| trim.identity == identity).map(|trim| trim.before);
        let before = waiting.unwrap_or_default().max(before);
        inner.trim = Some(Trim { identity, before });
    }

    /// Sets where the owner reads from. What it has not taken is dropped, here and in `taken`.
    pub fn read_from(&self, position: Position, taken: &mut VecDeque<Told<M>>) {
        let is_kept = |told: &Told<M>| match told {
            Told::Event(Event::Entry(..) | Event::Ends(_)) => false,
            Told::Event(Event::State(_) | Event::Dropped(_) | Event::Replicated(_)) => true,
            Told::Mark(_) => true,
        };
        let mut inner = self.lock();
        inner.from = Some(position);
        inner.given = Position::new(position.fence, position.number.saturating_sub(1));
        inner.generation += 1;
        inner.events.retain(is_kept);
        inner.event_bytes = 0;
        taken.retain(is_kept);
    }

    /// Moves all events to `taken`, which is empty.
    pub fn take_events(&self, taken: &mut VecDeque<Told<M>>) {
        self.is_woken.store(false, Ordering::Release);
        let mut inner = self.lock();
        core::mem::swap(&mut inner.events, taken);
        inner.event_bytes = 0;
    }

    /// The owner has taken [`Event::Dropped`].
    pub fn end_dropping(&self) {
        self.lock().is_dropping = false;
    }

    /// Ends the thread, as soon as it sees it.
    pub fn stop(&self) {
        self.lock().is_stopped = true;
        self.stopped.notify_all();
    }

    // --- The thread ------------------------------------------------------------------------------

    /// Whether the owner has gone.
    pub fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Waits, unless the engine is stopped.
    pub fn pause(&self, pause: Duration) {
        let inner = self.lock();
        let _ = self.stopped.wait_timeout_while(inner, pause, |inner| !inner.is_stopped);
    }

    /// The connections are over: what was on its way, or was taken and not read, may be lost.
    pub fn end_session(&self) {
        let mut inner = self.lock();
        if inner.in_flight > 0 || !inner.jobs.is_empty() || inner.added > inner.given {
            inner.reject(Rejection::Away);
            drop(inner);
            self.wake();
        }
    }

    /// Tells the owner of a state, or of copies. One that follows its like takes its place.
    pub fn tell(&self, event: Event) {
        self.lock().tell(event);
        self.wake();
    }

    /// Puts a mark behind what was told.
    pub fn mark(&self, mark: M) {
        self.lock().events.push_back(Told::Mark(mark));
    }

    /// The next job, if there is one of which this holds.
    pub fn take_job_if(&self, holds: impl FnOnce(&J) -> bool) -> Option<J> {
        let mut inner = self.lock();
        inner.jobs.front().filter(|job| holds(job))?;
        let job = inner.jobs.pop_front()?;
        inner.job_bytes -= job.bytes();
        inner.in_flight += 1;
        Some(job)
    }

    /// Whether a job waits.
    pub fn has_jobs(&self) -> bool {
        !self.lock().jobs.is_empty()
    }

    /// The trim that waits.
    pub fn take_trim(&self) -> Option<Trim> {
        self.lock().trim.take()
    }

    /// This number of jobs that were taken are in the log, up to this position if that is known.
    pub fn settle(&self, jobs: usize, newest: Option<Position>) {
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(jobs);
        inner.added = inner.added.max(newest.unwrap_or_default());
    }

    /// Jobs that were taken are not in the log; drops all others, too.
    pub fn reject(&self, rejection: Rejection) {
        self.lock().reject(rejection);
        self.wake();
    }

    /// The next step of the reader of a generation.
    pub fn turn(&self, generation: u64) -> Turn {
        let inner = self.lock();
        let has_room = inner.events.len() < self.limits.event_entries_max
            && inner.event_bytes < self.limits.event_bytes_max;
        match inner.from {
            Some(from) if inner.generation != generation => Turn::Anew(from, inner.generation),
            Some(_) if has_room => Turn::On,
            Some(_) | None => Turn::Idle,
        }
    }

    /// Gives the owner what was read in a generation, unless it reads from elsewhere now. The ends go behind the
    /// entry that was the last one when they were asked for: an owner that has read more would miss it.
    pub fn give(
        &self,
        generation: u64,
        entries: &mut Vec<(Position, Arc<[u8]>)>,
        ends: Option<LogEnds>,
    ) {
        let mut inner = self.lock();
        if inner.generation == generation {
            inner.given = entries.last().map_or(inner.given, |(position, _)| *position);
            inner.event_bytes += entries.iter().map(|(_, entry)| entry.len()).sum::<usize>();
            inner.identity = ends.map_or(inner.identity, |ends| ends.identity);
            let last = ends.map(|ends| ends.last.unwrap_or_default());
            let before =
                entries.partition_point(|(position, _)| last.is_none_or(|last| *position <= last));
            let mut events = entries.drain(..).map(|(at, entry)| Event::Entry(at, entry));
            inner.events.extend(events.by_ref().take(before).map(Told::Event));
            inner.events.extend(ends.map(|ends| Told::Event(Event::Ends(ends))));
            inner.events.extend(events.map(Told::Event));
            drop(inner);
            self.wake();
        }
        entries.clear();
    }
}

impl<J, M> Inner<J, M> {
    fn tell(&mut self, event: Event) {
        let is_like = |last: &Told<M>| match last {
            Told::Event(Event::State(_)) => matches!(event, Event::State(_)),
            Told::Event(Event::Replicated(_)) => matches!(event, Event::Replicated(_)),
            Told::Event(Event::Entry(..) | Event::Ends(_) | Event::Dropped(_)) => false,
            Told::Mark(_) => false,
        };
        if self.events.back().is_some_and(is_like) {
            self.events.pop_back();
        }
        if let Event::State(State::Up(ends)) = &event {
            self.identity = ends.identity;
        }
        self.events.push_back(Told::Event(event));
    }

    /// Drops all appends, and those that come before the owner knows.
    fn reject(&mut self, rejection: Rejection) {
        self.jobs.clear();
        self.job_bytes = 0;
        self.in_flight = 0;
        self.added = Position::ZERO;
        if !core::mem::replace(&mut self.is_dropping, true) {
            self.events.push_back(Told::Event(Event::Dropped(rejection)));
        }
    }
}

impl<J, M> core::fmt::Debug for Queues<J, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Queues").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
