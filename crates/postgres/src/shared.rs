//! What the owner and the thread of an engine share.

use core::convert::Infallible;
use std::sync::Arc;

use sockeye_backbone::driver::{FencedAppend, FencedWork, Tasks};
use sockeye_backbone::{Full, LogEnds, Position, Rejection};

use crate::config::PostgresConfig;

/// An entry, and where it stands.
pub(crate) type Entry = (Position, Arc<[u8]>);

/// The queues, and the configuration.
pub(crate) struct Shared {
    pub(crate) config: PostgresConfig,
    /// There are no marks.
    pub(crate) tasks: Tasks<FencedAppend, Infallible>,
}

impl Shared {
    pub(crate) fn new(config: PostgresConfig) -> Self {
        Self { tasks: Tasks::new(config.limits.into()), config }
    }

    // --- The owner -------------------------------------------------------------------------------

    /// Takes appends, all or none.
    pub(crate) fn append(
        &self,
        jobs: impl ExactSizeIterator<Item = FencedAppend> + Clone,
    ) -> Result<(), Full> {
        self.tasks.append(jobs, self.config.limits.entry_bytes_max)
    }

    // --- The thread ------------------------------------------------------------------------------

    /// The next appends, if there are any.
    pub(crate) fn take_work(&self) -> Option<FencedWork> {
        self.tasks.queues.take_work()
    }

    /// The position before which nothing is needed. One of another life of the log deletes nothing there: its fence is
    /// lower.
    pub(crate) fn take_trim(&self) -> Option<Position> {
        self.tasks.queues.take_trim().map(|trim| trim.before)
    }

    /// The jobs that were taken are in the log, up to this position if that is known.
    pub(crate) fn settle(&self, work: &FencedWork, newest: Option<Position>) {
        self.tasks.queues.settle(work.jobs(), newest);
    }

    /// The jobs that were taken are not in the log; drops all others, too.
    pub(crate) fn reject(&self, rejection: Rejection) {
        self.tasks.queues.reject(rejection);
    }

    /// Gives the owner what was read in a generation, unless it reads from elsewhere now.
    pub(crate) fn give(&self, generation: u64, entries: &mut Vec<Entry>, ends: Option<LogEnds>) {
        self.tasks.queues.give(generation, entries, ends);
    }
}
