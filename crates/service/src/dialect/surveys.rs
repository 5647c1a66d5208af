//! Surveys: the figures of all services of a process, for the page of metrics.
//!
//! A request for the page is a task of the address that asks, though the page is for operators: anybody
//! may ask. The bytes that wait for clients are counted over turns, some thousand connections a step. One
//! count answers all questions that came before it began.
//!
//! ```text
//!  request ─► its turn: a question ─► each service counts ─► its figures on the board
//!                                                                        │
//!  page ◄─ its turn again ◄───── all have answered, or it took too long ◄┘
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sockeye_server::{Answer, Context, Reply, Request, Time};

use crate::dialect::held::Wanted;
use crate::dialect::metrics::Tally;
use crate::engine::shared_state::WakeOne;
use crate::engine::work::SURVEYS;
use crate::engine::{Task, units};
use crate::wire::Problem;
use crate::{Pending, Service};

/// How long a survey waits for other services, in milliseconds. A service whose loop stands still counts
/// with its last figures.
const PATIENCE_MS: u64 = 1_000;

/// Requests that a turn puts back in line at the most, once they can be answered.
const CONCLUDED_MAX: usize = 64;

/// The board on which each service writes its figures when one of them asks.
#[derive(Debug)]
pub(crate) struct Board {
    /// The number of the last question.
    asked: AtomicU64,
    slots: Mutex<Vec<Slot>>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    tally: Tally,
    /// The question that these figures answer; `u64::MAX` for all that will come.
    answers: u64,
}

impl Board {
    pub(crate) fn new(services: usize) -> Self {
        Self { asked: AtomicU64::new(0), slots: Mutex::new(vec![Slot::default(); services]) }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().expect("nobody panics while holding it")
    }

    /// The last question that all services have answered.
    fn answered_by_all(&self) -> u64 {
        self.slots().iter().map(|slot| slot.answers).min().unwrap_or(u64::MAX)
    }
}

/// One service's part in the surveys.
pub(crate) struct Survey {
    board: Arc<Board>,
    me: usize,
    wake: WakeOne,
    services: usize,
    /// The question that this service answered last.
    answered: u64,
    /// The count that is under way.
    count: Option<Count>,
    /// The bytes that the last count has found.
    pub(super) unsent_bytes: u64,
    /// The next count is billed to one of the requests that it is for.
    is_billed: bool,
    /// Requests that wait for the answers, by question and request, and until when each waits.
    waiting: BTreeMap<(u64, u64), Time>,
}

/// The count of the bytes that wait for clients, as far as it has come.
struct Count {
    /// The question that it answers.
    question: u64,
    next: usize,
    bytes: u64,
}

impl Survey {
    /// The surveys of a service that is alone.
    pub(crate) fn alone() -> Self {
        Self::new(Arc::new(Board::new(1)), 0, Arc::new(|_| ()), 1)
    }

    pub(crate) fn new(board: Arc<Board>, me: usize, wake: WakeOne, services: usize) -> Self {
        let (answered, count, unsent_bytes) = (0, None, 0);
        let (is_billed, waiting) = (false, BTreeMap::new());
        Self { board, me, wake, services, answered, count, unsent_bytes, is_billed, waiting }
    }

    /// Asks all services for their figures, for a request. Returns the number of the question.
    fn ask(&mut self, request: u64, until: Time) -> u64 {
        let question = self.board.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.waiting.insert((question, request), until);
        self.wake_others();
        question
    }

    /// Forgets a request that has asked and is gone.
    pub(super) fn forget(&mut self, question: u64, request: u64) {
        self.waiting.remove(&(question, request));
    }

    /// Whether somebody has asked since the last count began, which has ended.
    pub(super) fn has_question(&self) -> bool {
        self.count.is_none() && self.board.asked.load(Ordering::Acquire) > self.answered
    }

    /// Begins to count if somebody has asked since the last count began. Returns whether it did.
    fn begin_to_count(&mut self) -> bool {
        if !self.has_question() {
            return false;
        }
        let question = self.board.asked.load(Ordering::Acquire);
        self.count = Some(Count { question, next: 0, bytes: 0 });
        self.is_billed = false;
        true
    }

    /// Takes in the bytes that wait at the next places. Returns whether others are left.
    fn count_on(&mut self, context: &mut Context<'_>) -> bool {
        let Some(count) = &mut self.count else { return false };
        // [service:figures-yield]
        let places = context.connection_places();
        let until = places.min(count.next + units::PLACES_OF_STEP);
        let some = count.next.min(until)..until;
        context.spend(units::of_places(some.len() as u64));
        count.bytes += context.unsent_bytes_in(some);
        count.next = until;
        until < places
    }

