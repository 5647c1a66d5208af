//! A service on a log that several machines share: while it is read, and while it is away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::json;
use sockeye_auth::{Grants, Identity, Keys};
use sockeye_hub::{Config, Cursor, Epoch, Kind, Seq};
use sockeye_server::Time;
use sockeye_service::sequencing::{
    Backbone, Figures, Full, Health, LogClock, Offer, Outcome, Sequenced, SharedLog, Statement,
    Ticket,
};
use sockeye_service::wire::{Data, Level, Payload};
use sockeye_service::{Access, Holdings, Namespaces};

use crate::common::{Events, Running, Setup, Socket, ask, guarded_by, start};

/// Gives the outcomes and the figures that a test puts into it.
#[derive(Clone, Default)]
struct Scripted {
    outcomes: Arc<Mutex<VecDeque<Outcome>>>,
    shared: Arc<Mutex<Option<SharedLog>>>,
    clock: Arc<LogClock>,
}

impl Scripted {
    /// Adds outcomes, and has the service follow them.
    fn say(&self, server: &Running, outcomes: impl IntoIterator<Item = Outcome>) {
        self.outcomes.lock().expect("no test has failed inside").extend(outcomes);
        server.run(|_| ());
    }

    fn show(&self, shared: SharedLog) {
        *self.shared.lock().expect("no test has failed inside") = Some(shared);
    }
}

impl Backbone for Scripted {
    fn append(&mut self, _: Ticket, _: Offer) -> Result<(), Full> {
        panic!("a log that is away is given nothing")
    }

    fn declare(&mut self, _: Ticket, _: Statement) -> Result<(), Full> {
        panic!("a log that is away is given nothing")
    }

    fn next(&mut self) -> Option<Outcome> {
        self.outcomes.lock().expect("no test has failed inside").pop_front()
    }

    fn clock(&self) -> &LogClock {
        &self.clock
    }

    fn figures(&self) -> Figures {
        let shared = *self.shared.lock().expect("no test has failed inside");
        Figures { shared, ..Figures::default() }
    }
}

fn entry(seq: u64) -> Outcome {
    let payload = Payload::new(Data::text(seq.to_string()));
    let position = Cursor::new(Epoch(8), Seq(seq));
    let (time_ms, level) = (0, Level::Logged);
    let (channel, kind) = ("c".into(), Kind::Message);
    Outcome::Entry(Arc::new(Sequenced { position, channel, payload, kind, time_ms, level }), None)
}

