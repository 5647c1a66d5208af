//! The application: requests to resources, streams to sessions, publications to the log.

mod holdings;
mod opened;
mod restoring;

use std::collections::HashMap;
use std::sync::Arc;

use sockeye_auth::UnixTime;
use sockeye_hub::{Config, Epoch, Start, SubscriberKey};
use sockeye_server::{
    Answer, App, Bound, CloseCause, Context, Holder, Message, Opened, Refused, Reply, Request,
    StreamKey, Time, Wording,
};

pub use self::holdings::Holdings;
use crate::certificates::CertificateState;
use crate::dialect::counters::{RequestCounters, count};
use crate::dialect::held::HeldRequests;
use crate::dialect::notices::RefusedCredential;
use crate::dialect::openings::Opening;
use crate::dialect::outlet::{Delivery, V1};
use crate::dialect::publishing::{Jobs, Offers};
use crate::dialect::redemptions::{Redeeming, Redemptions};
use crate::dialect::reply::{self, json};
use crate::dialect::surveys::Survey;
use crate::dialect::turned_away::TurnedAway;
use crate::dialect::users::Statements;
use crate::dialect::{add_cors, cors_headers, routes::Resource};
use crate::engine::reload::Reloaded;
use crate::engine::work::Payer;
use crate::engine::{Access, Delivery as _, Engine, Limits, Namespaces, Principal, Watch};
use crate::inlet::Inlet;
use crate::sequencing::{
    Archive, Backbone, Log, LogClock, LogTime, Sequencing, Storage, StorageLines, Ticket,
};
use crate::shared_state::SharedState;
use crate::wire::{Code, Problem};

/// The longest time for which a stream is left unread because of a ping, in milliseconds.
const PING_WAIT_MS_MAX: u64 = 1_000;

/// The hub behind HTTP: channels over WebSocket, event streams, long polls and short polls, and
/// publishing into them. An [`App`] to run in a [`sockeye_server::Server`].
pub struct Service {
    pub(crate) engine: Engine<V1>,
    pub(crate) counters: RequestCounters,
    /// Publications of requests and commands that wait for their outcomes.
    pub(crate) jobs: Jobs,
    /// Requests whose statements wait for the log.
    pub(crate) statements: Statements,
    /// Streams and requests whose tickets the log has to redeem.
    pub(crate) redemptions: Redemptions,
    /// Requests that wait for their turn, or for the archive.
    pub(crate) held: HeldRequests,
    /// Streams that wait for their cursor.
    pub(crate) openings: HashMap<SubscriberKey, Opening>,
    /// The refused credential that an operator has not heard of yet.
    pub(crate) refused: Option<RefusedCredential>,
    /// The figures of all services of the process, this one included.
    pub(crate) survey: Survey,
    /// The room on disk, if there is a log.
    pub(crate) storage: Option<Arc<dyn Storage>>,
    /// The server's certificates, if it speaks TLS.
    pub(crate) certificates: Option<Arc<CertificateState>>,
    /// The publications of sources, if this service publishes them.
    pub(crate) offers: Option<Offers>,
}

/// What a request leaves for the stream that its answer opens.
#[derive(Debug)]
pub struct PendingStream(pub(crate) Pending);

/// The streams that a request can open, with what each needs once it is open.
#[derive(Debug)]
pub(crate) enum Pending {
    /// An event stream, or a WebSocket without the subprotocol.
    Subscribed { form: Delivery, channels: Vec<String>, start: Start, watch: Watch, who: Principal },
    /// A WebSocket with the subprotocol, whose commands name its channels later.
    Commands(Principal),
    /// A refused WebSocket. It opens all the same: a browser's script sees its close code, but no
    /// status.
    Refused(Problem),
    /// A poll that is subscribed already, and the time at which it ends.
    Poll((SubscriberKey, Delivery), Time, Principal),
    /// A job whose publications wait for the log, and the account to which visits to its stream are
    /// charged.
    Publishing(u64, Option<Payer>),
    /// A statement that waits for the log, and the account to which visits to its stream are charged.
    Statement(Ticket, Option<Payer>),
    /// A request that waits for its turn.
    Request(u64),
    /// An event stream that is told to come back.
    TurnedAway(Box<TurnedAway>),
    /// Any of these, once a ticket is redeemed.
    Redeeming(Box<Redeeming>),
}

