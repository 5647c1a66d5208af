//! The contract of an engine: one ordered log outside of this process.
//!
//! An engine appends and reads. It knows nothing of publications, and decides nothing.
//!
//! ```text
//!  append ─► (bounded queue) ─► one appending connection ─► the log
//!                                                              │
//!  next   ◄─ (bounded queue) ◄─ one reading connection  ◄──────┘
//! ```

use core::fmt;
use std::sync::Arc;

/// Wakes the thread that calls [`Engine::next`]. It may be called from any thread, any number of times.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A place in the engine's log.
///
/// Positions are ordered by fence first. An engine without fences has fence 0 everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The fence under which the entry was appended. The log takes no append under a lower one.
    pub fence: u64,
    /// The number within the fence. Numbers are dense: the first one of a fence is 1, and each next
    /// entry has the next number. A number that jumps means that entries were trimmed or lost.
    pub number: u64,
}

impl Position {
    /// The position before the first entry of a log.
    pub const ZERO: Self = Self { fence: 0, number: 0 };

    /// A position.
    pub const fn new(fence: u64, number: u64) -> Self {
        Self { fence, number }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.fence, self.number)
    }
}

/// One ordered log outside of this process, as one node uses it.
///
/// A driver has its input and output on threads of its own. No call blocks. The owner calls
/// [`next`](Self::next) until it returns `None`, and again when the [`Wake`] was called.
///
/// # What the log promises
/// - **Order.** All readers read the same entries in the same order.
/// - **Density.** Numbers of one fence follow each other. A driver passes a jump on as it is, and
///   declares nothing: the reader sees it. The first number of a later fence does not tell whether entries before it were
///   trimmed: there the reader reads again from the last entry on.
/// - **Entries are bytes.** They come back as they were appended. An entry that somebody else wrote
///   into the log comes back as it is; one that has no bytes in the driver's form comes back empty.
///
/// # What an append promises
/// - **In order.** The entries of one node are in the log in the order of its appends, or they are
///   missing from one entry on until [`Event::Dropped`]. A driver has one appending connection, and
///   pipelines on it. An engine that judges each append separately may refuse one and take later ones that
///   were on their way. They count as dropped: readers pass over what is behind such a hole.
/// - **At least once.** After a connection was cut, the old one's bytes may still reach the log, also
///   behind those of the new one. Readers drop repeats; the driver need not, and must not rely on a
///   deduplication of the engine, which has a window.
/// - **A failure drops everything.** If an append fails, the driver drops all appends that it holds,
///   gives [`Event::Dropped`], and drops every further append until the owner has taken that event.
///   The owner then reads on, and appends again what it has not read back.
/// - **Fences.** An append under a fence below the log's newest is rejected
///   ([`Rejection::Fenced`]), if the engine [has fences](Capabilities::has_fences). It takes no number.
/// - **No acknowledgement.** An entry is in the log when it is read. An engine that confirms copies says
///   so with [`Event::Replicated`].
///
/// # Lives of the log
/// Every engine gives a reader the *new* entries under *old* numbers after its log was flushed, created
/// again, or promoted without its tail: on a connection that goes on, and without an error. The owner
/// finds that out by the entries' content. A driver helps as far as it can:
/// - it never creates a log, except for [`begin_log`](Self::begin_log);
/// - a log that is gone is [`State::Up`] with empty [`LogEnds`], and a log that comes back with
///   another identity is a new [`State::Up`] with that identity;
/// - reading is **inclusive**: [`read_from`](Self::read_from) returns the entry at the position
///   first, and if it is not there, the first entry behind it;
/// - it asks the engine for the log's ends: after each start of reading, after each error, and at least
///   every [`ENDS_EVERY_MS`], also while the reader waits for entries;
/// - after any error it asks the engine whether it is still the one that may be written to.
pub trait Engine: Send {
    /// Sets how the owner is woken. Called once, before anything else.
    fn set_wake(&mut self, wake: Wake);

    /// What it can do. Known once [`State::Up`] was given; before that, what it hopes for.
    fn capabilities(&self) -> Capabilities;

    /// Reads on from a position, which is included; from the oldest entry with [`Position::ZERO`].
    ///
    /// Entries of earlier calls that were not taken are dropped: after this call, `next` gives
    /// entries from here only. It may be called while the engine is away: reading begins when it is up.
    fn read_from(&mut self, position: Position);

    /// Appends entries under a fence, which is that of the newest entry that the owner has read.
    ///
    /// # Errors
    /// [`Full`]: too much waits. Nothing was taken, and the owner may try again.
    fn append(&mut self, fence: u64, entries: &[Arc<[u8]>]) -> Result<(), Full>;

    /// Creates the log with this first entry, unless it has an entry already.
    ///
    /// An engine that cannot tell may append it to a log that has entries; readers pass over it. An
    /// engine with fences chooses `max(1, milliseconds since 1970)`, and never a count from 1: a log
    /// that was flushed would begin with the same one.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    fn begin_log(&mut self, entry: &Arc<[u8]>) -> Result<(), Full>;

