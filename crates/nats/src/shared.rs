//! What the owner and the thread of an engine share.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};

use sockeye_backbone::{Event, Full, LogEnds, Position, Rejection, State, Wake};
use tokio::sync::Notify;

use crate::config::NatsConfig;

/// An entry, and its sequence in the stream.
pub(crate) type Entry = (u64, Arc<[u8]>);

/// Queues, and who waits for what.
pub(crate) struct Shared {
    pub(crate) config: NatsConfig,
    state: Mutex<Inner>,
    /// The engine is stopped.
    stopped: Condvar,
    /// There are appends.
    pub(crate) has_appends: Notify,
    /// There is something to trim.
    pub(crate) has_trim: Notify,
    /// The owner reads from elsewhere, or has taken events.
    pub(crate) has_turn: Notify,
    /// The engine is stopped, for what waits on a runtime.
    pub(crate) is_stopping: Notify,
    wake: OnceLock<Wake>,
    /// The owner was woken, and has not yet taken all events.
    is_woken: AtomicBool,
    /// The bytes of the largest entry: what is configured, or what the server takes if that is less.
    entry_bytes_max: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    is_stopped: bool,
    jobs: VecDeque<Job>,
    job_bytes: usize,
    /// Jobs that were taken, and whose fate is not known.
    in_flight: usize,
    /// Appends are dropped until the owner has taken [`Event::Dropped`].
    is_dropping: bool,
    /// The newest entry that the server has taken. It may still lose it.
    added: u64,
    /// The newest entry that the owner was given.
    given: u64,
    trim: Option<Trim>,
    /// The identity of the log that the owner was told last; zero if there was none.
    identity: u64,
    /// What the owner reads from, and how often it has said so.
    from: Option<u64>,
    generation: u64,
    events: VecDeque<Told>,
    event_bytes: usize,
    /// The subject that the owner was told last.
    subject: Option<Arc<str>>,
}

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// What the owner gets.
    Event(Event),
    /// From here on it knows of the stream with this subject.
    Subject(Arc<str>),
}

/// An append that waits.
#[derive(Debug)]
pub(crate) enum Job {
    /// An entry, and the subject of the stream that the owner knew of. `None` if it knew of none.
    Entry(Option<Arc<str>>, Arc<[u8]>),
    /// The first entry of a log.
    Begin(Arc<[u8]>),
}

/// The entries of a log that are not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trim {
    /// The identity of the log; zero if the owner has begun it, and was not told yet.
    pub(crate) identity: u64,
    /// The sequence before which nothing is needed.
    pub(crate) before: u64,
}

/// What the reader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Reads on from where it is.
    On,
    /// Begins anew at this sequence, in this generation.
    Anew(u64, u64),
    /// Nobody reads, or the owner has taken too little.
    Idle,
}

impl Job {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Entry(_, entry) | Self::Begin(entry) => entry.len(),
        }
    }
}

/// A position of a log without fences.
pub(crate) const fn position(sequence: u64) -> Position {
    Position::new(0, sequence)
}

