//! Requests: which resource, with what, and the answer.

use sockeye_http::Method as HttpMethod;
use sockeye_hub::{ChannelName, Start, Target, Token};
use sockeye_server::{
    Answer, Context, Header, Origins, Reply, Request, ServerConfig, Status, Upgrade,
};

use super::cors;
use crate::dialect::counters::count;
use crate::dialect::outlet::{Delivery, Envelope, EventForm, Heartbeat};
use crate::dialect::reply::{self, NO_STORE, json};
use crate::dialect::routes::{Method, Resource};
use crate::dialect::turned_away::TurnedAway;
use crate::engine::{Principal, Watch, units};
use crate::wire::{
    self, Batch, CURSORS, Code, Options, Problem, Query, channel_name, path_segment, publish_json,
    publish_raw, resume,
};
use crate::{Pending, Service};

/// The subprotocol of commands.
const SUBPROTOCOL: &str = "sockeye.v1.json";

const PLAIN: Header = Header::from_static("Content-Type", "text/plain; charset=utf-8");

/// The parameter of that name, which is `true`, `false` or left out.
fn is_asked(query: &Query<'_>, name: &str) -> Result<bool, Problem> {
    match query.one(name)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::new(Code::BadQuery, format!("{name} has to be true or false"))),
    }
}

/// What an event stream is to have, and how.
struct Asked<'q> {
    channels: Vec<&'q str>,
    form: Delivery,
    start: Start,
    watch: Watch,
    /// Whether the client may read all channels, and not some only.
    may_read_all: bool,
}

fn targets<'t>(channels: &[&'t str]) -> impl Iterator<Item = Target<'t>> {
    channels.iter().filter_map(|name| Target::new(name).ok())
}

fn being_read() -> Problem {
    Problem::new(Code::Unavailable, "the log is being read: see /readyz")
}

fn nothing_here() -> Problem {
    Problem::new(Code::NotFound, "there is nothing here")
}

impl Service {
    /// The answer to a request for a path at which there is nothing, for an application that serves some
    /// paths of the service to some clients only.
    pub fn nothing_here(&mut self) -> Reply {
        let problem = nothing_here();
        count(&mut self.counters.requests_refused, problem.code.as_str());
        reply::problem(&problem, self.engine.spread_ms())
    }

    pub(crate) fn answer_request(
        &mut self,
        request: &Request<'_>,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        let path = request.head.path();
        let resource = Resource::at(path).ok_or_else(nothing_here)?;
        if !resource.publishes() {
            self.engine.deliver_burst(context);
        }
        if cors::is_preflight(request.head) {
            self.engine.access.check_page(request)?;
            return Ok(
                cors::preflight(&self.engine.access, request.head, resource.method())?.into()
            );
        }
        if !resource.method().takes(request.head.method()) {
            return Ok(wrong_method(resource.method()).into());
        }
        let query = Query::parse(request.head.query(), &self.engine.limits.wire)?;
        match resource {
            Resource::Health => return Ok(plain(Status::OK, "ok\n").into()),
            Resource::Ready => return Ok(self.ready(context).into()),
            _ => {}
        }
        self.engine.access.check_page(request)?;
        if resource == Resource::Metrics {
            return self.survey(request);
        }
        let proof = resume(request.head.headers().bytes(), &query)
            .and_then(|cursor| Token::parse(cursor).proof);
        let now = (self.engine.moment(), &self.engine.sequencing);
        let shown = self.engine.access.of_request(request, proof, now);
        let units = match &shown {
            Ok(who) => who.as_ref().map_or(0, Principal::units),
            Err(_) => units::TOKEN,
        };
        context.spend(units);
        self.note_shown(&shown, request);
        let who = match shown {
            Ok(who) => who.unwrap_or_else(|| self.engine.anybody.clone()).at(request.origin()),
            Err(refusal) if resource == Resource::Socket => {
                return Ok(self.upgrade(Pending::Refused(refusal.into())));
            }
            Err(refusal) => return Err(refusal.into()),
        };
        // While the log is read nothing is given, so nothing is redeemed.
        let is_restoring = self.engine.sequencing.is_restoring();
        let Some(hash) = who.unredeemed().filter(|_| !is_restoring) else {
            return self.answer_known(request, resource, &who, &query, context);
        };
        if let Err(problem) = self.check_redeems(request, resource, &who) {
            return self.refuse(request, (resource, &who), &query, problem);
        }
        let answer = self.answer_known(request, resource, &who, &query, context)?;
        self.redeem_first(answer, (&who, request.head.path()), hash)
    }

