//! What the owner and the thread of an engine share.

use std::sync::{Arc, Mutex};

use sockeye_backbone::Position;
use sockeye_backbone::driver::{self, Tasks};
use tokio::sync::Notify;

use crate::config::AmqpConfig;

/// An entry, and its position in the stream.
pub(crate) type Entry = (Position, Arc<[u8]>);

/// A stream between its creation and its deletion: the routing key that leads into it, and into no other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) Arc<str>);

impl Life {
    /// A number that another life does not have.
    pub(crate) fn identity(&self) -> u64 {
        // FNV-1a.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.0.bytes().fold(0xcbf2_9ce4_8422_2325, mix).max(2)
    }
}

/// The queues, and what tasks tell each other.
pub(crate) struct Shared {
    pub(crate) config: AmqpConfig,
    /// A mark is the life of the log that the owner knows of from there on.
    pub(crate) tasks: Tasks<Job, Life>,
    /// The log may have begun: the reader should look.
    pub(crate) has_news: Notify,
    /// The life that the owner was told last.
    life: Mutex<Option<Life>>,
}

/// An append that waits.
pub(crate) type Job = driver::Append<Life>;

/// A position of an offset: numbers begin with 1.
pub(crate) const fn position(offset: u64) -> Position {
    Position::new(0, offset.saturating_add(1))
}

impl Shared {
    pub(crate) fn new(config: AmqpConfig) -> Self {
        let tasks = Tasks::new(config.limits.into());
        Self { config, tasks, has_news: Notify::new(), life: Mutex::default() }
    }

    /// The log has this life. The owner's appends go there once it has taken what is told before.
    pub(crate) fn tell_life(&self, life: &Life) {
        let mut told = self.life.lock().expect("nobody panics while holding it");
        if told.as_ref() != Some(life) {
            *told = Some(life.clone());
            self.tasks.queues.mark(life.clone());
        }
    }
}
