//! The in-process log: what the loops of one process hand to their order authority, and hear of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use sockeye_server::Time;

use super::authority::{Authority, Figures, Origin, Said};
use super::{Backbone, Full, Offer, Outcome, Ticket};

/// What a publication is counted as, besides its payload.
const OVERHEAD_BYTES: usize = 512;

/// Bounds of a [`Joint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JointLimits {
    /// Publications from when they are handed over until every worker has heard of them.
    pub entries_max: usize,
    /// Their bytes.
    pub bytes_max: usize,
}

impl Default for JointLimits {
    fn default() -> Self {
        Self { entries_max: 16_384, bytes_max: 64 * 1024 * 1024 }
    }
}

/// Something that wakes a thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// How far the calendar may be from what was counted before it is believed, in milliseconds.
const STEP_MS: u64 = 2_000;

/// A bounded log between the loops of a process.
///
/// Each [`Member`] is one loop's end of it. Whoever has the [`Authority`] calls
/// [`step`](Self::step) when it is woken. A lock is held while lists are appended to or copied and
/// never while anybody waits or works, so no loop stands still for another.
pub struct Joint {
    limits: JointLimits,
    /// The time since 1970 at the beginning of the loops' time, in milliseconds.
    begin_ms: AtomicU64,
    state: Mutex<State>,
    /// Behind the newest of what was said, for who has read all of it.
    end: AtomicU64,
    /// What wakes each worker.
    workers: Vec<OnceLock<Wake>>,
    /// What wakes the authority.
    authority: OnceLock<Wake>,
}

#[derive(Default)]
struct State {
    handed: VecDeque<(Offer, Origin)>,
    said: VecDeque<Said>,
    /// The number of the first of these.
    first: u64,
    readers: Vec<Reader>,
    /// Publications that somebody has not heard of, and their bytes.
    entries: usize,
    bytes: usize,
    /// What the authority counted.
    figures: Figures,
}

#[derive(Clone, Copy)]
struct Reader {
    /// The number of what it reads next.
    next: u64,
    /// It was woken and has not read since.
    woken: bool,
}

impl Joint {
    /// A log between so many workers, whose loops' times have one beginning: `begin_ms`, in
    /// milliseconds since 1970.
    pub fn new(workers: usize, limits: JointLimits, begin_ms: u64) -> Arc<Self> {
        let readers = vec![Reader { next: 0, woken: false }; workers];
        Arc::new(Self {
            limits,
            begin_ms: AtomicU64::new(begin_ms),
            state: Mutex::new(State { readers, ..State::default() }),
            end: AtomicU64::new(0),
            workers: (0..workers).map(|_| OnceLock::new()).collect(),
            authority: OnceLock::new(),
        })
    }

    /// One worker's end, of which there is one.
    pub fn member(self: &Arc<Self>, worker: usize) -> Member {
        Member { joint: Arc::clone(self), worker, next: 0, heard: VecDeque::new() }
    }

    /// What wakes a worker when there is something to hear. Said once.
    pub fn wake_worker(&self, worker: usize, wake: Wake) {
        let _ = self.workers[worker].set(wake);
    }

