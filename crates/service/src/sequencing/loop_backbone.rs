//! The backbone inside one process: bounded queues between its loops and the sequencer's thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::{
    Backbone, Figures, Full, LogClock, LogNode, Offer, Origin, Outcome, Sequence, SequencerEvent,
    Statement, Ticket,
};

/// The bytes that an offer counts as, besides its payload.
const OVERHEAD_BYTES: usize = 512;

/// Bounds of a [`LoopBackbone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopBackboneLimits {
    /// Offers and statements under way: from `append` until every worker has read the outcome.
    pub entries_max: usize,
    /// Their bytes.
    pub bytes_max: usize,
}

impl Default for LoopBackboneLimits {
    fn default() -> Self {
        Self { entries_max: 16_384, bytes_max: 64 * 1024 * 1024 }
    }
}

/// Wakes a thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The bounded queues between the loops of a process and the sequencer.
///
/// Each loop has a [`Member`]. The thread that has the [`Sequence`] calls [`step`](Self::step) when
/// it is woken. The lock is held only while lists are appended to or copied, never while a thread
/// waits or decides, so no loop stops for another.
pub struct LoopBackbone {
    limits: LoopBackboneLimits,
    clock: LogClock,
    state: Mutex<State>,
    /// The number after the newest event: a member that has read up to it need not lock.
    end: AtomicU64,
    /// Wakes each worker.
    wake_workers: Vec<OnceLock<Wake>>,
    /// Wakes the sequencer's thread.
    wake_sequencer: OnceLock<Wake>,
}

#[derive(Default)]
struct State {
    /// Offers and statements that the sequencer has not taken.
    wishes: VecDeque<(Wish, Origin)>,
    /// Events that some worker has not read.
    events: VecDeque<SequencerEvent>,
    /// The number of the first of these.
    first: u64,
    readers: Vec<Reader>,
    /// Offers and statements under way, and their bytes.
    entries: usize,
    bytes: usize,
    /// The sequencer's figures.
    figures: Figures,
    /// The nodes of a log that several machines share.
    nodes: Arc<[LogNode]>,
}

enum Wish {
    Offer(Offer),
    Statement(Statement),
}

#[derive(Clone, Copy)]
struct Reader {
    /// The number of the event that it reads next; `u64::MAX` once it is gone.
    next: u64,
    /// It was woken and has not read since.
    woken: bool,
}

impl LoopBackbone {
    /// A backbone between `workers` loops, whose times have one start.
    pub fn new(workers: usize, limits: LoopBackboneLimits) -> Arc<Self> {
        let readers = vec![Reader { next: 0, woken: false }; workers];
        Arc::new(Self {
            limits,
            clock: LogClock::new(),
            state: Mutex::new(State { readers, ..State::default() }),
            end: AtomicU64::new(0),
            wake_workers: (0..workers).map(|_| OnceLock::new()).collect(),
            wake_sequencer: OnceLock::new(),
        })
    }

    /// A worker's end. Each worker has one.
    pub fn member(self: &Arc<Self>, worker: usize) -> Member {
        Member { backbone: Arc::clone(self), worker, next: 0, read: VecDeque::new() }
    }

    /// Sets how a worker is woken. Called once for each.
    pub fn wake_worker(&self, worker: usize, wake: Wake) {
        let _ = self.wake_workers[worker].set(wake);
    }

    /// Sets how the sequencer's thread is woken. Called once.
    pub fn wake_sequencer(&self, wake: Wake) {
        let _ = self.wake_sequencer.set(wake);
    }

    /// The number of workers.
    pub fn workers(&self) -> usize {
        self.wake_workers.len()
    }

    /// Has the sequencer take the offers and statements, and its log's answers, and gives every worker
    /// the events. `now_ms` is log time.
    pub fn step(&self, sequencer: &mut impl Sequence, now_ms: u64) {
        let wishes = core::mem::take(&mut self.lock().wishes);
        let is_idle = wishes.is_empty();
        let mut events = Vec::with_capacity(wishes.len());
        for (wish, origin) in wishes {
            match wish {
                Wish::Offer(offer) => sequencer.offer(offer, origin, now_ms, &mut events),
                Wish::Statement(it) => sequencer.declare(it, origin, now_ms, &mut events),
            }
        }
        sequencer.settle(now_ms, &mut events);
        if !is_idle || !events.is_empty() {
            self.spread(events, sequencer.figures());
        }
    }

    /// The clock that all workers share.
    pub const fn clock(&self) -> &LogClock {
        &self.clock
    }

    /// Offers and statements under way.
    pub fn entries(&self) -> usize {
        self.lock().entries
    }

    /// Wakes a worker.
    pub fn wake(&self, worker: usize) {
        if let Some(wake) = self.wake_workers[worker].get() {
            wake();
        }
    }

