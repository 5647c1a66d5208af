//! A service behind a backbone whose log loses entries.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sockeye_hub::{Check, Cursor, Epoch, Kind, Seq};
use sockeye_service::sequencing::{
    Backbone, Figures, Full, LogClock, Offer, Outcome, Sequenced, Statement, Ticket, Verdict,
};
use sockeye_service::wire::{Data, Level, Payload};

use crate::common::{Events, Running, Setup, Socket, ask, read_some, start};
use crate::expiry::{self, HEADER, ticket};

/// Gives the outcomes that a test puts into it.
#[derive(Clone, Default)]
struct Scripted {
    outcomes: Arc<Mutex<VecDeque<Outcome>>>,
    clock: Arc<LogClock>,
}

impl Scripted {
    /// Adds outcomes, and has the service follow them.
    fn say(&self, server: &Running, outcomes: impl IntoIterator<Item = Outcome>) {
        self.outcomes.lock().expect("no test has failed inside").extend(outcomes);
        server.run(|_| ());
    }
}

impl Backbone for Scripted {
    fn append(&mut self, _: Ticket, _: Offer) -> Result<(), Full> {
        Err(Full)
    }

    fn declare(&mut self, _: Ticket, _: Statement) -> Result<(), Full> {
        Err(Full)
    }

    fn next(&mut self) -> Option<Outcome> {
        self.outcomes.lock().expect("no test has failed inside").pop_front()
    }

    fn clock(&self) -> &LogClock {
        &self.clock
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }
}

fn entry(seq: u64) -> Outcome {
    entry_of(seq, Check::NONE)
}

fn entry_of(seq: u64, check: Check) -> Outcome {
    let payload = Payload::new(Data::text(seq.to_string()));
    Outcome::Entry(
        Arc::new(Sequenced {
            position: Cursor { check, ..Cursor::new(Epoch(7), Seq(seq)) },
            channel: "c".into(),
            payload,
            kind: Kind::Message,
            time_ms: 0,
            level: Level::Logged,
        }),
        None,
    )
}

fn following() -> (Running, Scripted) {
    following_with(|_| ())
}

fn following_with(adjust: impl FnOnce(&mut Setup)) -> (Running, Scripted) {
    let backbone = Scripted::default();
    // The entries are of the beginning of log time.
    backbone.clock.restore(1, 0);
    let theirs = backbone.clone();
    let server = start(|setup| {
        setup.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
        adjust(setup);
    });
    (server, backbone)
}

/// A subscriber that has the first message, and the service.
fn subscribed() -> (Running, Scripted, Events, Socket) {
    let (server, backbone) = following();
    let mut events = Events::open(server.addr, "/v1/sse?channel=c&envelope=json", "");
    events.until("$sync");
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["c"]}"#);
    socket.until("sync");
    backbone.say(&server, [entry(1)]);
    assert_eq!(socket.until("message")["cursor"], "17-1");
    (server, backbone, events, socket)
}

/// [service:lost-entries]
#[test]
fn lost_entries_are_a_gap_for_every_subscriber() {
    let (server, backbone, mut events, mut socket) = subscribed();
    backbone.say(&server, [Outcome::Lost(Seq(5))]);
    assert_eq!(socket.until("gap")["reason"], "trimmed");
    backbone.say(&server, [entry(6)]);
    assert_eq!(socket.until("message")["cursor"], "17-6");
    assert_eq!(events.until("$gap")["reason"], "trimmed");
    // A client that comes back from before the loss hears of it, too.
    let poll = ask(server.addr, "GET", "/v1/poll?channel=c&cursor=17-1", "", "").json();
    assert_eq!(poll["gaps"][0]["reason"], "trimmed", "{poll}");
    let poll = ask(server.addr, "GET", "/v1/poll?channel=c&cursor=17-6", "", "").json();
    assert_eq!((&poll["gaps"], &poll["messages"]), (&json!([]), &json!([])));
}

/// [service:lost-entries]
#[test]
fn an_entry_behind_a_hole_declares_the_hole_lost() {
    let (server, backbone, _events, mut socket) = subscribed();
    backbone.say(&server, [entry(4)]);
    assert_eq!(socket.until("gap")["reason"], "trimmed");
    assert_eq!(socket.until("message")["cursor"], "17-4");
}

/// [service:lost-entries]
#[test]
fn entries_that_a_service_has_are_not_lost_to_it() {
    let (server, backbone, _events, mut socket) = subscribed();
    backbone.say(&server, [Outcome::Lost(Seq(1)), entry(2)]);
    let next = socket.next_json();
    assert_eq!((&next["type"], &next["cursor"]), (&"message".into(), &"17-2".into()), "{next}");
}

/// An answer that belongs to nobody here changes nothing.
#[test]
fn an_answer_without_a_publication_is_ignored() {
    let (server, backbone, _events, mut socket) = subscribed();
    backbone.say(&server, [Outcome::Answer(9, Verdict::NotKept), entry(2)]);
    assert_eq!(socket.until("message")["cursor"], "17-2");
}

/// A log that has another authority goes on in another run.
///
/// [hub:resume-forked]
#[test]
fn a_run_that_begins_in_the_log_begins_for_its_followers() {
    let (server, backbone, _events, mut socket) = subscribed();
    let [one, other] = [1, 2].map(Check::new);
    backbone.say(&server, [entry_of(2, one), entry_of(3, other)]);
    let cursors = [2, 3].map(|_| socket.until("message")["cursor"].clone());
    assert_eq!(cursors, ["17-2.1", "17-3.2"]);
    for (cursor, gaps) in [("17-2.1", 0), ("17-3.2", 0), ("17-3.1", 1), ("17-1", 0)] {
        let target = format!("/v1/poll?channel=c&cursor={cursor}");
        let poll = ask(server.addr, "GET", &target, "", "").json();
        assert_eq!(poll["gaps"].as_array().map(Vec::len), Some(gaps), "{cursor}");
    }
}

/// A stream whose credential has expired is told of nothing more. It was not told of the gap, so its
/// cursor is none, and the client is told when it comes back.
///
/// [service:cursor-first] [service:expiry]
#[test]
fn a_stream_that_expires_as_an_epoch_begins_has_no_cursor() {
    let (server, backbone) = following_with(expiry::setup);
    let target = format!("/v1/sse?channel=c&ticket={}", ticket(&server));
    let mut events = Events::open(server.addr, &target, "");
    events.until("$sync");
    backbone.say(&server, [entry(1)]);
    // Accepted, so that what it says next is read in one turn, before any stream ends.
    let mut client = TcpStream::connect(server.addr).expect("it listens");
    let say = |client: &mut TcpStream, target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{HEADER}\r\n");
        client.write_all(request.as_bytes()).expect("it is read");
    };
    say(&mut client, "/healthz");
    assert!(read_some(&mut client, &mut [0; 4_096]).expect("an answer") > 0);
    let outcomes = Arc::clone(&backbone.outcomes);
    server.run(move |_| {
        // A request with a cursor has the service follow the log first.
        say(&mut client, "/v1/poll?channel=c&cursor=17-1");
        outcomes.lock().expect("no test has failed inside").push_back(Outcome::Epoch(Epoch(8)));
        std::thread::sleep(Duration::from_millis(2_500));
    });
    let goaway = events.until("$goaway");
    let cursor = goaway["cursor"].as_str().expect("a cursor");
    assert!(goaway["code"] == 4302 && cursor.starts_with("10-0~"), "{goaway}");
}
