//! The engine.

use std::io;
use std::sync::Arc;
use std::thread;

use sockeye_backbone::driver::Taken;
use sockeye_backbone::{Capabilities, Engine, Event, Full, Kept, Position, Trimming, Wake};

use crate::config::NatsConfig;
use crate::session;
use crate::shared::{Job, Shared};

/// A log in a stream of NATS JetStream.
///
/// It has one thread and one connection. Both end soon after the engine is dropped.
pub struct NatsEngine {
    shared: Arc<Shared>,
    /// The mark is the subject of the stream that the owner knows of.
    taken: Taken<Arc<str>>,
}

impl NatsEngine {
    /// Starts the thread, which connects, and connects again after each failure.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn open(config: NatsConfig) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(config));
        let engine = Self { shared: Arc::clone(&shared), taken: Taken::default() };
        thread::Builder::new().name("nats".into()).spawn(move || session::run(&shared))?;
        Ok(engine)
    }
}

impl Drop for NatsEngine {
    fn drop(&mut self) {
        self.shared.tasks.stop();
    }
}

impl Engine for NatsEngine {
    fn set_wake(&mut self, wake: Wake) {
        self.shared.tasks.queues.set_wake(wake);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            has_fences: false,
            trimming: Trimming::Exact,
            kept: if self.shared.config.replicas > 1 { Kept::Replicas } else { Kept::Disk },
            entry_bytes_max: self.shared.entry_bytes_max(),
        }
    }

    fn read_from(&mut self, position: Position) {
        self.shared.tasks.read_from(position, &mut self.taken);
    }

    fn append(&mut self, _fence: u64, entries: &[Arc<[u8]>]) -> Result<(), Full> {
        let job = |entry| Job::Entry(self.taken.mark().cloned(), Arc::clone(entry));
        self.shared.append(entries.iter().map(job))
    }

    fn begin_log(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        self.shared.append([entry].into_iter().map(|entry| Job::Begin(Arc::clone(entry))))
    }

    /// There are no fences: it appends.
    fn raise_fence(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        self.append(0, core::slice::from_ref(entry))
    }

    fn trim(&mut self, before: Position) {
        self.shared.tasks.trim(before);
    }

    fn next(&mut self) -> Option<Event> {
        self.shared.tasks.next(&mut self.taken)
    }
}

impl core::fmt::Debug for NatsEngine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NatsEngine").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
