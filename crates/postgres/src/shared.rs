//! What the owner and the thread of an engine share.

use core::convert::Infallible;
use std::sync::Arc;

use sockeye_backbone::driver::{self, Job as _, Queues, Tasks};
use sockeye_backbone::{Full, LogEnds, Position, Rejection};

use crate::config::PostgresConfig;

/// The entries and the bytes of one statement. A larger entry goes alone.
const BATCH_ENTRIES_MAX: usize = 1024;
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// An entry, and where it stands.
pub(crate) type Entry = (Position, Arc<[u8]>);

/// The queues, and the configuration.
pub(crate) struct Shared {
    pub(crate) config: PostgresConfig,
    /// There are no marks.
    pub(crate) tasks: Tasks<Job, Infallible>,
}

/// An append that waits.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// An entry under a fence.
    Entry(u64, Arc<[u8]>),
    /// The first entry of a log.
    Begin(Arc<[u8]>),
    /// The first entry of a fence.
    Raise(Arc<[u8]>),
}

/// What the appender does next.
#[derive(Debug)]
pub(crate) enum Work {
    /// Appends entries under one fence.
    Batch(u64, Vec<Arc<[u8]>>),
    /// Creates the log.
    Begin(Arc<[u8]>),
    /// Raises the fence.
    Raise(Arc<[u8]>),
}

impl Work {
    /// How many appends these are.
    fn jobs(&self) -> usize {
        match self {
            Self::Batch(_, entries) => entries.len(),
            Self::Begin(_) | Self::Raise(_) => 1,
        }
    }
}

impl driver::Job for Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Entry(_, entry) | Self::Begin(entry) | Self::Raise(entry) => entry.len(),
        }
    }
}

impl Shared {
    pub(crate) fn new(config: PostgresConfig) -> Self {
        Self { tasks: Tasks::new(config.limits.into()), config }
    }

    // --- The owner -------------------------------------------------------------------------------

    /// Takes appends, all or none.
    pub(crate) fn append(
        &self,
        jobs: impl ExactSizeIterator<Item = Job> + Clone,
    ) -> Result<(), Full> {
        self.tasks.append(jobs, self.config.limits.entry_bytes_max)
    }

    // --- The thread ------------------------------------------------------------------------------

    /// The next appends, if there are any.
    pub(crate) fn take_work(&self) -> Option<Work> {
        take_work(&self.tasks.queues)
    }

    /// The position before which nothing is needed. One of another life of the log deletes nothing there: its fence is
    /// lower.
    pub(crate) fn take_trim(&self) -> Option<Position> {
        self.tasks.queues.take_trim().map(|trim| trim.before)
    }

    /// The jobs that were taken are in the log, up to this position if that is known.
    pub(crate) fn settle(&self, work: &Work, newest: Option<Position>) {
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

/// The next appends: a beginning, a raised fence, or entries under one fence as far as a statement has room.
fn take_work<M>(queues: &Queues<Job, M>) -> Option<Work> {
    let (fence, first) = match queues.take_job_if(|_| true)? {
        Job::Begin(entry) => return Some(Work::Begin(entry)),
        Job::Raise(entry) => return Some(Work::Raise(entry)),
        Job::Entry(fence, entry) => (fence, entry),
    };
    let mut bytes = first.len();
    let mut entries = vec![first];
    while entries.len() < BATCH_ENTRIES_MAX {
        let fits = |job: &Job| {
            matches!(job, Job::Entry(next, _) if *next == fence)
                && bytes + job.bytes() <= BATCH_BYTES_MAX
        };
        let Some(Job::Entry(_, entry)) = queues.take_job_if(fits) else { break };
        bytes += entry.len();
        entries.push(entry);
    }
    Some(Work::Batch(fence, entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PostgresLimits;

    #[test]
    fn a_batch_has_one_fence_and_a_bound() {
        let queues = Queues::<Job, Infallible>::new(PostgresLimits::default().into());
        let job = |fence, bytes: usize| Job::Entry(fence, vec![0; bytes].into());
        let large = BATCH_BYTES_MAX / 2;
        let jobs = [(1, 1), (1, 2), (2, large), (2, large), (2, 1)];
        let append = |jobs: Vec<Job>| queues.append(jobs.into_iter(), usize::MAX);
        append(jobs.map(|(fence, bytes)| job(fence, bytes)).into()).expect("there is room");
        let mut batches = Vec::new();
        while let Some(work) = take_work(&queues) {
            let Work::Batch(fence, entries) = work else { panic!("{work:?}") };
            batches.push((fence, entries.len()));
        }
        assert_eq!(batches, [(1, 2), (2, 2), (2, 1)]);
        append((0..=BATCH_ENTRIES_MAX).map(|_| job(1, 0)).collect()).expect("there is room");
        let Some(Work::Batch(_, entries)) = take_work(&queues) else { panic!("a batch") };
        assert_eq!(entries.len(), BATCH_ENTRIES_MAX);
        assert!(matches!(take_work(&queues), Some(Work::Batch(1, one)) if one.len() == 1));
    }
}
