//! The application: requests to resources, streams to sessions, publications to the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use sockeye_hub::{Config, Cursor, Epoch, Hub, Item, Seq, Start, SubscriberKey};
use sockeye_server::{
    Answer, App, CloseCause, CloseCode, Context, Message, Opened, Refused, Reply, Request,
    StreamKey, Time, Wording,
};

use crate::access::{Access, Who};
use crate::body::Body;
use crate::bounds::Bounds;

use crate::counters::{Counters, count};
use crate::namespaces::Namespaces;
use crate::notices::RefusedCredential;
use crate::presence::{Presence, Watch};
use crate::publishing::Jobs;
use crate::reply::json;
use crate::sequencing::{Backbone, Log, Sequencing};
use crate::session::{Envelope, Form, Sessions};
use crate::shared_state::SharedState;
use crate::surveys::Survey;
use crate::wire::{CloseReason, Code, Problem};
use crate::{Limits, cors, reply};

/// The hub behind HTTP: channels over WebSocket, event streams, long polls and short polls, and
/// publishing into them. An [`App`] to run in a [`sockeye_server::Server`].
pub struct Service {
    pub(crate) hub: Hub<Body>,
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) jobs: Jobs,
    /// Where publications are decided.
    pub(crate) sequencing: Sequencing,
    pub(crate) counters: Counters,
    /// What an operator has not heard of yet.
    pub(crate) refused: Option<RefusedCredential>,
    pub(crate) access: Access,
    pub(crate) namespaces: Namespaces,
    pub(crate) presence: Presence,
    /// Whoever shows nothing.
    pub(crate) anybody: Who,
    /// The loop's time, as of this call.
    pub(crate) now: Time,
    /// Milliseconds since 1970, as of this call.
    pub(crate) now_ms: u64,
    /// Streams for which something is due, by when.
    pub(crate) due: BTreeSet<(Time, SubscriberKey)>,
    /// The polls for which something has come in this turn.
    pub(crate) answerable: Vec<SubscriberKey>,
    /// Room for what a pull gives, kept between pulls.
    pub(crate) items: Vec<Item<Body>>,
    /// What has been done lately.
    pub(crate) bounds: Bounds,
    /// The figures of all services of the process, if there are others.
    pub(crate) survey: Option<Survey>,
}

/// How much is held for streams and requests. See [`Service::holdings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdings {
    /// Streams with a subscriber; polls that wait are among them.
    pub streams: usize,
    /// Streams for which something is due: what a poll waits for or its time, a greeting, an end.
    pub due: usize,
    /// Requests and commands that wait for the log.
    pub jobs: usize,
    /// Streams of requests that wait for the log.
    pub held: usize,
    /// Places that the log has not answered for.
    pub publications: usize,
    /// What is kept of who is there, in rooms, streams and members.
    pub presence: usize,
    /// Users with a stream or a poll that waits.
    pub users: usize,
}

/// What a request told about the stream that its answer opens.
#[derive(Debug)]
pub struct PendingStream(pub(crate) Pending);

/// The streams that a request can open, with what each needs once it is open.
#[derive(Debug)]
pub(crate) enum Pending {
    /// An event stream, or a WebSocket without the subprotocol.
    Subscribed { form: Form, channels: Vec<String>, start: Start, watch: Watch, who: Who },
    /// A WebSocket with the subprotocol, which says later what it wants.
    Commands(Who),
    /// A WebSocket that is told by its close code what a status could not tell a browser's script.
    Refused(Problem),
    /// A poll, which is subscribed already, and its end.
    Poll(SubscriberKey, Time, Who),
    /// A job whose publications wait for the log.
    Publishing(u64),
    /// A page of figures that others have to write, too.
    Survey(u64),
}

impl Service {
    /// A service with an empty log, in a life of it that has not been before.
    pub fn new(epoch: Epoch, hub: Config, limits: Limits) -> Self {
        Self {
            hub: Hub::new(epoch, hub),
            bounds: Bounds::new(&limits),
            sessions: Sessions::default(),
            jobs: Jobs::default(),
            sequencing: Sequencing::in_memory(),
            counters: Counters::default(),
            refused: None,
            access: Access::Open,
            namespaces: Namespaces::default(),
            presence: Presence::new(&limits),
            limits,
            now: Time::default(),
            anybody: Access::Open.anybody(),
            now_ms: 0,
            due: BTreeSet::new(),
            answerable: Vec::new(),
            items: Vec::new(),
            survey: None,
        }
    }

    /// Makes it the service number `which`, from 0, of those that share `state`.
    #[must_use]
    pub fn with_shared_state(mut self, state: &SharedState, which: usize) -> Self {
        let SharedState { services, others, users, rates, presence, board } = state.clone();
        let wake = Arc::clone(&others.wake);
        self.sessions.users = users;
        self.bounds.rates = rates;
        self.presence.share(presence, which, others);
        self.survey = Some(Survey::new(board, which, wake, services));
        self
    }

