//! Reading beside the writer: questions, a thread that answers them, and the answers.

mod channels;
mod page;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::{fmt, io};

pub(crate) use self::channels::{Channels, row};
use self::page::Answered;
use crate::book::SharedBook;
use crate::open::DATABASE;
use crate::schema::connect_to_read;
use crate::{Error, Store};

/// A question: some records of some channels.
pub struct Query {
    /// Names the answer.
    pub ticket: u64,
    /// The channels.
    pub targets: Vec<Target>,
    /// The part of the log.
    pub range: Range,
    /// Records of the page, one at least.
    pub records_max: usize,
    /// Bytes of their bodies. The first record may exceed it.
    pub bytes_max: u64,
    /// Channels that the page names as missing.
    pub missing_max: usize,
}

impl Query {
    /// Whether it names all its channels.
    fn is_by_name(&self) -> bool {
        self.targets.iter().all(|it| matches!(it, Target::Name(_)))
    }

    /// Whether it is about this channel.
    fn is_about(&self, name: &str) -> bool {
        self.targets.iter().any(|target| match target {
            Target::Name(it) => **it == *name,
            Target::Matching(matches) => matches(name),
        })
    }
}

/// The channels of a question.
pub enum Target {
    /// The one with this name.
    Name(Box<str>),
    /// All that this is true of.
    Matching(Box<dyn Fn(&str) -> bool + Send>),
}

/// A part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The oldest records after `after`, up to `through`.
    After {
        /// The position before the first.
        after: u64,
        /// The last position.
        through: u64,
    },
    /// The newest records below `before`, of the first target, a name.
    Before {
        /// The position after the last.
        before: u64,
    },
}

/// A record that was read, and found to be what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its position.
    pub seq: u64,
    /// Its channel.
    pub channel: Arc<str>,
    /// When it was admitted, in the writer's milliseconds.
    pub time_ms: u64,
    /// Its kind, as [`Record::kind`](crate::Record::kind).
    pub kind: u8,
    /// Its body.
    pub body: Vec<u8>,
}

/// An answer: records in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The records.
    pub entries: Vec<Entry>,
    /// With [`Range::After`]: the page has all records of the targets after `after` up to here that
    /// are kept. It may be short of the range's end without a record, because one answer reads a
    /// bounded part of the log.
    pub through: u64,
    /// Channels of the targets with records that were dropped after `after`, and the newest of
    /// those. With [`Range::Before`]: the channel, if any of its records was dropped.
    pub missing: Vec<(Arc<str>, u64)>,
    /// There are more such channels than `missing` names.
    pub is_missing_more: bool,
    /// The range has more than the page.
    pub more: bool,
}

/// Questions that one reader may have under way, answers that it has not fetched included.
const QUESTIONS_MAX: usize = 256;

/// A question was not taken: too many are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many questions are under way")
    }
}

impl std::error::Error for Busy {}

/// The thread that reads, and the means to ask it. Clones ask the same thread, which ends with the
/// last of them and of their readers.
#[derive(Clone, Debug)]
pub struct Readers(Arc<Thread>);

/// A handle that asks questions, and has its own queue of answers.
#[derive(Debug)]
pub struct Reader {
    thread: Arc<Thread>,
    id: u64,
}

#[derive(Debug)]
struct Thread {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    sides: BTreeMap<u64, Side>,
    next_id: u64,
    /// The reader that was served last.
    served: u64,
    closing: bool,
}

struct Side {
    asked: VecDeque<Query>,
    /// A question is being answered.
    is_answering: bool,
    answers: VecDeque<(u64, Result<Page, Error>)>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Readers {
    /// Starts a thread that reads the store's directory with a connection of its own.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn spawn(store: &Store) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let (path, epoch) = (store.dir().join(DATABASE), store.epoch());
        let book = store.shared_book().clone();
        let thread = Builder::new().name("log reader".into());
        let thread = thread.spawn(move || serve(&path, (epoch, &book), &theirs))?;
        Ok(Self(Arc::new(Thread { shared, thread: Mutex::new(Some(thread)) })))
    }

