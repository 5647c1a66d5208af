//! Queues whose thread is a runtime of tokio: tasks wait there until the owner has done something.

use std::collections::VecDeque;

use tokio::sync::Notify;

use super::queues::{Job, QueueLimits, Queues, Told};
use crate::{Event, Full, Position};

/// Queues between an owner and the tasks of its engine.
pub struct Tasks<J, M> {
    /// The queues.
    pub queues: Queues<J, M>,
    /// There are appends.
    pub has_appends: Notify,
    /// There is something to trim.
    pub has_trim: Notify,
    /// The owner reads from elsewhere, or has taken events; or the driver says that there is more to read.
    pub has_turn: Notify,
    /// The driver has begun the log: its reader should ask for the ends.
    pub has_begun: Notify,
    is_stopping: Notify,
}

/// Events that the owner has taken from the tasks, and was not given yet.
#[derive(Debug)]
pub struct Taken<M> {
    told: VecDeque<Told<M>>,
    /// The newest mark before what was given.
    mark: Option<M>,
}

impl<M> Default for Taken<M> {
    fn default() -> Self {
        Self { told: VecDeque::new(), mark: None }
    }
}

impl<M> Taken<M> {
    /// The mark under which the owner is.
    pub const fn mark(&self) -> Option<&M> {
        self.mark.as_ref()
    }
}

impl<J: Job, M> Tasks<J, M> {
    /// Empty queues.
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            queues: Queues::new(limits),
            has_appends: Notify::new(),
            has_trim: Notify::new(),
            has_turn: Notify::new(),
            has_begun: Notify::new(),
            is_stopping: Notify::new(),
        }
    }

    // --- The owner -------------------------------------------------------------------------------

    /// Takes jobs, all or none, as [`Queues::append`].
    ///
    /// # Errors
    /// [`Full`]: too much waits.
    pub fn append(
        &self,
        jobs: impl ExactSizeIterator<Item = J> + Clone,
        entry_bytes_max: usize,
    ) -> Result<(), Full> {
        self.queues.append(jobs, entry_bytes_max)?;
        self.has_appends.notify_one();
        Ok(())
    }

    /// Keeps the position before which nothing is needed.
    pub fn trim(&self, before: Position) {
        self.queues.trim(before);
        self.has_trim.notify_one();
    }

    /// Sets where the owner reads from. What it was not given is dropped.
    pub fn read_from(&self, position: Position, taken: &mut Taken<M>) {
        self.queues.read_from(position, &mut taken.told);
        self.has_turn.notify_one();
    }

    /// The next event for the owner.
    pub fn next(&self, taken: &mut Taken<M>) -> Option<Event> {
        loop {
            if taken.told.is_empty() {
                self.queues.take_events(&mut taken.told);
                if !taken.told.is_empty() {
                    self.has_turn.notify_one();
                }
            }
            match taken.told.pop_front()? {
                Told::Mark(mark) => taken.mark = Some(mark),
                Told::Event(event) => {
                    if matches!(event, Event::Dropped(_)) {
                        self.queues.end_dropping();
                    }
                    return Some(event);
                }
            }
        }
    }

    /// Ends the thread, as soon as it sees it.
    pub fn stop(&self) {
        self.queues.stop();
        self.is_stopping.notify_one();
    }

    // --- The thread ------------------------------------------------------------------------------

    /// Waits until the engine is stopped.
    pub(super) async fn stopped(&self) {
        self.is_stopping.notified().await;
    }
}

impl<J, M> core::fmt::Debug for Tasks<J, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tasks").field("queues", &self.queues).finish_non_exhaustive()
    }
}
