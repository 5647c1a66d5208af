//! The engine.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;

use sockeye_backbone::driver::FencedAppend;
use sockeye_backbone::{Capabilities, Engine, Event, Full, Kept, Position, Trimming, Wake};

use crate::config::RedisConfig;
use crate::shared::Shared;
use crate::{appender, reader};

/// A log in a stream of Redis or Valkey.
///
/// It has two threads and two connections. They end after it was dropped, as soon as they notice.
pub struct RedisEngine {
    shared: Arc<Shared>,
    /// Events that were taken from the threads, and not yet given.
    events: VecDeque<Event>,
}

impl RedisEngine {
    /// Starts the threads, which connect and go on trying.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn open(config: RedisConfig) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(config));
        let engine = Self { shared: Arc::clone(&shared), events: VecDeque::new() };
        let (reading, appending) = (Arc::clone(&shared), shared);
        thread::Builder::new().name("redis-read".into()).spawn(move || reader::run(&reading))?;
        thread::Builder::new()
            .name("redis-append".into())
            .spawn(move || appender::run(&appending))?;
        Ok(engine)
    }
}

impl Drop for RedisEngine {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Engine for RedisEngine {
    fn set_wake(&mut self, wake: Wake) {
        self.shared.set_wake(wake);
    }

    fn capabilities(&self) -> Capabilities {
        let config = &self.shared.config;
        Capabilities {
            has_fences: true,
            trimming: Trimming::Exact,
            kept: if config.replicas > 0 { Kept::Replicas } else { Kept::Disk },
            entry_bytes_max: config.limits.entry_bytes_max,
        }
    }

    fn read_from(&mut self, position: Position) {
        self.shared.read_from(position, &mut self.events);
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
        self.shared.trim(before);
    }

    fn next(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            self.shared.take_events(&mut self.events);
        }
        let event = self.events.pop_front()?;
        if matches!(event, Event::Dropped(_)) {
            self.shared.end_dropping();
        }
        Some(event)
    }
}

impl core::fmt::Debug for RedisEngine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RedisEngine").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
