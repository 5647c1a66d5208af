//! What the owner and the thread of an engine share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sockeye_backbone::driver::{self, Queues};
use sockeye_backbone::{Event, Full, LogEnds, Position, Rejection};
use tokio::sync::Notify;

use crate::config::NatsConfig;

/// An entry, and its position in the stream.
pub(crate) type Entry = (Position, Arc<[u8]>);

/// What the thread tells. A mark is the subject of the stream that the owner knows of from there on.
pub(crate) type Told = driver::Told<Arc<str>>;

/// Queues, and who waits for what.
pub(crate) struct Shared {
    pub(crate) config: NatsConfig,
    pub(crate) queues: Queues<Job, Arc<str>>,
    /// There are appends.
    pub(crate) has_appends: Notify,
    /// There is something to trim.
    pub(crate) has_trim: Notify,
    /// The owner reads from elsewhere, or has taken events.
    pub(crate) has_turn: Notify,
    /// The engine is stopped, for what waits on a runtime.
    pub(crate) is_stopping: Notify,
    /// The bytes of the largest entry: what is configured, or what the server takes if that is less.
    entry_bytes_max: AtomicUsize,
    /// The subject that the owner was told last.
    subject: Mutex<Option<Arc<str>>>,
}

/// An append that waits.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// An entry, and the subject of the stream that the owner knew of. `None` if it knew of none.
    Entry(Option<Arc<str>>, Arc<[u8]>),
    /// The first entry of a log.
    Begin(Arc<[u8]>),
}

impl driver::Job for Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Entry(_, entry) | Self::Begin(entry) => entry.len(),
        }
    }
}

/// A position of a log without fences.
pub(crate) const fn position(sequence: u64) -> Position {
    Position::new(0, sequence)
}

impl Shared {
    pub(crate) fn new(config: NatsConfig) -> Self {
        let entry_bytes_max = AtomicUsize::new(config.limits.entry_bytes_max);
        Self {
            queues: Queues::new(config.limits.into()),
            config,
            has_appends: Notify::new(),
            has_trim: Notify::new(),
            has_turn: Notify::new(),
            is_stopping: Notify::new(),
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
        self.queues.append(jobs, self.entry_bytes_max())?;
        self.has_appends.notify_one();
        Ok(())
    }

    pub(crate) fn trim(&self, before: Position) {
        self.queues.trim(before);
        self.has_trim.notify_one();
    }

    /// Sets where the owner reads from. What it has not taken is dropped, here and in `taken`.
    pub(crate) fn read_from(&self, position: Position, taken: &mut VecDeque<Told>) {
        self.queues.read_from(position, taken);
        self.has_turn.notify_one();
    }

    /// Moves all events to `taken`, which is empty.
    pub(crate) fn take_events(&self, taken: &mut VecDeque<Told>) {
        self.queues.take_events(taken);
        if !taken.is_empty() {
            self.has_turn.notify_one();
        }
    }

    /// Ends the thread, as soon as it sees it.
    pub(crate) fn stop(&self) {
        self.queues.stop();
        self.is_stopping.notify_one();
    }

    // --- The thread ------------------------------------------------------------------------------

    /// The server takes entries of this size.
    pub(crate) fn note_entry_bytes_max(&self, bytes: usize) {
        let bytes = bytes.min(self.config.limits.entry_bytes_max);
        self.entry_bytes_max.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn tell(&self, event: Event) {
        self.queues.tell(event);
    }

    /// The stream has this subject. The owner's appends go there once it has taken what is told before.
    pub(crate) fn tell_subject(&self, subject: &Arc<str>) {
        let mut told = self.subject.lock().expect("nobody panics while holding it");
        if told.as_ref() != Some(subject) {
            *told = Some(Arc::clone(subject));
            self.queues.mark(Arc::clone(subject));
        }
    }

    /// The next append, if there is one that fits into `room` bytes, or `is_first` says that it need not.
    pub(crate) fn take_job(&self, room: usize, is_first: bool) -> Option<Job> {
        self.queues.take_job_if(|job| is_first || driver::Job::bytes(job) <= room)
    }

    /// A job that was taken is in the log, at this sequence if that is known.
    pub(crate) fn settle(&self, sequence: Option<u64>) {
        self.queues.settle(1, sequence.map(position));
    }

    /// Jobs that were taken are not in the log; drops all others, too.
    pub(crate) fn reject(&self, rejection: Rejection) {
        self.queues.reject(rejection);
    }

    /// Gives the owner what was read in a generation, unless it reads from elsewhere now.
    pub(crate) fn give(&self, generation: u64, entries: &mut Vec<Entry>, ends: Option<LogEnds>) {
        self.queues.give(generation, entries, ends);
    }
}
