//! A subscriber with an identity: channels, a cursor, and one connection after the other.

use std::cell::RefCell;
use std::rc::Rc;

use sockeye_simnet::{Peer, Random};

use crate::simulation::doubt::NO_RUN;
use crate::simulation::events::{Asked, Events, Polled, Polls};
use crate::simulation::oracle::{Held, Ledger, Start};
use crate::simulation::said::{self, Said};
use crate::simulation::socket::Socket;
use crate::simulation::totals::Totals;
use crate::simulation::truth::{Place, Position, Truth};
use crate::simulation::wire::{Way, Wire, encode};

pub(crate) struct Subscriber {
    truth: Rc<RefCell<Truth>>,
    wanted: Vec<String>,
    /// What it may want later.
    spare: Vec<String>,
    ledger: Ledger,
    link: Link,
    /// Turns for which it does not read.
    stalled: usize,
    /// The tag of the last poll, what it was for, and the cursor behind that answer.
    tag: Option<(String, Vec<String>, Held)>,
    /// Which transport it had last.
    last: Option<usize>,
    /// Connections that it has left, and does not read.
    left: Vec<Peer>,
    /// Every target has ended.
    finished: bool,
    /// No more tricks.
    calm: bool,
    turn: usize,
}

enum Link {
    None,
    Events(Box<Events>),
    Socket(Box<Commands>),
    Polls(Box<Polls>),
}

struct Commands {
    socket: Socket,
    greeted: bool,
    subscribed: bool,
    /// Pings that are not answered.
    pings: usize,
    /// What was asked for and not answered, and how many entries the log had.
    asked: Vec<(Vec<String>, Start, u64)>,
}

impl Subscriber {
    pub(crate) fn new(
        truth: &Rc<RefCell<Truth>>,
        roomy: bool,
        mut targets: Vec<String>,
        random: &mut Random,
    ) -> Self {
        let spare =
            if targets.len() > 1 && random.one_in(2) { vec![targets.remove(0)] } else { vec![] };
        Self {
            truth: Rc::clone(truth),
            wanted: targets,
            spare,
            ledger: Ledger::new(truth, roomy),
            link: Link::None,
            stalled: 0,
            tag: None,
            last: None,
            left: Vec::new(),
            finished: false,
            calm: false,
            turn: 0,
        }
    }

    /// Does something, or not.
    pub(crate) fn step(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        self.turn += 1;
        if self.stalled > 0 {
            self.stalled -= 1;
            return;
        }
        self.play(random, totals);
        match &self.link {
            Link::None if self.finished || !random.one_in(2) => {}
            Link::None => self.connect(way, random, totals),
            Link::Events(_) | Link::Socket(_) | Link::Polls(_) => self.receive(random, totals),
        }
    }

    /// Tricks.
    fn play(&mut self, random: &mut Random, totals: &mut Totals) {
        if let Link::None = self.link {
            if random.one_in(30) {
                self.wanted.extend(self.spare.pop());
            }
            return;
        }
        if random.one_in(50) {
            totals.stalls += 1;
            self.stalled = 10 + random.below(60);
        }
        if random.one_in(50) {
            self.leave(random);
        }
        let Link::Socket(commands) = &mut self.link else { return };
        if commands.subscribed && random.one_in(20) {
            commands.ping();
            totals.pongs += 1;
        }
        if commands.subscribed
            && random.one_in(20)
            && let Some(target) = self.spare.pop()
        {
            totals.added += 1;
            let (start, text) = match self.ledger.cursor() {
                Some(cursor) if random.one_in(2) => (Start::Cursor(cursor), cursor.at.text()),
                _ if random.one_in(3) => lie(&self.truth.borrow(), random),
                _ => (Start::Now, "now".to_owned()),
            };
            self.wanted.push(target.clone());
            commands.subscribe(vec![target], start, &text, self.truth.borrow().settled);
        }
    }

    fn leave(&mut self, random: &mut Random) {
        let wire = match core::mem::replace(&mut self.link, Link::None) {
            Link::None => return,
            Link::Events(events) => events.wire,
            Link::Socket(commands) => commands.socket.wire,
            Link::Polls(polls) => polls.wire,
        };
        self.left.extend(wire.leave(random));
    }