    /// The same for some only.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.anybody = access.anybody();
        self.access = access;
        self
    }

    /// The same with rules by namespace.
    #[must_use]
    pub fn with_namespaces(mut self, namespaces: Namespaces) -> Self {
        self.namespaces = namespaces;
        self
    }

    /// Has publications wait for a log's answer. What the log has already is
    /// [restored](Self::restore) before.
    #[must_use]
    pub fn with_log(mut self, log: Box<dyn Log>) -> Self {
        self.sequencing = Sequencing::with_log(log);
        self
    }

    /// Has publications decided behind a backbone, whose outcomes this service follows. What the
    /// log has already is [restored](Self::restore) before.
    #[must_use]
    pub fn with_backbone(mut self, backbone: Box<dyn Backbone>) -> Self {
        self.sequencing = Sequencing::behind(backbone);
        self
    }

    /// What is held for streams and requests that are open: nothing, once they are gone and the log
    /// has answered.
    pub fn holdings(&self) -> Holdings {
        let (held, jobs, waiting) = self.jobs.counts();
        Holdings {
            streams: self.sessions.len(),
            due: self.due.len() + self.answerable.len(),
            jobs,
            held: held + self.surveys_held(),
            publications: self.sequencing.pending().unwrap_or(waiting),
            presence: self.presence.held(),
            users: self.sessions.users(),
        }
    }

    /// The time that messages carry now, in milliseconds since 1970.
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// What the hub holds and has counted.
    pub fn hub_stats(&self) -> sockeye_hub::Stats {
        self.hub.stats()
    }

    /// Whether a path is one of the service's: `/v1/…`, `/healthz`, `/readyz`, `/metrics`.
    pub fn serves(path: &str) -> bool {
        path.starts_with("/v1/") || crate::routes::Resource::at(path).is_some()
    }

    /// Whether a stream is one of the service's.
    pub fn owns(&self, stream: StreamKey) -> bool {
        let is_session = self.sessions.of_stream(stream).is_some();
        is_session || self.jobs.holds(stream) || self.surveys(stream)
    }

    pub(crate) fn look_at_the_clock(&mut self, context: &Context<'_>) {
        let (now, unix) = (context.now(), context.unix_seconds());
        self.counters.started_s.get_or_insert(unix);
        self.now = now;
        self.now_ms = self.sequencing.now_ms(now, unix, self.now_ms);
    }

    /// Whether what is missing from there on can be known, so that there is no gap for that.
    pub(crate) fn is_in_the_log(&self, start: Start) -> bool {
        let position = self.hub.position();
        match start {
            Start::Now | Start::Earliest => true,
            Start::After(cursor) => cursor.epoch == position.epoch && cursor.seq <= position.seq,
            Start::Unreadable => false,
        }
    }

    /// An event stream, or a bare WebSocket, is open.
    fn open_subscribed(
        &mut self,
        stream: StreamKey,
        form: Form,
        channels: &[String],
        (start, watch): (Start, Watch),
        who: &Who,
        context: &mut Context<'_>,
    ) {
        let connected = self.connect(stream, form, who.clone(), start, context);
        let Some(subscriber) = connected else { return };
        let retry = self.retry_ms(stream);
        let targets: Vec<&str> = channels.iter().map(String::as_str).collect();
        let mut problems = Vec::new();
        let from = (start, watch);
        let taken = self.subscribe(subscriber, who, &targets, from, |channel, problem| {
            problems.push((channel, problem));
        });
        let cursor = self.cursor_of(subscriber);
        let Some(session) = self.sessions.of_subscriber(subscriber) else { return };
        let mut line = self.line(session, context);
        let mut reasons = problems.iter().map(|(_, problem)| CloseReason::of_refusal(problem));
        // [service:passing-refusal] It cannot ask for one channel again, so it comes back for all.
        if reasons.clone().any(|reason| reason == CloseReason::TryAgain) {
            let cursor = self.begin_again_at(start);
            return line.goaway(CloseReason::TryAgain, Some(retry), cursor);
        }
        // Whoever is gone is reported by itself, here and below.
        // [service:cursor-first] But not before a gap: a client that is cut in between would come
        // back behind it, and never hear of it.
        let first = if self.is_in_the_log(start) { cursor } else { NOWHERE };
        let _ = line.position(first, Some(retry));
        for (channel, problem) in &problems {
            line.refusal(channel, problem);
        }
        if taken.targets.is_empty() {
            let reason = reasons.next().unwrap_or(CloseReason::Forbidden);
            return line.goaway(reason, None, cursor);
        }
        self.say_ended(subscriber, &taken.ended, context);
        self.catch_up(subscriber, context);
        self.tell_owed(subscriber, context);
    }
}

impl App for Service {
    type Pending = PendingStream;

