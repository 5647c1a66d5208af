//! What the owner and the thread of an engine share.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};

use sockeye_backbone::{Event, Full, LogEnds, Position, Rejection, Wake};
use tokio::sync::Notify;

use crate::config::PostgresConfig;

/// The entries and the bytes of one statement. A larger entry goes alone.
const BATCH_ENTRIES_MAX: usize = 1024;
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// An entry, and where it stands.
pub(crate) type Entry = (Position, Arc<[u8]>);

/// Queues, and who waits for what.
pub(crate) struct Shared {
    pub(crate) config: PostgresConfig,
    state: Mutex<Inner>,
    /// The engine is stopped.
    stopped: Condvar,
    /// There are appends, or there is something to trim.
    pub(crate) has_work: Notify,
    /// The owner reads from elsewhere, or has taken events.
    pub(crate) has_turn: Notify,
    /// The engine is stopped, for what waits on a runtime.
    pub(crate) is_stopping: Notify,
    wake: OnceLock<Wake>,
    /// The owner was woken, and has not yet taken all events.
    is_woken: AtomicBool,
}

#[derive(Default)]
struct Inner {
    is_stopped: bool,
    jobs: VecDeque<Job>,
    job_bytes: usize,
    /// Jobs were taken, and their fate is not known.
    is_in_flight: bool,
    /// Appends are dropped until the owner has taken [`Event::Dropped`].
    is_dropping: bool,
    /// The newest entry that the server has taken. Another server may take its place that lacks it.
    added: Position,
    /// The newest entry that the owner was given.
    given: Position,
    trim: Option<Position>,
    /// What the owner reads from, and how often it has said so.
    from: Option<Position>,
    generation: u64,
    events: VecDeque<Event>,
    event_bytes: usize,
}

/// An append that waits.
#[derive(Debug)]
pub(crate) enum Job {
    /// An entry under a fence.
    Entry(u64, Arc<[u8]>),
    /// The first entry of a log.
    Begin(Arc<[u8]>),
    /// The first entry of a fence.
    Raise(Arc<[u8]>),
}

/// What the appender does next.
#[derive(Debug)]
pub(crate) enum Work {
    /// Appends entries under one fence.
    Batch(u64, Vec<Arc<[u8]>>),
    /// Creates the log.
    Begin(Arc<[u8]>),
    /// Raises the fence.
    Raise(Arc<[u8]>),
}

/// What the reader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Reads on from where it is.
    On,
    /// Begins anew at this position, in this generation.
    Anew(Position, u64),
    /// Nobody reads, or the owner has taken too little.
    Idle,
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Entry(_, entry) | Self::Begin(entry) | Self::Raise(entry) => entry.len(),
        }
    }
}

