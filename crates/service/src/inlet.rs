//! The way into a service for publications that other threads of its process make: those of sources.
//!
//! ```text
//!  Publisher::offer ─► (queue) ─► Service, each turn: rights, verdict, log
//!  Publisher::answers ◄──────────── receipt, or refusal ◄───────┘
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use sockeye_auth::Grants;

use crate::engine::Settled;
use crate::sequencing::Wake;
use crate::wire::{Problem, Publish};

/// The queue between the publishers of a process and the service that publishes for them. Clones are the same.
#[derive(Clone, Default)]
pub struct Inlet(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// Whether offers wait: a service need not lock to see that there are none.
    is_filled: AtomicBool,
    /// Publishers that are there.
    open: AtomicU64,
    wake: OnceLock<Wake>,
}

#[derive(Default)]
struct State {
    offers: VecDeque<Offered>,
    /// The number of the next publisher.
    next: u64,
    sources: Vec<Arc<SourceState>>,
}

/// One source of publications: a principal that may publish where its grants say, and nothing else.
///
/// Its owner bounds the offers that are under way.
pub struct Publisher {
    queue: Arc<Queue>,
    line: Arc<Line>,
}

/// The end of a publisher that the service sees.
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) publish: Grants,
    pub(crate) state: Arc<SourceState>,
    answers: Mutex<Vec<InletAnswer>>,
    is_answered: Condvar,
}

/// The answer to one offer.
#[derive(Clone, Debug)]
pub struct InletAnswer {
    /// The number that the offer had.
    pub ticket: u64,
    /// Its receipt, or why it was refused.
    pub result: Result<Settled, Problem>,
}

/// A publication on its way to the service.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) line: Arc<Line>,
    pub(crate) ticket: u64,
    pub(crate) publish: Publish<'static>,
}

/// What an operator sees of one source. Its thread writes, the service shows it in `/metrics` and `/readyz`.
#[derive(Debug, Default)]
pub struct SourceState {
    name: Box<str>,
    /// Publishers of this name: two, while one takes another's place.
    open: AtomicU64,
    standing: AtomicU64,
    published: AtomicU64,
    repeats: AtomicU64,
    refused: AtomicU64,
    retries: AtomicU64,
    in_flight: AtomicU64,
    /// Messages that its bus holds for it.
    pending: AtomicU64,
}

/// How a source stands to its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceStanding {
    /// The bus cannot be used now.
    Away,
    /// The source waits at a message that cannot be published.
    Stopped,
    /// Another process takes the messages.
    Standby,
    /// It takes messages.
    Active,
}

/// The figures of one source.
#[derive(Clone, Debug)]
pub(crate) struct SourceFigures {
    pub(crate) name: Box<str>,
    pub(crate) standing: SourceStanding,
    pub(crate) published: u64,
    pub(crate) repeats: u64,
    pub(crate) refused: u64,
    pub(crate) retries: u64,
    pub(crate) in_flight: u64,
    pub(crate) pending: u64,
}

impl Inlet {
    /// An inlet without publishers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how the service's loop is woken. Called once.
    pub fn wake_service(&self, wake: Wake) {
        let _ = self.0.wake.set(wake);
    }

    /// A publisher with a name, which goes on with the figures of a former one of the same name.
    pub fn publisher(&self, name: &str, publish: Grants) -> Publisher {
        let mut state = self.0.lock();
        state.next += 1;
        let former = state.sources.iter().find(|it| *it.name == *name).cloned();
        let source = former.unwrap_or_else(|| {
            let source = Arc::new(SourceState { name: name.into(), ..SourceState::default() });
            state.sources.push(Arc::clone(&source));
            source
        });
        source.open.fetch_add(1, Ordering::Relaxed);
        let line = Arc::new(Line {
            number: state.next,
            publish,
            state: source,
            answers: Mutex::default(),
            is_answered: Condvar::new(),
        });
        drop(state);
        self.0.open.fetch_add(1, Ordering::AcqRel);
        Publisher { queue: Arc::clone(&self.0), line }
    }

