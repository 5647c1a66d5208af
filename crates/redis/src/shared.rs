//! What the owner and the two threads of an engine share.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use sockeye_backbone::driver::{FencedAppend, Job as _};
use sockeye_backbone::{Event, Full, LogEnds, Position, Rejection, State, Trouble, Wake};

use crate::config::RedisConfig;
use crate::link::{Cut, Link};
use crate::stream::{self, Id};

/// The entries and the bytes of one transaction. A larger entry goes alone.
const BATCH_ENTRIES_MAX: usize = 1024;
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// How often an append that has too few copies is asked for again.
const COPIES_EVERY: Duration = Duration::from_millis(250);

/// Queues, the session, and who waits for what.
pub(crate) struct Shared {
    pub(crate) config: RedisConfig,
    state: Mutex<Inner>,
    /// Something changed for one of the threads.
    changed: Condvar,
    wake: OnceLock<Wake>,
    /// The owner was woken, and has not yet taken all events.
    is_woken: AtomicBool,
}

#[derive(Default)]
struct Inner {
    is_stopped: bool,
    jobs: VecDeque<FencedAppend>,
    job_bytes: usize,
    /// The appender has taken jobs, and does not know their fate.
    is_in_flight: bool,
    /// Appends are dropped until the owner has taken [`Event::Dropped`].
    is_dropping: bool,
    /// The newest entry that the server has taken. It may still lose it, with its memory or to another primary.
    added: Option<Id>,
    /// The newest entry that the owner was given.
    given: Option<Id>,
    trim: Option<Position>,
    /// What the owner reads from, and how often it has said so.
    from: Option<Position>,
    generation: u64,
    events: VecDeque<Event>,
    event_bytes: usize,
    session: Option<Session>,
    sessions: u64,
}

/// A pair of connections to one server.
struct Session {
    number: u64,
    /// The connection for appends, until the appender takes it.
    link: Option<Link>,
    cuts: [Cut; 2],
    /// Why it is over.
    trouble: Option<Trouble>,
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
    /// Trims.
    Trim(Position),
    /// Asks again for copies.
    AskCopies,
    /// The session is over.
    End,
}

/// What the reader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Reads on from where it is.
    On,
    /// Begins anew behind this identifier, in this generation.
    Anew(Id, u64),
    /// Nobody reads.
    Idle,
    /// The session is over.
    End,
}

impl Shared {
    pub(crate) fn new(config: RedisConfig) -> Self {
        Self {
            config,
            state: Mutex::default(),
            changed: Condvar::new(),
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
        jobs: impl ExactSizeIterator<Item = FencedAppend> + Clone,
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
        self.changed.notify_all();
        Ok(())
    }

    pub(crate) fn trim(&self, before: Position) {
        let mut inner = self.lock();
        inner.trim = inner.trim.max(Some(before));
        drop(inner);
        self.changed.notify_all();
    }

    /// Sets where the owner reads from. What it has not taken is dropped, here and in `taken`.
    pub(crate) fn read_from(&self, position: Position, taken: &mut VecDeque<Event>) {
        let is_kept = |event: &Event| match event {
            Event::Entry(..) | Event::Ends(_) => false,
            Event::State(_) | Event::Dropped(_) | Event::Replicated(_) => true,
        };
        let mut inner = self.lock();
        inner.from = Some(position);
        inner.given = Some(Id::at(position).before());
        inner.generation += 1;
        inner.events.retain(is_kept);
        inner.event_bytes = 0;
        taken.retain(is_kept);
        drop(inner);
        self.changed.notify_all();
    }

    /// Moves all events to `taken`, which is empty.
    pub(crate) fn take_events(&self, taken: &mut VecDeque<Event>) {
        self.is_woken.store(false, Ordering::Release);
        let mut inner = self.lock();
        core::mem::swap(&mut inner.events, taken);
        inner.event_bytes = 0;
        drop(inner);
        if !taken.is_empty() {
            self.changed.notify_all();
        }
    }

    /// The owner has taken [`Event::Dropped`].
    pub(crate) fn end_dropping(&self) {
        self.lock().is_dropping = false;
    }

    /// Ends both threads, as soon as they see it.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        inner.is_stopped = true;
        inner.cut();
        drop(inner);
        self.changed.notify_all();
    }

