//! A stage on which time moves only when it is told to, and an application that does as it is told.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use sockeye_server::{
    Answer, App, CloseCause, Coding, Context, EventStream, Header, Hold, Limits, Opened, Origins,
    Refused, Reply, Request, Server, ServerConfig, Status, StreamKey, Upgrade, Wording,
};
use sockeye_simnet::{Faults, Peer, SimNet};

/// What the application was told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Opened(StreamKey),
    /// The path whose stream did not open.
    Unopened(String),
    Drained(StreamKey),
    Heartbeat(StreamKey),
    Drain,
    Goodbye(StreamKey),
    Refused(StreamKey),
    HalfClosed(StreamKey),
    Closed(StreamKey, CloseCause),
}

type Errand = Box<dyn FnOnce(&mut Context<'_>)>;

/// Holds `/hold` and, with its own answer, `/now`; holds `/page` for its turn; opens `/ws` and `/events`; gives the path back
/// otherwise.
#[derive(Default)]
pub(crate) struct Puppet {
    pub(crate) told: Vec<Told>,
    pub(crate) origins: Option<Vec<String>>,
    /// What `/now` and `/page` are answered with.
    pub(crate) body: Vec<u8>,
    /// Pages that are to be answered.
    pages: VecDeque<StreamKey>,
    /// Pages that were put off.
    pub(crate) put_off: BTreeSet<StreamKey>,
    /// Pages that were answered.
    pub(crate) pages_built: usize,
    /// Goodbyes are heard and not said.
    pub(crate) stays: bool,
    /// Words what the server refuses by itself.
    pub(crate) words: bool,
    /// Asks once more from within each notice.
    pub(crate) asks_again: bool,
    errands: VecDeque<Errand>,
}

impl App for Puppet {
    /// The path.
    type Pending = String;

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer<String> {
        let path = request.head.path();
        let origins = match &self.origins {
            Some(list) => Origins::List(list.clone().into()),
            None => Origins::Any,
        };
        let pending = path.to_owned();
        match path {
            "/hold" | "/now" | "/page" => hold(u64::MAX, pending),
            "/hold/second" => hold(1_000, pending),
            "/ws" => Answer::WebSocket(
                Upgrade::new(origins).compression(ServerConfig::default()),
                pending,
            ),
            "/events" => {
                let coding = Coding::wanted(request.head.headers());
                Answer::EventStream(EventStream::new(coding), pending)
            }
            path => Reply::text(Status::OK, path.to_owned()).into(),
        }
    }

    fn refusal(&mut self, refused: &Refused<'_>) -> Option<Wording> {
        let path = refused.head.map_or("-", |head| head.path());
        let body = format!("{} {path} {}", refused.status, refused.reason);
        if let Some(stream) = refused.stream {
            self.told.push(Told::Refused(stream));
        }
        self.words.then(|| Wording { headers: vec![WORDED], body: body.into_bytes().into() })
    }

    fn on_open(
        &mut self,
        stream: StreamKey,
        path: String,
        _: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
        self.told.push(Told::Opened(stream));
        if path == "/page" {
            self.pages.push_back(stream);
        }
        if path == "/now" {
            let body = String::from_utf8(self.body.clone()).expect("text");
            context.respond(stream, Reply::text(Status::OK, body)).expect("it is held");
        }
    }

    fn on_unopened(&mut self, path: String, _: &mut Context<'_>) {
        self.told.push(Told::Unopened(path));
    }

    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.told.push(Told::Drained(stream));
        if self.put_off.remove(&stream) {
            self.pages.push_back(stream);
        }
        if self.asks_again {
            context.notify_drained(stream);
        }
    }

    fn on_heartbeat(&mut self, stream: StreamKey, _: &mut Context<'_>) {
        self.told.push(Told::Heartbeat(stream));
    }

    fn on_half_close(&mut self, stream: StreamKey, _: &mut Context<'_>) {
        self.told.push(Told::HalfClosed(stream));
    }

    fn on_drain(&mut self, _: &mut Context<'_>) {
        self.told.push(Told::Drain);
    }

    fn on_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.told.push(Told::Goodbye(stream));
        if !self.stays {
            context.say_goodbye(stream);
        }
    }

    fn on_close(&mut self, stream: StreamKey, cause: CloseCause, _: &mut Context<'_>) {
        self.told.push(Told::Closed(stream, cause));
        self.put_off.remove(&stream);
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        while let Some(errand) = self.errands.pop_front() {
            errand(context);
        }
        for stream in core::mem::take(&mut self.pages) {
            if context.put_off(stream) {
                assert!(self.put_off.insert(stream), "it was told that it may be answered");
                continue;
            }
            let body = String::from_utf8(self.body.clone()).expect("text");
            // One that is gone is told of later.
            self.pages_built +=
                usize::from(context.respond(stream, Reply::text(Status::OK, body)).is_ok());
        }
    }
}

const WORDED: Header = Header::from_static("Content-Type", "text/words");
const MARK: Header = Header::from_static("X-Held", "yes");

fn hold(hold_ms: u64, pending: String) -> Answer<String> {
    Answer::Hold(Hold::new(hold_ms).headers([MARK]), pending)
}

pub(crate) struct Stage {
    pub(crate) net: SimNet,
    pub(crate) server: Server<SimNet, Puppet>,
}

impl Stage {
    /// A calm world in which sockets take `room_max` bytes at the most.
    pub(crate) fn new(room_max: usize, adjust: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        adjust(&mut limits);
        let net = SimNet::new(1, Faults::default(), room_max);
        Self { server: Server::new(net.clone(), Puppet::default(), limits), net }
    }

    pub(crate) fn turn(&mut self) {
        self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
    }

    /// A few turns in no time.
    pub(crate) fn turns(&mut self) {
        (0..6).for_each(|_| self.turn());
    }

    /// Time goes by, and the timers get their tick.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.net.advance(ms);
        self.turns();
    }

    /// Runs `errand` as the application in a turn.
    pub(crate) fn act(&mut self, errand: impl FnOnce(&mut Context<'_>) + 'static) {
        self.server.app_mut().errands.push_back(Box::new(errand));
        self.turn();
    }

    /// A peer that has sent `bytes`, and the server has seen them.
    pub(crate) fn peer(&mut self, bytes: &str) -> Peer {
        let mut peer = self.net.connect().expect("it listens");
        peer.write(bytes.as_bytes());
        self.turns();
        peer
    }

    /// A peer that has sent `bytes`, and the stream that it has got.
    pub(crate) fn open(&mut self, bytes: &str) -> (Peer, StreamKey) {
        let peer = self.peer(bytes);
        let Some(Told::Opened(stream)) = self.told().pop() else { panic!("no stream was opened") };
        (peer, stream)
    }

    /// What the application was told since it was last asked.
    pub(crate) fn told(&mut self) -> Vec<Told> {
        core::mem::take(&mut self.server.app_mut().told)
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: sim\r\n\r\n")
}

pub(crate) fn upgrade(headers: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// Everything that is there to be read; `None` at the end.
pub(crate) fn read(peer: &mut Peer) -> Option<String> {
    peer.read(usize::MAX).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Everything up to the end that has to be there.
pub(crate) fn read_to_end(peer: &mut Peer) -> String {
    let mut all = String::new();
    while let Some(more) = read(peer) {
        assert!(!more.is_empty(), "the server's stream goes on after {all:?}");
        all += &more;
    }
    assert!(!peer.is_reset(), "a reset after {all:?}");
    all
}