    fn on_request(
        &mut self,
        request: &Request<'_>,
        context: &mut Context<'_>,
    ) -> Answer<PendingStream> {
        self.look_at_the_clock(context);
        self.follow(context);
        let mut answer = match self.answer_request(request, context) {
            Ok(answer) => answer,
            Err(problem) => {
                count(&mut self.counters.requests_refused, problem.code);
                reply::problem(&problem, self.spread_ms()).into()
            }
        };
        cors::add(&mut answer, cors::headers(&self.access, request.head));
        answer.map(PendingStream)
    }

    /// Here too where it is not known what was asked for: whoever reads it is a program.
    fn refusal(&mut self, refused: &Refused<'_>) -> Option<Wording> {
        let code = Code::of_status(refused.status);
        count(&mut self.counters.requests_refused, code);
        let problem = Problem::new(code, refused.reason.to_owned());
        let Reply { mut headers, body, .. } = json(refused.status, problem.to_json());
        if let Some(head) = refused.head {
            // [service:cors-every-answer]
            headers.extend(cors::headers(&self.access, head));
        }
        Some(Wording { headers, body })
    }

    fn on_open(
        &mut self,
        stream: StreamKey,
        PendingStream(pending): PendingStream,
        _: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
        match pending {
            Pending::Commands(who) => self.open_commands(stream, who, context),
            Pending::Refused(problem) => {
                count(&mut self.counters.requests_refused, problem.code);
                let code = CloseCode::new(problem.close_code());
                context.close(stream, code, problem.code.as_str());
            }
            Pending::Subscribed { form, channels, start, watch, who } => {
                self.open_subscribed(stream, form, &channels, (start, watch), &who, context);
            }
            Pending::Poll(subscriber, until, who) => {
                self.open_poll(stream, subscriber, until, who);
            }
            Pending::Publishing(id) => self.hold_publishing(id, stream),
            Pending::Survey(question) => self.hold_survey(stream, question),
        }
    }

    fn on_unopened(&mut self, PendingStream(pending): PendingStream, _: &mut Context<'_>) {
        match pending {
            Pending::Poll(subscriber, ..) => self.leave(subscriber),
            Pending::Subscribed { .. }
            | Pending::Commands(_)
            | Pending::Refused(_)
            | Pending::Publishing(_)
            | Pending::Survey(_) => {}
        }
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.follow(context);
        self.take_message(stream, message, context);
    }

    fn on_close(&mut self, stream: StreamKey, _: CloseCause, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        if self.sessions.of_stream(stream).is_some_and(|it| it.form == Form::Poll) {
            self.counters.polls.gone += 1;
        }
        self.disconnect(stream);
        self.forget_survey(stream);
    }

    fn deadline(&self) -> Time {
        let due = self.due.first().map_or(Time::NEVER, |(due, _)| *due);
        due.min(self.presence.deadline()).min(self.survey_deadline())
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.do_what_is_due(context);
        self.tell_presence(context);
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.follow(context);
        self.settle(context);
        self.answer_polls(context);
        self.hear_of_presence();
        self.answer_survey(context);
        self.conclude_surveys(context);
    }

    fn on_flushed(&mut self, turn_us: u64) {
        self.counters.delivery.flushed(turn_us);
    }

    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        if let Some(subscriber) = self.sessions.of_stream(stream).map(|it| it.subscriber) {
            self.tell_owed(subscriber, context);
            self.pull(subscriber, context);
        }
    }

    fn on_heartbeat(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let Some(cursor) = self.cursor_of_stream(stream) else { return };
        let Some(session) = self.sessions.of_stream(stream) else { return };
        // Whoever is gone is reported by itself.
        let _ = self.line(session, context).position(cursor, None);
    }

    /// [service:half-closed] A publication is answered when the log has it; a poll now, or it would
    /// be held to its end for a client that may be gone.
    fn on_half_close(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        if let Some(session) = self.sessions.of_stream(stream) {
            self.answer_late(session.subscriber, context);
        }
    }

    fn on_drain(&mut self, context: &mut Context<'_>) {
        self.answer_all_polls(context);
    }

    fn on_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let Some(cursor) = self.cursor_of_stream(stream) else { return };
        let Some(session) = self.sessions.of_stream(stream) else { return };
        let retry = Some(self.retry_ms(stream));
        self.line(session, context).goaway(CloseReason::Restart, retry, cursor);
    }
}

/// A cursor of no life of the log: who comes back with it is told of a gap.
pub(crate) const NOWHERE: Cursor = Cursor { epoch: Epoch(0), seq: Seq::ZERO };

/// How an event stream is asked for its envelope.
pub(crate) fn envelope(wanted: Option<&str>) -> Option<Envelope> {
    match wanted {
        None => Some(Envelope::None),
        Some("json") => Some(Envelope::Json),
        Some(_) => None,
    }
}
