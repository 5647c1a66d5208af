//! Writes what another log had into an empty shared log, which goes on from it.
//!
//! ```text
//!  step ─► Waits ─► Feeds(n): the parts from n on are missing ─► offer, offer … the end ─► step ─► Done
//!                     ▲                                             │
//!                     └──── a connection was cut: it reads again ◄──┘
//! ```
//!
//! The importer has no threads and no clock. It reads back what it appends, and a part counts when it was read. So an import
//! that was cut short, by a kill or a cut, goes on: the log says which part is the next one. Whoever offers the parts has to
//! offer the same ones in the same order each time.

use core::fmt;
use std::sync::Arc;

use super::chain::{Chain, Follows};
use crate::digest::Digest;
use crate::engine::{Engine, Event, Full, LogEnds, Position, Rejection, State, Trouble};
use crate::entry::{Body, Entry, Import, Imported, ImportedPart};

/// Parts that were appended, and not read back.
const UNREAD_MAX: u64 = 8_192;

/// Their bytes, about: batches that wait.
const UNREAD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The parts of one append, and their bytes. The last part may exceed it.
const BATCH_PARTS: usize = 256;
const BATCH_BYTES: usize = 512 * 1024;

/// The bytes of an entry beside its payload, its channel and its key.
pub const OVERHEAD_BYTES: usize = 512;

/// A digest of numbers, for [`Import::plan`].
pub fn plan(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(Digest::new(), Digest::number).finish()
}

/// How far an import is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits for the engine, because of this trouble if there is one.
    Waits(Option<Trouble>),
    /// The parts from this number on are missing.
    Feeds(u64),
    /// The end was read: the log is whole.
    Done,
}

/// The fate of an offered part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is under way, or in the log.
    Taken,
    /// Too much is under way. Step, and offer it again.
    Full,
    /// Messages that were under way may be lost. Step until [`Progress::Feeds`] says where to go on.
    Again,
}

/// Why an import cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// The log has other entries.
    NotEmpty,
    /// The log has a part of another import, or of one with other settings.
    Other,
    /// The log has a hole, or somebody else writes to it.
    Disturbed,
    /// A part is larger than the engine takes.
    TooLarge,
    /// The engine cannot keep the log, or has no room.
    Engine(Trouble),
}

/// An import at work.
pub struct Importer {
    engine: Box<dyn Engine>,
    import: Import,
    phase: Phase,
    trouble: Option<Trouble>,
    chain: Option<Chain>,
    has_begun: bool,
    /// The number of the part that is read next.
    read: u64,
    /// The number of the part that is appended next.
    next: u64,
    batch: Vec<Arc<[u8]>>,
    batch_bytes: usize,
    /// Bytes of the parts that were appended since all was read back.
    unread_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The log is read from its first entry on.
    Reading,
    /// It was read, and parts are missing.
    Feeding,
    Done,
}

impl Importer {
    /// An import into the log of an engine, whose waker is set. If the log has the beginning of the same import, with
    /// another nonce, time and check, that one goes on.
    pub fn new(import: Import, engine: Box<dyn Engine>) -> Self {
        Self {
            engine,
            import,
            phase: Phase::Reading,
            trouble: None,
            chain: None,
            has_begun: false,
            read: 0,
            next: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            unread_bytes: 0,
        }
    }

    /// The first entry of the log, as it is there once parts are fed.
    pub const fn import(&self) -> &Import {
        &self.import
    }

    /// The parts that were read back.
    pub const fn parts(&self) -> u64 {
        self.read
    }

    /// Takes in what the engine says.
    ///
    /// # Errors
    /// [`ImportError`]: the import cannot go on.
    pub fn step(&mut self) -> Result<Progress, ImportError> {
        while self.phase != Phase::Done
            && let Some(event) = self.engine.next()
        {
            match event {
                Event::State(State::Up(ends)) => {
                    self.trouble = None;
                    self.import.identity = ends.identity;
                    self.read_again();
                }
                Event::State(State::Away(trouble)) => {
                    self.trouble = Some(trouble);
                    self.phase = Phase::Reading;
                }
                Event::State(State::Refused(trouble)) => return Err(ImportError::Engine(trouble)),
                Event::Entry(position, bytes) => self.take(position, &bytes)?,
                Event::Ends(ends) => self.reach_end(ends),
                Event::Dropped(rejection) => self.note_dropped(rejection)?,
                Event::Replicated(_) => {}
            }
        }
        Ok(match self.phase {
            Phase::Reading => Progress::Waits(self.trouble.clone()),
            Phase::Feeding => Progress::Feeds(self.next),
            Phase::Done => Progress::Done,
        })
    }

