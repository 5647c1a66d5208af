//! What stands between a loop and the thread that waits for the disk.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Limits, Outcome, Record};

/// Shared by the two. The lock is held for as long as it takes to move what is in the queues,
/// never while the disk works.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) waiting: VecDeque<Record>,
    pub(crate) outcomes: VecDeque<Settled>,
    /// The time up to which records are to be expired, if that is still to be done.
    pub(crate) expire: Option<u64>,
    pub(crate) closing: bool,
    /// The thread takes nothing any more.
    pub(crate) stopped: bool,
}

/// An outcome, and what it frees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What the thread is to do next.
#[derive(Debug)]
pub(crate) enum Work {
    Append,
    Expire(u64),
    Close,
}

impl Queue {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing inside panics half-way: whoever panicked did so elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notify(&self) {
        self.work.notify_one();
    }

    /// Waits for work. A batch is put into `batch`: all that waits, up to the bounds of a commit.
    pub(crate) fn next(&self, limits: &Limits, batch: &mut Vec<Record>) -> Work {
        let mut inner = self.lock();
        loop {
            if !inner.waiting.is_empty() {
                inner.take(limits, batch);
                return Work::Append;
            }
            if let Some(now_ms) = inner.expire.take() {
                return Work::Expire(now_ms);
            }
            if inner.closing {
                return Work::Close;
            }
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Inner {
    /// [log:group]
    fn take(&mut self, limits: &Limits, batch: &mut Vec<Record>) {
        let (mut records, mut bytes) = (0, 0);
        while let Some(next) = self.waiting.front() {
            records += 1;
            bytes += next.bytes();
            if records > limits.batch_records_max || bytes > limits.batch_bytes_max {
                return;
            }
            batch.extend(self.waiting.pop_front());
        }
    }

    /// Adds an outcome, to the one before if they are alike. Answers whether it is the only one,
    /// and so nobody was woken for it yet.
    pub(crate) fn settle(&mut self, settled: Settled) -> bool {
        let first = self.outcomes.is_empty();
        match self.outcomes.back_mut() {
            Some(last)
                if matches!(
                    (last.outcome, settled.outcome),
                    (Outcome::Durable { .. }, Outcome::Durable { .. })
                ) =>
            {
                last.outcome = settled.outcome;
                last.records += settled.records;
                last.bytes += settled.bytes;
            }
            Some(_) | None => self.outcomes.push_back(settled),
        }
        first
    }
}