    /// A reader. The thread calls `wake` when [`Reader::poll`] has an answer after it had none.
    pub fn reader(&self, wake: impl Fn() + Send + Sync + 'static) -> Reader {
        let mut state = self.0.shared.lock();
        state.next_id += 1;
        let id = state.next_id;
        let (asked, answers) = (VecDeque::new(), VecDeque::new());
        let side = Side { asked, is_answering: false, answers, wake: Arc::new(wake) };
        state.sides.insert(id, side);
        drop(state);
        Reader { thread: Arc::clone(&self.0), id }
    }
}

impl Reader {
    /// Asks a question. One answer bears its ticket, unless it is canceled.
    ///
    /// # Errors
    /// [`Busy`]: the question was not taken.
    pub fn ask(&mut self, query: Query) -> Result<(), Busy> {
        let shared = &self.thread.shared;
        let mut state = shared.lock();
        let side = state.sides.get_mut(&self.id).expect("a reader has its side");
        // [log:bound-reads]
        if side.asked.len() + side.answers.len() + usize::from(side.is_answering) >= QUESTIONS_MAX {
            return Err(Busy);
        }
        side.asked.push_back(query);
        drop(state);
        shared.work.notify_one();
        Ok(())
    }

    /// Nobody waits for the answer any more.
    pub fn cancel(&mut self, ticket: u64) {
        let mut state = self.thread.shared.lock();
        if let Some(side) = state.sides.get_mut(&self.id) {
            side.asked.retain(|query| query.ticket != ticket);
            side.answers.retain(|(it, _)| *it != ticket);
        }
    }

    /// The next answer, with its ticket. An error is one of this answer; others may succeed.
    pub fn poll(&mut self) -> Option<(u64, Result<Page, Error>)> {
        self.thread.shared.lock().sides.get_mut(&self.id)?.answers.pop_front()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.thread.shared.lock().sides.remove(&self.id);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // An error is a panic, which the thread has reported itself.
        drop(thread.map(JoinHandle::join));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it changes the queues.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a question, and takes the next one: each reader in turn. `None`: the last handle
    /// is gone. [log:fair-reads]
    fn next(&self) -> Option<(u64, Query)> {
        let mut state = self.lock();
        loop {
            if state.closing {
                return None;
            }
            let served = state.served;
            let after = state.sides.range(served + 1..).chain(state.sides.range(..=served));
            let id = after.filter(|(_, side)| !side.asked.is_empty()).map(|(id, _)| *id).next();
            if let Some((id, side)) = id.and_then(|id| Some((id, state.sides.get_mut(&id)?))) {
                let query = side.asked.pop_front();
                side.is_answering = true;
                state.served = id;
                return query.map(|query| (id, query));
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives an answer, or puts the question back in its place.
    fn settle(&self, id: u64, query: Query, answered: Result<Answered, Error>) {
        let mut state = self.lock();
        let Some(side) = state.sides.get_mut(&id) else { return };
        side.is_answering = false;
        let answer = match answered {
            Ok(Answered::NotYet) => return side.asked.push_front(query),
            Ok(Answered::Page(page)) => Ok(page),
            Err(error) => Err(error),
        };
        side.answers.push_back((query.ticket, answer));
        let wake = (side.answers.len() == 1).then(|| Arc::clone(&side.wake));
        drop(state);
        if let Some(wake) = wake {
            wake();
        }
    }
}

fn serve(path: &Path, (epoch, book): (u64, &SharedBook), shared: &Shared) {
    let mut db = None;
    let mut channels = Channels::default();
    while let Some((id, query)) = shared.next() {
        let mut answer = |db: &_| page::answer(db, (epoch, book), &mut channels, &query);
        let answered = match &db {
            Some(db) => answer(db),
            None => connect_to_read(path).and_then(|new| answer(db.insert(new))),
        };
        shared.settle(id, query, answered);
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("asked", &self.asked.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.debug_tuple("Name").field(name).finish(),
            Self::Matching(_) => f.write_str("Matching"),
        }
    }
}
