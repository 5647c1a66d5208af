//! The application under simulation: an echo, a clock, a flood, a body echo, requests that are held,
//! and a record of everything.

use std::collections::{BTreeMap, BTreeSet};

use sockeye_server::{
    Answer, App, CloseCause, CloseCode, Coding, Context, Event, EventStream, Header, Hold, Message,
    Opened, Origins, Reply, Request, SendError, ServerConfig, SharedEvent, SharedMessage, Status,
    StreamKey, Time, Upgrade,
};
use sockeye_sse::EventId;

const BYTES: Header = Header::from_static("Content-Type", "application/octet-stream");

/// Milliseconds between two events of the clock.
const TICK_MS: u64 = 100;

/// Messages or events after which `/closing` and `/ending` have had enough.
pub(crate) const ENOUGH: u64 = 3;

/// Events after which `/flood` is over.
pub(crate) const FLOOD: u64 = 60;

/// For how long `/hold/never` is held, and after which time `/hold/soon` is answered.
const HOLD_MS: u64 = 200;
const SOON_MS: u64 = 50;

/// What a held request is told that has no answer.
pub(crate) const NO_ANSWER: &[u8] = b"try again\n";

/// The code with which `/closing` closes.
pub(crate) const HAD_ENOUGH: u16 = 4000;

#[derive(Default)]
pub(crate) struct SimApp {
    /// Open streams and what they are.
    pub(crate) open: BTreeMap<StreamKey, Stream>,
    /// How each client's stream ended; not the held requests.
    pub(crate) causes: BTreeMap<usize, CloseCause>,
    pub(crate) held_causes: Vec<CloseCause>,
    pub(crate) counts: Counts,
    pub(crate) watchers: BTreeSet<StreamKey>,
    deadline: Option<Time>,
    /// What is being opened.
    opening: Option<Stream>,
    /// The server's limit of that name.
    pub(crate) outbox_refill_bytes: usize,
    /// Floods that wait for their outbox to drain.
    refilling: BTreeSet<StreamKey>,
    /// Held requests, when they are due, and their answers.
    held: BTreeMap<StreamKey, (Time, String)>,
    /// The same of the one that is being opened.
    hold_next: Option<(Time, String)>,
    /// Held requests whose answers wait for their peers.
    put_off: BTreeMap<StreamKey, String>,
    /// How often one was put off.
    pub(crate) put_offs: u64,
    /// Events that several clocks have in common.
    ticks: BTreeMap<u64, SharedEvent>,
    /// Streams whose turn to go has come.
    dismissed: BTreeSet<StreamKey>,
    /// A stream was opened during the drain: the next call has to be its goodbye.
    goodbye: Option<StreamKey>,
}

/// One open stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// The client that asked for it.
    client: usize,
    /// Messages or events so far.
    count: u64,
    /// We end it after so many.
    count_max: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stream,
    Flood,
    Held { answered: bool },
}

/// What the application did and saw, to be compared with what the server counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) messages_received: u64,
    pub(crate) messages_sent: u64,
    pub(crate) events_sent: u64,
}

