//! Requests that wait for their turn, or for the archive.
//!
//! A request is judged when it comes. One that is expected to cost no more than [`units::AT_ONCE`] is
//! answered in the call that reads it: a task would cost as much again. Any other is held, and is a task of
//! its account. So its answer is built in the part of the turn that is the application's, as far as that
//! has units, and others of the account wait and nobody else. While that part has units for all, the
//! answer leaves in the turn of its request.
//!
//! ```text
//!  hold ─► Task::Request ─► answer_held ─┬─► respond
//!              ▲                         ├─► await_history ─► answer_history
//!              │                         ├─► open_poll: it waits for something
//!              └──────── figures ◄───────┘
//! ```
//!
//! No answer is built while its peer has to take others first: the request is put off, and lined up again when the
//! server says that there is room.

mod put_off;

use std::collections::{BTreeMap, BTreeSet};

use sockeye_hub::{Cursor, Holder, Start};
use sockeye_server::{Answer, Coding, Context, Header, Hold, Reply, Request, StreamKey};

use self::put_off::PutOff;
use super::history::no_archive;
use super::{history, members, polls, position};
use crate::dialect::caching::opaque;
use crate::dialect::counters::count;
use crate::dialect::reply;
use crate::engine::archive::Waiter;
use crate::engine::openings::Opener;
use crate::engine::parts::Parts;
use crate::engine::work::Payer;
use crate::engine::{Principal, Task, units};
use crate::sequencing::{Page, Unavailable};
use crate::wire::{Code, Problem};
use crate::{Pending, Service};

/// Bytes of entity tags that are remembered of a request. Tags beyond them count as unknown.
const TAG_BYTES_MAX: usize = 1_024;

/// Requests for the page of metrics that wait at a time. An account may have as many as are free.
const FIGURES_MAX: usize = 1_024;

/// Requests of an account that a step looks at, to find one whose answer may be built.
const LOOKS_MAX: usize = 32;

/// The requests that are held.
#[derive(Debug, Default)]
pub(crate) struct HeldRequests {
    last: u64,
    by_id: BTreeMap<u64, HeldRequest>,
    by_stream: BTreeMap<StreamKey, u64>,
    /// Those that wait for their turn, by the account that pays. An account is here as long as it has
    /// its [`Task::Request`], also if its last client is gone meanwhile.
    queues: BTreeMap<Payer, BTreeSet<u64>>,
    /// Those for the page of metrics.
    figures: Parts,
    put_off: PutOff,
}

/// The wish of a held request.
#[derive(Debug)]
pub(crate) enum Wanted {
    History(history::Wanted),
    Poll(polls::Wanted),
    Members(members::Wanted),
    Position(position::Wanted),
    /// The page of metrics, and the question for its figures once it was asked.
    Figures {
        question: Option<u64>,
    },
}

impl Wanted {
    /// Whether it counts against the bounds on requests that wait. A request for metrics has a bound of its own, so that
    /// an operator gets the page also when those bounds are reached.
    const fn is_counted(&self) -> bool {
        match self {
            Self::History(_) | Self::Poll(_) | Self::Members(_) | Self::Position(_) => true,
            Self::Figures { .. } => false,
        }
    }

    /// The position that the request names.
    fn start(&self) -> Option<Start> {
        match self {
            Self::History(wanted) => wanted.start(),
            Self::Poll(wanted) => Some(wanted.start()),
            Self::Position(wanted) => wanted.start(),
            Self::Members(_) | Self::Figures { .. } => None,
        }
    }
}