    /// Offers the part with this number. One that is under way, or in the log, is taken and not appended again.
    pub fn offer(&mut self, number: u64, part: &ImportedPart<'_>) -> Offered {
        match self.phase {
            Phase::Reading => return Offered::Again,
            Phase::Done => return Offered::Taken,
            Phase::Feeding if number < self.next => return Offered::Taken,
            Phase::Feeding => {}
        }
        debug_assert_eq!(number, self.next, "parts are offered in order");
        if self.next - self.read >= UNREAD_MAX || self.unread_bytes >= UNREAD_BYTES_MAX {
            self.flush();
            return Offered::Full;
        }
        if self.batch.len() >= BATCH_PARTS || self.batch_bytes >= BATCH_BYTES {
            self.flush();
            if !self.batch.is_empty() {
                return Offered::Full;
            }
        }
        let body =
            Body::Imported(Imported { nonce: self.import.nonce, number, part: part.clone() });
        let entry = Entry::new(body).encode();
        self.batch_bytes += entry.len();
        self.unread_bytes += entry.len();
        self.batch.push(entry);
        self.next += 1;
        if *part == ImportedPart::End {
            self.flush();
        }
        Offered::Taken
    }

    /// Appends what was offered, if the engine has room.
    pub fn flush(&mut self) {
        let fence = self.chain.as_ref().map_or(0, |chain| chain.last().position.fence);
        if self.phase == Phase::Feeding
            && !self.batch.is_empty()
            && self.engine.append(fence, &self.batch) != Err(Full)
        {
            self.batch.clear();
            self.batch_bytes = 0;
        }
    }

    fn read_again(&mut self) {
        self.phase = Phase::Reading;
        self.chain = None;
        (self.read, self.has_begun) = (0, false);
        self.engine.read_from(Position::ZERO);
    }

    fn take(&mut self, position: Position, bytes: &Arc<[u8]>) -> Result<(), ImportError> {
        let Some(chain) = &mut self.chain else { return self.take_first(position, bytes) };
        match (chain.follows(position, bytes), self.phase) {
            // Nobody trims a log before the end of its import.
            (Follows::Next | Follows::Raised, _) => {
                chain.push(position, bytes);
            }
            (Follows::Same, _) => return Ok(()),
            (Follows::Hole | Follows::Other, Phase::Feeding | Phase::Done) => {
                self.read_again();
                return Ok(());
            }
            (Follows::Hole | Follows::Other, Phase::Reading) => return Err(ImportError::Disturbed),
        }
        let Ok(Entry { body: Body::Imported(it), .. }) = Entry::decode(bytes) else {
            // Of a stranger. Nodes pass over it, too.
            return Ok(());
        };
        if (it.nonce, it.number) == (self.import.nonce, self.read) {
            self.read += 1;
            if self.read == self.next {
                self.unread_bytes = self.batch_bytes;
            }
            if it.part == ImportedPart::End {
                self.phase = Phase::Done;
            }
        }
        Ok(())
    }

    fn take_first(&mut self, position: Position, bytes: &Arc<[u8]>) -> Result<(), ImportError> {
        let Ok(Entry { body: Body::Import(found), .. }) = Entry::decode(bytes) else {
            return Err(ImportError::NotEmpty);
        };
        let of = |it: &Import| (it.epoch, it.head, it.horizon, it.runs.clone(), it.plan);
        if of(&found) != of(&self.import) {
            return Err(ImportError::Other);
        }
        let (nonce, seq) = (found.nonce, found.head + 1);
        self.import = found;
        self.chain = Some(Chain::begin(nonce, seq, position, bytes));
        Ok(())
    }

    fn reach_end(&mut self, ends: LogEnds) {
        let read = self.chain.as_ref().map(|chain| chain.last().position);
        match (self.phase, read) {
            (Phase::Done, _) => {}
            (Phase::Reading, None) if ends.last.is_none() => self.begin(),
            // The log has lost what was read.
            (Phase::Feeding | Phase::Reading, read) if ends.last < read => self.read_again(),
            (Phase::Feeding, _) => self.flush(),
            (Phase::Reading, read) if read.is_some() && ends.last == read => {
                self.phase = Phase::Feeding;
                self.next = self.read;
                self.batch.clear();
                (self.batch_bytes, self.unread_bytes) = (0, 0);
            }
            (Phase::Reading, _) => {}
        }
    }

    /// The log is empty.
    fn begin(&mut self) {
        if !self.has_begun {
            let entry = Entry::new(Body::Import(self.import.clone())).encode();
            self.has_begun = self.engine.begin_log(&entry).is_ok();
        }
    }

    fn note_dropped(&mut self, rejection: Rejection) -> Result<(), ImportError> {
        match rejection {
            Rejection::Full(trouble) => Err(ImportError::Engine(trouble)),
            Rejection::TooLarge => Err(ImportError::TooLarge),
            Rejection::Away | Rejection::Fenced | Rejection::Gone => {
                self.read_again();
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Importer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Importer");
        debug.field("phase", &self.phase).field("read", &self.read).field("next", &self.next);
        debug.finish_non_exhaustive()
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEmpty => "the log has entries already, and an import goes into an empty one",
            Self::Other => {
                "the log has a part of another import: of another directory, of this one before a server changed it, or \
                 with other settings"
            }
            Self::Disturbed => "the log has a hole: somebody else trims it or writes to it",
            Self::TooLarge => "an entry is larger than the engine takes",
            Self::Engine(trouble) => return trouble.fmt(f),
        })
    }
}

impl core::error::Error for ImportError {}