impl App for SimApp {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, context: &mut Context<'_>) -> Answer {
        self.nothing_is_opening();
        self.counts.requests += 1;
        let path = request.head.path();
        if let Some(when) = path.strip_prefix("/hold/") {
            return self.hold(when, path, context);
        }
        let (count_max, kind) = match path {
            "/closing" | "/ending" => (ENOUGH, Kind::Stream),
            "/flood" => (FLOOD, Kind::Flood),
            _ => (u64::MAX, Kind::Stream),
        };
        let client = request.head.query().and_then(|id| id.parse().ok());
        self.opening = client.map(|client| Stream { client, count: 0, count_max, kind });
        match path {
            "/echo" | "/closing" => Answer::WebSocket(
                Upgrade::new(Origins::Any).compression(ServerConfig::default()),
                (),
            ),
            "/clock" | "/ending" | "/flood" => {
                let coding = Coding::wanted(request.head.headers());
                Answer::EventStream(EventStream::new(coding), ())
            }
            "/body" => Reply::new(Status::OK, BYTES, request.body.to_vec()).into(),
            path => Reply::text(Status::NOT_FOUND, path.to_owned()).into(),
        }
    }

    fn on_open(&mut self, key: StreamKey, _: (), open: &Opened<'_>, context: &mut Context<'_>) {
        let stream = self.opening.take().expect("right after the request that named the client");
        assert!(self.open.insert(key, stream).is_none(), "a key names two open streams");
        match (stream.kind, open) {
            (Kind::Flood, _) => self.refill(key, context),
            (Kind::Held { .. }, _) => self.begin_hold(key, context),
            (Kind::Stream, Opened::EventStream) => {
                self.watchers.insert(key);
                self.deadline.get_or_insert_with(|| context.now() + TICK_MS);
            }
            (Kind::Stream, _) => {}
        }
        let over = self.open[&key].is_over();
        self.goodbye = (context.is_draining() && !over).then_some(key);
    }

    fn on_drained(&mut self, key: StreamKey, context: &mut Context<'_>) {
        self.nothing_is_opening();
        // [server:http2-held-answers-wait]
        if let Some(path) = self.put_off.remove(&key) {
            assert!(!context.put_off(key), "it was told that it may be answered");
            return self.answer(key, path, context);
        }
        assert!(self.refilling.remove(&key), "nobody asked, or the stream is over");
        assert!(context.outbox_bytes(key) <= self.outbox_refill_bytes, "it has not drained");
        self.refill(key, context);
    }

    fn on_heartbeat(&mut self, key: StreamKey, context: &mut Context<'_>) {
        self.nothing_is_opening();
        assert_eq!(context.outbox_bytes(key), 0, "what waits is sign of life enough");
        context.send_comment(key).expect("its deadline has come, so it is open");
    }

    fn on_drain(&mut self, context: &mut Context<'_>) {
        self.nothing_is_opening();
        assert!(context.is_draining());
        self.answer_held(Time::NEVER, context);
    }

    fn on_goodbye(&mut self, key: StreamKey, context: &mut Context<'_>) {
        let expected = self.goodbye.take();
        assert!(
            expected.is_none_or(|expected| expected == key),
            "the goodbye of another comes first"
        );
        self.opening = None;
        assert!(context.is_draining() && self.open.contains_key(&key));
        assert!(self.dismissed.insert(key), "a goodbye is said once");
        self.held.remove(&key);
        self.put_off.remove(&key);
        context.say_goodbye(key);
    }

    fn on_message(&mut self, key: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        self.nothing_is_opening();
        let stream = self.open.get_mut(&key).expect("a message on a stream that is not open");
        assert!(stream.count < stream.count_max, "a message after our Close");
        stream.count += 1;
        self.counts.messages_received += 1;
        // One way or the other it is the same to the peer, its compression window included.
        let sent = match stream.count % 3 {
            0 => context.send_shared(key, &share(message)),
            _ => context.send(key, message),
        };
        if sent.is_ok() {
            self.counts.messages_sent += 1;
        }
        if stream.count == stream.count_max {
            let code = CloseCode::new(HAD_ENOUGH);
            context.close(key, code, "enough");
            assert!(context.send(key, Message::Text("after the Close")).is_err());
            let late = SharedMessage::text("after the Close");
            assert_eq!(context.send_shared(key, &late), Err(SendError::Closing));
            context.notify_drained(key);
        }
    }

    fn on_close(&mut self, key: StreamKey, cause: CloseCause, context: &mut Context<'_>) {
        self.nothing_is_opening();
        let stream = self.open.remove(&key).expect("an end is reported once");
        if let Kind::Held { answered } = stream.kind {
            assert!(!answered || cause == CloseCause::Finished, "{cause:?} after the answer");
            self.held_causes.push(cause);
        } else {
            let before = self.causes.insert(stream.client, cause);
            assert_eq!(before, None, "a client has one stream here");
        }
        self.watchers.remove(&key);
        self.refilling.remove(&key);
        self.held.remove(&key);
        self.put_off.remove(&key);
        assert_eq!(context.outbox_bytes(key), 0, "the key names nothing");
        context.notify_drained(key);
        assert!(!context.put_off(key), "the key names nothing");
        let answer = context.respond(key, Reply::empty(Status::OK));
        assert_eq!(answer, Err(SendError::Gone));
        assert!(context.send(key, Message::Text("too late")).is_err());
        assert!(context.send_event(key, &Event::message("too late")).is_err());
    }

    fn deadline(&self) -> Time {
        let held = self.held.values().map(|(due, _)| *due).min();
        self.deadline.into_iter().chain(held).min().unwrap_or(Time::NEVER)
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        self.nothing_is_opening();
        self.answer_held(context.now(), context);
        if self.deadline.is_none_or(|deadline| deadline > context.now()) {
            return;
        }
        for key in &self.watchers {
            let stream = self.open.get_mut(key).expect("watchers are open");
            if stream.count == stream.count_max {
                // Closed already, and not reported yet.
                continue;
            }
            stream.count += 1;
            let tick = self
                .ticks
                .entry(stream.count)
                .or_insert_with_key(|n| SharedEvent::new(&tick(&n.to_string(), "tick")));
            let sent = match stream.client % 2 {
                0 => context.send_shared_event(*key, tick),
                _ => send_tick(*key, stream.count, "tick", context),
            };
            if sent.is_ok() {
                self.counts.events_sent += 1;
            }
            if stream.count == stream.count_max {
                context.close(*key, CloseCode::NORMAL, "");
            }
        }
        let more = !self.watchers.is_empty();
        self.deadline = more.then(|| context.now() + TICK_MS);
    }
}

