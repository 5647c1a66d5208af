//! Appends of engines with fences.

use std::sync::Arc;

use super::queues::{Job, Queues};

/// The entries and the bytes that go together. A larger entry goes alone.
const BATCH_ENTRIES_MAX: usize = 1024;
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// An append for an engine with fences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FencedAppend {
    /// An entry under a fence.
    Entry(u64, Arc<[u8]>),
    /// The first entry of a log.
    Begin(Arc<[u8]>),
    /// The first entry of a fence.
    Raise(Arc<[u8]>),
}

impl Job for FencedAppend {
    fn bytes(&self) -> usize {
        match self {
            Self::Entry(_, entry) | Self::Begin(entry) | Self::Raise(entry) => entry.len(),
        }
    }
}

/// Appends that go to the server together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FencedWork {
    /// Entries under one fence.
    Batch(u64, Vec<Arc<[u8]>>),
    /// The first entry of a log.
    Begin(Arc<[u8]>),
    /// The first entry of a fence.
    Raise(Arc<[u8]>),
}

impl FencedWork {
    /// How many appends these are.
    pub fn jobs(&self) -> usize {
        match self {
            Self::Batch(_, entries) => entries.len(),
            Self::Begin(_) | Self::Raise(_) => 1,
        }
    }
}

impl<M> Queues<FencedAppend, M> {
    /// The next appends: a beginning, a raised fence, or entries under one fence as far as a batch has room.
    pub fn take_work(&self) -> Option<FencedWork> {
        let (fence, first) = match self.take_job_if(|_| true)? {
            FencedAppend::Begin(entry) => return Some(FencedWork::Begin(entry)),
            FencedAppend::Raise(entry) => return Some(FencedWork::Raise(entry)),
            FencedAppend::Entry(fence, entry) => (fence, entry),
        };
        let mut bytes = first.len();
        let mut entries = vec![first];
        while entries.len() < BATCH_ENTRIES_MAX {
            let fits = |job: &FencedAppend| {
                matches!(job, FencedAppend::Entry(next, _) if *next == fence)
                    && bytes + job.bytes() <= BATCH_BYTES_MAX
            };
            let Some(FencedAppend::Entry(_, entry)) = self.take_job_if(fits) else { break };
            bytes += entry.len();
            entries.push(entry);
        }
        Some(FencedWork::Batch(fence, entries))
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use super::*;
    use crate::driver::DriverLimits;

    #[test]
    fn a_batch_has_one_fence_and_a_bound() {
        let queues = Queues::<FencedAppend, Infallible>::new(DriverLimits::default().into());
        let job = |fence, bytes: usize| FencedAppend::Entry(fence, vec![0; bytes].into());
        let large = BATCH_BYTES_MAX / 2;
        let jobs = [(1, 1), (1, 2), (2, large), (2, large), (2, 1)];
        let append = |jobs: Vec<FencedAppend>| queues.append(jobs.into_iter(), usize::MAX);
        append(jobs.map(|(fence, bytes)| job(fence, bytes)).into()).expect("there is room");
        let mut batches = Vec::new();
        while let Some(work) = queues.take_work() {
            let FencedWork::Batch(fence, entries) = work else { panic!("{work:?}") };
            batches.push((fence, entries.len()));
        }
        assert_eq!(batches, [(1, 2), (2, 2), (2, 1)]);
        append((0..=BATCH_ENTRIES_MAX).map(|_| job(1, 0)).collect()).expect("there is room");
        let Some(FencedWork::Batch(_, entries)) = queues.take_work() else { panic!("a batch") };
        assert_eq!(entries.len(), BATCH_ENTRIES_MAX);
        assert!(matches!(queues.take_work(), Some(FencedWork::Batch(1, one)) if one.len() == 1));
    }
}
