//! The log on its own thread, for a loop that must not wait for the disk.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::{fmt, io};

use crate::book::{NoRoom, SharedBook};
use crate::queue::{Queue, Settled, Work};
use crate::record::kept_bytes;
use crate::{Error, Limits, Record, Store};

/// The outcome of records, in the order of their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The records after the last outcome up to this position are on disk.
    Durable {
        /// The highest position.
        through: u64,
    },
    /// The records after the last outcome up to this position are not in the log and never will be.
    /// The disk was full, say; later records may succeed.
    Refused {
        /// The highest position.
        through: u64,
        /// The cause.
        why: Error,
    },
    /// The records after the last outcome up to this position may or may not be in the log. The
    /// writer takes no more. Only opening the directory again tells.
    Unknown {
        /// The highest position.
        through: u64,
        /// The cause.
        why: Error,
    },
}

/// Why a record was not queued. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The queue is full. Try again later.
    Busy,
    /// The record is larger than [`Limits::record_bytes_max`].
    TooLarge,
    /// Its position is not above that of the last record.
    Order,
    /// The writer has failed, and takes no more records. If a commit failed, the last outcome has the
    /// cause.
    Stopped,
    /// Its namespace has no room for it on disk.
    Full,
    /// Its namespace has no room for another channel.
    Channels,
    /// The log has no room for another idempotency key.
    Keys,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the log's queue is full",
            Self::TooLarge => "the record is too large",
            Self::Order => "the record's place is not above the last one",
            Self::Stopped => "the log has failed",
            Self::Full => "the namespace has no room on disk",
            Self::Channels => "the namespace has no room for another channel",
            Self::Keys => "the log has no room for another idempotency key",
        })
    }
}

impl std::error::Error for Refused {}

/// The figures of a writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Records without a polled outcome.
    pub pending: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Records that became durable.
    pub durable: u64,
    /// Records that did not, or may not have.
    pub failed: u64,
}

/// Commits queued records in groups on its own thread, and reports their outcomes. Only
/// [`close`](Self::close) and dropping it wait for the disk.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
    book: SharedBook,
    thread: Option<JoinHandle<Store>>,
    limits: Limits,
    /// The last position that was queued.
    last: u64,
    counts: Counts,
    stopped: bool,
}

impl Writer {
    /// Moves the store to a new thread.
    ///
    /// That thread calls `wake` when [`poll`](Self::poll) has an outcome after it had none.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn spawn(store: Store, wake: Box<dyn Fn() + Send>) -> io::Result<Self> {
        let (limits, last) = (*store.limits(), store.head());
        let queue = Arc::clone(store.queue());
        queue.reopen();
        let theirs = Arc::clone(&queue);
        let book = store.shared_book().clone();
        let stopped = store.is_broken();
        let thread = Builder::new().name("log".into()).spawn(move || {
            let alive = Alive { queue: &theirs, wake: &wake };
            let store = run(store, &theirs, &wake);
            drop(alive);
            store
        })?;
        let counts = Counts::default();
        Ok(Self { queue, book, thread: Some(thread), limits, last, counts, stopped })
    }

    /// Checks whether a record would be queued now, with a body of so many bytes at the most.
    ///
    /// Call this before you assign a position. An assigned position that is not queued can be
    /// assigned again after a restart. The answer holds until the next [`push`](Self::push) or
    /// [`poll`](Self::poll), or until the [rules](crate::Control::reconfigure) change.
    ///
    /// # Errors
    /// Any [`Refused`] except `Order`.
    pub fn room(&self, channel: &str, key: Option<&str>, body_bytes: u64) -> Result<(), Refused> {
        let key_bytes = key.map_or(0, |key| key.len() as u64);
        self.queue_room(kept_bytes(channel, body_bytes).saturating_add(key_bytes))?;
        self.book.lock().room(channel, body_bytes, key.is_some()).map_err(|no_room| match no_room {
            NoRoom::Bytes => Refused::Full,
            NoRoom::Channels => Refused::Channels,
            NoRoom::Keys => Refused::Keys,
        })
    }

    /// Notes that a record with such a body had no [`room`](Self::room) in its namespace, for
    /// [`SpaceUse`](crate::SpaceUse).
    pub fn note_refused(&self, channel: &str, body_bytes: u64) {
        self.book.lock().note_refused(channel, body_bytes);
    }

    const fn queue_room(&self, record_bytes: u64) -> Result<(), Refused> {
        if self.stopped {
            return Err(Refused::Stopped);
        }
        if record_bytes > self.limits.record_bytes_max {
            return Err(Refused::TooLarge);
        }
        // [log:bound-queue]
        let Counts { pending, pending_bytes, .. } = self.counts;
        if pending >= self.limits.queue_records_max
            || pending_bytes + record_bytes > self.limits.queue_bytes_max
        {
            return Err(Refused::Busy);
        }
        Ok(())
    }

    /// Queues a record if there is [`room`](Self::room).
    ///
    /// # Errors
    /// [`Refused`] says why not.
    pub fn push(&mut self, record: Record) -> Result<(), Refused> {
        self.room(&record.channel, record.key.as_deref(), record.body.len() as u64)?;
        self.push_assigned(record)
    }

    /// Queues a record whose position was assigned because there was [`room`](Self::room). It is queued
    /// also if the rules have changed since, and its namespace has no room any more.
    ///
    /// # Errors
    /// [`Refused`] says why not. After [`room`](Self::room) has succeeded, only `Order` can occur.
    pub fn push_assigned(&mut self, record: Record) -> Result<(), Refused> {
        self.queue_room(record.bytes())?;
        if record.seq <= self.last || record.seq > i64::MAX.cast_unsigned() {
            return Err(Refused::Order);
        }
        self.last = record.seq;
        self.counts.pending += 1;
        self.counts.pending_bytes += record.bytes();
        self.book.lock().reserve(&record);
        let mut inner = self.queue.lock();
        inner.waiting.push_back(record);
        // With others in the queue the thread has been notified already.
        let first = inner.waiting.len() == 1;
        drop(inner);
        if first {
            self.queue.notify();
        }
        Ok(())
    }

    /// The next outcome, if there is one.
    pub fn poll(&mut self) -> Option<Outcome> {
        let mut inner = self.queue.lock();
        let settled = inner.outcomes.pop_front();
        let gone = settled.is_none() && inner.stopped;
        drop(inner);
        let Some(Settled { outcome, records, bytes }) = settled else {
            self.stopped |= gone;
            return None;
        };
        self.counts.pending -= records;
        self.counts.pending_bytes -= bytes;
        match outcome {
            Outcome::Durable { .. } => self.counts.durable += records,
            Outcome::Refused { why: Error::Broken, .. } | Outcome::Unknown { .. } => {
                self.counts.failed += records;
                self.stopped = true;
            }
            Outcome::Refused { .. } => self.counts.failed += records,
        }
        Some(outcome)
    }

    /// Asks the thread to drop expired records, in pieces, while no record waits for its commit.
    /// The outcome of the next commit reports a failure.
    pub fn expire(&self, now_ms: u64) {
        self.queue.lock().expire = Some(now_ms);
        self.queue.notify();
    }

    /// The figures.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Waits until all queued records are settled, and returns the store and the outcomes that were
    /// not polled.
    ///
    /// # Panics
    /// If the thread has panicked.
    pub fn close(mut self) -> (Store, Vec<Outcome>) {
        let thread = self.begin_close().expect("only closing takes the thread");
        let store = thread.join().expect("the log's thread has panicked");
        let outcomes = std::iter::from_fn(|| self.poll()).collect();
        (store, outcomes)
    }

    fn begin_close(&mut self) -> Option<JoinHandle<Store>> {
        self.queue.lock().closing = true;
        self.queue.notify();
        self.thread.take()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(thread) = self.begin_close() {
            // An error is a panic, which the thread has reported itself.
            drop(thread.join());
        }
    }
}

