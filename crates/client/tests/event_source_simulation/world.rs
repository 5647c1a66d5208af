//! Time, the network, and the oracle.

use std::io::ErrorKind;
use std::sync::Mutex;

use sockeye_client::sans_io::EventSource;
use sockeye_client::{
    Deadline, Entropy, Error, EventSourceOptions, Limits, Machine, OnBusy, Policy, ReadyState,
};
use sockeye_reactor::Time;

use crate::event_source::rig::{Random, Told, options};
use crate::event_source_simulation::server::{Act, Asked, HOSTILE_BYTES, Script, Server};

const HEAD_MS: u64 = 3000;
const SILENCE_MS: u64 = 5000;
const EVENT_BYTES_MAX: usize = HOSTILE_BYTES / 2;
const LIMITS: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.head_ms = HEAD_MS;
    limits.refusal_bytes_max = 6;
    limits
};
const POLICY: Policy = Policy {
    reconnection_ms: 1000,
    wait_ms_min: 100,
    wait_ms_max: u64::MAX,
    backoff_ms: 1000,
    backoff_ms_max: 4000,
    on_busy: OnBusy::Reconnect,
};

/// How often things happened, over all seeds.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    seeds: u64,
    events: usize,
    connections: usize,
    losses: usize,
    silences: usize,
    slow_heads: usize,
    redirect_failures: usize,
    busy: usize,
    refused: usize,
    too_large: usize,
    restarts: usize,
    closed: usize,
    away: usize,
}

enum Link {
    Down,
    Dialing { until: u64, outcome: Result<(), Error> },
    Up(Script),
}