    /// Events that some worker has not read.
    pub fn unread(&self) -> usize {
        self.lock().events.len()
    }

    /// Sets the figures and the nodes that members see: before the first event, or when they have changed without one.
    pub fn begin(&self, sequencer: &impl Sequence) {
        let (figures, nodes) = (sequencer.figures(), sequencer.nodes());
        let mut state = self.lock();
        (state.figures, state.nodes) = (figures, nodes);
    }

    fn spread(&self, events: Vec<SequencerEvent>, figures: Figures) {
        let mut state = self.lock();
        state.figures = figures;
        let mut wake = Vec::with_capacity(self.workers());
        for (worker, reader) in state.readers.iter_mut().enumerate() {
            let is_there = reader.next != u64::MAX;
            // [service:one-wake]
            if is_there && !reader.woken && events.iter().any(|it| it.is_for(worker)) {
                reader.woken = true;
                wake.push(worker);
            }
        }
        state.events.extend(events);
        self.end.store(state.end(), Ordering::Release);
        state.drop_read();
        drop(state);
        wake.into_iter().for_each(|worker| self.wake(worker));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Drops the events that every worker has read, and frees the room of their offers.
    fn drop_read(&mut self) {
        let read = self.readers.iter().map(|reader| reader.next).min().unwrap_or(u64::MAX);
        while self.first < read {
            let Some(event) = self.events.pop_front() else { return };
            self.first += 1;
            if let Some(origin) = event.settles() {
                self.entries -= 1;
                self.bytes -= origin.bytes;
            }
        }
    }
}

impl core::fmt::Debug for LoopBackbone {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LoopBackbone").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

/// One worker's end of a [`LoopBackbone`].
///
/// All members read one list: `next` gives `None` only if this one has read every event that
/// another member had read before. A dropped member holds back nobody.
#[derive(Debug)]
pub struct Member {
    backbone: Arc<LoopBackbone>,
    worker: usize,
    /// The number of the event that it reads next.
    next: u64,
    /// Outcomes that were read and not given out.
    read: VecDeque<Outcome>,
}

impl Member {
    fn read_all(&mut self) {
        let mut state = self.backbone.lock();
        let from = usize::try_from(self.next - state.first).expect("no longer than a list");
        let unread = state.events.range(from..);
        self.read.extend(unread.filter_map(|event| event.outcome_for(self.worker)));
        self.next = state.end();
        state.readers[self.worker] = Reader { next: self.next, woken: false };
        state.drop_read();
    }

    fn hand_over(&self, ticket: Ticket, wish: Wish, bytes: usize) -> Result<(), Full> {
        let LoopBackboneLimits { entries_max, bytes_max } = self.backbone.limits;
        let mut state = self.backbone.lock();
        // [service:bound-backbone]
        if state.entries >= entries_max || state.bytes + bytes > bytes_max {
            return Err(Full);
        }
        state.entries += 1;
        state.bytes += bytes;
        let was_empty = state.wishes.is_empty();
        state.wishes.push_back((wish, Origin { worker: self.worker, ticket, bytes }));
        drop(state);
        // The sequencer takes all wishes at once: one wake is enough.
        if was_empty && let Some(wake) = self.backbone.wake_sequencer.get() {
            wake();
        }
        Ok(())
    }
}

impl Backbone for Member {
    fn append(&mut self, ticket: Ticket, offer: Offer) -> Result<(), Full> {
        let key = offer.key.as_ref().map_or(0, |key| key.len());
        let bytes = offer.payload.cost() + offer.channel.len() + key + OVERHEAD_BYTES;
        self.hand_over(ticket, Wish::Offer(offer), bytes)
    }

    fn declare(&mut self, ticket: Ticket, statement: Statement) -> Result<(), Full> {
        let bytes = match &statement {
            Statement::Disconnect(user) => user.len() + OVERHEAD_BYTES,
            Statement::Issue(_) | Statement::Redeem(_) => OVERHEAD_BYTES,
            Statement::Present(batch) => batch.cost() + OVERHEAD_BYTES,
        };
        self.hand_over(ticket, Wish::Statement(statement), bytes)
    }

    fn next(&mut self) -> Option<Outcome> {
        if self.read.is_empty() && self.backbone.end.load(Ordering::Acquire) != self.next {
            self.read_all();
        }
        self.read.pop_front()
    }

    fn clock(&self) -> &LogClock {
        self.backbone.clock()
    }

    fn figures(&self) -> Figures {
        self.backbone.lock().figures
    }

    fn nodes(&self) -> Arc<[LogNode]> {
        Arc::clone(&self.backbone.lock().nodes)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.backbone.lock();
        state.readers[self.worker].next = u64::MAX;
        state.drop_read();
    }
}
