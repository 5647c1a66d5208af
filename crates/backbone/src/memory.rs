//! An engine in memory: for tests, for the simulation, and as the smallest example of a driver.
//!
//! It has no threads. Its log outlives no process, and no program offers it to operators.

mod log;

use std::sync::{Arc, Mutex, MutexGuard};

use self::log::{Append, Log};
use crate::engine::{
    Capabilities, Engine, Event, Full, Kept, LogEnds, Position, Rejection, State, Trimming,
    Trouble, TroubleKind, Wake,
};

/// What a [`MemoryLog`] can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Whether it has fences.
    pub has_fences: bool,
    /// Appends of one engine that wait while its writes are [held](MemoryLog::hold_writes).
    pub appends_max: usize,
    /// The bytes of the largest entry.
    pub entry_bytes_max: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { has_fences: true, appends_max: 16_384, entry_bytes_max: 16 * 1024 * 1024 }
    }
}

/// A log in memory. All [`MemoryEngine`]s that it opens share it.
///
/// It also does to the log what happens to real ones: it [erases](Self::erase) it,
/// [loses its tail](Self::lose_tail), [trims](Self::trim) it, [cuts](Self::cut) connections.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    shared: Arc<Mutex<Log>>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(MemoryLimits::default())
    }
}

impl MemoryLog {
    /// A log that does not exist yet.
    pub fn new(limits: MemoryLimits) -> Self {
        Self { shared: Arc::new(Mutex::new(Log::new(limits))) }
    }

    /// A connection to it. Its number counts up from 0.
    pub fn open(&self) -> MemoryEngine {
        let link = self.lock().open();
        MemoryEngine { log: self.clone(), link }
    }

    /// The ends.
    pub fn ends(&self) -> LogEnds {
        self.lock().ends()
    }

    /// All entries.
    pub fn entries(&self) -> Vec<(Position, Arc<[u8]>)> {
        self.lock().entries.clone()
    }

    /// Erases the log behind the back of all engines. What is appended next is rejected.
    pub fn erase(&self) {
        self.lock().erase();
    }

    /// Drops all entries behind this number of them, as the promotion of a replica that lacks the
    /// tail does. Engines are told by the ends.
    pub fn lose_tail(&self, entries: usize) {
        self.lock().lose_tail(entries);
    }

    /// Drops the entries before a position, behind the back of all engines.
    pub fn trim(&self, before: Position) {
        self.lock().trim(before);
    }

    /// Appends an entry as a stranger would.
    pub fn write(&self, entry: impl Into<Arc<[u8]>>) {
        let mut log = self.lock();
        let fence = log.fence();
        log.push(fence, entry.into());
    }

    /// Sets the time that new fences are made of.
    pub fn set_unix_ms(&self, unix_ms: u64) {
        self.lock().unix_ms = unix_ms;
    }

    /// Has every engine ask for the log's ends.
    pub fn ask_ends(&self) {
        self.lock().ask_ends();
    }

    /// Holds the appends of an engine on their way, or lets them go on.
    pub fn hold_writes(&self, engine: usize, hold: Hold) {
        self.lock().hold_writes(engine, hold);
    }

    /// Lets this number of held appends of an engine through.
    pub fn deliver(&self, engine: usize, appends: usize) {
        self.lock().deliver(engine, appends);
    }

    /// Lets an engine read this number of entries, and no more until it is told again; all with `None`.
    pub fn allow_reads(&self, engine: usize, entries: Option<usize>) {
        self.lock().allow_reads(engine, entries);
    }

    /// Cuts an engine's connections. Held appends are dropped, or come late.
    pub fn cut(&self, engine: usize, held: Held) {
        self.lock().cut(engine, held);
    }

    /// Lets the appends of cut connections that come late come, `appends` of them.
    pub fn deliver_late(&self, appends: usize) {
        self.lock().deliver_late(appends);
    }

    /// Takes the engine away from one of its users, until [`restore`](Self::restore).
    pub fn take_away(&self, engine: usize) {
        self.lock().take_away(engine);
    }

    /// Gives it back.
    pub fn restore(&self, engine: usize) {
        self.lock().restore(engine);
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.shared.lock().expect("nobody panics while holding it")
    }
}

/// Whether appends wait on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// They reach the log at once.
    Off,
    /// They wait for [`MemoryLog::deliver`].
    On,
}

/// What becomes of appends that are on their way when a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// They never arrive.
    Lost,
    /// They arrive when [`MemoryLog::deliver_late`] says so.
    Late,
    /// They have arrived.
    Arrived,
}

/// One node's engine on a [`MemoryLog`].
#[derive(Debug)]
pub struct MemoryEngine {
    log: MemoryLog,
    link: usize,
}

impl MemoryEngine {
    /// Its number at the log.
    pub const fn number(&self) -> usize {
        self.link
    }

    fn send(&self, append: Append) -> Result<(), Full> {
        self.log.lock().send(self.link, append)
    }
}

impl Engine for MemoryEngine {
    fn set_wake(&mut self, wake: Wake) {
        self.log.lock().links[self.link].wake = Some(wake);
    }

    fn capabilities(&self) -> Capabilities {
        let limits = self.log.lock().limits;
        Capabilities {
            has_fences: limits.has_fences,
            trimming: Trimming::Exact,
            kept: Kept::Memory,
            entry_bytes_max: limits.entry_bytes_max,
        }
    }

    fn read_from(&mut self, position: Position) {
        self.log.lock().read_from(self.link, position);
    }

    fn append(&mut self, fence: u64, entries: &[Arc<[u8]>]) -> Result<(), Full> {
        self.send(Append::Entries(fence, entries.to_vec()))
    }

    fn begin_log(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        self.send(Append::Begin(Arc::clone(entry)))
    }

    fn raise_fence(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        self.send(Append::Raise(Arc::clone(entry)))
    }

    fn trim(&mut self, before: Position) {
        self.log.lock().trim(before);
    }

    fn next(&mut self) -> Option<Event> {
        self.log.lock().next(self.link)
    }
}

/// The trouble of an engine that was taken away.
fn away() -> State {
    State::Away(Trouble::new(TroubleKind::Unreachable, "the log in memory was taken away"))
}

/// The rejection of an append that is too large; `None` if it fits.
fn too_large(append: &Append, limits: &MemoryLimits) -> Option<Rejection> {
    let is_large = |entry: &Arc<[u8]>| entry.len() > limits.entry_bytes_max;
    append.entries().iter().any(is_large).then_some(Rejection::TooLarge)
}
