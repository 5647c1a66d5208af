//! The log on a thread of its own, for a loop that must not wait for the disk.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::{fmt, io};

use crate::queue::{Queue, Settled, Work};
use crate::{Error, Limits, Record, Store};

/// What became of records, in the order of their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All up to this place that no other outcome has named are on disk.
    Durable {
        /// The highest of them.
        through: u64,
    },
    /// All after the last outcome up to this place are not in the log and never will be. Later ones
    /// may be: the disk was full.
    Refused {
        /// The highest of them.
        through: u64,
        /// Why.
        why: Error,
    },
    /// All after the last outcome up to this place may or may not be in the log. The writer takes no
    /// more; opening the directory again tells.
    Unknown {
        /// The highest of them.
        through: u64,
        /// Why.
        why: Error,
    },
}

/// Why a record was not queued. Nothing is known of it anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As much waits as may wait: try again later.
    Busy,
    /// The record is larger than the limits allow.
    TooLarge,
    /// Its place is not above that of the one before.
    Order,
    /// The writer has failed; its last outcome said why.
    Stopped,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the log's queue is full",
            Self::TooLarge => "the record is too large",
            Self::Order => "the record's place is not above the last one",
            Self::Stopped => "the log has failed",
        })
    }
}

impl std::error::Error for Refused {}

/// What a writer has to do and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records whose outcome was not fetched yet.
    pub pending: u64,
    /// Bytes of them.
    pub pending_bytes: u64,
    /// Records that came to be durable.
    pub durable: u64,
    /// Records that did not, or of which nobody knows.
    pub failed: u64,
}

/// Takes records, commits all that wait together, and tells what became of them. No call waits for
/// the disk, but [`close`](Self::close) and dropping it.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<Store>>,
    limits: Limits,
    /// The last place that was queued.
    last: u64,
    counts: Counts,
    stopped: bool,
}

impl Writer {
    /// Gives the store a thread.
    ///
    /// `wake` is called on that thread when [`poll`](Self::poll) has something after it had nothing.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn spawn(store: Store, wake: Box<dyn Fn() + Send>) -> io::Result<Self> {
        let (limits, last) = (*store.limits(), store.head());
        let queue = Arc::new(Queue::default());
        let theirs = Arc::clone(&queue);
        let stopped = store.is_broken();
        let thread = Builder::new().name("log".into()).spawn(move || {
            let alive = Alive { queue: &theirs, wake: &wake };
            let store = run(store, &theirs, &wake);
            drop(alive);
            store
        })?;
        let counts = Counts::default();
        Ok(Self { queue, thread: Some(thread), limits, last, counts, stopped })
    }

    /// Whether a record of so many bytes, as [`Record::bytes`] counts them, would be queued now. Ask
    /// before giving out a place: only [`push`](Self::push) takes room away, and a place that was
    /// given out and not queued may be given out again after a restart.
    ///
    /// # Errors
    /// [`Refused`], but not for its place.
    pub const fn room(&self, record_bytes: u64) -> Result<(), Refused> {
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

    /// Queues a record.
    ///
    /// # Errors
    /// [`Refused`]. After [`room`](Self::room) has said yes, only for its place.
    pub fn push(&mut self, record: Record) -> Result<(), Refused> {
        let bytes = record.bytes();
        self.room(bytes)?;
        if record.seq <= self.last || record.seq > i64::MAX.cast_unsigned() {
            return Err(Refused::Order);
        }
        self.last = record.seq;
        self.counts.pending += 1;
        self.counts.pending_bytes += bytes;
        let mut inner = self.queue.lock();
        inner.waiting.push_back(record);
        // Otherwise the thread has not come back for the first one yet.
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

    /// Has what has grown old dropped, in pieces, between commits.
    pub fn expire(&self, now_ms: u64) {
        self.queue.lock().expire = Some(now_ms);
        self.queue.notify();
    }

    /// What is counted.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Waits until the disk has all that was queued, and gives the store back. Outcomes that were
    /// not fetched are in the second part.
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
            // It has panicked if not: that was said on its own thread.
            drop(thread.join());
        }
    }
}

/// Says that the thread is gone, however it went.
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
    loop {
        match queue.next(&limits, &mut batch) {
            Work::Append => {
                let settled = append(&mut store, &batch);
                batch.clear();
                if queue.lock().settle(settled) {
                    wake();
                }
            }
            // A failure shows with the next batch: the store is broken then, or the disk full.
            Work::Expire(now_ms) => {
                if store.expire(now_ms).is_ok_and(|dropped| dropped > 0) {
                    let mut inner = queue.lock();
                    if !inner.closing {
                        inner.expire = inner.expire.max(Some(now_ms));
                    }
                }
            }
            Work::Close => return store,
        }
    }
}

fn append(store: &mut Store, batch: &[Record]) -> Settled {
    let through = batch.last().expect("a batch has a record").seq;
    let outcome = match store.append(batch) {
        Ok(through) => Outcome::Durable { through },
        Err(why) if why.is_certain() => Outcome::Refused { through, why },
        Err(why) => Outcome::Unknown { through, why },
    };
    let bytes = batch.iter().map(Record::bytes).sum();
    Settled { outcome, records: batch.len() as u64, bytes }
}