impl Shared {
    pub(crate) fn new(config: NatsConfig) -> Self {
        let entry_bytes_max = AtomicUsize::new(config.limits.entry_bytes_max);
        Self {
            config,
            state: Mutex::default(),
            stopped: Condvar::new(),
            has_appends: Notify::new(),
            has_trim: Notify::new(),
            has_turn: Notify::new(),
            is_stopping: Notify::new(),
            wake: OnceLock::new(),
            is_woken: AtomicBool::new(false),
            entry_bytes_max,
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

    pub(crate) fn entry_bytes_max(&self) -> usize {
        self.entry_bytes_max.load(Ordering::Relaxed)
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
        if jobs.clone().any(|job| job.bytes() > self.entry_bytes_max()) {
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
        self.has_appends.notify_one();
        Ok(())
    }

    pub(crate) fn trim(&self, before: Position) {
        let mut inner = self.lock();
        let identity = inner.identity;
        let waiting = inner.trim.filter(|trim| trim.identity == identity).map(|trim| trim.before);
        let before = waiting.unwrap_or_default().max(before.number);
        inner.trim = Some(Trim { identity, before });
        drop(inner);
        self.has_trim.notify_one();
    }

    /// Sets where the owner reads from. What it has not taken is dropped, here and in `taken`.
    pub(crate) fn read_from(&self, position: Position, taken: &mut VecDeque<Told>) {
        let is_kept = |told: &Told| match told {
            Told::Event(Event::Entry(..) | Event::Ends(_)) => false,
            Told::Event(Event::State(_) | Event::Dropped(_) | Event::Replicated(_)) => true,
            Told::Subject(_) => true,
        };
        let from = position.number.max(1);
        let mut inner = self.lock();
        inner.from = Some(from);
        inner.given = from - 1;
        inner.generation += 1;
        inner.events.retain(is_kept);
        inner.event_bytes = 0;
        taken.retain(is_kept);
        drop(inner);
        self.has_turn.notify_one();
    }

    /// Moves all events to `taken`, which is empty.
    pub(crate) fn take_events(&self, taken: &mut VecDeque<Told>) {
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

    /// The server takes entries of this size.
    pub(crate) fn note_entry_bytes_max(&self, bytes: usize) {
        let bytes = bytes.min(self.config.limits.entry_bytes_max);
        self.entry_bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// A connection is over: what was on its way, or was taken and not read, may be lost.
    pub(crate) fn end_session(&self) {
        let mut inner = self.lock();
        if inner.in_flight > 0 || !inner.jobs.is_empty() || inner.added > inner.given {
            inner.reject(Rejection::Away);
            drop(inner);
            self.wake();
        }
    }

    /// Tells the owner of a state, or of copies. One that follows its like takes its place.
    pub(crate) fn tell(&self, event: Event) {
        self.lock().tell(event);
        self.wake();
    }

    /// The stream has this subject. The owner's appends go there once it has taken what is told before.
    pub(crate) fn tell_subject(&self, subject: &Arc<str>) {
        let mut inner = self.lock();
        if inner.subject.as_ref() != Some(subject) {
            inner.subject = Some(Arc::clone(subject));
            inner.events.push_back(Told::Subject(Arc::clone(subject)));
        }
    }

    /// The next append, if there is one that fits into `room` bytes, or `is_first` says that it need not.
    pub(crate) fn take_job(&self, room: usize, is_first: bool) -> Option<Job> {
        let mut inner = self.lock();
        inner.jobs.front().filter(|job| is_first || job.bytes() <= room)?;
        let job = inner.jobs.pop_front()?;
        inner.job_bytes -= job.bytes();
        inner.in_flight += 1;
        Some(job)
    }

    pub(crate) fn take_trim(&self) -> Option<Trim> {
        self.lock().trim.take()
    }

    /// A job that was taken is in the log, at this sequence if that is known.
    pub(crate) fn settle(&self, sequence: Option<u64>) {
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
        inner.added = inner.added.max(sequence.unwrap_or_default());
    }

    /// Jobs that were taken are not in the log; drops all others, too.
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
            inner.given = entries.last().map_or(inner.given, |(sequence, _)| *sequence);
            inner.event_bytes += entries.iter().map(|(_, entry)| entry.len()).sum::<usize>();
            inner.identity = ends.map_or(inner.identity, |ends| ends.identity);
            let last = ends.map(|ends| ends.last.map_or(0, |last| last.number));
            let before =
                entries.partition_point(|(sequence, _)| last.is_none_or(|last| *sequence <= last));
            let mut events =
                entries.drain(..).map(|(sequence, it)| Event::Entry(position(sequence), it));
            inner.events.extend(events.by_ref().take(before).map(Told::Event));
            inner.events.extend(ends.map(|ends| Told::Event(Event::Ends(ends))));
            inner.events.extend(events.map(Told::Event));
            drop(inner);
            self.wake();
        }
        entries.clear();
    }
}

impl Inner {
    fn tell(&mut self, event: Event) {
        let is_like = |last: &Told| match last {
            Told::Event(Event::State(_)) => matches!(event, Event::State(_)),
            Told::Event(Event::Replicated(_)) => matches!(event, Event::Replicated(_)),
            Told::Event(Event::Entry(..) | Event::Ends(_) | Event::Dropped(_)) => false,
            Told::Subject(_) => false,
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
        self.added = 0;
        if !core::mem::replace(&mut self.is_dropping, true) {
            self.events.push_back(Told::Event(Event::Dropped(rejection)));
        }
    }
}