    /// From where it asks, and how it says so.
    fn start(&self, random: &mut Random, totals: &mut Totals) -> (Start, String) {
        if !self.calm && random.one_in(12) {
            totals.lies += 1;
            return lie(&self.truth.borrow(), random);
        }
        match self.ledger.cursor() {
            Some(cursor) => {
                totals.resumes += 1;
                let is_lost = self.ledger.is_lost();
                totals.lost_resumes += u64::from(is_lost);
                // A cursor without a check is as good, if it is one of this life.
                let is_bare = !is_lost && random.one_in(10);
                let at = if is_bare { Position { check: 0, ..cursor.at } } else { cursor.at };
                (Start::Cursor(cursor), at.text())
            }
            None if random.one_in(4) => (Start::Earliest, "earliest".to_owned()),
            None => (Start::Now, "now".to_owned()),
        }
    }

    fn connect(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        let Some(wire) = Wire::connect(way, random) else { return };
        let transport = if self.calm { 3 } else { random.below(4) };
        totals.changes += u64::from(self.last.is_some_and(|last| last != transport));
        self.last = Some(transport);
        self.ledger.connect();
        self.link = match transport {
            0 | 1 => {
                let (start, text) = self.start(random, totals);
                let settled = self.truth.borrow().settled;
                self.ledger.resume(&self.wanted, start, settled);
                let query = if transport == 0 { "" } else { "&envelope=json" };
                let request = request("/v1/sse", &self.wanted, query, &text, "", random);
                Link::Events(Box::new(Events::new(wire, &request, &self.wanted, transport == 1)))
            }
            2 => Link::Socket(Box::new(Commands {
                socket: Socket::new(wire),
                greeted: false,
                subscribed: false,
                pings: 0,
                asked: Vec::new(),
            })),
            _ => Link::Polls(Box::new(Polls::new(wire))),
        };
    }

    fn receive(&mut self, random: &mut Random, totals: &mut Totals) {
        let mut said = Vec::new();
        let over = match &mut self.link {
            Link::None => return,
            Link::Events(events) => {
                events.receive(&mut said);
                if let Some(status) = events.refused {
                    self.finished |= status == 204;
                    totals.stay_away += u64::from(status == 204);
                    assert!(status == 204 || status == 408, "{status} to an event stream");
                    if status == 204 {
                        self.ledger.check_stays_away(&events.targets);
                    }
                }
                let is_over = events.is_over();
                totals.coded += u64::from(is_over && events.is_coded);
                is_over
            }
            Link::Socket(commands) => {
                commands.socket.receive(&mut said);
                assert!(commands.socket.refused.is_none_or(|it| it == 408), "no handshake");
                commands.socket.is_over()
            }
            Link::Polls(_) => return self.poll(random, totals),
        };
        for it in &said {
            self.hear(it, random, totals);
        }
        if over {
            self.leave(random);
        }
    }

    fn hear(&mut self, said: &Said, random: &mut Random, totals: &mut Totals) {
        if let Link::Socket(commands) = &mut self.link {
            match said {
                Said::Welcome => assert!(!core::mem::replace(&mut commands.greeted, true)),
                Said::Subscribed { channels, .. } => {
                    let (targets, mut start, settled) = commands.asked.remove(0);
                    if commands.subscribed && matches!(start, Start::Now) {
                        start = Start::Joining;
                    }
                    assert_eq!(*channels, targets, "what was asked for");
                    if commands.subscribed && !matches!(start, Start::Joining) {
                        self.ledger.rewind();
                    }
                    commands.subscribed = true;
                    self.ledger.resume(&targets, start, settled);
                }
                Said::Cursor(_) => {
                    commands.pings = commands.pings.checked_sub(1).expect("a pong for each ping");
                }
                Said::Answer(answer) => panic!("refused: {answer}"),
                _ => {}
            }
            if let (Said::Welcome, Link::Socket(_)) = (said, &self.link) {
                let (start, text) = self.start(random, totals);
                if let Link::Socket(commands) = &mut self.link {
                    let settled = self.truth.borrow().settled;
                    commands.subscribe(self.wanted.clone(), start, &text, settled);
                }
                return;
            }
        }
        if let Link::Socket(commands) = &self.link
            && !commands.subscribed
        {
            // A stream without subscriptions knows nothing of what this client has.
            return;
        }
        if let Said::Goaway { code: 4000, .. } = said {
            self.finished = true;
        }
        self.ledger.hear(said, totals);
    }