pub(crate) struct World {
    random: Random,
    now: u64,
    machine: EventSource,
    link: Link,
    server: Server,
    is_post: bool,
    has_patience: bool,
    /// Entries of the log that the source has passed.
    place: usize,
    counts: Counts,
    // What the rules say comes next.
    retry_ms: u64,
    failures: u32,
    is_open: bool,
    /// The next request is none that a redirect asks for.
    is_first: bool,
    due: Option<u64>,
    /// When the connection came about, and when its last byte did.
    connected_at: u64,
    heard_at: u64,
    /// Nothing of the answer will be cut off.
    is_whole: bool,
    /// The first byte of the connection's.
    first_byte: Option<u8>,
    /// Bytes since something was told.
    untold: usize,
    over: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let server = Server::new(&mut random);
        let mut wanted = options("http://a.test/s");
        let (is_post, has_patience) = (random.one_in(2), random.one_in(2));
        configure(&mut wanted, is_post, has_patience);
        let entropy = Mutex::new(Random::new(!seed));
        let entropy = Entropy::from_fn(move |bytes| {
            let mut random = entropy.lock().expect("nobody panics here");
            bytes.fill_with(|| random.bits().to_le_bytes()[7]);
        });
        Self {
            machine: EventSource::new(wanted, LIMITS, entropy).expect("options that fit"),
            random,
            now: 0,
            link: Link::Down,
            server,
            is_post,
            has_patience,
            place: 0,
            counts: Counts { seeds: 1, ..Counts::default() },
            retry_ms: POLICY.reconnection_ms,
            failures: 0,
            is_open: false,
            is_first: true,
            due: None,
            connected_at: 0,
            heard_at: 0,
            is_whole: false,
            first_byte: None,
            untold: 0,
            over: false,
        }
    }

    pub(crate) fn run(mut self) -> Counts {
        for _ in 0..1_000_000 {
            self.follow();
            self.take(&mut []);
            if self.over && matches!(self.link, Link::Down) {
                return self.end();
            }
            if matches!(self.link, Link::Down) && self.machine.peer().is_some() {
                continue;
            }
            self.step();
        }
        panic!("the source comes to no end: place {} at {} ms", self.place, self.now);
    }

    /// What the network does about the source's wish.
    fn follow(&mut self) {
        match (&self.link, self.machine.peer()) {
            (Link::Down, Some(_)) => {
                assert!(self.due.is_none_or(|due| due <= self.now), "a connection while waiting");
                self.due = None;
                let outcome = match self.random.below(8) {
                    0 => Err(Error::Connect(ErrorKind::ConnectionRefused)),
                    1 => Err(Error::Resolve(ErrorKind::NotFound)),
                    _ => Ok(()),
                };
                let until = self.now + self.random.below(300);
                self.link = Link::Dialing { until, outcome };
            }
            (Link::Dialing { .. } | Link::Up(_), None) => self.lose(Error::HungUp),
            (Link::Down, None) | (Link::Dialing { .. } | Link::Up(_), Some(_)) => {}
        }
    }

    fn lose(&mut self, why: Error) {
        self.link = Link::Down;
        self.machine.disconnected(Time::from_millis(self.now), why);
    }

    /// The next thing that happens: the network's, or the source's own deadline.
    fn step(&mut self) {
        let network = match &self.link {
            Link::Down => u64::MAX,
            Link::Dialing { until, .. } => *until,
            Link::Up(script) => script.last().map_or(u64::MAX, |(at, _)| *at),
        };
        let deadline = self.machine.deadline().as_millis();
        if let Some(due) = self.due {
            assert_eq!(deadline, due, "the wait is as told");
        }
        let at = network.min(deadline);
        assert!(at != u64::MAX || !self.has_patience, "nothing will ever happen");
        if at == u64::MAX {
            // A silent stream and a source that does not mind: its user does.
            self.restart();
            return;
        }
        self.now = self.now.max(at);
        if deadline <= network {
            self.take(&mut []);
            return;
        }
        match &mut self.link {
            Link::Down => {}
            Link::Dialing { outcome, .. } => match outcome.clone() {
                Ok(()) => self.connect(),
                Err(why) => self.lose(why),
            },
            Link::Up(script) => match script.pop() {
                Some((_, Act::Bytes(mut bytes))) => self.hear(&mut bytes),
                Some((_, Act::End(why))) => self.lose(why),
                None => {}
            },
        }
    }

    fn connect(&mut self) {
        let mut out = Vec::new();
        let is_away = self.machine.peer().is_some_and(|peer| peer.host != "a.test");
        self.machine.connected(Time::from_millis(self.now), &mut out);
        let asked = self.read_request(&String::from_utf8(out).expect("UTF-8"), is_away);
        (self.connected_at, self.heard_at, self.untold) = (self.now, self.now, 0);
        (self.is_open, self.is_first, self.first_byte) = (false, false, None);
        self.counts.connections += 1;
        self.counts.away += usize::from(is_away);
        let answer = self.server.answer(&asked, self.now, &mut self.random);
        self.is_whole = answer.is_whole;
        self.link = Link::Up(answer.script);
    }

    fn read_request(&self, request: &str, is_away: bool) -> Asked {
        let (head, body) = request.split_once("\r\n\r\n").expect("a whole head");
        let mut lines = head.lines();
        let mut words = lines.next().expect("a request line").split(' ');
        let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let after = header("Last-Event-ID: ").map_or(0, |id| id.parse().expect("an ID of ours"));
        assert_eq!(after, self.place, "asks from where it is");
        assert!(!(is_away && header("Authorization").is_some()), "credentials on another origin");
        assert_eq!(method == "POST", body == "question", "a body with its method");
        if self.is_first {
            let own = if self.is_post { "POST" } else { "GET" };
            assert_eq!((method, path, is_away), (own, "/s", false), "not what was asked for");
            assert!(header("Authorization").is_some());
        }
        Asked { path: path.to_owned(), after }
    }

    fn hear(&mut self, bytes: &mut [u8]) {
        let silent_ms = self.now - self.heard_at;
        let is_late = self.has_patience && self.is_open && silent_ms > SILENCE_MS;
        assert!(!is_late, "silence was not noticed");
        self.heard_at = self.now;
        self.untold += bytes.len();
        self.first_byte = self.first_byte.or_else(|| bytes.first().copied());
        self.take(bytes);
    }

    /// Hands input over and looks at what is told.
    fn take(&mut self, mut input: &mut [u8]) {
        let mut out = Vec::new();
        loop {
            let now = Time::from_millis(self.now);
            let told = self.machine.next(now, &mut input, &mut out, &mut |event| Told::from(event));
            match told {
                Ok(Some(told)) => self.check(told),
                Err(why) => self.check(Told::Failed(why)),
                Ok(None) => break,
            }
            match self.random.below(400) {
                0 => self.restart(),
                1 => self.close(),
                _ => {}
            }
        }
        assert!(input.is_empty() && out.is_empty());
        // Nothing that is not told grows without a bound: head, event, or what is kept of an answer.
        let most = EVENT_BYTES_MAX.max(LIMITS.head.head_bytes_max) + 2048;
        assert!(self.over || self.due.is_some() || self.untold <= most);
    }

    fn restart(&mut self) {
        self.settle_place();
        self.machine.restart();
        self.counts.restarts += 1;
        (self.is_open, self.is_first, self.due) = (false, true, None);
        self.untold = 0;
    }

    fn close(&mut self) {
        self.machine.close();
        self.counts.closed += 1;
        self.over = true;
        self.due = None;
    }

    /// The oracle.
    fn check(&mut self, told: Told) {
        assert!(!self.over, "told after the end: {told:?}");
        self.untold = 0;
        match told {
            Told::Open(_) => {
                assert!(!self.is_open);
                (self.is_open, self.failures) = (true, 0);
            }
            Told::Message(name, data, id) => self.check_message(&name, &data, &id),
            Told::Retry(ms) => self.retry_ms = ms,
            Told::Comment(_) => panic!("nobody asked for comments"),
            Told::Lost(why, wait_ms) => self.check_loss(&why, wait_ms),
            Told::Failed(why) => self.check_failure(&why),
        }
    }

    fn check_message(&mut self, name: &str, data: &str, id: &str) {
        assert!(self.is_open);
        let log = &self.server.log;
        while log.get(self.place).is_some_and(|entry| entry.data.is_none()) {
            self.place += 1;
        }
        let entry = log.get(self.place).expect("no more events than there are");
        self.place += 1;
        let told = (name, Some(data), id);
        let place = self.place.to_string();
        assert_eq!(told, (entry.name.as_str(), entry.data.as_deref(), place.as_str()));
        self.counts.events += 1;
    }

    fn check_loss(&mut self, why: &Error, wait_ms: u64) {
        self.settle_place();
        if !self.is_open {
            self.failures += 1;
        }
        let mut least = self.retry_ms.max(POLICY.wait_ms_min);
        match why {
            Error::TimedOut(Deadline::Silence) => {
                assert!(self.is_open && self.now == self.heard_at + SILENCE_MS);
                self.counts.silences += 1;
            }
            Error::TimedOut(Deadline::Head) => {
                assert!(!self.is_open && self.now == self.connected_at + HEAD_MS);
                self.counts.slow_heads += 1;
            }
            Error::Redirect | Error::Redirects => self.counts.redirect_failures += 1,
            Error::Refused(refusal) => {
                assert!(refusal.body.len() <= LIMITS.refusal_bytes_max);
                if refusal.header("retry-after") == Some("4") {
                    least = least.max(4000);
                }
                self.counts.busy += 1;
            }
            Error::Http(_) => assert_eq!(self.first_byte, Some(b'S'), "it was HTTP"),
            Error::Ended => assert!(!self.has_more(), "more was to come"),
            Error::Truncated => assert!(!self.has_more() && !self.is_whole, "it was whole"),
            _ => {}
        }
        let jitter = match self.failures {
            0 | 1 => 0,
            more => (POLICY.backoff_ms << (more - 2).min(20)).min(POLICY.backoff_ms_max),
        };
        let most = least.max(self.retry_ms + jitter);
        assert!((least..=most).contains(&wait_ms), "{wait_ms} is not in {least}..={most}");
        self.counts.losses += 1;
        (self.is_open, self.is_first) = (false, true);
        self.due = Some(self.now + wait_ms);
    }

    /// Whether the server has bytes that did not come yet.
    fn has_more(&self) -> bool {
        let Link::Up(script) = &self.link else { return false };
        script.iter().any(|(_, act)| matches!(act, Act::Bytes(_)))
    }

    /// IDs without an event have moved the place silently.
    fn settle_place(&mut self) {
        let id = self.machine.last_event_id().parse().unwrap_or(0);
        assert!(id >= self.place, "the place never moves back");
        let passed = &self.server.log[self.place..id];
        assert!(passed.iter().all(|entry| entry.data.is_none()), "an event was passed over");
        self.place = id;
    }

    fn check_failure(&mut self, why: &Error) {
        self.settle_place();
        self.over = true;
        match why {
            Error::Refused(refusal) => {
                assert!(refusal.body.len() <= LIMITS.refusal_bytes_max);
                assert_eq!(self.place, self.server.log.len(), "refused before the last event");
                self.counts.refused += 1;
            }
            Error::EventTooLarge => {
                assert!(self.server.is_hostile);
                self.counts.too_large += 1;
            }
            other => panic!("failed: {other:?}"),
        }
    }

    /// The end is for good, whatever the network still says.
    fn end(mut self) -> Counts {
        assert!(self.machine.is_over() && self.machine.peer().is_none());
        assert_eq!(self.machine.deadline(), Time::NEVER);
        assert_eq!(self.machine.ready_state(), ReadyState::Closed);
        self.machine.restart();
        self.lose(Error::Ended);
        self.now += 1 << 30;
        self.take(
            &mut b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata\n\n".to_owned(),
        );
        assert!(self.machine.peer().is_none());
        self.counts
    }
}