    /// Whether a publisher is there.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire) > 0
    }

    /// Whether offers wait.
    pub(crate) fn is_filled(&self) -> bool {
        self.0.is_filled.load(Ordering::Acquire)
    }

    /// Takes the next offer.
    pub(crate) fn take(&self) -> Option<Offered> {
        let mut state = self.0.lock();
        let offer = state.offers.pop_front();
        self.0.is_filled.store(!state.offers.is_empty(), Ordering::Release);
        offer
    }

    /// The figures of all sources that run.
    pub(crate) fn figures(&self) -> Vec<SourceFigures> {
        let state = self.0.lock();
        let open = state.sources.iter().filter(|it| it.open.load(Ordering::Relaxed) > 0);
        open.map(|it| it.figures()).collect()
    }

    /// The first trouble of a source that somebody should look at.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        let standings = self.figures().into_iter().map(|it| it.standing);
        let trouble = |standing| match standing {
            SourceStanding::Stopped => Some("source_stopped"),
            SourceStanding::Away => Some("source_away"),
            SourceStanding::Standby | SourceStanding::Active => None,
        };
        standings.filter_map(trouble).max()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }
}

impl Publisher {
    /// Offers a publication. An answer with this ticket follows.
    pub fn offer(&self, ticket: u64, publish: Publish<'_>) {
        let offered =
            Offered { line: Arc::clone(&self.line), ticket, publish: publish.into_owned() };
        let mut state = self.queue.lock();
        let was_empty = state.offers.is_empty();
        state.offers.push_back(offered);
        self.queue.is_filled.store(true, Ordering::Release);
        drop(state);
        // The service takes all that are there: one wake is enough.
        if was_empty {
            self.queue.wake();
        }
    }

    /// Takes the answers that have come. Waits for the first one, if none has, for so long at the most.
    pub fn answers(&self, wait: Duration) -> Vec<InletAnswer> {
        let answers = self.line.lock();
        let waited =
            self.line.is_answered.wait_timeout_while(answers, wait, |answers| answers.is_empty());
        core::mem::take(&mut *waited.expect("nobody panics while holding it").0)
    }

    /// What an operator sees of it.
    pub fn state(&self) -> &SourceState {
        &self.line.state
    }
}

/// Tells the service, which may wait for the end of its sources.
impl Drop for Publisher {
    fn drop(&mut self) {
        self.line.state.open.fetch_sub(1, Ordering::Relaxed);
        self.queue.open.fetch_sub(1, Ordering::AcqRel);
        self.queue.wake();
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Vec<InletAnswer>> {
        self.answers.lock().expect("nobody panics while holding it")
    }

    /// Gives the publisher an answer.
    pub(crate) fn answer(&self, ticket: u64, result: Result<Settled, Problem>) {
        self.lock().push(InletAnswer { ticket, result });
        self.is_answered.notify_one();
    }
}

impl SourceState {
    /// Notes how it stands to its bus.
    pub fn note_standing(&self, standing: SourceStanding) {
        self.standing.store(standing as u64, Ordering::Relaxed);
    }

    /// Counts a message that came into the log.
    pub fn note_published(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message whose key was known.
    pub fn note_repeat(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message that cannot be published.
    pub fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a refusal for now.
    pub fn note_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes the messages that are under way, and those that the bus holds.
    pub fn note_load(&self, in_flight: u64, pending: Option<u64>) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
        if let Some(pending) = pending {
            self.pending.store(pending, Ordering::Relaxed);
        }
    }

    fn figures(&self) -> SourceFigures {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let standings = [SourceStanding::Away, SourceStanding::Stopped, SourceStanding::Standby];
        let standing = usize::try_from(count(&self.standing)).ok();
        SourceFigures {
            name: self.name.clone(),
            standing: standing
                .and_then(|it| standings.get(it).copied())
                .unwrap_or(SourceStanding::Active),
            published: count(&self.published),
            repeats: count(&self.repeats),
            refused: count(&self.refused),
            retries: count(&self.retries),
            in_flight: count(&self.in_flight),
            pending: count(&self.pending),
        }
    }
}

impl SourceFigures {
    /// Whether the bus can be used.
    pub(crate) const fn is_up(&self) -> bool {
        match self.standing {
            SourceStanding::Away => false,
            SourceStanding::Stopped | SourceStanding::Standby | SourceStanding::Active => true,
        }
    }
}

impl fmt::Debug for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inlet").field("is_filled", &self.is_filled()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("line", &self.line).finish_non_exhaustive()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("source", &self.state.name).finish_non_exhaustive()
    }
}

impl SourceState {
    /// The name of the source.
    pub fn name(&self) -> &str {
        &self.name
    }
}