    fn poll(&mut self, random: &mut Random, totals: &mut Totals) {
        let Link::Polls(polls) = &mut self.link else { return };
        if polls.asked.is_some() {
            let polled = polls.receive();
            let over = polls.wire.over;
            if let Some(polled) = polled {
                self.hear_poll(polled, totals);
            } else if over {
                self.leave(random);
            }
            return;
        }
        polls.wire.read();
        if polls.wire.over {
            return self.leave(random);
        }
        let waits = !self.calm && random.one_in(2);
        let (start, text) = self.start(random, totals);
        let query = if waits { "&wait=1" } else { "&wait=0" };
        let tag = self.tag.clone().filter(|(_, targets, _)| {
            let true_start = matches!(start, Start::Cursor(_));
            true_start && !waits && *targets == self.wanted && !self.calm
        });
        let since = tag.as_ref().map(|(_, _, since)| *since);
        let header = tag.map_or(String::new(), |(tag, ..)| format!("If-None-Match: {tag}\r\n"));
        let request = request("/v1/poll", &self.wanted, query, &text, &header, random);
        self.ledger.connect();
        let settled = self.truth.borrow().settled;
        self.ledger.resume(&self.wanted, start, settled);
        totals.polls += 1;
        let asked = Asked { targets: self.wanted.clone(), waits, since, settled };
        let Link::Polls(polls) = &mut self.link else { return };
        polls.ask(&request, asked);
    }

    fn hear_poll(&mut self, polled: Polled, totals: &mut Totals) {
        let Polled { asked, status, etag, cursor, body } = polled;
        match status {
            200 => {
                let (said, at, more) = said::answer(&body);
                assert_eq!(cursor, Some(at), "the header's cursor and the body's");
                let synced = said.iter().any(|it| matches!(it, Said::Sync { .. }));
                // What was held, for the archive or for anything new, has no tag.
                let is_held = asked.waits || self.truth.borrow().has_archive;
                assert!(more || etag.is_some() || is_held, "a tag with what is complete");
                assert!(!(more && synced), "caught up, and more");
                self.ledger.hear_poll(&said, at, totals);
            }
            204 => {
                assert!(asked.waits && body.is_empty());
                totals.late_polls += 1;
                self.ledger.hear_empty(cursor.expect("a cursor"), totals);
            }
            304 => {
                totals.not_modified += 1;
                let since = asked.since.expect("304 to a tag");
                self.ledger.check_unchanged(&asked.targets, since, asked.settled);
                // The tag stands for the same answer as before.
                return;
            }
            408 => {}
            // History that only the archive has cannot be read now.
            503 if self.truth.borrow().has_archive => totals.turned_away += 1,
            // Requests that wait for a cursor have the places of others that would wait for their turn. A machine that
            // drains sends them to another one.
            503 if self.truth.borrow().lags => {
                let is_known = ["overloaded", "unavailable"].iter().any(|code| body.contains(code));
                assert!(is_known, "{body}");
                totals.turned_away += 1;
            }
            other => panic!("{other} to a poll: {body}"),
        }
        let here = self.ledger.cursor();
        self.tag = etag.zip(here).map(|(tag, here)| (tag, asked.targets, here));
    }

    /// It stops playing tricks, and lives to get what is still missing.
    pub(crate) fn calm_down(&mut self) {
        (self.calm, self.stalled) = (true, 0);
        self.wanted.append(&mut self.spare);
        match &mut self.link {
            Link::None => {}
            Link::Events(events) => events.wire.hurry(),
            Link::Socket(commands) => commands.socket.wire.hurry(),
            Link::Polls(polls) => polls.wire.hurry(),
        }
    }

    /// One step of that; true once it has all.
    pub(crate) fn catch_up(
        &mut self,
        way: &Way,
        goal: Place,
        random: &mut Random,
        totals: &mut Totals,
    ) -> bool {
        match &mut self.link {
            Link::None => self.connect(way, random, totals),
            // One at a time, and not at each turn: a stream is told to go on once its outbox is empty, or nearly so.
            // Where a window takes three pongs and opens late, four that are on their way are too many.
            Link::Socket(commands)
                if commands.subscribed && commands.pings == 0 && random.one_in(8) =>
            {
                commands.ping();
            }
            Link::Events(_) | Link::Socket(_) | Link::Polls(_) => {}
        }
        self.receive(random, totals);
        self.ledger.is_at(&self.wanted, goal) || self.skips_spare(goal, random)
    }

