//! Work that goes on in later turns: the one place where the engine and its dialect yield.
//!
//! A step of a task is short. The loop takes steps round robin while the turn has units left: a task
//! with more to do goes behind the others. What is left goes on in the next turn, which does not wait.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};

use sockeye_hub::{Holder, SubscriberKey};

use crate::engine::{Dialect, Engine, Outlet, Principal};

/// Work that is done in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A session that fetches has something to get: its dialect answers it.
    Answer(SubscriberKey),
    /// A stream that is behind catches up.
    CatchUp(SubscriberKey),
    /// The next streams of a walk over all of them catch up: a gap concerns all of them.
    PullAll,
    /// The next sessions of a walk over all that fetch are answered: the server goes away.
    AnswerAll,
    /// The job with this number publishes more of its items.
    Publish(u64),
    /// The next page that clients of this account have asked for is built. Each such account has one
    /// task.
    Page(Holder),
}

/// The tasks, in the order of their next steps.
#[derive(Debug, Default)]
pub(crate) struct Work {
    tasks: VecDeque<Task>,
    /// Streams that are still to be looked at for a [`Task::PullAll`].
    pub(crate) pull_all: Walk,
    /// The same for a [`Task::AnswerAll`].
    pub(crate) answer_all: Walk,
    /// Numbers the payers. Nobody can choose two accounts with one number.
    numbers: RandomState,
}

/// A walk over all sessions. It may begin anew before it has ended.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    next: usize,
    left: usize,
}

impl Walk {
    /// Visits each of so many places from now on. Returns whether no walk was under way.
    pub(crate) fn begin(&mut self, places: usize) -> bool {
        core::mem::replace(&mut self.left, places) == 0
    }

    /// The next one of so many places.
    pub(crate) fn next(&mut self, places: usize) -> Option<usize> {
        self.left = self.left.min(places).checked_sub(1)?;
        let place = if self.next < places { self.next } else { 0 };
        self.next = place + 1;
        Some(place)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }
}

impl Work {
    /// Puts a task behind the others. Sessions and jobs are bounded, and each has few tasks.
    pub(crate) fn add(&mut self, task: Task) {
        self.tasks.push_back(task);
    }

    /// The holder that a principal's work is charged to. Back ends and the clients of an open server
    /// have one, too: each API key, and each address.
    pub(crate) fn payer(&self, who: &Principal) -> Holder {
        let mut hasher = self.numbers.build_hasher();
        who.hash_payer(&mut hasher);
        Holder::known(hasher.finish())
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
        // Nobody takes these steps here, so they are no reason to come back.
        if !self.work.is_empty() {
            out.come_back();
        }
        theirs.into_iter().for_each(|task| self.work.add(task));
    }

    /// Takes a step of a task, unless it is one of the dialect's, which is returned.
    pub(crate) fn take_step_of(&mut self, task: Task, out: &mut impl Outlet<D>) -> Option<Task> {
        match task {
            Task::CatchUp(subscriber) => self.go_on(subscriber, out),
            Task::PullAll => self.pull_some(out),
            Task::Answer(_) | Task::AnswerAll | Task::Publish(_) | Task::Page(_) => {
                return Some(task);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Walk;

    #[test]
    fn a_walk_that_begins_anew_visits_everybody() {
        let mut walk = Walk::default();
        assert_eq!(walk.next(3), None);
        assert!(walk.begin(3));
        assert_eq!((walk.next(3), walk.next(3)), (Some(0), Some(1)));
        assert!(!walk.begin(3) && !walk.is_over());
        let rest: Vec<usize> = core::iter::from_fn(|| walk.next(3)).collect();
        assert_eq!(rest, [2, 0, 1]);
        assert!(walk.is_over() && walk.begin(4));
        let all: Vec<usize> = core::iter::from_fn(|| walk.next(4)).collect();
        assert_eq!(all, [2, 3, 0, 1]);
    }
}
