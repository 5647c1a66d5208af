//! Surveys: collect the figures of all services of a process for one page of metrics.
//!
//! The service that is asked for the page asks the others, and holds the request until they have
//! answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sockeye_server::{Answer, Coding, Context, Reply, Request, StreamKey, Time};

use crate::dialect::held::Wanted;
use crate::dialect::metrics::Tally;
use crate::engine::shared_state::WakeOne;
use crate::engine::units;
use crate::wire::Problem;
use crate::{Pending, Service};

/// How long a survey waits, in milliseconds. A service whose loop stands still counts with its last
/// figures.
const PATIENCE_MS: u64 = 1_000;

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

    /// Whether all services have answered a question.
    fn is_complete(&self, question: u64) -> bool {
        self.slots().iter().all(|slot| slot.answers >= question)
    }

    fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        self.slots().iter().for_each(|slot| sum.add(&slot.tally));
        sum
    }
}

/// One service's part in the surveys.
pub(crate) struct Survey {
    board: Arc<Board>,
    me: usize,
    wake: WakeOne,
    services: usize,
    /// The question that was answered last.
    answered: u64,
    /// Requests that wait for the others.
    waiting: Vec<Waiting>,
}

struct Waiting {
    stream: StreamKey,
    coding: Option<Coding>,
    question: u64,
    until: Time,
}

impl Survey {
    pub(crate) fn new(board: Arc<Board>, me: usize, wake: WakeOne, services: usize) -> Self {
        Self { board, me, wake, services, answered: 0, waiting: Vec::new() }
    }

    fn wake_others(&self) {
        (0..self.services).filter(|it| *it != self.me).for_each(|other| (self.wake)(other));
    }
}

impl Service {
    /// `GET /metrics`. The page is a task of the address that asks, though it is for operators: anybody
    /// may ask.
    pub(crate) fn survey(&mut self, request: &Request<'_>) -> Result<Answer<Pending>, Problem> {
        let who = self.engine.anybody.clone().at(request.origin());
        let hold = self.hold_for_turn(Vec::new());
        let coding = self.coding_of_answer(request, &who, [].into_iter());
        self.hold(&who, (Wanted::Figures, coding), hold)
    }

    /// Answers such a request whose turn has come. `None` if other services are asked first.
    pub(super) fn figures(
        &mut self,
        (stream, coding): (StreamKey, Option<Coding>),
        context: &mut Context<'_>,
    ) -> Option<Reply> {
        let stats = context.stats();
        context.spend(units::of_figures(stats.accepted - stats.closed));
        let until = self.engine.now + PATIENCE_MS;
        let Some(survey) = &mut self.survey else { return Some(self.tally(context).page()) };
        let question = survey.board.asked.fetch_add(1, Ordering::AcqRel) + 1;
        survey.waiting.push(Waiting { stream, coding, question, until });
        survey.wake_others();
        None
    }

    /// Writes this service's figures, if somebody has asked since it did.
    pub(crate) fn answer_survey(&mut self, context: &Context<'_>) {
        let Some(survey) = &self.survey else { return };
        let question = survey.board.asked.load(Ordering::Acquire);
        if question == survey.answered {
            return;
        }
        let tally = self.tally(context);
        let Some(survey) = &mut self.survey else { return };
        survey.answered = question;
        let mut slots = survey.board.slots();
        slots[survey.me] = Slot { tally, answers: question };
        let is_complete = slots.iter().all(|slot| slot.answers >= question);
        drop(slots);
        if is_complete {
            survey.wake_others();
        }
    }

    /// Answers the requests for which all services have written, or that have waited long enough.
    pub(crate) fn conclude_surveys(&mut self, context: &mut Context<'_>) {
        let Some(survey) = &mut self.survey else { return };
        if survey.waiting.is_empty() {
            return;
        }
        let (board, now) = (Arc::clone(&survey.board), context.now());
        let is_over = |it: &mut Waiting| it.until <= now || board.is_complete(it.question);
        let over: Vec<_> = survey.waiting.extract_if(.., is_over).collect();
        for Waiting { stream, coding, .. } in over {
            let page = self.code(board.sum().page(), coding, context);
            // A client that is gone is told nothing.
            let _ = context.respond(stream, page);
        }
    }

    /// Signs the service off: it serves nobody any more, and its figures stay as they are.
    pub fn sign_off(&mut self, context: &Context<'_>) {
        let tally = self.tally(context);
        let Some(survey) = &mut self.survey else { return };
        survey.board.slots()[survey.me] = Slot { tally, answers: u64::MAX };
        survey.wake_others();
    }

    /// When the oldest request has waited long enough.
    pub(crate) fn survey_deadline(&self) -> Time {
        let first = self.survey.iter().flat_map(|it| &it.waiting).map(|it| it.until).min();
        first.unwrap_or(Time::NEVER)
    }

    /// Whether a stream is a request that waits for the others.
    pub(crate) fn surveys(&self, stream: StreamKey) -> bool {
        self.survey.iter().flat_map(|it| &it.waiting).any(|it| it.stream == stream)
    }

    /// The number of requests that wait.
    pub(crate) fn surveys_held(&self) -> usize {
        self.survey.as_ref().map_or(0, |it| it.waiting.len())
    }

    /// Forgets the request of a stream that has closed.
    pub(crate) fn forget_survey(&mut self, stream: StreamKey) {
        if let Some(survey) = &mut self.survey {
            survey.waiting.retain(|it| it.stream != stream);
        }
    }
}