impl Stream {
    fn is_over(&self) -> bool {
        self.count == self.count_max || self.kind == Kind::Held { answered: true }
    }
}

impl SimApp {
    /// Called first in every call but the two that may follow a request.
    fn nothing_is_opening(&mut self) {
        assert_eq!(self.goodbye, None, "what opens during a drain is told at once");
        // Whatever is opened later was asked for later.
        self.opening = None;
    }

    fn hold(&mut self, when: &str, path: &str, context: &mut Context<'_>) -> Answer {
        let due = match &when[..3] {
            "now" => context.now(),
            "soo" => context.now() + SOON_MS,
            _ => Time::NEVER,
        };
        self.opening = Some(Stream {
            client: usize::MAX,
            count: 0,
            count_max: u64::MAX,
            kind: Kind::Held { answered: false },
        });
        // Its key is not known yet, and nothing comes between this and its opening.
        self.hold_next = Some((due, path.to_owned()));
        let hold_ms = if due == Time::NEVER { HOLD_MS } else { u64::MAX };
        Answer::Hold(Hold::new(hold_ms), ())
    }

    fn begin_hold(&mut self, key: StreamKey, context: &mut Context<'_>) {
        let (due, path) = self.hold_next.take().expect("set by its request");
        if due < Time::NEVER {
            self.held.insert(key, (due, path));
        }
        self.answer_held(context.now(), context);
    }

    /// Answers every request that is held and due at `now`.
    fn answer_held(&mut self, now: Time, context: &mut Context<'_>) {
        let due: Vec<StreamKey> =
            self.held.iter().filter(|(_, (due, _))| *due <= now).map(|(key, _)| *key).collect();
        for key in due {
            let (_, path) = self.held.remove(&key).expect("listed");
            match context.put_off(key) {
                true => {
                    self.put_offs += 1;
                    self.put_off.insert(key, path);
                }
                false => self.answer(key, path, context),
            }
        }
    }

    fn answer(&mut self, key: StreamKey, path: String, context: &mut Context<'_>) {
        let stream = self.open.get_mut(&key).expect("it is removed with its stream");
        let reply = Reply::text(Status::OK, path);
        // Gone: its end is not reported yet.
        if context.respond(key, reply.clone()).is_ok() {
            stream.kind = Kind::Held { answered: true };
            assert_eq!(context.respond(key, reply), Err(SendError::Gone), "twice");
        }
    }

    /// Sends as much of a flood as the outbox should hold.
    fn refill(&mut self, key: StreamKey, context: &mut Context<'_>) {
        let stream = self.open.get_mut(&key).expect("floods are open");
        while context.outbox_bytes(key) <= self.outbox_refill_bytes + 300 {
            stream.count += 1;
            if send_tick(key, stream.count, FLOOD_DATA, context).is_ok() {
                self.counts.events_sent += 1;
            }
            if stream.count == stream.count_max {
                return context.close(key, CloseCode::NORMAL, "");
            }
        }
        self.refilling.insert(key);
        context.notify_drained(key);
        context.notify_drained(key);
    }
}

/// What a flood sends: it begins like any tick.
const FLOOD_DATA: &str =
    "tick, and more, and more, and more, and more, and more, and more, and more";

fn tick<'e>(id: &'e str, data: &'e str) -> Event<'e> {
    Event { id: EventId::new(id).ok(), ..Event::message(data) }
}

fn send_tick(
    key: StreamKey,
    n: u64,
    data: &str,
    context: &mut Context<'_>,
) -> Result<(), SendError> {
    let id = n.to_string();
    match n % 2 {
        0 => context.send_shared_event(key, &SharedEvent::new(&tick(&id, data))),
        _ => context.send_event(key, &tick(&id, data)),
    }
}

fn share(message: Message<'_>) -> SharedMessage {
    match message {
        Message::Text(text) => SharedMessage::text(text),
        Message::Binary(bytes) => SharedMessage::binary(bytes),
    }
}