/// A service that reads a log with two entries, of which it has read none.
fn restoring() -> (Running, Scripted) {
    let backbone = Scripted::default();
    // The entries are of the beginning of log time.
    backbone.clock.restore(1, 0);
    backbone.show(SharedLog { is_up: true, retained: 2, ..SharedLog::default() });
    let theirs = backbone.clone();
    let server = start(|setup| {
        setup.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    backbone.say(&server, [Outcome::Health(Health::Away("backbone_joining"))]);
    (server, backbone)
}

/// A service that has read it.
fn restored() -> (Running, Scripted) {
    let (server, backbone) = restoring();
    let read = [Outcome::Epoch(Epoch(8)), entry(1), entry(2), Outcome::Health(Health::Good)];
    backbone.say(&server, read);
    (server, backbone)
}

/// [service:restoring]
#[test]
fn nobody_is_served_before_the_log_was_read() {
    let (server, backbone) = restoring();
    backbone.say(&server, [Outcome::Epoch(Epoch(8)), entry(1)]);
    let shared = SharedLog { is_up: true, restored: 1, retained: 2, ..SharedLog::default() };
    backbone.show(shared);
    let resume = "/v1/poll?channel=c&cursor=18-1&wait=0";
    for path in [resume, "/v1/channels/c/history"] {
        let refused = ask(server.addr, "GET", path, "", "");
        assert_eq!(refused.status, 503, "{path}");
        assert!(refused.header("Retry-After").is_some(), "{path}");
        assert_eq!(refused.json()["error"]["code"], "unavailable", "{path}");
    }
    let ready = ask(server.addr, "GET", "/readyz", "", "");
    assert_eq!(ready.status, 503);
    let said = json!({
        "ready": false,
        "reason": "backbone_joining",
        "reasons": ["backbone_joining"],
        "detail": "restoring 1 of 2",
    });
    assert_eq!(ready.json(), said);
    assert_eq!(ask(server.addr, "GET", "/healthz", "", "").status, 200, "it is alive");
    backbone.say(&server, [entry(2), Outcome::Health(Health::Good)]);
    assert_eq!(ask(server.addr, "GET", "/readyz", "", "").status, 200);
    let poll = ask(server.addr, "GET", resume, "", "").json();
    assert_eq!(poll["messages"][0]["cursor"], "18-2");
    assert_eq!(poll["gaps"], json!([]), "the cursor is known");
}

/// [service:restoring]
#[test]
fn a_log_of_which_nothing_was_told_is_not_read() {
    let theirs = Scripted::default();
    theirs.show(SharedLog { is_up: true, ..SharedLog::default() });
    let server = start(|setup| {
        setup.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    assert_eq!(ask(server.addr, "GET", "/v1/poll?channel=c&wait=0", "", "").status, 503);
    let ready = ask(server.addr, "GET", "/readyz", "", "");
    assert_eq!((ready.status, &ready.json()["reason"]), (503, &json!("backbone_joining")));
}

/// [service:events-come-back] A browser's EventSource takes any status but 200 for the end.
#[test]
fn an_event_stream_is_told_to_come_back_while_the_log_is_read() {
    let (server, backbone) = restoring();
    backbone.say(&server, [Outcome::Epoch(Epoch(8)), entry(1)]);
    let path = "/v1/sse?channel=c&envelope=json";
    for (headers, cursor) in [("Last-Event-ID: 18-1\r\n", "18-1"), ("", "10-0")] {
        let mut events = Events::open(server.addr, path, headers);
        let away = events.next().expect("an event");
        assert_eq!(away.name, "$goaway");
        let said: serde_json::Value = serde_json::from_str(&away.data).expect("JSON");
        assert_eq!((&said["code"], &said["reason"]), (&json!(1013), &json!("try_again")), "{said}");
        assert!(said["retry_ms"].as_u64() >= Some(1_000), "{said}");
        assert_eq!((&said["cursor"], events.last_event_id()), (&json!(cursor), cursor));
        assert_eq!(events.next(), None);
    }
    // Coming back is of no use.
    let refused = ask(server.addr, "GET", "/v1/sse?channel=a%20b", "", "");
    assert_eq!(refused.status, 400);
    backbone.say(&server, [entry(2), Outcome::Health(Health::Good)]);
    let mut events = Events::open(server.addr, path, "Last-Event-ID: 18-1\r\n");
    assert_eq!(events.until("$sync")["gaps"], 0, "the cursor is known");
}

/// [service:log-away]
#[test]
fn while_the_log_is_away_streams_stay_and_publications_are_refused() {
    let (server, backbone) = restored();
    let mut events = Events::open(server.addr, "/v1/sse?channel=c&envelope=json", "");
    events.until("$sync");
    backbone.say(&server, [Outcome::Health(Health::Away("backbone_unreachable"))]);
    let refused = ask(server.addr, "POST", "/v1/channels/c", "", "x");
    assert_eq!(refused.status, 503);
    assert!(refused.header("Retry-After").is_some());
    assert_eq!(refused.json()["error"]["code"], "unavailable");
    let ready = ask(server.addr, "GET", "/readyz", "", "");
    assert_eq!((ready.status, &ready.json()["reason"]), (503, &json!("backbone_unreachable")));
    assert!(ready.json().get("detail").is_none(), "the log was read");
    // Who comes now is served from memory.
    let poll = ask(server.addr, "GET", "/v1/poll?channel=c&cursor=18-1&wait=0", "", "").json();
    assert_eq!(poll["messages"][0]["cursor"], "18-2");
    backbone.say(&server, [Outcome::Health(Health::Good), entry(3)]);
    assert_eq!(events.next_message().id, "18-3", "on the same stream");
}

/// [service:shared-log-figures]
#[test]
fn an_operator_sees_the_shared_log() {
    let (server, backbone) = restored();
    backbone.show(SharedLog {
        is_up: true,
        head: 9,
        restored: 2,
        retained: 2,
        lag_entries: 3,
        unread: 4,
        epochs_ended: 5,
        doubts: 6,
        unreadable: 7,
    });
    let text = ask(server.addr, "GET", "/metrics", "", "").body;
    for line in [
        "backbone_up 1",
        "backbone_ready 1",
        "backbone_lag_entries 3",
        "backbone_unread 4",
        "backbone_epochs_ended_total 5",
        "backbone_doubts_total 6",
        "backbone_unreadable_total 7",
    ] {
        assert!(text.contains(&format!("\nsockeye_{line}\n")), "{line}: {text}");
    }
    let alone = start(|_| ());
    let text = ask(alone.addr, "GET", "/metrics", "", "").body;
    assert!(!text.contains("sockeye_backbone"), "there is none");
}

/// [service:log-time]
#[test]
fn log_time_catches_up_with_machines_that_are_ahead() {
    let clock = LogClock::new();
    clock.restore(1_000_000, 1_000_000);
    let look = |ms, calendar_ms| {
        let time = clock.look(Time::from_millis(ms), calendar_ms);
        (time.ms, time.date_ms)
    };
    assert_eq!(look(500, 1_000_000), (1_000_000, 1_000_000));
    clock.catch_up(1_000_000, 4_600_000);
    assert_eq!(look(600, 1_000_100), (4_600_100, 1_000_100), "dates are the calendar's");
    clock.catch_up(4_600_100, 4_600_050);
    assert_eq!(look(700, 1_000_200), (4_600_200, 1_000_200), "and it never goes back");
    assert_eq!(clock.state().jumps, 0);
}

/// A service at position 2 that waits for others' cursors.
fn waiting(opening_wait_ms: u64) -> (Running, Scripted) {
    waiting_as(opening_wait_ms, |_| ())
}

fn waiting_as(opening_wait_ms: u64, adjust: impl FnOnce(&mut Setup)) -> (Running, Scripted) {
    let backbone = Scripted::default();
    backbone.clock.restore(1, 0);
    backbone.show(SharedLog { is_up: true, ..SharedLog::default() });
    let theirs = backbone.clone();
    let server = start(|setup| {
        setup.limits.opening_wait_ms = opening_wait_ms;
        adjust(setup);
        setup.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    let read = [Outcome::Epoch(Epoch(8)), entry(1), entry(2), Outcome::Health(Health::Good)];
    backbone.say(&server, read);
    (server, backbone)
}

/// More than any test takes.
const LONG_MS: u64 = 600_000;

/// Waits until so many openings wait.
fn wait_for_openings(server: &Running, count: usize) {
    server.wait_until(move |service| service.holdings().openings == count);
}

/// [service:opening-waits]
#[test]
fn a_cursor_that_is_ahead_is_waited_for_on_every_transport() {
    let (server, backbone) = waiting(LONG_MS);
    let addr = server.addr;
    let open = move |path: &'static str| std::thread::spawn(move || ask(addr, "GET", path, "", ""));
    let asked = [
        "/v1/poll?channel=c&cursor=18-3&wait=0",
        "/v1/poll?channel=c&cursor=18-3&wait=20",
        "/v1/channels/c/history?after=18-3",
        "/v1/position?channel=c&cursor=18-3",
    ];
    let asked = asked.map(open);
    wait_for_openings(&server, 4);
    let mut events = Events::open(addr, "/v1/sse?channel=c&envelope=json&cursor=18-3", "");
    let mut bare = Socket::open(addr, "/v1/ws?channel=c&cursor=18-3", None);
    let mut socket = Socket::commands(addr);
    socket.send(r#"{"type":"subscribe","id":1,"channels":["c"],"cursor":"18-3"}"#);
    socket.send(r#"{"type":"unsubscribe","id":2,"channels":["c"]}"#);
    wait_for_openings(&server, 7);
    backbone.say(&server, [entry(3)]);
    let [short, long, page, position] = asked;
    let short = short.join().expect("an answer").json();
    assert_eq!((&short["messages"], &short["gaps"]), (&json!([]), &json!([])));
    let page = page.join().expect("an answer").json();
    assert_eq!((&page["messages"], &page["cursor"]), (&json!([]), &json!("18-3")));
    assert_eq!(position.join().expect("an answer").json()["gap"], json!(null));
    assert_eq!(socket.until("subscribed")["cursor"], "18-3");
    assert_eq!(socket.until("unsubscribed")["id"], 2, "commands keep their order");
    events.until("$sync");
    backbone.say(&server, [entry(4)]);
    let long = long.join().expect("an answer").json();
    assert_eq!((&long["messages"][0]["cursor"], &long["gaps"]), (&json!("18-4"), &json!([])));
    assert_eq!(events.next_message().id, "18-4");
    assert_eq!(bare.next().as_deref(), Some("4"));
    let metrics = ask(addr, "GET", "/metrics", "", "").body;
    assert!(metrics.contains("opening_waits_total{outcome=\"reached\"} 7\n"), "{metrics}");
}

/// [service:opening-waits]
#[test]
fn a_cursor_that_stays_ahead_has_a_gap_and_one_of_another_epoch_does_not_wait() {
    let (server, backbone) = waiting(20);
    let poll = ask(server.addr, "GET", "/v1/poll?channel=c&cursor=18-3&wait=0", "", "").json();
    assert_eq!(poll["gaps"][0]["reason"], "ahead");
    let mut events = Events::open(server.addr, "/v1/sse?channel=c&envelope=json&cursor=18-9", "");
    assert_eq!(events.until("$gap")["reason"], "ahead");
    drop((server, backbone));
    let (server, backbone) = waiting(LONG_MS);
    let poll = ask(server.addr, "GET", "/v1/poll?channel=c&cursor=19-3&wait=0", "", "").json();
    assert_eq!(poll["gaps"][0]["reason"], "epoch");
    let mut events = Events::open(server.addr, "/v1/sse?channel=c&envelope=json&cursor=18-9", "");
    wait_for_openings(&server, 1);
    backbone.say(&server, [Outcome::Epoch(Epoch(9))]);
    // It is not waited for any more, and nothing is said before that: no `$sync` of the new epoch.
    let mut said = std::iter::from_fn(|| events.next());
    let first = said.find(|it| ["$gap", "$sync"].contains(&&*it.name)).expect("a word");
    assert_eq!(first.name, "$gap", "{first:?}");
    assert!(first.data.contains("epoch"), "{first:?}");
}

/// [service:opening-waits]
#[test]
fn who_goes_while_it_waits_is_told_the_cursor_that_it_came_with() {
    let (server, _backbone) = waiting(LONG_MS);
    let addr = server.addr;
    let mut events = Events::open(addr, "/v1/sse?channel=c&envelope=json&cursor=18-3", "");
    let path = "/v1/poll?channel=c&cursor=18-3&wait=0";
    let poll = std::thread::spawn(move || ask(addr, "GET", path, "", ""));
    let gone = Events::open(addr, "/v1/sse?channel=c&cursor=18-3", "");
    wait_for_openings(&server, 3);
    drop(gone);
    wait_for_openings(&server, 2);
    server.run(sockeye_server::Server::drain);
    assert_eq!(events.until("$goaway")["cursor"], "18-3");
    let poll = poll.join().expect("an answer");
    // With 204 its client would take itself for caught up.
    assert_eq!((poll.status, &poll.json()["error"]["code"]), (503, &json!("unavailable")));
    assert!(poll.header("Retry-After").is_some());
    server.wait_until(|service| service.holdings() == Holdings::default());
}

/// [service:opening-waits] [service:revoked] Its cursor was not judged, so nobody says that it has everything.
#[test]
fn a_poll_whose_rights_change_while_it_waits_is_to_come_again() {
    let guarded = |subscribe| {
        let everybody = Identity { subscribe, ..Identity::anonymous() };
        let guard = guarded_by(Keys::new(sockeye_auth::Limits::default()), everybody);
        Access::Guarded(Box::new(guard))
    };
    let (server, backbone) = waiting_as(LONG_MS, |setup| {
        setup.access = Some(guarded(Grants::everything()));
    });
    let (addr, path) = (server.addr, "/v1/poll?channel=c&cursor=18-3&wait=20");
    let poll = std::thread::spawn(move || ask(addr, "GET", path, "", ""));
    wait_for_openings(&server, 1);
    let others = guarded(Grants::default());
    server.run(move |server| {
        server.with_app(|service, context| {
            let limits = sockeye_service::Limits::default();
            service.reload(others, Namespaces::default(), Config::default(), limits, context);
        });
    });
    backbone.say(&server, [Outcome::Epoch(Epoch(9))]);
    let poll = poll.join().expect("an answer");
    assert_eq!((poll.status, &poll.json()["error"]["code"]), (503, &json!("unavailable")));
}

/// [service:bound-openings] A user or an address has an eighth of the room: here one opening.
#[test]
fn openings_without_room_are_judged_at_once() {
    let (server, _backbone) = waiting_as(LONG_MS, |setup| {
        let everybody = Identity { subscribe: Grants::everything(), ..Identity::anonymous() };
        let guard = guarded_by(Keys::new(sockeye_auth::Limits::default()), everybody);
        setup.access = Some(Access::Guarded(Box::new(guard)));
        setup.limits.openings_bytes_max = 8 * 300;
    });
    let mut first = Events::open(server.addr, "/v1/sse?channel=c&envelope=json&cursor=18-3", "");
    wait_for_openings(&server, 1);
    let mut second = Events::open(server.addr, "/v1/sse?channel=c&envelope=json&cursor=18-3", "");
    assert_eq!(second.until("$gap")["reason"], "ahead");
    server.run(sockeye_server::Server::drain);
    assert_eq!(first.until("$goaway")["cursor"], "18-3");
}