/// A request that is held.
#[derive(Debug)]
struct HeldRequest {
    /// `None` until the request is held.
    stream: Option<StreamKey>,
    /// The holder whose share of the requests that wait it counts against.
    holder: Holder,
    /// The account to which its work is charged.
    payer: Payer,
    /// The account to which visits to its stream are charged, unless that is its address.
    of_visits: Option<Payer>,
    wanted: Wanted,
    /// The coding of the answer; `None` if the request has no say in it.
    coding: Option<Coding>,
    /// The head when the archive was asked; `None` before.
    asked: Option<Cursor>,
    /// It waits until its peer has taken other answers, and not for its turn.
    is_put_off: bool,
    /// The client has ended its direction.
    half_closed: bool,
}

/// The entity tags of `If-None-Match`, without the marks of weak ones.
#[derive(Debug, Default)]
pub(crate) struct KnownTags(Vec<Box<[u8]>>);

impl KnownTags {
    pub(crate) fn of(request: &Request<'_>) -> Self {
        let mut bytes = 0;
        let tags = request.head.headers().elements("If-None-Match").map(opaque);
        let few = tags.take_while(|tag| {
            bytes += tag.len() + size_of::<Box<[u8]>>();
            bytes <= TAG_BYTES_MAX
        });
        Self(few.map(Into::into).collect())
    }

    /// Whether the client has what the tag stands for (RFC 9110 §13.1.2).
    pub(crate) fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|it| **it == *opaque(tag.as_bytes()))
    }
}

impl HeldRequests {
    fn keep(&mut self, request: HeldRequest) -> u64 {
        self.last += 1;
        self.by_id.insert(self.last, request);
        self.last
    }

    /// Notes the stream of a request, and puts the request in line. Returns the account if it needs a task.
    fn enqueue(&mut self, id: u64, stream: StreamKey) -> Option<Payer> {
        self.note_stream(id, stream)?;
        self.enqueue_again(id)
    }

    fn note_stream(&mut self, id: u64, stream: StreamKey) -> Option<&HeldRequest> {
        let request = self.by_id.get_mut(&id)?;
        request.stream = Some(stream);
        self.by_stream.insert(stream, id);
        Some(request)
    }

    /// Puts a request in line with the others of its account, the older ones first. It may have had a turn before.
    fn enqueue_again(&mut self, id: u64) -> Option<Payer> {
        let request = self.by_id.get(&id)?;
        let mut is_new = false;
        let queue = self.queues.entry(request.payer).or_insert_with(|| {
            is_new = true;
            BTreeSet::new()
        });
        queue.insert(id);
        is_new.then_some(request.payer)
    }

    /// Takes the next request of an account out of its queue, and tells whether others are left in it.
    fn next_of(&mut self, payer: Payer) -> (Option<u64>, bool) {
        let Some(queue) = self.queues.get_mut(&payer) else { return (None, false) };
        let (next, is_left) = (queue.pop_first(), !queue.is_empty());
        if !is_left {
            self.queues.remove(&payer);
        }
        (next, is_left)
    }

    fn remove(&mut self, id: u64) -> Option<HeldRequest> {
        let request = self.by_id.remove(&id)?;
        if let Some(stream) = request.stream {
            self.by_stream.remove(&stream);
        }
        if let Some(queue) = self.queues.get_mut(&request.payer) {
            queue.remove(&id);
        }
        Some(request)
    }

    /// Whether a stream is one of these requests.
    pub(crate) fn holds(&self, stream: StreamKey) -> bool {
        self.by_stream.contains_key(&stream)
    }

    /// The account to which visits to a stream are charged, unless that is its address.
    pub(crate) fn payer_of_visits(&self, stream: StreamKey) -> Option<Payer> {
        self.by_id.get(self.by_stream.get(&stream)?)?.of_visits
    }

