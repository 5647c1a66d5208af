//! What the owner and the thread of an engine share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sockeye_backbone::driver::{self, Tasks};
use sockeye_backbone::{Full, LogEnds, Position, Rejection};

use crate::config::NatsConfig;

/// An entry, and its position in the stream.
pub(crate) type Entry = (Position, Arc<[u8]>);

/// The queues, and what is known of the server.
pub(crate) struct Shared {
    pub(crate) config: NatsConfig,
    /// A mark is the subject of the stream that the owner knows of from there on.
    pub(crate) tasks: Tasks<Job, Arc<str>>,
    /// The bytes of the largest entry: what is configured, or what the server takes if that is less.
    entry_bytes_max: AtomicUsize,
    /// The subject that the owner was told last.
    subject: Mutex<Option<Arc<str>>>,
}

/// An append that waits. A life of the log is a subject.
pub(crate) type Job = driver::Append<Arc<str>>;

/// A position of a log without fences.
pub(crate) const fn position(sequence: u64) -> Position {
    Position::new(0, sequence)
}

impl Shared {
    pub(crate) fn new(config: NatsConfig) -> Self {
        let entry_bytes_max = AtomicUsize::new(config.limits.entry_bytes_max);
        Self {
            tasks: Tasks::new(config.limits.into()),
            config,
            entry_bytes_max,
            subject: Mutex::default(),
        }
    }

    // --- The owner -------------------------------------------------------------------------------

    pub(crate) fn entry_bytes_max(&self) -> usize {
        self.entry_bytes_max.load(Ordering::Relaxed)
    }

    /// Takes appends, all or none.
    pub(crate) fn append(
        &self,
        jobs: impl ExactSizeIterator<Item = Job> + Clone,
    ) -> Result<(), Full> {
        self.tasks.append(jobs, self.entry_bytes_max())
    }

    // --- The thread ------------------------------------------------------------------------------

    /// The server takes entries of this size.
    pub(crate) fn note_entry_bytes_max(&self, bytes: usize) {
        let bytes = bytes.min(self.config.limits.entry_bytes_max);
        self.entry_bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// The stream has this subject. The owner's appends go there once it has taken what is told before.
    pub(crate) fn tell_subject(&self, subject: &Arc<str>) {
        let mut told = self.subject.lock().expect("nobody panics while holding it");
        if told.as_ref() != Some(subject) {
            *told = Some(Arc::clone(subject));
            self.tasks.queues.mark(Arc::clone(subject));
        }
    }

    /// The next append, if there is one that fits into `room` bytes, or `is_first` says that it need not.
    pub(crate) fn take_job(&self, room: usize, is_first: bool) -> Option<Job> {
        self.tasks.queues.take_job_if(|job| is_first || driver::Job::bytes(job) <= room)
    }

    /// A job that was taken is in the log, at this sequence if that is known.
    pub(crate) fn settle(&self, sequence: Option<u64>) {
        self.tasks.queues.settle(1, sequence.map(position));
    }

    /// Jobs that were taken are not in the log; drops all others, too.
    pub(crate) fn reject(&self, rejection: Rejection) {
        self.tasks.queues.reject(rejection);
    }

    /// Gives the owner what was read in a generation, unless it reads from elsewhere now.
    pub(crate) fn give(&self, generation: u64, entries: &mut Vec<Entry>, ends: Option<LogEnds>) {
        self.tasks.queues.give(generation, entries, ends);
    }
}