fn configure(wanted: &mut EventSourceOptions, is_post: bool, has_patience: bool) {
    wanted.headers.push(("Authorization".to_owned(), "secret".to_owned()));
    if is_post {
        wanted.method = "POST".to_owned();
        wanted.body = Some(b"question".to_vec());
    }
    wanted.silence_ms = has_patience.then_some(SILENCE_MS);
    wanted.event_bytes_max = EVENT_BYTES_MAX;
    wanted.policy = POLICY;
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { seeds, events, connections, losses, silences, slow_heads, .. } = other;
        self.seeds += seeds;
        self.events += events;
        self.connections += connections;
        self.losses += losses;
        self.silences += silences;
        self.slow_heads += slow_heads;
        self.redirect_failures += other.redirect_failures;
        self.busy += other.busy;
        self.refused += other.refused;
        self.too_large += other.too_large;
        self.restarts += other.restarts;
        self.closed += other.closed;
        self.away += other.away;
    }

    /// A simulation in which something never happens proves nothing about it.
    pub(crate) fn check_that_all_happened(&self) {
        let all = [
            self.events,
            self.connections,
            self.losses,
            self.silences,
            self.slow_heads,
            self.redirect_failures,
            self.busy,
            self.refused,
            self.too_large,
            self.restarts,
            self.closed,
            self.away,
        ];
        assert!(all.iter().all(|&count| count > 10), "{self:?}");
    }
}
