//! The application that the server runs: routes requests and streams to the hub under `/v1`, or to the demo.

use sockeye_server::{
    Answer, App, CloseCause, Context, Holder, Message, Opened, Refused, Request, StreamKey, Time,
    Wording,
};
use sockeye_service::{PendingStream, Service};

use crate::acme::Answers;
use crate::config::{Part, Parts};
use crate::demo::Demo;

/// The hub's service and the demo as one application.
pub(crate) struct Front {
    service: Service,
    demo: Option<Demo>,
    /// What each listener serves.
    listeners: Vec<Parts>,
    /// The answers to an authority's challenges, if certificates are ordered.
    answers: Option<Answers>,
}

/// The state that a request passes to the stream that it opens, in either application.
pub(crate) enum Pending {
    Service(PendingStream),
    Demo(Option<u64>),
}

impl Front {
    pub(crate) fn new(service: Service, demo: Option<Demo>, listeners: Vec<Parts>) -> Self {
        Self { service, demo, listeners, answers: None }
    }

    /// Whether the listener of `request` serves what is at its path.
    fn serves(&self, request: &Request<'_>) -> bool {
        let parts = self.listeners.get(request.listener).copied().unwrap_or_default();
        // [listen:parts]
        let served = match request.head.path() {
            "/metrics" => &[Part::Metrics][..],
            "/healthz" | "/readyz" => &[Part::Health],
            "/admin" | "/page/admin.js" => &[Part::Admin],
            "/page/style.css" | "/page/common.js" | "/sockeye.js" => &[Part::Demo, Part::Admin],
            path if Service::serves(path) => &[Part::Channels],
            _ => &[Part::Demo],
        };
        served.iter().any(|part| parts.has(*part))
    }

    /// Answers the challenges of an authority on every listener, whatever else it serves.
    pub(crate) fn answer_challenges(&mut self, answers: Option<Answers>) {
        self.answers = answers;
    }

    /// The hub.
    pub(crate) const fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// The demo, if the stream is the demo's.
    fn demo_of(&mut self, stream: StreamKey) -> Option<&mut Demo> {
        self.demo.as_mut().filter(|_| !self.service.owns(stream))
    }
}

/// The name of a stream in logs.
struct Name(StreamKey);

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:x}", self.0.to_u128())
    }
}

impl App for Front {
    type Pending = Pending;

    fn on_request(&mut self, request: &Request<'_>, context: &mut Context<'_>) -> Answer<Pending> {
        if log::log_enabled!(log::Level::Debug) {
            let path = self.service.redacted(request.head.path(), request.head.query());
            let (method, peer) = (request.head.method().as_str(), request.peer);
            log::debug!(method, path, peer:%; "request");
        }
        if let Some(answer) = self.answers.as_ref().and_then(|it| it.find(request)) {
            return answer.into();
        }
        if !self.serves(request) {
            return self.service.nothing_here().into();
        }
        match &mut self.demo {
            Some(demo) if !Service::serves(request.head.path()) => {
                match demo.on_request(request, context) {
                    Answer::Reply(page) => {
                        self.service.compress_page(request, page, context).into()
                    }
                    answer => answer.map(Pending::Demo),
                }
            }
            _ => self.service.on_request(request, context).map(Pending::Service),
        }
    }

    /// Words a refusal of the server. The service also words it for a request that cannot be parsed and so has no
    /// path, because the readers of such an answer are programs, and they are the service's clients.
    fn refusal(&mut self, refused: &Refused<'_>) -> Option<Wording> {
        let is_elsewhere = refused.head.is_some_and(|head| !Service::serves(head.path()))
            || refused.stream.is_some_and(|stream| !self.service.owns(stream));
        if is_elsewhere { None } else { self.service.refusal(refused) }
    }

    fn on_open(
        &mut self,
        stream: StreamKey,
        pending: Pending,
        open: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
        log::debug!(stream:% = Name(stream), kind:? = open; "stream opened");
        match (pending, &mut self.demo) {
            (Pending::Service(pending), _) => self.service.on_open(stream, pending, open, context),
            (Pending::Demo(resume), Some(demo)) => demo.on_open(stream, resume, open, context),
            (Pending::Demo(_), None) => {}
        }
    }

    fn on_unopened(&mut self, pending: Pending, context: &mut Context<'_>) {
        match pending {
            Pending::Service(pending) => self.service.on_unopened(pending, context),
            Pending::Demo(_) => {}
        }
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        match self.demo_of(stream) {
            Some(demo) => demo.on_message(stream, message, context),
            None => self.service.on_message(stream, message, context),
        }
    }

    fn on_ping(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        if self.demo_of(stream).is_none() {
            self.service.on_ping(stream, context);
        }
    }

    fn on_close(&mut self, stream: StreamKey, cause: CloseCause, context: &mut Context<'_>) {
        log::debug!(stream:% = Name(stream), cause:?; "stream over");
        // The service may not know any more that it owned the stream, so both applications are told.
        self.service.on_close(stream, cause, context);
        if let Some(demo) = &mut self.demo {
            demo.on_close(stream, cause, context);
        }
    }

    fn holder(&self, stream: StreamKey) -> Option<Holder> {
        self.service.holder(stream)
    }

    fn deadline(&self) -> Time {
        let demo = self.demo.as_ref().map_or(Time::NEVER, App::deadline);
        self.service.deadline().min(demo)
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        if self.service.deadline() <= context.now() {
            self.service.on_timer(context);
        }
        if let Some(demo) = self.demo.as_mut().filter(|demo| demo.deadline() <= context.now()) {
            demo.on_timer(context);
        }
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        self.service.on_turn(context);
    }

    fn on_flushed(&mut self, turn_us: u64) {
        self.service.on_flushed(turn_us);
    }

    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        match self.demo_of(stream) {
            Some(demo) => demo.on_drained(stream, context),
            None => self.service.on_drained(stream, context),
        }
    }

    fn on_heartbeat(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        match self.demo_of(stream) {
            Some(demo) => demo.on_heartbeat(stream, context),
            None => self.service.on_heartbeat(stream, context),
        }
    }

    fn on_half_close(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        match self.demo_of(stream) {
            Some(demo) => demo.on_half_close(stream, context),
            None => self.service.on_half_close(stream, context),
        }
    }

    fn on_drain(&mut self, context: &mut Context<'_>) {
        self.service.on_drain(context);
    }

    fn on_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        match self.demo_of(stream) {
            Some(demo) => demo.on_goodbye(stream, context),
            None => self.service.on_goodbye(stream, context),
        }
    }
}