    /// Appends one entry under a new fence, `max(newest + 1, milliseconds since 1970)`. An engine without
    /// fences just appends it.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    fn raise_fence(&mut self, entry: &Arc<[u8]>) -> Result<(), Full>;

    /// Lets the engine drop the entries before a position. It is a wish: what an engine does with
    /// it is in [`Capabilities::trimming`]. A repeat does nothing.
    fn trim(&mut self, before: Position);

    /// The next event; `None` if none has arrived. The driver holds a bounded number of them, and reads
    /// no further while the owner takes none.
    fn next(&mut self) -> Option<Event>;
}

/// How often a driver asks for the log's ends at least, in milliseconds.
pub const ENDS_EVERY_MS: u64 = 1_000;

/// What an engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it rejects appends under an older fence.
    pub has_fences: bool,
    /// What it drops on [`Engine::trim`].
    pub trimming: Trimming,
    /// What an entry that was read survives.
    pub kept: Kept,
    /// The bytes of the largest entry.
    pub entry_bytes_max: usize,
}

/// What an engine drops when it is asked to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trimming {
    /// The entries before the position, and no others.
    Exact,
    /// Some of the entries before the position: whole segments, or what a background task gets to.
    Coarse,
    /// Nothing. Its own retention drops entries, and has to be longer than the horizon.
    Never,
}

/// What an entry that was read survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// Nothing: the engine keeps it in memory.
    Memory,
    /// The death of the engine's process, within the bounds of its settings.
    Disk,
    /// The loss of the engine's machine, once [`Event::Replicated`] has passed it.
    Replicas,
}

/// What happened at the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The engine came or went. The first event of all is one of these.
    State(State),
    /// The next entry.
    Entry(Position, Arc<[u8]>),
    /// The reader has returned every entry up to `last`, and these are the log's ends. A `last` before
    /// the owner's own position means that the log has lost its tail, or is another one.
    Ends(LogEnds),
    /// Appends were dropped, for this reason. Each of them is in the log, or may come late (a repeat),
    /// or will never be there. Appends that are made after this event was taken count again.
    Dropped(Rejection),
    /// The entries up to here have as many copies as the configuration asks for. Given only if that
    /// is configured.
    Replicated(Position),
}

/// The state of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It can be read and written. Given after each connection, before any entry that is read on it.
    Up(LogEnds),
    /// It cannot be reached, or does not take part now. The driver tries again by itself.
    Away(Trouble),
    /// Its settings cannot keep the promise, or it lets nobody in. The driver tries again by itself, at
    /// a slow pace; a program that has just started ends instead.
    Refused(Trouble),
}

/// The ends of the log, as the engine tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogEnds {
    /// A number that changes whenever the log may have lost entries that somebody has read: it was created
    /// again, or another server serves it, which may lack its tail. A change ends the epoch, so all
    /// clients have a gap. An equal number promises nothing; zero says that the engine has no such number.
    /// Then a lost tail goes unnoticed if every node that had read it is gone, too.
    pub identity: u64,
    /// The oldest entry; `None` if the log is empty or does not exist.
    pub first: Option<Position>,
    /// The newest entry.
    pub last: Option<Position>,
}

/// Why appends were dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The connection was lost, or the engine went away.
    Away,
    /// The log has a newer fence. Read on, and append under that one.
    Fenced,
    /// The log does not exist any more.
    Gone,
    /// The engine takes no more: memory or disk is full, or a bound of its own is reached.
    Full(Trouble),
    /// The entry is larger than the engine takes.
    TooLarge,
}

/// What is wrong with an engine, for a log line and for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its kind.
    pub kind: TroubleKind,
    /// What is wrong, where, and what to change, in one line. It has no passwords.
    pub text: Box<str>,
}

impl Trouble {
    /// A trouble.
    pub fn new(kind: TroubleKind, text: impl Into<Box<str>>) -> Self {
        Self { kind, text: text.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The kind of a trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Nobody answers, or the connection was cut.
    Unreachable,
    /// It does not let us in: user, password or certificate.
    Login,
    /// Its settings cannot keep the promise.
    Settings,
    /// It is too old, or lacks what is needed.
    Version,
    /// It answers, but is not the one that may be written to, or has no leader.
    NoLeader,
    /// It takes no more entries.
    Full,
    /// It answered something that is not in its protocol.
    Protocol,
}

impl TroubleKind {
    /// The reason in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "backbone_unreachable",
            Self::Login => "backbone_login",
            Self::Settings => "backbone_settings",
            Self::Version => "backbone_version",
            Self::NoLeader => "backbone_no_leader",
            Self::Full => "backbone_full",
            Self::Protocol => "backbone_protocol",
        }
    }
}

/// An engine's queue of appends has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many appends wait for the engine")
    }
}

impl core::error::Error for Full {}