impl Shared {
    pub(crate) fn new(config: PostgresConfig) -> Self {
        Self {
            config,
            state: Mutex::default(),
            stopped: Condvar::new(),
            has_work: Notify::new(),
            has_turn: Notify::new(),
            is_stopping: Notify::new(),
            wake: OnceLock::new(),
            is_woken: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
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

    pub(crate) fn set_wake(&self, wake: Wake) {
        let _ = self.wake.set(wake);
        // Events may have come before.
        self.is_woken.store(false, Ordering::Release);
        if !self.lock().events.is_empty() {
            self.wake();
        }
    }

    /// Takes appends, all or none.
    pub(crate) fn append(
        &self,
        jobs: impl ExactSizeIterator<Item = Job> + Clone,
    ) -> Result<(), Full> {
        let limits = &self.config.limits;
        let mut inner = self.lock();
        if inner.is_dropping {
            return Ok(());
        }
        let (entries, bytes) = (jobs.len(), jobs.clone().map(|job| job.bytes()).sum::<usize>());
        if jobs.clone().any(|job| job.bytes() > limits.entry_bytes_max) {
            inner.reject(Rejection::TooLarge);
            drop(inner);
            self.wake();
            return Ok(());
        }
        let has_room = inner.jobs.len() + entries <= limits.append_entries_max
            && inner.job_bytes + bytes <= limits.append_bytes_max;
        if !has_room && !inner.jobs.is_empty() {
            return Err(Full);
        }
        inner.jobs.extend(jobs);
        inner.job_bytes += bytes;
        drop(inner);
        self.has_work.notify_one();
        Ok(())
    }

    pub(crate) fn trim(&self, before: Position) {
        let mut inner = self.lock();
        inner.trim = inner.trim.max(Some(before));
        drop(inner);
        self.has_work.notify_one();
    }

    /// Sets where the owner reads from. What it has not taken is dropped, here and in `taken`.
    pub(crate) fn read_from(&self, position: Position, taken: &mut VecDeque<Event>) {
        let is_kept = |event: &Event| match event {
            Event::Entry(..) | Event::Ends(_) => false,
            Event::State(_) | Event::Dropped(_) | Event::Replicated(_) => true,
        };
        let mut inner = self.lock();
        inner.from = Some(position);
        inner.given = Position::new(position.fence, position.number.saturating_sub(1));
        inner.generation += 1;
        inner.events.retain(is_kept);
        inner.event_bytes = 0;
        taken.retain(is_kept);
        drop(inner);
        self.has_turn.notify_one();
    }

    /// Moves all events to `taken`, which is empty.
    pub(crate) fn take_events(&self, taken: &mut VecDeque<Event>) {
        self.is_woken.store(false, Ordering::Release);
        let mut inner = self.lock();
        core::mem::swap(&mut inner.events, taken);
        inner.event_bytes = 0;
        drop(inner);
        if !taken.is_empty() {
            self.has_turn.notify_one();
        }
    }

    /// The owner has taken [`Event::Dropped`].
    pub(crate) fn end_dropping(&self) {
        self.lock().is_dropping = false;
    }

    /// Ends the thread, as soon as it sees it.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.is_stopping.notify_one();
        self.stopped.notify_all();
    }

    // --- The thread ------------------------------------------------------------------------------

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Waits, unless the engine is stopped.
    pub(crate) fn pause(&self, pause: Duration) {
        let inner = self.lock();
        let _ = self.stopped.wait_timeout_while(inner, pause, |inner| !inner.is_stopped);
    }

    /// The connections are over: what was on its way, or was taken and not read, may be lost.
    pub(crate) fn end_session(&self) {
        let mut inner = self.lock();
        if inner.is_in_flight || !inner.jobs.is_empty() || inner.added > inner.given {
            inner.reject(Rejection::Away);
            drop(inner);
            self.wake();
        }
    }

    /// Tells the owner of a state. One that follows another takes its place.
    pub(crate) fn tell(&self, event: Event) {
        let mut inner = self.lock();
        if matches!((inner.events.back(), &event), (Some(Event::State(_)), Event::State(_))) {
            inner.events.pop_back();
        }
        inner.events.push_back(event);
        drop(inner);
        self.wake();
    }

    /// The next appends, if there are any.
    pub(crate) fn take_work(&self) -> Option<Work> {
        self.lock().take_work()
    }

    pub(crate) fn take_trim(&self) -> Option<Position> {
        self.lock().trim.take()
    }

    /// The jobs that were taken are in the log, up to this position if that is known.
    pub(crate) fn settle(&self, newest: Option<Position>) {
        let mut inner = self.lock();
        inner.is_in_flight = false;
        inner.added = inner.added.max(newest.unwrap_or_default());
    }

    /// The jobs that were taken are not in the log; drops all others, too.
    pub(crate) fn reject(&self, rejection: Rejection) {
        self.lock().reject(rejection);
        self.wake();
    }

    /// What the reader of a generation does now.
    pub(crate) fn turn(&self, generation: u64) -> Turn {
        let limits = self.config.limits;
        let inner = self.lock();
        let has_room = inner.events.len() < limits.event_entries_max
            && inner.event_bytes < limits.event_bytes_max;
        match inner.from {
            Some(from) if inner.generation != generation => Turn::Anew(from, inner.generation),
            Some(_) if has_room => Turn::On,
            Some(_) | None => Turn::Idle,
        }
    }

    /// Gives the owner what was read in a generation, unless it reads from elsewhere now. The ends go behind the
    /// entry that was the last one when they were asked for: an owner that has read more would miss it.
    pub(crate) fn give(&self, generation: u64, entries: &mut Vec<Entry>, ends: Option<LogEnds>) {
        let mut inner = self.lock();
        if inner.generation == generation {
            inner.given = entries.last().map_or(inner.given, |(position, _)| *position);
            inner.event_bytes += entries.iter().map(|(_, entry)| entry.len()).sum::<usize>();
            let last = ends.map(|ends| ends.last.unwrap_or_default());
            let before =
                entries.partition_point(|(position, _)| last.is_none_or(|last| *position <= last));
            let mut events = entries.drain(..).map(|(position, it)| Event::Entry(position, it));
            inner.events.extend(events.by_ref().take(before));
            inner.events.extend(ends.map(Event::Ends));
            inner.events.extend(events);
            drop(inner);
            self.wake();
        }
        entries.clear();
    }
}

impl Inner {
    /// Drops all appends, and those that come before the owner knows.
    fn reject(&mut self, rejection: Rejection) {
        self.jobs.clear();
        self.job_bytes = 0;
        self.is_in_flight = false;
        self.added = Position::ZERO;
        if !core::mem::replace(&mut self.is_dropping, true) {
            self.events.push_back(Event::Dropped(rejection));
        }
    }

