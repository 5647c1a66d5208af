//! The application under simulation: an echo, a clock, a body echo, and a record of everything.

use std::collections::{BTreeMap, BTreeSet};

use sockeye_server::{
    Answer, App, CloseCause, CloseCode, Context, Event, EventStream, Header, Message, Opened,
    Origins, Reply, Request, ServerConfig, Status, StreamKey, Time, Upgrade,
};
use sockeye_sse::EventId;

const BYTES: Header = Header::from_static("Content-Type", "application/octet-stream");

/// Milliseconds between two events of the clock.
const TICK_MS: u64 = 100;

/// Messages or events after which `/closing` and `/ending` have had enough.
pub(crate) const ENOUGH: u64 = 3;

/// The code with which `/closing` closes.
pub(crate) const HAD_ENOUGH: u16 = 4000;

#[derive(Default)]
pub(crate) struct SimApp {
    /// Open streams and what they are.
    pub(crate) open: BTreeMap<StreamKey, Stream>,
    /// How each client's stream ended.
    pub(crate) causes: BTreeMap<usize, CloseCause>,
    pub(crate) counts: Counts,
    pub(crate) watchers: BTreeSet<StreamKey>,
    deadline: Option<Time>,
    /// What is being opened.
    opening: Option<Stream>,
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
    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer {
        self.counts.requests += 1;
        let path = request.head.path();
        let count_max = if matches!(path, "/closing" | "/ending") { ENOUGH } else { u64::MAX };
        let client = request.head.query().and_then(|id| id.parse().ok());
        self.opening = client.map(|client| Stream { client, count: 0, count_max });
        match path {
            "/echo" | "/closing" => Answer::WebSocket(Upgrade {
                subprotocols: &[],
                origins: Origins::Any,
                compression: Some(ServerConfig::default()),
            }),
            "/clock" | "/ending" => Answer::EventStream(EventStream::default()),
            "/body" => Reply::new(Status::OK, BYTES, request.body.to_vec()).into(),
            path => Reply::text(Status::NOT_FOUND, path.to_owned()).into(),
        }
    }

    fn on_open(&mut self, key: StreamKey, open: &Opened<'_>, context: &mut Context<'_>) {
        let stream = self.opening.take().expect("clients name themselves");
        assert!(self.open.insert(key, stream).is_none(), "a key names two open streams");
        if *open == Opened::EventStream {
            self.watchers.insert(key);
            self.deadline.get_or_insert_with(|| context.now() + TICK_MS);
        }
    }

    fn on_message(&mut self, key: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        let stream = self.open.get_mut(&key).expect("a message on a stream that is not open");
        assert!(stream.count < stream.count_max, "a message after our Close");
        stream.count += 1;
        self.counts.messages_received += 1;
        if context.send(key, message).is_ok() {
            self.counts.messages_sent += 1;
        }
        if stream.count == stream.count_max {
            let code = CloseCode::new(HAD_ENOUGH);
            context.close(key, code, "enough");
            assert!(context.send(key, Message::Text("after the Close")).is_err());
        }
    }

    fn on_close(&mut self, key: StreamKey, cause: CloseCause, context: &mut Context<'_>) {
        let stream = self.open.remove(&key).expect("an end is reported once");
        assert_eq!(self.causes.insert(stream.client, cause), None, "a client has one stream here");
        self.watchers.remove(&key);
        assert!(context.send(key, Message::Text("too late")).is_err());
        assert!(context.send_event(key, &Event::message("too late")).is_err());
    }

    fn deadline(&self) -> Time {
        self.deadline.unwrap_or(Time::NEVER)
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        for key in &self.watchers {
            let stream = self.open.get_mut(key).expect("watchers are open");
            if stream.count == stream.count_max {
                // Closed already, and not reported yet.
                continue;
            }
            stream.count += 1;
            let id = stream.count.to_string();
            let event = Event { id: EventId::new(&id).ok(), ..Event::message("tick") };
            if context.send_event(*key, &event).is_ok() {
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
