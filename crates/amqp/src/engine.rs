//! The engine.

use std::io;
use std::sync::Arc;
use std::thread;

use sockeye_backbone::driver::Taken;
use sockeye_backbone::{Capabilities, Engine, Event, Full, Kept, Position, Trimming, Wake};

use crate::config::AmqpConfig;
use crate::session;
use crate::shared::{Job, Life, Shared};

/// A log in a stream of RabbitMQ.
///
/// It has one thread and three connections. They end after it was dropped, as soon as they notice.
pub struct AmqpEngine {
    shared: Arc<Shared>,
    /// The mark is the life of the log that the owner knows of.
    taken: Taken<Life>,
}

impl AmqpEngine {
    /// Starts the thread, which connects and goes on trying.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn open(config: AmqpConfig) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(config));
        let engine = Self { shared: Arc::clone(&shared), taken: Taken::default() };
        thread::Builder::new().name("amqp".into()).spawn(move || session::run(&shared))?;
        Ok(engine)
    }

    fn append_jobs(&self, jobs: impl ExactSizeIterator<Item = Job> + Clone) -> Result<(), Full> {
        self.shared.tasks.append(jobs, self.shared.config.limits.entry_bytes_max)
    }
}

impl Drop for AmqpEngine {
    fn drop(&mut self) {
        self.shared.tasks.stop();
    }
}

impl Engine for AmqpEngine {
    fn set_wake(&mut self, wake: Wake) {
        self.shared.tasks.queues.set_wake(wake);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            has_fences: false,
            trimming: Trimming::Never,
            kept: if self.shared.config.replicas > 1 { Kept::Replicas } else { Kept::Disk },
            entry_bytes_max: self.shared.config.limits.entry_bytes_max,
        }
    }

    fn read_from(&mut self, position: Position) {
        self.shared.tasks.read_from(position, &mut self.taken);
    }

    fn append(&mut self, _fence: u64, entries: &[Arc<[u8]>]) -> Result<(), Full> {
        let job = |entry| Job::Entry(self.taken.mark().cloned(), Arc::clone(entry));
        self.append_jobs(entries.iter().map(job))
    }

    fn begin_log(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        self.append_jobs([entry].into_iter().map(|entry| Job::Begin(Arc::clone(entry))))
    }

    /// There are no fences: it appends.
    fn raise_fence(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        self.append(0, core::slice::from_ref(entry))
    }

    /// RabbitMQ cannot trim to a position.
    fn trim(&mut self, _before: Position) {}

    fn next(&mut self) -> Option<Event> {
        self.shared.tasks.next(&mut self.taken)
    }
}

impl core::fmt::Debug for AmqpEngine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AmqpEngine").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
