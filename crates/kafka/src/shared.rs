//! What the owner and the thread of an engine share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use sockeye_backbone::Full;
use sockeye_backbone::driver::{self, Tasks};

use crate::batch;
use crate::config::KafkaConfig;
use crate::topic::Life;

/// The queues, and what is known of the servers.
pub(crate) struct Shared {
    pub(crate) config: KafkaConfig,
    /// A mark is the topic that the owner knows of from there on.
    pub(crate) tasks: Tasks<Job, Life>,
    /// The topic that the servers have now.
    life: Mutex<Option<Life>>,
    /// The bytes of the largest batch that the topic takes.
    batch_bytes_max: AtomicUsize,
    /// The servers do not trim.
    trims_never: AtomicBool,
}

/// An append that waits. A life of the log is a topic.
pub(crate) type Job = driver::Append<Life>;

impl Shared {
    pub(crate) fn new(config: KafkaConfig) -> Self {
        Self {
            tasks: Tasks::new(config.limits.into()),
            config,
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
        self.tasks.append(jobs, self.entry_bytes_max())
    }

    pub(crate) fn entry_bytes_max(&self) -> usize {
        batch::entry_bytes_max(self.batch_bytes_max()).min(self.config.limits.entry_bytes_max)
    }

    pub(crate) fn trims_never(&self) -> bool {
        self.trims_never.load(Ordering::Relaxed)
    }

    // --- The thread ------------------------------------------------------------------------------

    /// The servers have this topic now. The owner's appends go there once it has taken what is told before.
    pub(crate) fn note_life(&self, life: Option<Life>) {
        let mut known = self.life.lock().expect("nobody panics while holding it");
        if *known != life {
            *known = life;
            drop(known);
            life.into_iter().for_each(|life| self.tasks.queues.mark(life));
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
