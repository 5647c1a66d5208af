//! Work that goes on in later turns: the one place where the engine and its dialect yield.
//!
//! A step of a task is short. The loop takes steps round robin while the turn has units left: a task
//! with more to do goes behind the others. What is left goes on in the next turn, which does not wait.

use std::collections::VecDeque;

use sockeye_hub::SubscriberKey;

use crate::engine::{Dialect, Engine, Outlet};

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

impl<D: Dialect> Engine<D> {
    /// Takes steps of the work that is left, while the turn has units for it. Call it at the end of each
    /// turn.
    pub fn work(&mut self, out: &mut impl Outlet<D>) {
        // The tasks of a dialect stay where they are.
        let mut theirs = Vec::new();
        while let Some(task) = self.work.next() {
            theirs.extend(self.take_step_of(task, out));
            // [service:turn-yields]
            if out.units_left() == 0 {
                break;
            }
        }
        theirs.into_iter().for_each(|task| self.work.add(task));
        if !self.work.is_empty() {
            out.come_back();
        }
    }

    /// Takes a step of a task, unless it is one of the dialect's, which is returned.
    pub(crate) fn take_step_of(&mut self, task: Task, out: &mut impl Outlet<D>) -> Option<Task> {
        match task {
            Task::CatchUp(subscriber) => self.go_on(subscriber, out),
            Task::Answer(_) | Task::Publish(_) => return Some(task),
        }
        None
    }
}
