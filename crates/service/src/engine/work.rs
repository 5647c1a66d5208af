//! Work that goes on in later turns: the one place where the engine and its dialect yield.
//!
//! A step of a task is short. Each task is somebody's: of the account for which the work is done, its
//! payer. The next step is of the payer that has got the fewest units for its weight, so a payer with
//! many tasks delays itself and nobody else. What is left at the end of a turn goes on in the next one,
//! which does not wait.

use std::hash::{BuildHasher, Hasher, RandomState};

use sockeye_hub::SubscriberKey;
use sockeye_server::FairQueue;

use crate::engine::archive::Asker;
use crate::engine::{Dialect, Engine, Outlet, Principal, units};

/// Work that is done in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A session that fetches has something to get: its dialect answers it.
    Answer(SubscriberKey),
    /// A stream that is behind catches up.
    CatchUp(SubscriberKey),
    /// A stream that waited for its cursor subscribes.
    Open(SubscriberKey),
    /// The next streams of a walk over all of them catch up: a gap concerns all of them.
    PullAll,
    /// The next sessions of a walk over all that fetch are answered: the server goes away.
    AnswerAll,
    /// The next sessions of a walk over all are judged: by new settings, and for disconnections.
    Judge,
    /// The next connections are looked at for the figures of the service.
    Count,
    /// More subscribers get the messages of a channel that has many.
    FanOut,
    /// The hub drops more of what it has no room for, and applies more of new settings.
    Drop,
    /// The job with this number publishes more of its items.
    Publish(u64),
    /// The page of the archive that this asker waits for is handed in.
    Page(Asker),
    /// The next request that is held for its turn is answered: the next one of this account. Each such
    /// account has one task.
    Request(Payer),
}

impl Task {
    /// The kind of its steps. The queue expects of a step what earlier steps of its kind have cost.
    const fn kind(self) -> usize {
        match self {
            Self::Answer(_) => 0,
            Self::CatchUp(_) | Self::Open(_) => 1,
            Self::Page(_) => 2,
            Self::Request(_) => 3,
            Self::PullAll
            | Self::AnswerAll
            | Self::Publish(_)
            | Self::Judge
            | Self::Count
            | Self::FanOut
            | Self::Drop => 4,
        }
    }
}

/// What a step of each kind is expected to cost before the first one.
const FIRST_STEPS: [u64; 5] =
    [units::POLL + units::PULL + units::ITEM, units::STEP, units::STEP, units::STEP, units::STEP];

/// The account to which work is charged: a user, an API key, or the address of a client without either.
/// Two accounts with the same number, which is a keyed hash, get one part together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Payer {
    pub(crate) id: u64,
    /// How much it gets, compared with a user.
    pub(crate) weight: u32,
}

/// The payer of work for everybody: walks over all sessions. It is not to take as long as there are
/// accounts with work.
pub(crate) const EVERYBODY: Payer = Payer { id: 0, weight: 64 };

/// The payer of the figures that operators ask for: all who ask for them at a time get the same.
pub(crate) const SURVEYS: Payer = Payer { id: 1, weight: KEY_WEIGHT };

/// The weight of an API key: a back end speaks for many users.
const KEY_WEIGHT: u32 = 16;

/// What a payer that has had less than its part may have at once later: some answers to polls.
const CREDIT_UNITS: u64 = 200;

/// The tasks, by payer.
#[derive(Debug)]
pub(crate) struct Work {
    tasks: FairQueue<Payer, Task>,
    /// Jobs that publish. They wait while the log has enough (`dialect/publishing/pace.rs`).
    jobs: FairQueue<Payer, u64>,
    /// The task of the step under way.
    under_way: Option<Task>,
    /// The step under way has done nothing of its task.
    is_in_vain: bool,
    /// Units that jobs have got more than tasks, since one of the queues was empty.
    ahead: i64,
    /// Streams that are still to be looked at for a [`Task::PullAll`].
    pub(crate) pull_all: Walk,
    /// The same for a [`Task::AnswerAll`].
    pub(crate) answer_all: Walk,
    /// Numbers the payers. Nobody can choose two accounts with one number.
    numbers: RandomState,
}

/// A walk over all sessions that are there when it begins. It may begin anew before it has ended, and
/// then goes on where it is: a place waits for one round, however often that happens.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    next: usize,
    /// Places of the round. The first one follows the last.
    places: usize,
    left: usize,
}

impl Walk {
    /// Visits each of so many places from now on. Returns whether no walk was under way.
    pub(crate) fn begin(&mut self, places: usize) -> bool {
        let was_over = self.is_over();
        let next = if self.next < places { self.next } else { 0 };
        *self = Self { next, places, left: places };
        was_over
    }

    /// The next place.
    pub(crate) fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let place = self.next;
        self.next = if place + 1 < self.places { place + 1 } else { 0 };
        Some(place)
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Whether a place is still to be visited.
    #[inline]
    pub(crate) const fn is_ahead(&self, place: usize) -> bool {
        let before = if place < self.next { self.places } else { 0 };
        place < self.places && place + before - self.next < self.left
    }
}

impl Default for Work {
    fn default() -> Self {
        Self {
            // [service:task-credit]
            tasks: FairQueue::new().with_credit(CREDIT_UNITS).with_expected(FIRST_STEPS),
            jobs: FairQueue::new(),
            under_way: None,
            is_in_vain: false,
            ahead: 0,
            pull_all: Walk::default(),
            answer_all: Walk::default(),
            numbers: RandomState::new(),
        }
    }
}