    /// Writes the figures of this service.
    fn answer(&mut self, tally: Tally, question: u64) {
        self.answered = question;
        let mut slots = self.board.slots();
        slots[self.me] = Slot { tally, answers: question };
        let is_complete = slots.iter().all(|slot| slot.answers >= question);
        drop(slots);
        if is_complete {
            self.wake_others();
        }
    }

    fn wake_others(&self) {
        (0..self.services).filter(|it| *it != self.me).for_each(|other| (self.wake)(other));
    }

    /// Adds the figures of the other services.
    fn add_others(&self, sum: &mut Tally) {
        let slots = self.board.slots();
        let others = slots.iter().enumerate().filter(|(which, _)| *which != self.me);
        others.for_each(|(_, slot)| sum.add(&slot.tally));
    }

    /// Takes the next request that can be answered. A service waits for its own figures in any case.
    fn conclude(&mut self, answered_by_all: u64, now: Time) -> Option<u64> {
        let (&(question, request), &until) = self.waiting.first_key_value()?;
        let is_over = answered_by_all >= question || until <= now && self.answered >= question;
        is_over.then(|| {
            self.waiting.pop_first();
            request
        })
    }
}

impl Service {
    /// `GET /metrics`.
    pub(crate) fn survey(&mut self, request: &Request<'_>) -> Result<Answer<Pending>, Problem> {
        let who = self.engine.anybody.clone().at(request.origin());
        let hold = self.hold_for_turn(Vec::new());
        let coding = self.coding_of_answer(request, &who, [].into_iter());
        self.hold(&who, (Wanted::Figures { question: None }, coding), hold)
    }

    /// Asks for the figures, for such a request whose turn has come. Returns the number of the question.
    pub(super) fn ask_for_figures(&mut self, request: u64, context: &mut Context<'_>) -> u64 {
        context.spend(units::ITEM);
        let question = self.survey.ask(request, self.engine.now + PATIENCE_MS);
        // [service:figures-billed] A count is for all who have asked before it begins. The first of them pays for it.
        if !core::mem::replace(&mut self.survey.is_billed, true) {
            context.bill(units::of_places(context.connection_places() as u64));
        }
        question
    }

    /// The page of metrics, once the figures are there.
    pub(super) fn figures(&mut self, context: &mut Context<'_>) -> Reply {
        context.spend(units::FIGURES);
        let mut sum = self.tally(context);
        self.survey.add_others(&mut sum);
        sum.page()
    }

    /// Begins to collect this service's figures, if somebody has asked since it did.
    pub(crate) fn begin_to_count(&mut self) {
        if self.survey.begin_to_count() {
            self.engine.work.add(SURVEYS, Task::Count);
        }
    }

    /// Takes a step of the count. After the last one, the figures of this service are on the board.
    pub(crate) fn count_some(&mut self, context: &mut Context<'_>) {
        if self.survey.count_on(context) {
            return self.engine.work.add(SURVEYS, Task::Count);
        }
        let Some(Count { question, bytes, .. }) = self.survey.count.take() else { return };
        self.survey.unsent_bytes = bytes;
        let tally = self.tally(context);
        self.survey.answer(tally, question);
        self.conclude_surveys(context);
    }

    /// Puts the requests back in line for which all services have answered, or that have waited long
    /// enough: some in each turn.
    pub(crate) fn conclude_surveys(&mut self, context: &mut Context<'_>) {
        if self.survey.waiting.is_empty() {
            return;
        }
        let answered = self.survey.board.answered_by_all();
        for _ in 0..CONCLUDED_MAX {
            let Some(request) = self.survey.conclude(answered, context.now()) else { return };
            context.spend(units::ITEM);
            self.line_up_again(request);
        }
        context.come_back();
    }

    /// Signs the service off: it serves nobody any more, and its figures stay as they are.
    pub fn sign_off(&mut self, context: &Context<'_>) {
        self.survey.unsent_bytes = 0;
        let tally = self.tally(context);
        self.survey.answer(tally, u64::MAX);
        self.survey.wake_others();
    }

    /// When the oldest request has waited long enough for other services.
    pub(crate) fn survey_deadline(&self) -> Time {
        let own = self.survey.answered;
        let first = self.survey.waiting.first_key_value();
        first.filter(|((question, _), _)| own >= *question).map_or(Time::NEVER, |(_, until)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::Survey;
    use sockeye_server::Time;

    /// [service:bound-figures] Clients that ask and go away leave nothing behind, while another service stands still.
    #[test]
    fn a_request_that_is_gone_is_forgotten() {
        let mut survey = Survey::alone();
        for request in 0..1_000 {
            let question = survey.ask(request, Time::NEVER);
            survey.forget(question, request);
        }
        let question = survey.ask(1_000, Time::NEVER);
        assert_eq!(survey.waiting.len(), 1);
        assert_eq!(survey.conclude(question, Time::default()), Some(1_000));
    }
}