    // --- Sessions --------------------------------------------------------------------------------

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Waits, unless the engine is stopped.
    pub(crate) fn pause(&self, pause: Duration) {
        let inner = self.lock();
        let _ = self.changed.wait_timeout_while(inner, pause, |inner| !inner.is_stopped);
    }

    /// Begins a session with a connection for appends, and tells the owner.
    pub(crate) fn begin_session(&self, link: Link, cuts: [Cut; 2], state: State) {
        let mut inner = self.lock();
        inner.sessions += 1;
        let number = inner.sessions;
        inner.session = Some(Session { number, link: Some(link), cuts, trouble: None });
        inner.tell(Event::State(state));
        if inner.is_stopped {
            inner.cut();
        }
        drop(inner);
        self.changed.notify_all();
        self.wake();
    }

    /// Ends the session, and returns why it is over: the first trouble counts.
    pub(crate) fn end_session(&self, trouble: Trouble) -> Trouble {
        let mut inner = self.lock();
        let first = inner.session.take().and_then(|session| {
            session.cuts.iter().for_each(Cut::cut);
            session.trouble
        });
        if inner.is_in_flight || !inner.jobs.is_empty() || inner.added > inner.given {
            inner.reject(Rejection::Away);
        }
        drop(inner);
        self.changed.notify_all();
        self.wake();
        first.unwrap_or(trouble)
    }

    /// Tells the owner of a state, or of copies. One that follows its like takes its place.
    pub(crate) fn tell(&self, event: Event) {
        let mut inner = self.lock();
        inner.tell(event);
        drop(inner);
        self.wake();
    }

    // --- The appender ----------------------------------------------------------------------------

    /// Waits for a session; `None` once the engine is stopped.
    pub(crate) fn next_link(&self) -> Option<(u64, Link)> {
        let has_none = |inner: &mut Inner| {
            !inner.is_stopped && inner.session.as_ref().is_none_or(|session| session.link.is_none())
        };
        let mut inner = self.changed.wait_while(self.lock(), has_none).expect("no poison");
        let is_stopped = inner.is_stopped;
        let session = inner.session.as_mut().filter(|_| !is_stopped)?;
        Some((session.number, session.link.take()?))
    }

    /// Waits for work of a session. `asks_copies` says that an append has too few of them.
    pub(crate) fn next_work(&self, session: u64, asks_copies: bool) -> Work {
        let is_idle = |inner: &mut Inner| {
            inner.is_session(session) && inner.jobs.is_empty() && inner.trim.is_none()
        };
        let mut inner = self.lock();
        if asks_copies {
            inner =
                self.changed.wait_timeout_while(inner, COPIES_EVERY, is_idle).expect("no poison").0;
        } else {
            inner = self.changed.wait_while(inner, is_idle).expect("no poison");
        }
        inner.next_work(session)
    }

    /// The server has taken entries up to this one.
    pub(crate) fn note_added(&self, session: u64, newest: Id) {
        let mut inner = self.lock();
        if inner.is_session(session) {
            inner.added = inner.added.max(Some(newest));
        }
    }

    /// The jobs that were taken are in the log.
    pub(crate) fn settle(&self, session: u64) {
        let mut inner = self.lock();
        if inner.is_session(session) {
            inner.is_in_flight = false;
        }
    }

    /// The jobs that were taken are not in the log; drops all others, too.
    pub(crate) fn reject(&self, session: u64, rejection: Rejection) {
        let mut inner = self.lock();
        if inner.is_session(session) {
            inner.reject(rejection);
            drop(inner);
            self.wake();
        }
    }

    /// The connection for appends has failed: ends the session on the reader's side, too.
    pub(crate) fn fail_session(&self, session: u64, trouble: Trouble) {
        let mut inner = self.lock();
        if inner.is_session(session)
            && let Some(session) = &mut inner.session
        {
            session.trouble.get_or_insert(trouble);
            session.cuts.iter().for_each(Cut::cut);
        }
        drop(inner);
        self.changed.notify_all();
    }

    // --- The reader ------------------------------------------------------------------------------