impl Service {
    /// A service with an empty log, in an epoch that has not been before.
    pub fn new(epoch: Epoch, hub: Config, limits: Limits) -> Self {
        Self {
            engine: Engine::new(epoch, hub, limits),
            jobs: Jobs::default(),
            statements: Statements::default(),
            redemptions: Redemptions::default(),
            held: HeldRequests::default(),
            openings: HashMap::new(),
            counters: RequestCounters::default(),
            refused: None,
            survey: Survey::alone(),
            storage: None,
            certificates: None,
            offers: None,
        }
    }

    /// Makes it the service number `which`, from 0, of those that share `state`.
    #[must_use]
    pub fn with_shared_state(mut self, state: &SharedState, which: usize) -> Self {
        let SharedState { services, engine, board } = state.clone();
        let wake = Arc::clone(&engine.others.wake);
        self.engine.share(engine, which);
        self.survey = Survey::new(board, which, wake, services);
        self
    }

    /// The same service with these rules of access. Without them it is open to everybody.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.engine = self.engine.with_access(access);
        self
    }

    /// The same service with rules by namespace.
    #[must_use]
    pub fn with_namespaces(mut self, namespaces: Namespaces) -> Self {
        self.engine.namespaces = namespaces;
        self
    }

    /// Has publications wait for a log's answer. [Restore](Self::restore) the log's entries before.
    #[must_use]
    pub fn with_log(mut self, log: Box<dyn Log>) -> Self {
        self.engine.sequencing = Sequencing::in_loop_with(log, &mut self.engine.sequencing);
        self
    }

    /// Attaches an archive of the log: streams, polls and pages of history read from it what memory no
    /// longer has.
    #[must_use]
    pub fn with_archive(mut self, archive: Box<dyn Archive>) -> Self {
        self.engine.attach_archive(archive);
        self
    }

    /// Shows an operator what the namespaces have on disk, in `/metrics` and `/readyz`.
    #[must_use]
    pub fn with_storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Shows an operator the state of the server's certificates, in `/metrics` and `/readyz`.
    #[must_use]
    pub fn with_certificates(mut self, certificates: Arc<CertificateState>) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Has the service publish what the sources of its process offer. One service of a process does.
    #[must_use]
    pub fn with_inlet(mut self, inlet: Inlet) -> Self {
        self.offers = Some(Offers::new(inlet));
        self
    }

    /// Whether sources still publish through this service.
    pub fn has_sources(&self) -> bool {
        self.offers.as_ref().is_some_and(|it| it.inlet.is_open())
    }

    /// What the namespaces have on disk.
    pub(crate) fn storage_lines(&self) -> StorageLines {
        StorageLines::new(self.storage.as_ref().map(|it| it.uses()).unwrap_or_default())
    }

    /// Has publications decided behind a backbone, whose outcomes this service follows.
    /// [Restore](Self::restore) the log's entries before, and the [backbone's clock](Backbone::clock).
    #[must_use]
    pub fn with_backbone(mut self, backbone: Box<dyn Backbone>) -> Self {
        self.engine.sequencing = Sequencing::behind(backbone);
        self
    }

    /// The openings that have waited for a cursor that was ahead: those whose cursor was reached, and those that
    /// waited in vain.
    pub fn opening_waits(&self) -> (u64, u64) {
        let counters = self.engine.openings.counters;
        (counters.reached, counters.ahead)
    }

    /// Takes the time of this turn. Every call of the server does so by itself.
    pub fn look_at_the_clock(&mut self, context: &Context<'_>) {
        self.engine.tell_time(context.now(), UnixTime::from_millis(context.unix_ms()));
    }

    /// Applies new settings: access, namespaces, the hub's and the service's limits.
    ///
    /// - Requests, commands and messages of WebSockets are judged by the new settings at once.
    /// - A stream ends with 4303 if its API key, or the key of its token, is gone.
    /// - A stream ends with 4200 if its rights have changed, and gets the new ones when it comes
    ///   back. So does a stream that receives by a namespace's rule, if such rules have changed.
    /// - Outstanding tickets, and the sessions that tickets began, go on.
    /// - Limits on what waits for a stream, on messages in a time and on rates of events hold at once,
    ///   also for open streams. Limits on the life of a stream hold for new streams. The bounds on
    ///   members (`presence`, `presence_channels_per_user`, `presence_names_max`) stay as they were.
    /// - Presence that is switched off is forgotten, and watchers get no more events. Presence that
    ///   is switched on begins with the subscriptions that are made from now on.
    ///
    /// No turn does all of it. A step judges between one and two hundred streams, and other work is done
    /// between steps. A stream that is to end gets nothing meanwhile: neither a message that is published
    /// after this call, nor one that it has missed before. Its cursor is before them. A poll that is to end
    /// is answered with nothing but its cursor. A page of history that was admitted before this call is
    /// still given. A publication that waits for its turn, and the rest of a batch, are still published.
    /// [`take_reloaded`](Self::take_reloaded) says when all streams have been judged. After another call all
    /// are judged again, beginning with those that were next: calls in a row keep no stream waiting.
    ///
    /// History is trimmed, and channels move to the shares of other namespaces, as
    /// [`Hub::reconfigure`](sockeye_hub::Hub::reconfigure) says: a bounded number in each turn.
    pub fn reload(
        &mut self,
        access: Access,
        namespaces: Namespaces,
        hub: Config,
        limits: Limits,
        context: &mut Context<'_>,
    ) {
        self.look_at_the_clock(context);
        self.engine.deliver_burst(context);
        self.engine.reload(access, namespaces, hub, limits);
        self.engine.count_steps(context);
        // Where streams are few, all of them are judged at once.
        self.judge_some(context);
        context.come_back();
    }

    /// The streams that all calls of [`reload`](Self::reload) since the last such figure have ended,
    /// once every stream has been judged. It is given once.
    pub fn take_reloaded(&mut self) -> Option<Reloaded> {
        self.engine.judging.take_figure()
    }

    /// The log's time, as of the last call.
    pub const fn log_time(&self) -> LogTime {
        self.engine.log_time
    }

    /// The clock of the log.
    pub fn clock(&self) -> &LogClock {
        self.engine.sequencing.clock()
    }

    /// The counters and gauges of the hub.
    pub fn hub_stats(&self) -> sockeye_hub::Stats {
        self.engine.hub.stats()
    }

    /// Whether a path is one of the service's: `/v1/…`, `/healthz`, `/readyz`, `/metrics`.
    pub fn serves(path: &str) -> bool {
        path.starts_with("/v1/") || Resource::at(path).is_some()
    }

    /// Whether a stream is one of the service's.
    pub fn owns(&self, stream: StreamKey) -> bool {
        let is_session = self.engine.sessions.of_stream(stream).is_some();
        let waits = self.jobs.holds(stream) || self.statements.holds(stream);
        is_session || waits || self.held.holds(stream) || self.redemptions.holds(stream)
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
        self.follow_for_all(context);
        let mut answer = match self.answer_request(request, context) {
            Ok(answer) => answer,
            Err(problem) => {
                count(&mut self.counters.requests_refused, problem.code.as_str());
                reply::problem(&problem, self.engine.spread_ms()).into()
            }
        };
        add_cors(&mut answer, cors_headers(&self.engine.access, request.head));
        answer.map(PendingStream)
    }

    /// Words a refusal of the server itself. It is JSON even if no resource is known: its reader is
    /// a program.
    fn refusal(&mut self, refused: &Refused<'_>) -> Option<Wording> {
        let code = Code::of_status(refused.status);
        count(&mut self.counters.requests_refused, code.as_str());
        let reason = refused.reason;
        // The program's setting of the server's bound.
        let setting = match refused.bound {
            Some(Bound::Body) => " (publish_bytes)",
            Some(Bound::Http2Fields) => " ([http2] head_bytes, head_fields)",
            Some(_) | None => "",
        };
        let problem = Problem::new(code, format!("{reason}{setting}"));
        let Reply { mut headers, body, .. } = json(refused.status, problem.to_json());
        if let Some(head) = refused.head {
            // [service:cors-every-answer]
            headers.extend(cors_headers(&self.engine.access, head));
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
        self.take_opened(stream, pending, context);
    }

    fn on_unopened(&mut self, PendingStream(pending): PendingStream, _: &mut Context<'_>) {
        self.forget_pending(pending);
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.follow_for_all(context);
        self.take_message(stream, message, context);
    }

    /// [service:ping-rate] A ping counts as a request that reads. A stream above its rate is left unread for a while.
    fn on_ping(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        let Some(session) = self.engine.sessions.of_stream(stream) else { return };
        let who = session.principal.clone();
        if let Err(refusal) = self.engine.count_request(&who) {
            context.pause(stream, refusal.wait_ms().min(PING_WAIT_MS_MAX));
        }
    }

    fn on_close(&mut self, stream: StreamKey, _: CloseCause, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.engine.deliver_burst(context);
        if self.engine.sessions.of_stream(stream).is_some_and(|it| it.delivery.fetches()) {
            self.counters.polls.gone += 1;
        }
        // [service:ends-billed]
        context.spend(self.engine.units_of_end(stream));
        self.forget_opening(stream);
        self.forget_redemption(stream);
        self.engine.disconnect(stream);
        self.forget_held(stream);
    }

    /// [service:fair-visits] The user, or the API key; `None` for a client without a name.
    fn holder(&self, stream: StreamKey) -> Option<Holder> {
        let payer = match self.engine.sessions.of_stream(stream) {
            Some(session) => self.engine.work.payer_of_visits(&session.principal),
            None => {
                let of_job = self.jobs.payer_of_visits(stream);
                let of_statement = || self.statements.payer_of_visits(stream);
                let of_ticket = || self.redemptions.payer_of_visits(stream);
                let of_held = || self.held.payer_of_visits(stream);
                of_job.or_else(of_statement).or_else(of_ticket).or_else(of_held)
            }
        };
        payer.map(|Payer { id, weight }| Holder { id, weight })
    }

    fn deadline(&self) -> Time {
        self.engine.deadline().min(self.engine.drop_deadline()).min(self.survey_deadline())
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.engine.deliver_burst(context);
        self.engine.hear_archive_before_ends(context.part_units() * 7 / 8, context);
        while let Some(subscriber) = self.engine.do_what_is_due(context) {
            self.answer_due(subscriber, context);
            // [service:turn-yields] The others are still due in the next turn.
            if context.units_left() == 0 {
                return;
            }
        }
        self.engine.tell_presence(context);
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.engine.deliver_burst(context);
        self.engine.begin_to_drop();
        self.follow(context);
        self.take_offers(context);
        self.end_waits();
        // [service:turn-yields] The log's answers have 3/8 of the application's part, hearing the archive 1/8.
        let all = context.part_units();
        self.settle(all * 5 / 8, context);
        self.engine.deliver_burst(context);
        self.engine.hear_archive(all / 2, context);
        self.begin_to_count();
        self.conclude_surveys(context);
        self.work(all / 4, context); // [service:tasks-go-on]
        self.engine.hear_of_presence(context);
    }

    fn on_flushed(&mut self, turn_us: u64) {
        self.engine.counters.delivery.flushed(turn_us);
    }

    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.engine.deliver_burst(context);
        match self.engine.sessions.of_stream(stream).map(|it| it.subscriber) {
            Some(subscriber) => self.engine.go_on_drained(subscriber, context),
            None => self.line_up_stream(stream),
        }
    }

    fn on_heartbeat(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.engine.deliver_burst(context);
        self.engine.deliver_before(stream, context);
        let Some(cursor) = self.engine.cursor_of_stream(stream) else { return };
        let Some(to) = self.recipient(stream) else { return };
        to.heartbeat(cursor, self.engine.limits.heartbeat_ms, context);
    }

    /// [service:half-closed] Answers a poll now: its client may be gone, so it is not held to its
    /// end. A publication is still answered when the log has it.
    fn on_half_close(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.engine.deliver_burst(context);
        self.take_half_close(stream, context);
    }

    fn on_drain(&mut self, context: &mut Context<'_>) {
        self.engine.deliver_burst(context);
        self.engine.openings.end_requests();
        self.answer_all_polls(context);
    }

    fn on_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.dismiss(stream, context);
    }
}