/// Reports the end of the thread, even after a panic.
struct Alive<'a> {
    queue: &'a Queue,
    wake: &'a dyn Fn(),
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.queue.lock().stopped = true;
        if std::thread::panicking() {
            (self.wake)();
        }
    }
}

fn run(mut store: Store, queue: &Queue, wake: &dyn Fn()) -> Store {
    let limits = *store.limits();
    let mut batch = Vec::new();
    let mut is_sweeping = false;
    loop {
        match queue.next(&limits, &mut batch, is_sweeping) {
            Work::Append => {
                let settled = append(&mut store, &batch);
                batch.clear();
                if queue.lock().settle(settled) {
                    wake();
                }
                // A sweep goes on however much is published.
                is_sweeping = is_sweeping && sweep(&store, queue);
            }
            // The next batch reports a failure: the store is broken, or the disk full.
            Work::Expire(now_ms) => {
                if store.expire(now_ms).is_ok_and(|dropped| dropped > 0) {
                    let mut inner = queue.lock();
                    if !inner.closing {
                        inner.expire = inner.expire.max(Some(now_ms));
                    }
                }
            }
            // If the database fails, the next batch reports it.
            Work::Rules(limits) => {
                let _ = store.set_limits(limits);
                is_sweeping = true;
            }
            Work::Sweep => is_sweeping = sweep(&store, queue),
            Work::Close => return store,
        }
    }
}

/// Looks at some channels after a change of the rules. Returns whether any are left; if none is, what
/// the rules do not keep goes.
fn sweep(store: &Store, queue: &Queue) -> bool {
    let is_sweeping = store.sweep();
    if !is_sweeping {
        let mut inner = queue.lock();
        inner.expire = inner.expire.max(Some(store.time_ms()));
    }
    is_sweeping
}

fn append(store: &mut Store, batch: &[Record]) -> Settled {
    let through = batch.last().expect("a batch has a record").seq;
    let outcome = match store.append_reserved(batch) {
        Ok(through) => Outcome::Durable { through },
        // It broke when it dropped what is old, and nobody was told.
        Err(Error::Broken) => Outcome::Unknown { through, why: store.failure() },
        Err(why) if why.is_certain() => Outcome::Refused { through, why },
        Err(why) => Outcome::Unknown { through, why },
    };
    let bytes = batch.iter().map(Record::bytes).sum();
    Settled { outcome, records: batch.len() as u64, bytes }
}
