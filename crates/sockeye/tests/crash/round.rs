//! One life of the process, as all who take part see it, and the moment of its end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::common::PATIENCE;
use crate::crash::truth::{Cursor, Life};

/// What is shared while the process lives.
pub(crate) struct Round {
    state: Mutex<State>,
    changed: Condvar,
}

/// What has come to be.
pub(crate) struct State {
    pub(crate) life: Life,
    /// Answers to publishers.
    pub(crate) answered: usize,
    /// Messages that came to readers.
    pub(crate) received: usize,
    /// Publishers that have all their answers.
    pub(crate) content: usize,
    /// Where each reader is.
    pub(crate) readers: Vec<Option<Cursor>>,
    /// Somebody has panicked.
    failed: bool,
}

/// Tells the others if its thread panics, so that nobody waits in vain.
pub(crate) struct Alarm<'r>(pub(crate) &'r Round);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let state = self.0.state.lock();
            state.unwrap_or_else(PoisonError::into_inner).failed = true;
            self.0.changed.notify_all();
        }
    }
}

impl Round {
    pub(crate) fn new(life: Life, readers: Vec<Option<Cursor>>) -> Self {
        let (answered, received, content) = (0, 0, 0);
        let failed = false;
        let state = State { life, answered, received, content, readers, failed };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody has failed")
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.state().life.epoch
    }

    /// A publisher was answered.
    pub(crate) fn answered(&self, at: Cursor, channel: &str, said: &str) {
        let mut state = self.state();
        state.life.acknowledge(at, channel, said);
        state.answered += 1;
        self.changed.notify_all();
    }

    pub(crate) fn is_acknowledged(&self, said: &str) -> bool {
        self.state().life.is_acknowledged(said)
    }

    /// A publisher has published all that it wanted, and was answered.
    pub(crate) fn content(&self) {
        self.state().content += 1;
        self.changed.notify_all();
    }

    /// A reader has got a message.
    pub(crate) fn received(
        &self,
        reader: usize,
        at: Cursor,
        channel: &str,
        said: &str,
        time: Option<u64>,
    ) {
        let mut state = self.state();
        state.life.learn(at, channel, said, time);
        state.received += 1;
        state.readers[reader] = Some(at);
        self.changed.notify_all();
    }

    pub(crate) fn has_come_to(&self, reader: usize, cursor: Cursor) {
        self.state().readers[reader] = Some(cursor);
        self.changed.notify_all();
    }

    /// Waits until something has come to be, or somebody has failed; gives whether it took too long.
    #[must_use]
    pub(crate) fn is_late(&self, mut is_so: impl FnMut(&State) -> bool) -> bool {
        let mut is_over = |state: &State| state.failed || is_so(state);
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, |it| !is_over(it));
        waited.is_ok_and(|(_, waited)| waited.timed_out())
    }

    pub(crate) fn finish(self) -> Life {
        self.state.into_inner().expect("nobody has failed").life
    }
}