    /// Whether a request may redeem a ticket in the log. Its effect has to wait for the log, so it may have none before.
    fn check_redeems(
        &mut self,
        request: &Request<'_>,
        resource: Resource<'_>,
        who: &Principal,
    ) -> Result<(), Problem> {
        // [service:redeem-reads]
        if request.head.method() != HttpMethod::GET {
            let message =
                "with a backbone, a ticket opens a stream, or reads: it is taken with GET only";
            return Err(Problem::new(Code::BadRequest, message));
        }
        // Each redemption is an entry of the log.
        if resource.is_rated() { Ok(()) } else { Ok(self.engine.count_request(who)?) }
    }

    /// `GET /readyz`: whether a load balancer should send new clients here, with all reasons that there
    /// are to look at the server. `reason` is the first of them.
    fn ready(&self, context: &Context<'_>) -> Reply {
        let objections = self.objections(context);
        let is_ready = objections.is_empty();
        let lines = self.storage_lines();
        let full = lines.full();
        let full_reason = (!full.is_empty()).then_some("log_full");
        let mut reasons = objections;
        reasons.extend(self.remarks(context).chain(full_reason));
        let Some(first) = reasons.first() else { return plain(Status::OK, "ready\n") };
        // Reasons and names of namespaces need no escaping.
        let list = |names: &[&str]| format!(r#"["{}"]"#, names.join(r#"",""#));
        let mut more = String::new();
        if !full.is_empty() {
            more = format!(r#","namespaces":{}"#, list(&full));
        }
        if let Some(progress) = self.restoring() {
            more = format!(r#"{more},"detail":"{progress}""#);
        }
        let status = if is_ready { Status::OK } else { Status::SERVICE_UNAVAILABLE };
        let reasons = list(&reasons);
        let body =
            format!(r#"{{"ready":{is_ready},"reason":"{first}","reasons":{reasons}{more}}}"#);
        json(status, body)
    }

    /// Why a load balancer should send new clients elsewhere.
    fn objections(&self, context: &Context<'_>) -> Vec<&'static str> {
        let log = self.engine.sequencing.health().objection(self.engine.log_time.ms);
        // Until the log is read all requests are refused, also before anything was told of its health.
        let is_restoring = self.engine.sequencing.is_restoring();
        let log = if log.is_none() && is_restoring { Some("backbone_joining") } else { log };
        let is_missing = self.certificates.as_ref().is_some_and(|it| it.is_missing());
        let draining = context.is_draining().then_some("draining");
        let missing = is_missing.then_some("certificate_missing");
        draining.into_iter().chain(log).chain(missing).collect()
    }

    /// Troubles of a server that takes clients: clocks that disagree, and certificates that need
    /// somebody. A full namespace comes after these, because it troubles only those who publish in it.
    /// [service:storage]
    fn remarks(&self, context: &Context<'_>) -> impl Iterator<Item = &'static str> + use<> {
        // [service:clock-trouble]
        let clock = self.clock().state().trouble.map(|trouble| trouble.as_str());
        // [service:certificates]
        let now_s = context.unix_ms() / 1_000;
        let certificates = self.certificates.as_ref().map(|it| it.troubles(now_s));
        // [service:source-trouble]
        let sources = self.offers.as_ref().and_then(|it| it.inlet.trouble());
        clock.into_iter().chain(certificates.into_iter().flatten()).chain(sources)
    }

    /// How far the reading of a shared log is, while it is read.
    fn restoring(&self) -> Option<String> {
        let sequencing = &self.engine.sequencing;
        if !sequencing.is_restoring() {
            return None;
        }
        sequencing.shared_log().map(|it| it.progress())
    }

    /// Answers a request whose principal is known, or that needs none.
    fn answer_known(
        &mut self,
        request: &Request<'_>,
        resource: Resource<'_>,
        who: &Principal,
        query: &Query<'_>,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        // [service:restoring]
        if self.engine.sequencing.is_restoring() {
            return self.refuse(request, (resource, who), query, being_read());
        }
        if resource.is_rated() {
            self.engine.count_request(who)?;
        }
        match resource {
            Resource::Events => self.events(request, who, query),
            Resource::Socket => self.socket(request, who, query),
            Resource::Poll => {
                self.known(query, &["channel", "wait"], Cursors::Known)?;
                let start = start(request, query);
                self.poll(request, who, query, start, context)
            }
            Resource::Position => {
                self.known(query, &["channel", "cursor"], Cursors::Unknown)?;
                self.position(who, (request, query), context)
            }
            Resource::History(channel) => {
                self.known(query, &["limit", "after", "before"], Cursors::Unknown)?;
                self.history(who, channel, request, query, context)
            }
            Resource::Presence(channel) => {
                self.known(query, &["limit", "after"], Cursors::Unknown)?;
                let channel = path_segment(channel)?;
                self.list_presence(who, channel_name(&channel)?, (request, query), context)
            }
            Resource::Channel(channel) => self.publish_raw(who, channel, request, query, context),
            Resource::Tickets => self.ticket(who, request, query),
            Resource::Nodes => self.nodes(who, query).map(Answer::from),
            Resource::Disconnect(user) => self.disconnect_user(who, (user, query), context),
            Resource::Publish => {
                self.known(query, &[], Cursors::Unknown)?;
                context.spend(units::of_text(request.body.len()));
                let publish = publish_json(request.body, &self.engine.limits.wire)?;
                self.publish_request(who, publish, context)
            }
            Resource::Batch => {
                self.known(query, &[], Cursors::Unknown)?;
                let batch = Batch::new(request.body, &self.engine.limits.wire)?;
                self.publish_batch(who, batch, context)
            }
            Resource::Close(channel) => {
                self.known(query, &[], Cursors::Unknown)?;
                Ok(self.end_channel(who, &path_segment(channel)?, context))
            }
            Resource::Health | Resource::Ready | Resource::Metrics => {
                Err(Problem::new(Code::Internal, "answered before"))
            }
        }
    }

    /// Refuses a request. A passing refusal of an event stream is told inside the stream.
    /// [service:events-come-back]
    fn refuse(
        &mut self,
        request: &Request<'_>,
        (resource, who): (Resource<'_>, &Principal),
        query: &Query<'_>,
        problem: Problem,
    ) -> Result<Answer<Pending>, Problem> {
        if resource != Resource::Events || !problem.code.is_retryable() {
            return Err(problem);
        }
        let Asked { channels, form, start, .. } = self.events_asked(request, who, query)?;
        let stream = self.event_stream(request, targets(&channels));
        let turned_away = TurnedAway { form, start, who: who.clone(), problem };
        Ok(Answer::EventStream(stream, Pending::TurnedAway(Box::new(turned_away))))
    }

    /// `GET /v1/sse`. A lasting refusal is a status, after which a browser's EventSource does not
    /// come back. A passing one is told inside a stream.
    fn events(
        &mut self,
        request: &Request<'_>,
        who: &Principal,
        query: &Query<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        let Asked { channels, form, start, watch, may_read_all } =
            self.events_asked(request, who, query)?;
        if may_read_all && self.have_ended(&channels, start) {
            // [service:ended-204] Nothing will ever come: 204 tells an EventSource to stay away.
            return Ok(Reply::empty(Status::NO_CONTENT).header(NO_STORE).into());
        }
        let stream = self.event_stream(request, targets(&channels));
        let channels = channels.into_iter().map(str::to_owned).collect();
        let pending = Pending::Subscribed { form, channels, start, watch, who: who.clone() };
        Ok(Answer::EventStream(stream, pending))
    }

    /// Reads what an event stream is to have. A lasting refusal of all of it is an error.
    fn events_asked<'q>(
        &self,
        request: &Request<'_>,
        who: &Principal,
        query: &'q Query<'_>,
    ) -> Result<Asked<'q>, Problem> {
        self.known(query, &["channel", "envelope", "presence", "ping"], Cursors::Known)?;
        let channels = query.channels(&self.engine.limits.wire)?;
        let Some(envelope) = envelope(query.one("envelope")?) else {
            return Err(Problem::new(Code::BadQuery, "envelope has to be json"));
        };
        let watch = if is_asked(query, "presence")? { Watch::Yes } else { Watch::No };
        let heartbeat = match is_asked(query, "ping")? {
            true => Heartbeat::Ping,
            false => Heartbeat::Silent,
        };
        let start = start(request, query);
        check_targets(&channels)?;
        let refused = channels.iter().filter_map(|name| self.may_read(who, name).err());
        let mut refused: Vec<Problem> = refused.collect();
        // [service:sse-forbidden] If no channel may be read, the answer is a status, after which an
        // EventSource does not come back.
        if refused.len() == channels.len() {
            return Err(refused.swap_remove(0));
        }
        let form = Delivery::Events(EventForm::new(envelope, heartbeat));
        Ok(Asked { channels, form, start, watch, may_read_all: refused.is_empty() })
    }

    /// Whether somebody may receive what `target` names.
    pub(crate) fn may_read(&self, who: &Principal, target: &str) -> Result<(), Problem> {
        Ok(who.may_subscribe(
            wire::target(target)?,
            &self.engine.namespaces,
            self.engine.calendar,
        )?)
    }

    /// `GET /v1/ws`: commands if the subprotocol is asked for, and otherwise payloads of the
    /// channels in the query.
    fn socket(
        &mut self,
        request: &Request<'_>,
        who: &Principal,
        query: &Query<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        // A proxy that lets no Upgrade through may drop the subprotocol, too, without which the
        // query would be refused. The handshake answers 426, which sends clients to another
        // transport.
        if request.head.headers().all("Upgrade").next().is_none() {
            return Ok(self.upgrade(Pending::Commands(who.clone())));
        }
        self.known(query, &["channel"], Cursors::Known)?;
        let mut wanted = request.head.headers().elements("Sec-WebSocket-Protocol");
        let commands = wanted.any(|it| it == SUBPROTOCOL.as_bytes());
        let who = who.clone();
        let pending = if commands {
            self.known(query, &[], Cursors::Unknown)?;
            Pending::Commands(who)
        } else {
            let channels = query.channels(&self.engine.limits.wire)?;
            check_targets(&channels)?;
            let channels = channels.into_iter().map(str::to_owned).collect();
            let start = start(request, query);
            Pending::Subscribed { form: Delivery::Bare, channels, start, watch: Watch::No, who }
        };
        Ok(self.upgrade(pending))
    }

    /// The credential decides which page may connect: a cookie counts only with an origin on the
    /// list, and without a credential there is nothing to abuse.
    fn upgrade(&self, pending: Pending) -> Answer<Pending> {
        let upgrade = Upgrade::new(Origins::Any)
            .subprotocols(&[SUBPROTOCOL])
            .message_bytes_max(self.engine.limits.message_bytes_max)
            .compression(ServerConfig::default());
        Answer::WebSocket(upgrade, pending)
    }

    /// Whether all of these channels have ended, and the client has every message of them.
    fn have_ended(&self, channels: &[&str], start: Start) -> bool {
        let Start::After(cursor) = start else { return false };
        self.engine.is_in_the_log(start)
            && channels.iter().all(|name| {
                ChannelName::new(name).is_ok_and(|name| {
                    let state = self.engine.hub.channel(name);
                    state.ended && state.last.is_some_and(|last| last <= cursor.seq)
                })
            })
    }

    /// `POST /v1/channels/{channel}`: the body is the publication.
    fn publish_raw(
        &mut self,
        who: &Principal,
        channel: &str,
        request: &Request<'_>,
        query: &Query<'_>,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        self.known(query, &Options::PARAMETERS, Cursors::Unknown)?;
        let headers = request.head.headers();
        let content_type = headers.all("Content-Type").next();
        let options = Options::read(query, headers.bytes())?;
        let channel = path_segment(channel)?;
        let limits = self.engine.limits.wire;
        let publish = publish_raw(channel, content_type, request.body, options, &limits)?;
        self.publish_request(who, publish, context)
    }

    /// Refuses unknown parameters. Known are `names`, those that hold a credential, and those that
    /// hold a cursor where one may stand.
    pub(super) fn known(
        &self,
        query: &Query<'_>,
        names: &[&str],
        cursors: Cursors,
    ) -> Result<(), Problem> {
        let cursors = match cursors {
            Cursors::Known => &CURSORS[..],
            Cursors::Unknown => &[],
        };
        let all = names.iter().chain(cursors).copied().chain(self.engine.access.parameters());
        query.only(&all.collect::<Vec<&str>>())
    }
}

/// Whether a cursor may stand in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursors {
    Known,
    Unknown,
}

/// The start that the client asks for: now, if it names none.
fn start(request: &Request<'_>, query: &Query<'_>) -> Start {
    let cursor = resume(request.head.headers().bytes(), query);
    cursor.map_or(Start::Now, |cursor| Token::parse(cursor).start)
}

/// Refuses a request if none of its targets is valid: its stream would have no subscription.
fn check_targets(targets: &[&str]) -> Result<(), Problem> {
    let mut checked = targets.iter().map(|text| wire::target(text));
    match checked.next() {
        Some(Err(problem)) if checked.all(|target| target.is_err()) => Err(problem),
        _ => Ok(()),
    }
}

fn wrong_method(method: Method) -> Reply {
    let message = format!("only {} here", method.allow());
    let problem = Problem::new(Code::MethodNotAllowed, message);
    json(problem.status(), problem.to_json()).header(reply::text("Allow", method.allow()))
}

fn plain(status: Status, text: &'static str) -> Reply {
    Reply::new(status, PLAIN, text.as_bytes()).header(NO_STORE)
}

/// How an event stream is asked for its envelope.
fn envelope(wanted: Option<&str>) -> Option<Envelope> {
    match wanted {
        None => Some(Envelope::None),
        Some("json") => Some(Envelope::Json),
        Some(_) => None,
    }
}