    /// Waits until the owner has room for events; for at most `idle` while nobody reads.
    pub(crate) fn next_turn(&self, generation: u64, idle: Duration) -> Turn {
        let limits = self.config.limits;
        let until = Instant::now() + idle;
        let mut inner = self.lock();
        loop {
            let is_over = inner.session.as_ref().is_none_or(|session| session.trouble.is_some());
            let has_room = inner.events.len() < limits.event_entries_max
                && inner.event_bytes < limits.event_bytes_max;
            match inner.from {
                _ if inner.is_stopped || is_over => return Turn::End,
                Some(from) if inner.generation != generation => {
                    return Turn::Anew(Id::at(from).before(), inner.generation);
                }
                Some(_) if has_room => return Turn::On,
                Some(_) => inner = self.changed.wait(inner).expect("no poison"),
                None => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Turn::Idle;
                    }
                    inner = self.changed.wait_timeout(inner, left).expect("no poison").0;
                }
            }
        }
    }

    /// Gives the owner what was read in a generation, unless it reads from elsewhere now. The ends go behind the
    /// entry that was the last one when they were asked for: an owner that has read more would miss it.
    pub(crate) fn give(
        &self,
        generation: u64,
        entries: &mut Vec<stream::Entry>,
        ends: Option<LogEnds>,
    ) {
        let mut inner = self.lock();
        if inner.generation == generation {
            inner.given = entries.last().map(|(id, _)| *id).or(inner.given);
            inner.event_bytes += entries.iter().map(|(_, entry)| entry.len()).sum::<usize>();
            let last = ends.and_then(|ends| ends.last).map(Id::at);
            let before = entries.partition_point(|(id, _)| ends.is_none() || Some(*id) <= last);
            let mut events = entries.drain(..).map(|(id, it)| Event::Entry(id.position(), it));
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
    fn is_session(&self, number: u64) -> bool {
        let is_this = |session: &Session| session.number == number && session.trouble.is_none();
        !self.is_stopped && self.session.as_ref().is_some_and(is_this)
    }

    fn cut(&self) {
        self.session.iter().flat_map(|session| &session.cuts).for_each(Cut::cut);
    }

    fn tell(&mut self, event: Event) {
        let is_like = |last: &Event| match last {
            Event::State(_) => matches!(event, Event::State(_)),
            Event::Replicated(_) => matches!(event, Event::Replicated(_)),
            Event::Entry(..) | Event::Ends(_) | Event::Dropped(_) => false,
        };
        if self.events.back().is_some_and(is_like) {
            self.events.pop_back();
        }
        self.events.push_back(event);
    }

    /// Drops all appends, and those that come before the owner knows.
    fn reject(&mut self, rejection: Rejection) {
        self.jobs.clear();
        self.job_bytes = 0;
        self.is_in_flight = false;
        self.added = None;
        self.is_dropping = true;
        self.events.push_back(Event::Dropped(rejection));
    }

    fn next_work(&mut self, session: u64) -> Work {
        if !self.is_session(session) {
            return Work::End;
        }
        self.take_work()
    }

    /// The trim comes first: a log that is always written to grows without it.
    fn take_work(&mut self) -> Work {
        if let Some(before) = self.trim.take() {
            return Work::Trim(before);
        }
        let Some(job) = self.jobs.pop_front() else { return Work::AskCopies };
        self.is_in_flight = true;
        self.job_bytes -= job.bytes();
        match job {
            FencedAppend::Begin(entry) => Work::Begin(entry),
            FencedAppend::Raise(entry) => Work::Raise(entry),
            FencedAppend::Entry(fence, entry) => self.batch(fence, entry),
        }
    }

    fn batch(&mut self, fence: u64, first: Arc<[u8]>) -> Work {
        let mut bytes = first.len();
        let mut entries = vec![first];
        while entries.len() < BATCH_ENTRIES_MAX
            && let Some(FencedAppend::Entry(next, entry)) = self.jobs.front()
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
    fn a_trim_waits_for_no_append() {
        let mut inner = Inner::default();
        let entry: Arc<[u8]> = Arc::from(*b"entry");
        inner
            .jobs
            .extend([FencedAppend::Entry(1, Arc::clone(&entry)), FencedAppend::Entry(2, entry)]);
        inner.job_bytes = 10;
        assert!(matches!(inner.take_work(), Work::Batch(1, _)));
        inner.trim = Some(Position::new(1, 7));
        assert!(matches!(inner.take_work(), Work::Trim(before) if before == Position::new(1, 7)));
        assert!(matches!(inner.take_work(), Work::Batch(2, _)), "once");
        assert!(matches!(inner.take_work(), Work::AskCopies));
    }
}
