//! The application: requests to resources, streams to sessions, publications to the log.

use std::collections::BTreeSet;

use sockeye_hub::{Config, Epoch, Hub, Item, Start, SubscriberKey};
use sockeye_server::{Answer, App, CloseCause, Context, Message, Opened, Request, StreamKey, Time};

use crate::body::Body;
use crate::clock::Clock;
use crate::line::Line;
use crate::log::Log;
use crate::publishing::Jobs;
use crate::session::{Envelope, Form, Sessions};
use crate::wire::CloseReason;
use crate::{Limits, reply};

/// The hub behind HTTP: channels over WebSocket, event streams, long polls and short polls, and
/// publishing into them. An [`App`] to run in a [`sockeye_server::Server`].
pub struct Service {
    pub(crate) hub: Hub<Body>,
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) jobs: Jobs,
    pub(crate) log: Option<Box<dyn Log>>,
    /// Milliseconds since 1970, as of this call.
    pub(crate) now_ms: u64,
    clock: Option<Clock>,
    /// What the stream that opens next is for.
    pub(crate) opening: Option<Opening>,
    /// The polls that wait, by when they are answered at the latest.
    pub(crate) waiting: BTreeSet<(Time, SubscriberKey)>,
    /// The polls for which something has come in this turn.
    pub(crate) answerable: Vec<SubscriberKey>,
    /// Room for what a pull gives, kept between pulls.
    pub(crate) items: Vec<Item<Body>>,
}

/// What a request told about the stream that its answer opens.
#[derive(Debug)]
pub(crate) enum Opening {
    /// An event stream, or a WebSocket without the subprotocol.
    Subscribed { form: Form, channels: Vec<String>, start: Start },
    /// A WebSocket with the subprotocol, which says later what it wants.
    Commands,
    /// A poll, which is subscribed already, and its end.
    Poll(SubscriberKey, Time),
    /// A job whose publications wait for the log.
    Publishing(u64),
}

impl Service {
    /// A service with an empty log, in a life of it that has not been before.
    pub fn new(epoch: Epoch, hub: Config, limits: Limits) -> Self {
        Self {
            hub: Hub::new(epoch, hub),
            limits,
            sessions: Sessions::default(),
            jobs: Jobs::default(),
            log: None,
            now_ms: 0,
            clock: None,
            opening: None,
            waiting: BTreeSet::new(),
            answerable: Vec::new(),
            items: Vec::new(),
        }
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
        self.sessions.of_stream(stream).is_some() || self.jobs.holds(stream)
    }

    fn look_at_the_clock(&mut self, context: &Context<'_>) {
        let (now, unix) = (context.now(), context.unix_seconds());
        let clock = self.clock.get_or_insert_with(|| Clock::new(now, unix, self.now_ms));
        self.now_ms = clock.look(now, unix);
    }

    /// What was to open and did not, because the handshake was refused, is forgotten.
    fn abandon_opening(&mut self) {
        match self.opening.take() {
            Some(Opening::Poll(subscriber, _)) => self.leave(subscriber),
            Some(Opening::Subscribed { .. } | Opening::Commands | Opening::Publishing(_))
            | None => {}
        }
    }

    /// An event stream, or a bare WebSocket, is open.
    fn open_subscribed(
        &mut self,
        stream: StreamKey,
        form: Form,
        channels: &[String],
        start: Start,
        context: &mut Context<'_>,
    ) {
        let Some(subscriber) = self.connect(stream, form, context) else { return };
        let retry = self.retry_ms(stream);
        let targets: Vec<&str> = channels.iter().map(String::as_str).collect();
        let mut problems = Vec::new();
        let taken = self.subscribe(subscriber, &targets, start, |channel, problem| {
            problems.push((channel, problem));
        });
        let cursor = self.cursor_of(subscriber);
        let mut line = Line { stream, form, context };
        // Whoever is gone is reported by itself, here and below.
        // [service:cursor-first]
        let _ = line.position(&cursor, Some(retry));
        for (channel, problem) in &problems {
            line.refusal(channel, problem);
        }
        self.say_ended(subscriber, &taken.ended, context);
        self.catch_up(subscriber, context);
    }
}

impl App for Service {
    fn on_request(&mut self, request: &Request<'_>, context: &mut Context<'_>) -> Answer {
        self.look_at_the_clock(context);
        self.abandon_opening();
        match self.answer_request(request, context) {
            Ok(answer) => answer,
            Err(problem) => reply::problem(&problem, self.limits.retry_ms).into(),
        }
    }

    fn on_open(&mut self, stream: StreamKey, open: &Opened<'_>, context: &mut Context<'_>) {
        match (self.opening.take(), open) {
            (Some(Opening::Commands), Opened::WebSocket { subprotocol: Some(_), .. }) => {
                self.open_commands(stream, context);
            }
            (Some(Opening::Commands), _) | (None, _) => {}
            (Some(Opening::Subscribed { form, channels, start }), _) => {
                self.open_subscribed(stream, form, &channels, start, context);
            }
            (Some(Opening::Poll(subscriber, until)), _) => {
                self.open_poll(stream, subscriber, until);
            }
            (Some(Opening::Publishing(id)), _) => self.hold_publishing(id, stream),
        }
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.take_message(stream, message, context);
    }

    fn on_close(&mut self, stream: StreamKey, _: CloseCause, _: &mut Context<'_>) {
        self.disconnect(stream);
    }

    fn deadline(&self) -> Time {
        self.waiting.first().map_or(Time::NEVER, |(until, _)| *until)
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.answer_late_polls(context);
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        self.settle(context);
        self.answer_polls(context);
    }

    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.look_at_the_clock(context);
        if let Some(session) = self.sessions.of_stream(stream) {
            self.pull(session.subscriber, context);
        }
    }

    fn on_heartbeat(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let Some(session) = self.sessions.of_stream(stream) else { return };
        let (subscriber, form) = (session.subscriber, session.form);
        let cursor = self.cursor_of(subscriber);
        // Whoever is gone is reported by itself.
        let _ = Line { stream, form, context }.position(&cursor, None);
    }

    fn on_drain(&mut self, context: &mut Context<'_>) {
        self.answer_all_polls(context);
    }

    fn on_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let Some(session) = self.sessions.of_stream(stream) else { return };
        let (subscriber, form) = (session.subscriber, session.form);
        let cursor = self.cursor_of(subscriber);
        let retry = Some(self.retry_ms(stream));
        Line { stream, form, context }.goaway(CloseReason::Restart, retry, &cursor);
    }
}

/// How an event stream is asked for its envelope.
pub(crate) fn envelope(wanted: Option<&str>) -> Option<Envelope> {
    match wanted {
        None => Some(Envelope::None),
        Some("json") => Some(Envelope::Json),
        Some(_) => None,
    }
}