    /// What wakes whoever has the authority when something was handed over. Said once.
    pub fn wake_authority(&self, wake: Wake) {
        let _ = self.authority.set(wake);
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Lets the authority decide what was handed over and take in what its log has done; everybody
    /// hears of it.
    pub fn step(&self, authority: &mut Authority, now_ms: u64) {
        let handed = core::mem::take(&mut self.lock().handed);
        let is_idle = handed.is_empty();
        let mut said = Vec::with_capacity(handed.len());
        for (offer, origin) in handed {
            authority.take(offer, origin, now_ms, &mut said);
        }
        authority.settle(now_ms, &mut said);
        if !is_idle || !said.is_empty() {
            self.say(said, authority.figures());
        }
    }

    /// The time that all go by, in milliseconds since 1970: it goes with the loops', which have
    /// milliseconds and no date, and jumps forward where the calendar has, for all at once.
    pub fn now_ms(&self, now: Time, unix_seconds: u64) -> u64 {
        let calendar_ms = unix_seconds.saturating_mul(1_000);
        let now_ms = self.begin_ms.load(Ordering::Relaxed).saturating_add(now.as_millis());
        if calendar_ms <= now_ms.saturating_add(STEP_MS) {
            return now_ms;
        }
        let begin_ms = calendar_ms.saturating_sub(now.as_millis());
        let before = self.begin_ms.fetch_max(begin_ms, Ordering::Relaxed);
        before.max(begin_ms).saturating_add(now.as_millis())
    }

    /// Goes on from there, if the calendar is earlier: a log may have messages from later.
    pub fn no_earlier_than(&self, now_ms: u64) {
        self.begin_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// Publications that somebody has not heard of.
    pub fn entries(&self) -> usize {
        self.lock().entries
    }

    /// Wakes a worker.
    pub fn wake(&self, worker: usize) {
        if let Some(wake) = self.workers[worker].get() {
            wake();
        }
    }

    /// What the authority has counted before it had anything to say.
    pub fn begin(&self, authority: &Authority) {
        self.lock().figures = authority.figures();
    }

    fn say(&self, said: Vec<Said>, figures: Figures) {
        let mut state = self.lock();
        state.figures = figures;
        let mut wake = Vec::with_capacity(self.workers.len());
        for (worker, reader) in state.readers.iter_mut().enumerate() {
            let is_there = reader.next != u64::MAX;
            // [service:one-wake]
            if is_there && !reader.woken && said.iter().any(|it| it.is_for(worker)) {
                reader.woken = true;
                wake.push(worker);
            }
        }
        state.said.extend(said);
        self.end.store(state.end(), Ordering::Release);
        state.forget();
        drop(state);
        wake.into_iter().for_each(|worker| self.wake(worker));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.said.len() as u64
    }

    /// Drops what everybody has heard.
    fn forget(&mut self) {
        let heard = self.readers.iter().map(|reader| reader.next).min().unwrap_or(u64::MAX);
        while self.first < heard {
            let Some(said) = self.said.pop_front() else { return };
            self.first += 1;
            if let Some(origin) = said.holds() {
                self.entries -= 1;
                self.bytes -= origin.bytes;
            }
        }
    }
}

impl core::fmt::Debug for Joint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Joint").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

/// One loop's end of a [`Joint`]. Dropped, it holds back nobody.
#[derive(Debug)]
pub struct Member {
    joint: Arc<Joint>,
    worker: usize,
    /// The number of what it reads next.
    next: u64,
    /// Read, and not given out yet.
    heard: VecDeque<Outcome>,
}

impl Member {
    /// Reads all there is.
    fn read(&mut self) {
        let mut state = self.joint.lock();
        let from = usize::try_from(self.next - state.first).expect("no longer than a list");
        let unread = state.said.range(from..);
        self.heard.extend(unread.filter_map(|said| said.to(self.worker)));
        self.next = state.end();
        state.readers[self.worker] = Reader { next: self.next, woken: false };
        state.forget();
    }
}

impl Backbone for Member {
    fn append(&mut self, ticket: Ticket, offer: Offer) -> Result<(), Full> {
        let key = offer.key.as_ref().map_or(0, |key| key.len());
        let bytes = offer.payload.cost() + offer.channel.len() + key + OVERHEAD_BYTES;
        let JointLimits { entries_max, bytes_max } = self.joint.limits;
        let mut state = self.joint.lock();
        // [service:bound-joint]
        if state.entries >= entries_max || state.bytes + bytes > bytes_max {
            return Err(Full);
        }
        state.entries += 1;
        state.bytes += bytes;
        let was_empty = state.handed.is_empty();
        state.handed.push_back((offer, Origin { worker: self.worker, ticket, bytes }));
        drop(state);
        // The authority takes all that is there: one wake is enough.
        if was_empty && let Some(wake) = self.joint.authority.get() {
            wake();
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Outcome> {
        if self.heard.is_empty() && self.joint.end.load(Ordering::Acquire) != self.next {
            self.read();
        }
        self.heard.pop_front()
    }

    fn now_ms(&mut self, now: Time, unix_seconds: u64) -> u64 {
        self.joint.now_ms(now, unix_seconds)
    }

    fn figures(&self) -> Figures {
        self.joint.lock().figures
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.joint.lock();
        state.readers[self.worker].next = u64::MAX;
        state.forget();
    }
}