    /// A stream does not get what was wanted too late for it: the last poll does.
    fn skips_spare(&mut self, goal: Place, random: &mut Random) -> bool {
        let streams = matches!(self.link, Link::Events(_) | Link::Socket(_));
        if streams && self.ledger.is_cursor_at(goal) {
            self.leave(random);
        }
        false
    }

    /// How it stands, for who looks into a seed.
    pub(crate) fn state(&self) -> String {
        let link = match &self.link {
            Link::None => "no connection",
            Link::Events(_) => "an event stream",
            Link::Socket(_) => "a WebSocket",
            Link::Polls(_) => "polls",
        };
        format!(
            "{:?} at {:?} on {link}, left {}",
            self.wanted,
            self.ledger.cursor(),
            self.left.len()
        )
    }

    /// The server is killed. The client may have read what had come.
    pub(crate) fn cut_off(&mut self, random: &mut Random, totals: &mut Totals) {
        if random.one_in(2) && !matches!(self.link, Link::None) {
            self.receive(random, totals);
        }
        (self.link, self.left) = (Link::None, Vec::new());
    }

    /// The end.
    pub(crate) fn go(&mut self, random: &mut Random) {
        self.leave(random);
    }

    /// Reads what the connections say that it has left, to no end.
    pub(crate) fn read_left(&mut self) {
        self.left.retain_mut(|peer| peer.read(usize::MAX).is_some());
    }

    /// Listens to the end.
    pub(crate) fn listen(&mut self, random: &mut Random, totals: &mut Totals) {
        self.calm = true;
        self.stalled = 0;
        if let Link::Polls(polls) = &mut self.link
            && polls.asked.is_none()
        {
            polls.wire.read();
            return;
        }
        self.receive(random, totals);
    }
}

impl Commands {
    fn ping(&mut self) {
        self.socket.send(r#"{"type":"ping"}"#);
        self.pings += 1;
    }

    fn subscribe(&mut self, targets: Vec<String>, start: Start, cursor: &str, settled: u64) {
        let list: Vec<String> = targets.iter().map(|it| format!("{it:?}")).collect();
        let cursor = match start {
            Start::Now => String::new(),
            _ => format!(r#","cursor":"{cursor}""#),
        };
        self.socket
            .send(&format!(r#"{{"type":"subscribe","channels":[{}]{cursor}}}"#, list.join(",")));
        self.asked.push((targets, start, settled));
    }
}

/// Something that is no cursor of this log, and the reason why.
pub(crate) fn lie(truth: &Truth, random: &mut Random) -> (Start, String) {
    let Position { epoch, seq, check } = truth.position();
    let (reason, at) = match random.below(5) {
        0 => return (Start::Lie("unreadable"), "nonsense".to_owned()),
        1 => ("ahead", Position { epoch, seq: seq + 1_000_000, check }),
        2 => ("epoch", Position { epoch: epoch - 7, seq, check }),
        // A run that never was, at a position that is there.
        3 if !truth.runs.is_empty() && seq > 0 => {
            ("forked", Position { epoch, seq, check: NO_RUN })
        }
        _ => ("epoch", Position { epoch: epoch + 7, seq: 1, check }),
    };
    (Start::Lie(reason), at.text())
}

fn request(
    path: &str,
    targets: &[String],
    query: &str,
    cursor: &str,
    header: &str,
    random: &mut Random,
) -> String {
    let channels: Vec<String> =
        targets.iter().map(|target| format!("channel={}", encode(target))).collect();
    let name = ["cursor", "last_event_id", "lastEventId"][random.below(3)];
    let (in_query, in_header) = match random.one_in(2) {
        true => (format!("&{name}={cursor}"), String::new()),
        false => (String::new(), format!("Last-Event-ID: {cursor}\r\n")),
    };
    let channels = channels.join("&");
    let accept = if random.one_in(2) { "Accept-Encoding: gzip\r\n" } else { "" };
    format!(
        "GET {path}?{channels}{query}{in_query} HTTP/1.1\r\nHost: localhost\r\n{in_header}{header}{accept}\r\n"
    )
}