impl Work {
    /// Puts a task behind the others of its payer. Sessions and jobs are bounded, and each has few
    /// tasks.
    pub(crate) fn add(&mut self, payer: Payer, task: Task) {
        match task {
            Task::Publish(job) => self.jobs.add_of_kind(task.kind(), payer, job),
            _ => self.tasks.add_of_kind(task.kind(), payer, task),
        }
    }

    /// Puts a task behind the others for the same principal.
    pub(crate) fn add_for(&mut self, who: &Principal, task: Task) {
        self.add(self.payer(who), task);
    }

    /// The account to which work for a principal is charged. Back ends and the clients of an open server
    /// have one, too: each API key, and each address.
    pub(crate) fn payer(&self, who: &Principal) -> Payer {
        let mut hasher = self.numbers.build_hasher();
        who.hash_payer(&mut hasher);
        let weight = if who.is_api_key() { KEY_WEIGHT } else { 1 };
        Payer { id: hasher.finish(), weight }
    }

    /// The payer of visits to a principal's streams; `None` if it is an address, which the server knows by
    /// itself. [service:fair-visits]
    pub(crate) fn payer_of_visits(&self, who: &Principal) -> Option<Payer> {
        (!who.pays_by_origin()).then(|| self.payer(who))
    }

    /// Takes the task whose step is next, with its payer. [`charge`](Self::charge) follows. Jobs that
    /// `may_publish` and other tasks get equal units.
    pub(crate) fn next(&mut self, may_publish: bool) -> Option<(Payer, Task)> {
        let both = may_publish && !self.jobs.is_empty() && !self.tasks.is_empty();
        if !both {
            self.ahead = 0;
        }
        let is_job = if both { self.ahead <= 0 } else { may_publish && !self.jobs.is_empty() };
        let next = match is_job {
            true => self.jobs.take().map(|(payer, job)| (payer, Task::Publish(job))),
            false => self.tasks.take(),
        };
        (self.under_way, self.is_in_vain) = (next.map(|(_, task)| task), false);
        next
    }

    /// Says that the step under way has put its task off: what it cost says nothing about the next one.
    pub(crate) const fn note_in_vain(&mut self) {
        self.is_in_vain = true;
    }

    /// Charges the step that was taken last to its payer: the units that it has spent, and `beside`, those
    /// that it will bring about or that were spent for it before. [service:fair-work]
    pub(crate) fn charge(&mut self, payer: Payer, spent: u64, beside: u64) {
        let Some(task) = self.under_way.take() else { return };
        let units = (spent + beside).div_ceil(u64::from(payer.weight));
        let spent = i64::try_from(spent).unwrap_or(i64::MAX);
        match matches!(task, Task::Publish(_)) {
            true => {
                self.ahead = self.ahead.saturating_add(spent);
                self.jobs.done(payer, units);
            }
            false => {
                self.ahead = self.ahead.saturating_sub(spent);
                match self.is_in_vain {
                    true => self.tasks.done_in_vain(payer, units),
                    false => self.tasks.done(payer, units),
                }
            }
        }
    }

    /// Whether no step can be taken now. Jobs have steps only if they `may_publish`.
    pub(crate) const fn is_empty(&self, may_publish: bool) -> bool {
        self.tasks.is_empty() && (self.jobs.is_empty() || !may_publish)
    }

    /// Whether jobs wait for their turn to publish.
    pub(crate) const fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.tasks.len() + self.jobs.len()
    }
}

impl<D: Dialect> Engine<D> {
    /// Takes steps of the work that is left, while the turn has units for it. Call it at the end of each
    /// turn.
    pub fn work(&mut self, out: &mut impl Outlet<D>) {
        self.deliver_burst(out);
        // The tasks of a dialect stay where they are.
        let mut theirs = Vec::new();
        // Jobs are the dialect's.
        while let Some((payer, task)) = self.work.next(false) {
            let before = out.units_billed();
            theirs.extend(self.take_step_of(task, out).map(|task| (payer, task)));
            self.work.charge(payer, out.units_billed() - before, 0);
            // [service:turn-yields]
            if out.units_left() == 0 {
                break;
            }
        }
        // Nobody takes these steps here, so they are no reason to come back.
        if !self.work.is_empty(false) {
            out.come_back();
        }
        theirs.into_iter().for_each(|(payer, task)| self.work.add(payer, task));
    }

    /// Takes a step of a task, unless it is one of the dialect's, which is returned.
    pub(crate) fn take_step_of(&mut self, task: Task, out: &mut impl Outlet<D>) -> Option<Task> {
        match task {
            Task::CatchUp(subscriber) => self.go_on(subscriber, out),
            Task::PullAll => self.pull_some(out),
            Task::FanOut => self.fan_out_some(out),
            Task::Drop => self.drop_some(out),
            Task::Answer(_)
            | Task::Open(_)
            | Task::AnswerAll
            | Task::Publish(_)
            | Task::Page(_)
            | Task::Request(_)
            | Task::Judge
            | Task::Count => {
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
        assert_eq!(walk.next(), None);
        assert!(walk.begin(3) && walk.is_ahead(0) && !walk.is_ahead(3));
        assert_eq!((walk.next(), walk.next()), (Some(0), Some(1)));
        assert!(!walk.is_ahead(1) && walk.is_ahead(2));
        // There are more places now, and those that were there are visited all the same.
        assert!(!walk.begin(5) && !walk.is_over());
        let rest: Vec<usize> = core::iter::from_fn(|| walk.next()).collect();
        assert_eq!(rest, [2, 3, 4, 0, 1]);
        assert!(walk.is_over() && !walk.is_ahead(0) && walk.begin(1));
    }
}
