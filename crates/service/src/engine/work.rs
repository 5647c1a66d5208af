//! Work that goes on in later turns: the one place where the engine and its dialect yield.
//!
//! A step of a task is short. The loop takes steps round robin while the turn has units left: a task
//! with more to do goes behind the others. What is left goes on in the next turn, which does not wait.

use std::collections::VecDeque;

use sockeye_hub::SubscriberKey;

/// Work that is done in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A session that fetches has something to get: its dialect answers it.
    Answer(SubscriberKey),
    /// A stream that is behind catches up.
    CatchUp(SubscriberKey),
    /// The job with this number publishes more of its items.
    Publish(u64),
}

/// The tasks, in the order of their next steps.
#[derive(Debug, Default)]
pub(crate) struct Work {
    tasks: VecDeque<Task>,
}

impl Work {
    /// Puts a task behind the others. Sessions and jobs are bounded, and each has one task.
    pub(crate) fn add(&mut self, task: Task) {
        self.tasks.push_back(task);
    }

    /// Takes the task whose step is next.
    pub(crate) fn next(&mut self) -> Option<Task> {
        self.tasks.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }
}