    fn take_work(&mut self) -> Option<Work> {
        let job = self.jobs.pop_front()?;
        self.is_in_flight = true;
        self.job_bytes -= job.bytes();
        Some(match job {
            Job::Begin(entry) => Work::Begin(entry),
            Job::Raise(entry) => Work::Raise(entry),
            Job::Entry(fence, entry) => self.batch(fence, entry),
        })
    }

    fn batch(&mut self, fence: u64, first: Arc<[u8]>) -> Work {
        let mut bytes = first.len();
        let mut entries = vec![first];
        while entries.len() < BATCH_ENTRIES_MAX
            && let Some(Job::Entry(next, entry)) = self.jobs.front()
            && *next == fence
            && bytes + entry.len() <= BATCH_BYTES_MAX
        {
            bytes += entry.len();
            self.job_bytes -= entry.len();
            entries.push(Arc::clone(entry));
            self.jobs.pop_front();
        }
        Work::Batch(fence, entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_fence_and_a_bound() {
        let mut inner = Inner::default();
        let entry = |bytes: usize| -> Arc<[u8]> { vec![0; bytes].into() };
        let large = BATCH_BYTES_MAX / 2;
        let jobs = [(1, 1), (1, 2), (2, large), (2, large), (2, 1)];
        inner.jobs.extend(jobs.map(|(fence, bytes)| Job::Entry(fence, entry(bytes))));
        inner.job_bytes = jobs.iter().map(|(_, bytes)| bytes).sum();
        let mut batches = Vec::new();
        while let Some(work) = inner.take_work() {
            let Work::Batch(fence, entries) = work else { panic!("{work:?}") };
            batches.push((fence, entries.len()));
        }
        assert_eq!(batches, [(1, 2), (2, 2), (2, 1)]);
        assert_eq!(inner.job_bytes, 0);
        inner.jobs.extend((0..=BATCH_ENTRIES_MAX).map(|_| Job::Entry(1, entry(0))));
        let Some(Work::Batch(_, entries)) = inner.take_work() else { panic!("a batch") };
        assert_eq!((entries.len(), inner.jobs.len()), (BATCH_ENTRIES_MAX, 1));
    }
}
