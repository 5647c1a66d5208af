//! The engine.

use core::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;

use sockeye_backbone::driver::{FencedAppend, Taken};
use sockeye_backbone::{Capabilities, Engine, Event, Full, Kept, Position, Trimming, Wake};

use crate::config::PostgresConfig;
use crate::session;
use crate::shared::Shared;

/// A log in a table of PostgreSQL.
///
/// It has one thread and two connections. They end after it was dropped, as soon as they notice.
pub struct PostgresEngine {
    shared: Arc<Shared>,
    /// There are no marks.
    taken: Taken<Infallible>,
}

impl PostgresEngine {
    /// Starts the thread, which connects and goes on trying.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn open(config: PostgresConfig) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(config));
        let engine = Self { shared: Arc::clone(&shared), taken: Taken::default() };
        thread::Builder::new().name("postgres".into()).spawn(move || session::run(&shared))?;
        Ok(engine)
    }
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        self.shared.tasks.stop();
    }
}

impl Engine for PostgresEngine {
    fn set_wake(&mut self, wake: Wake) {
        self.shared.tasks.queues.set_wake(wake);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            has_fences: true,
            trimming: Trimming::Exact,
            kept: Kept::Disk,
            entry_bytes_max: self.shared.config.limits.entry_bytes_max,
        }
    }

    fn read_from(&mut self, position: Position) {
        self.shared.tasks.read_from(position, &mut self.taken);
    }

    fn append(&mut self, fence: u64, entries: &[Arc<[u8]>]) -> Result<(), Full> {
        self.shared
            .append(entries.iter().map(|entry| FencedAppend::Entry(fence, Arc::clone(entry))))
    }

    fn begin_log(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        self.shared.append([entry].into_iter().map(|entry| FencedAppend::Begin(Arc::clone(entry))))
    }

    fn raise_fence(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        self.shared.append([entry].into_iter().map(|entry| FencedAppend::Raise(Arc::clone(entry))))
    }

    fn trim(&mut self, before: Position) {
        self.shared.tasks.trim(before);
    }

    fn next(&mut self) -> Option<Event> {
        self.shared.tasks.next(&mut self.taken)
    }
}

impl core::fmt::Debug for PostgresEngine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PostgresEngine")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}