    /// Notes that the client of a stream has ended its direction.
    pub(crate) fn note_half_close(&mut self, stream: StreamKey) {
        let id = self.by_stream.get(&stream);
        if let Some(request) = id.and_then(|id| self.by_id.get_mut(id)) {
            request.half_closed = true;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

impl Service {
    /// Holds a request until its turn has come. [service:answer-tasks]
    pub(crate) fn hold(
        &mut self,
        who: &Principal,
        (wanted, coding): (Wanted, Option<Coding>),
        hold: Hold,
    ) -> Result<Answer<Pending>, Problem> {
        let holder = self.engine.holder(who);
        if wanted.is_counted() {
            // [service:bound-archive]
            if !self.engine.admit_reader(holder) {
                return Err(too_many());
            }
            self.engine.reading.enter_unasked(holder);
        }
        let payer = self.engine.work.payer(who);
        if let Wanted::Figures { .. } = wanted {
            // [service:bound-figures]
            if !self.held.figures.has_room(payer, FIGURES_MAX) {
                let message = "too many requests for the metrics wait for their turn";
                return Err(Problem::new(Code::Overloaded, message));
            }
            self.held.figures.add(payer, 1);
        }
        let of_visits = self.engine.work.payer_of_visits(who);
        let (stream, asked) = (None, None);
        let (is_put_off, half_closed) = (false, false);
        let request = HeldRequest {
            stream,
            holder,
            payer,
            of_visits,
            wanted,
            coding,
            asked,
            is_put_off,
            half_closed,
        };
        Ok(Answer::Hold(hold, Pending::Request(self.held.keep(request))))
    }

    /// The hold of a request with these headers, which does not wait for anything else.
    pub(crate) fn hold_for_turn(&self, headers: Vec<Header>) -> Hold {
        let limits = &self.engine.limits;
        Hold::new(limits.archive_ms_max.saturating_add(limits.opening_wait_ms)).headers(headers)
    }

    /// Lines up a request that is held now, unless it waits for its cursor. The application's part follows in
    /// the same turn.
    pub(crate) fn line_up(&mut self, id: u64, stream: StreamKey, context: &Context<'_>) {
        // [service:opening-waits]
        if !context.is_draining()
            && let Some(request) = self.held.note_stream(id, stream)
            && let Some(cursor) = request.wanted.start().and_then(|it| self.engine.is_ahead(it))
        {
            let of = (cursor, request.holder);
            if self.engine.await_cursor(Opener::Request(id), of, core::iter::empty()) {
                return;
            }
        }
        if let Some(payer) = self.held.enqueue(id, stream) {
            self.engine.work.add(payer, Task::Request(payer));
        }
    }

    /// Lines up a request that waited for something else. It may be gone.
    pub(crate) fn line_up_again(&mut self, id: u64) {
        if let Some(payer) = self.held.enqueue_again(id) {
            self.engine.work.add(payer, Task::Request(payer));
        }
    }

    /// Answers the next request of an account whose peer takes the answer.
    pub(crate) fn answer_next_of(&mut self, payer: Payer, context: &mut Context<'_>) {
        let (mut is_left, mut is_in_vain) = (false, true);
        for _ in 0..LOOKS_MAX {
            let next;
            (next, is_left) = self.held.next_of(payer);
            let Some(id) = next else { break };
            if !self.puts_off_request(id, context) {
                self.answer_held(id, context);
                is_in_vain = false;
                break;
            }
        }
        if is_in_vain {
            self.engine.work.note_in_vain();
        }
        if is_left {
            self.engine.work.add(payer, Task::Request(payer));
        }
    }

    /// Answers a request, or has it wait for something other than its turn.
    fn answer_held(&mut self, id: u64, context: &mut Context<'_>) {
        let Some(mut request) = self.held.by_id.remove(&id) else { return };
        self.leave_queue(&request);
        let Some(stream) = request.stream else { return };
        let (holder, payer) = (request.holder, request.payer);
        let waiter = Waiter { holder, payer, is_request: true };
        let built = match &request.wanted {
            Wanted::History(wanted) => self.build_page(id, wanted, waiter, context),
            Wanted::Members(wanted) => self.members(wanted, context).map(Some),
            Wanted::Position(wanted) => self.positions(wanted, context).map(Some),
            Wanted::Figures { question: Some(_) } => Ok(Some(self.figures(context))),
            Wanted::Figures { question: None } => {
                let question = Some(self.ask_for_figures(id, context));
                request.wanted = Wanted::Figures { question };
                Ok(None)
            }
            Wanted::Poll(wanted) => self.poll_in_turn(stream, wanted, request.half_closed, context),
        };
        match built {
            Ok(None) => match &request.wanted {
                Wanted::History(_) => {
                    request.asked = Some(self.engine.hub.position());
                    self.held.by_id.insert(id, request);
                }
                Wanted::Figures { .. } => {
                    self.held.figures.add(payer, 1);
                    self.held.by_id.insert(id, request);
                }
                // A poll is a stream from now on.
                Wanted::Poll(_) | Wanted::Members(_) | Wanted::Position(_) => {
                    self.held.by_stream.remove(&stream);
                }
            },
            Ok(Some(reply)) => self.answer_stream(stream, (reply, request.coding), context),
            Err(problem) => {
                count(&mut self.counters.requests_refused, problem.code.as_str());
                let refusal = reply::problem(&problem, self.engine.spread_ms());
                self.answer_stream(stream, (refusal, None), context);
            }
        }
    }

    fn answer_stream(
        &mut self,
        stream: StreamKey,
        (reply, coding): (Reply, Option<Coding>),
        context: &mut Context<'_>,
    ) {
        context.spend(units::of_text(reply.body.len()));
        let reply = self.code(reply, coding, context);
        self.held.by_stream.remove(&stream);
        // A client that is gone is told nothing.
        let _ = context.respond(stream, reply);
    }

    /// Answers a request with its page of the archive.
    pub(crate) fn answer_history(
        &mut self,
        id: u64,
        found: Result<Page, Unavailable>,
        context: &mut Context<'_>,
    ) {
        // [service:answers-wait] The page is read again when there is room for it.
        if self.puts_off_request(id, context) {
            self.engine.work.note_in_vain();
            return;
        }
        let Some(request) = self.held.remove(id) else { return };
        let HeldRequest { stream: Some(stream), asked: Some(position), wanted, coding, .. } =
            request
        else {
            return;
        };
        let Wanted::History(wanted) = wanted else { return };
        let found = found.ok().and_then(|found| self.in_archive(&wanted, position, found));
        let reply = match found {
            Some(found) => {
                self.engine.count_pull(found.entries.len(), context);
                self.history_reply(&wanted, found)
            }
            // [service:archive-unavailable]
            None => reply::problem(&no_archive(), self.engine.spread_ms()),
        };
        self.answer_stream(stream, (reply, coding), context);
    }

    /// Forgets a request whose stream has closed.
    pub(crate) fn forget_held(&mut self, stream: StreamKey) {
        if let Some(id) = self.held.by_stream.get(&stream).copied() {
            self.forget_request(id);
        }
    }

    /// Forgets a request that is not to be answered.
    pub(crate) fn forget_request(&mut self, id: u64) {
        let Some(request) = self.held.remove(id) else { return };
        self.engine.openings.forget(Opener::Request(id));
        if let Wanted::Figures { question: Some(question) } = request.wanted {
            self.survey.forget(question, id);
        }
        match request.asked {
            None => self.leave_queue(&request),
            Some(_) => self.engine.reading.forget_request(id),
        }
    }

    fn leave_queue(&mut self, request: &HeldRequest) {
        match (request.wanted.is_counted(), request.is_put_off) {
            (true, false) => self.engine.reading.leave_unasked(request.holder),
            (true, true) => self.held.put_off.leave(request.holder),
            (false, _) => self.held.figures.remove(request.payer, 1),
        }
    }
}

/// The refusal of a request above the bounds on those that wait.
pub(crate) fn too_many() -> Problem {
    let message = "too many requests wait for their turn or for history (disk_requests)";
    Problem::new(Code::Overloaded, message)
}
