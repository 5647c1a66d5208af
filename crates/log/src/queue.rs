//! The queues between a loop and the log's thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Limits, Outcome, Policy, Record};

/// The queues that loop and thread share. The lock is held only while items are moved, never while
/// the disk works.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) waiting: VecDeque<Record>,
    pub(crate) outcomes: VecDeque<Settled>,
    /// The time that the next expiry uses; `None` if none is due.
    pub(crate) expire: Option<u64>,
    /// Rules that are to be followed from now on.
    pub(crate) policy: Option<Policy>,
    pub(crate) closing: bool,
    /// The thread has ended.
    pub(crate) stopped: bool,
}

/// An outcome, and the room in the queue that it frees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// The next task of the thread.
#[derive(Debug)]
pub(crate) enum Work {
    Append,
    Expire(u64),
    Policy(Policy),
    Close,
}

impl Queue {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it changes the queues, so they are sound even if the lock is
        // poisoned.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notify(&self) {
        self.work.notify_one();
    }

    /// Waits for a task. Fills `batch` with the records that wait, up to the limits of a commit.
    pub(crate) fn next(&self, limits: &Limits, batch: &mut Vec<Record>) -> Work {
        let mut inner = self.lock();
        loop {
            if let Some(policy) = inner.policy.take() {
                return Work::Policy(policy);
            }
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
    /// Moves waiting records into a batch. [log:group]
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

    /// Adds an outcome, and merges it with the last one if both are `Durable`. Returns whether the
    /// queue was empty, so that the loop has to be woken.
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
