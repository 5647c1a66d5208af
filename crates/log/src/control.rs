//! The configuration and the figures of a log that is at work.

use std::sync::Arc;

use crate::book::{SharedBook, Totals};
use crate::queue::Queue;
use crate::{Error, Limits, Policy, SpaceUse};

/// A handle to a log for those who configure and watch it. Its calls never wait for the disk.
#[derive(Clone, Debug)]
pub struct Control {
    book: SharedBook,
    queue: Arc<Queue>,
    /// The limits that the log was opened with.
    limits: Limits,
}

impl Control {
    pub(crate) const fn new(book: SharedBook, queue: Arc<Queue>, limits: Limits) -> Self {
        Self { book, queue, limits }
    }

    /// Changes the rules, and of the limits `bytes_max`, `channels_max` and `keys_max`. They hold when it
    /// returns.
    ///
    /// The writer's thread then looks at all channels, some at a time, and drops the records beyond the
    /// rules. Until it has looked at all, nothing expires. A key stays until the time that its message's
    /// commit promised.
    ///
    /// # Errors
    /// [`Error::Limits`] if the namespaces reserve more than there is, or a batch would not fit. Nothing
    /// changes then.
    pub fn reconfigure(&self, policy: &Policy, limits: &Limits) -> Result<(), Error> {
        let limits = self.limits.with_totals(limits);
        limits.check()?;
        policy.check(&limits)?;
        self.book.lock().reconfigure(policy, &limits);
        self.queue.lock().limits = Some(limits);
        self.queue.notify();
        Ok(())
    }

    /// The limits that the log was opened with.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The use of each namespace: first of all that have no rule of their own, then in the policy's
    /// order.
    pub fn uses(&self) -> Vec<SpaceUse> {
        self.book.lock().uses()
    }

    /// The figures of the whole log.
    pub fn totals(&self) -> Totals {
        self.book.lock().totals()
    }
}
