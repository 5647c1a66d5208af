//! A source without a network: a clock that the test moves, and a server that says what the test says.

// Each test program takes what it needs.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_client::sans_io::{EventSource, SourceEvent};
use sockeye_client::{Entropy, Error, EventSourceOptions, Limits, Machine, Refusal};
use sockeye_reactor::Time;

/// The head of a stream that lasts until the connection ends.
pub(crate) const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// What a source told, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The final URL.
    Open(String),
    /// Type, data, last event ID.
    Message(String, String, String),
    Comment(String),
    Retry(u64),
    Lost(Error, u64),
    Failed(Error),
}

pub(crate) fn message(data: &str, id: &str) -> Told {
    Told::Message("message".into(), data.into(), id.into())
}

impl From<SourceEvent<'_>> for Told {
    fn from(event: SourceEvent<'_>) -> Self {
        match event {
            SourceEvent::Open(opened) => Self::Open(opened.url.to_string()),
            SourceEvent::Message(message) => Self::Message(
                message.event_type.into(),
                message.data.into(),
                message.last_event_id.into(),
            ),
            SourceEvent::Comment(text) => Self::Comment(text.into()),
            SourceEvent::Retry(ms) => Self::Retry(ms),
            SourceEvent::Lost { why, wait_ms } => Self::Lost(why, wait_ms),
        }
    }
}

pub(crate) struct Rig {
    pub(crate) machine: EventSource,
    /// What the source told and the test has not looked at.
    pub(crate) told: Vec<Told>,
    now: u64,
    is_connected: bool,
    entropy: Arc<AtomicU64>,
}

pub(crate) fn options(url: &str) -> EventSourceOptions {
    EventSourceOptions::new(url).expect("a URL")
}

impl Rig {
    /// A source whose random bits are all ones: every jitter is the longest.
    pub(crate) fn new(options: EventSourceOptions) -> Self {
        Self::with(options, Limits::DEFAULT)
    }

    pub(crate) fn with(options: EventSourceOptions, limits: Limits) -> Self {
        let entropy = Arc::new(AtomicU64::new(u64::MAX));
        let bits = Arc::clone(&entropy);
        let source = Entropy::from_fn(move |bytes| {
            let word = bits.load(Ordering::Relaxed).to_le_bytes();
            bytes.iter_mut().zip(word.iter().cycle()).for_each(|(to, from)| *to = *from);
        });
        let machine = EventSource::new(options, limits, source).expect("options that fit");
        Self { machine, told: Vec::new(), now: 1_000_000, is_connected: false, entropy }
    }

    /// A source on `http://a.test/s` with its stream open, and this told.
    pub(crate) fn open() -> Self {
        Self::opened(options("http://a.test/s"))
    }

    pub(crate) fn opened(options: EventSourceOptions) -> Self {
        let mut rig = Self::new(options);
        rig.connect();
        rig.says(STREAM);
        assert!(matches!(rig.told.remove(0), Told::Open(_)));
        rig
    }

    pub(crate) fn set_entropy(&self, bits: u64) {
        self.entropy.store(bits, Ordering::Relaxed);
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    /// The connection that is wanted, as `host:port`.
    pub(crate) fn wants(&self) -> Option<String> {
        self.machine.peer().map(|peer| format!("{}:{}", peer.host, peer.port))
    }

    /// Gives the source the connection that it wants; returns its request.
    pub(crate) fn connect(&mut self) -> String {
        assert!(!self.is_connected && self.wants().is_some(), "a connection is wanted");
        let mut out = Vec::new();
        self.is_connected = true;
        self.machine.connected(self.time(), &mut out);
        String::from_utf8(out).expect("a request in UTF-8")
    }

    /// The server says something.
    pub(crate) fn says(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.is_connected, "there is a connection");
        self.turn(bytes.as_ref());
    }

    /// The connection breaks, or does not come about.
    pub(crate) fn ends(&mut self, why: Error) {
        self.is_connected = false;
        self.machine.disconnected(self.time(), why);
        self.turn(b"");
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.turn(b"");
    }

    /// How long until the source has something to do by itself.
    pub(crate) fn idle_ms(&self) -> Option<u64> {
        let at = self.machine.deadline();
        (at != Time::NEVER).then(|| at.since(self.time()))
    }

    /// Hands over input, takes what is told, and ends connections that are not wanted.
    fn turn(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        let mut out = Vec::new();
        loop {
            let now = self.time();
            match self.machine.next(now, &mut input, &mut out, &mut |event| Told::from(event)) {
                Ok(Some(told)) => self.told.push(told),
                Ok(None) => {
                    assert!(input.is_empty(), "nothing to tell, so all input is taken");
                    if !(self.is_connected && self.machine.peer().is_none()) {
                        break;
                    }
                    self.is_connected = false;
                    self.machine.disconnected(now, Error::HungUp);
                }
                Err(why) => self.told.push(Told::Failed(why)),
            }
        }
        assert!(out.is_empty(), "a source says nothing after its request");
    }

    /// What was told since the last look.
    pub(crate) fn take(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// The only thing that was told since.
    pub(crate) fn take_one(&mut self) -> Told {
        let told = self.take();
        let [one] = told.as_slice() else { panic!("one thing was to be told: {told:?}") };
        one.clone()
    }

    /// The answer that it failed with.
    pub(crate) fn take_refusal(&mut self) -> Refusal {
        match self.take_one() {
            Told::Failed(Error::Refused(refusal)) => *refusal,
            other => panic!("a refusal was to be told: {other:?}"),
        }
    }

    /// Waits as long as was told, and not a millisecond less.
    pub(crate) fn wait_out(&mut self, ms: u64) {
        if ms > 0 {
            self.pass(ms - 1);
            assert_eq!((self.wants(), self.idle_ms()), (None, Some(1)), "not before its time");
        }
        self.pass(1);
        assert!(self.wants().is_some(), "asks again when it is time");
        assert!(self.told.is_empty(), "{:?}", self.told);
    }
}

/// A source of random numbers that a seed decides (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // The state must not be zero, and neighbours should not look alike.
        Self((seed ^ 0x5851_F42D_4C95_7F2D).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.bits() >> 11) % end
    }

    pub(crate) fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).expect("below a length")
    }

    /// Once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

impl Rig {
    /// The connection breaks, and nobody has asked the source about it.
    pub(crate) fn breaks_unseen(&mut self) {
        self.is_connected = false;
        self.machine.disconnected(self.time(), Error::Ended);
    }

    /// Time passes without a look at the source, and then there are bytes.
    pub(crate) fn says_late(&mut self, ms: u64, bytes: &[u8]) {
        self.now += ms;
        self.turn(bytes);
    }
}
