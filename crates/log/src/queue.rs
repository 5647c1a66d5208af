//! The queues between a loop and the log's thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Limits, Outcome, Record};

/// The rest between two steps of a sweep, in which others get at the book.
const SWEEP_REST: Duration = Duration::from_millis(1);

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
    /// The limits that hold since the rules have changed.
    pub(crate) limits: Option<Limits>,
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
    /// To follow new rules and these limits.
    Rules(Limits),
    /// To look at some channels after a change of the rules.
    Sweep,
    Close,
}

impl Queue {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it changes the queues, so they are sound even if the lock is
        // poisoned.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew for another writer of the same store.
    pub(crate) fn reopen(&self) {
        let mut inner = self.lock();
        (inner.closing, inner.stopped) = (false, false);
    }

    pub(crate) fn notify(&self) {
        self.work.notify_one();
    }

    /// Waits for a task. Fills `batch` with the records that wait, up to the limits of a commit.
    /// `is_sweeping`: the rules have changed, and no record expires before all channels follow them.
    pub(crate) fn next(&self, limits: &Limits, batch: &mut Vec<Record>, is_sweeping: bool) -> Work {
        let mut inner = self.lock();
        let mut has_rested = false;
        loop {
            if let Some(limits) = inner.limits.take() {
                return Work::Rules(limits);
            }
            if !inner.waiting.is_empty() {
                inner.take(limits, batch);
                return Work::Append;
            }
            if is_sweeping && has_rested {
                return Work::Sweep;
            }
            if is_sweeping {
                let rested = self.work.wait_timeout(inner, SWEEP_REST);
                (inner, has_rested) = (rested.unwrap_or_else(PoisonError::into_inner).0, true);
                continue;
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
