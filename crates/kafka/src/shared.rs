//! What the owner and the thread of an engine share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use sockeye_backbone::driver::{self, Queues};
use sockeye_backbone::{Event, Full, Position};
use tokio::sync::Notify;

use crate::batch;
use crate::config::KafkaConfig;
use crate::topic::Life;

/// What the thread tells: a mark is the topic that the owner knows of from there on.
pub(crate) type Told = driver::Told<Life>;

/// Queues, and who waits for what.
pub(crate) struct Shared {
    pub(crate) config: KafkaConfig,
    pub(crate) queues: Queues<Job, Life>,
    /// There are appends.
    pub(crate) has_appends: Notify,
    /// There is something to trim.
    pub(crate) has_trim: Notify,
    /// The owner reads from elsewhere, or has taken events; or a log has begun.
    pub(crate) has_turn: Notify,
    /// The engine is stopped, for what waits on a runtime.
    pub(crate) is_stopping: Notify,
    /// The topic that the servers have now.
    life: Mutex<Option<Life>>,
    /// The bytes of the largest batch that the topic takes.
    batch_bytes_max: AtomicUsize,
    /// The servers do not trim.
    trims_never: AtomicBool,
}

/// An append that waits.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// An entry, and the topic that the owner knew of. `None` if it knew of none.
    Entry(Option<Life>, Arc<[u8]>),
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

impl Shared {
    pub(crate) fn new(config: KafkaConfig) -> Self {
        Self {
            queues: Queues::new(config.limits.into()),
            config,
            has_appends: Notify::new(),
            has_trim: Notify::new(),
            has_turn: Notify::new(),
            is_stopping: Notify::new(),
            life: Mutex::default(),
            batch_bytes_max: AtomicUsize::new(usize::MAX),
            trims_never: AtomicBool::new(false),
        }
    }

    // --- The owner -------------------------------------------------------------------------------

    pub(crate) fn append(
        &self,
        jobs: impl ExactSizeIterator<Item = Job> + Clone,
    ) -> Result<(), Full> {
        self.queues.append(jobs, self.entry_bytes_max())?;
        self.has_appends.notify_one();
        Ok(())
    }

    pub(crate) fn entry_bytes_max(&self) -> usize {
        batch::entry_bytes_max(self.batch_bytes_max()).min(self.config.limits.entry_bytes_max)
    }

    pub(crate) fn trims_never(&self) -> bool {
        self.trims_never.load(Ordering::Relaxed)
    }

    pub(crate) fn trim(&self, before: Position) {
        self.queues.trim(before);
        self.has_trim.notify_one();
    }

    pub(crate) fn read_from(&self, position: Position, taken: &mut VecDeque<Told>) {
        self.queues.read_from(position, taken);
        self.has_turn.notify_one();
    }

    pub(crate) fn take_events(&self, taken: &mut VecDeque<Told>) {
        self.queues.take_events(taken);
        if !taken.is_empty() {
            self.has_turn.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        self.queues.stop();
        self.is_stopping.notify_one();
    }

    // --- The thread ------------------------------------------------------------------------------

    pub(crate) fn tell(&self, event: Event) {
        self.queues.tell(event);
    }

    /// The servers have this topic now. The owner's appends go there once it has taken what is told before.
    pub(crate) fn note_life(&self, life: Option<Life>) {
        let mut known = self.life.lock().expect("nobody panics while holding it");
        if *known != life {
            *known = life;
            drop(known);
            life.into_iter().for_each(|life| self.queues.mark(life));
        }
    }

    /// The topic that the servers had when they were asked last.
    pub(crate) fn life(&self) -> Option<Life> {
        *self.life.lock().expect("nobody panics while holding it")
    }

    pub(crate) fn note_batch_bytes_max(&self, bytes: usize) {
        self.batch_bytes_max.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn batch_bytes_max(&self) -> usize {
        self.batch_bytes_max.load(Ordering::Relaxed)
    }

    pub(crate) fn note_trims_never(&self, never: bool) {
        self.trims_never.store(never, Ordering::Relaxed);
    }

    /// The name of the topic as requests have it.
    pub(crate) fn topic_name(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.config.topic.to_string()))
    }
}
