//! New rules for a store.

use std::sync::Arc;

use super::Store;
use crate::{Control, Error, Limits, Policy};

/// Channels that are looked at at once after a change of the rules. The book is locked meanwhile.
const SWEPT_MAX: usize = 512;

impl Store {
    /// Changes the rules, and of the limits `bytes_max`, `channels_max` and `keys_max`. Records beyond
    /// them go with the next calls of [`expire`](Self::expire). A key stays until the time that its
    /// message's commit promised.
    ///
    /// # Errors
    /// [`Error::Limits`] if the namespaces reserve more than there is, or a batch would not fit.
    pub fn reconfigure(&mut self, policy: &Policy, limits: &Limits) -> Result<(), Error> {
        self.begin_rules(policy, limits)?;
        while self.sweep() {}
        Ok(())
    }

    /// Changes the rules. [`sweep`](Self::sweep) moves the channels to their new namespaces.
    pub(super) fn begin_rules(&mut self, policy: &Policy, limits: &Limits) -> Result<(), Error> {
        let limits = self.limits.with_totals(limits);
        limits.check()?;
        policy.check(&limits)?;
        self.set_limits(limits)?;
        self.book.lock().reconfigure(policy, &limits);
        Ok(())
    }

    /// Bounds the database anew. If it is larger, it keeps its length, and the room in it is used again.
    pub(crate) fn set_limits(&mut self, limits: Limits) -> Result<(), Error> {
        self.limits = limits;
        // SQLite would refuse everything in a file without free pages.
        let kept = self.book.lock().totals().bytes;
        self.table.set_pages_max(limits.pages_max_beside(kept))
    }

    /// Looks at some channels after a change of the rules. Returns whether any are left.
    pub(crate) fn sweep(&self) -> bool {
        let mut book = self.book.lock();
        book.sweep(SWEPT_MAX);
        book.is_sweeping()
    }

    /// A handle that changes the rules and reads the figures while a writer is at work.
    pub fn control(&self) -> Control {
        Control::new(self.book.clone(), Arc::clone(&self.queue), self.limits)
    }
}
