//! A service on a log that several machines share: while it is read, and while it is away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::json;
use sockeye_hub::{Cursor, Epoch, Kind, Seq};
use sockeye_server::Time;
use sockeye_service::sequencing::{
    Backbone, Figures, Full, Health, LogClock, Offer, Outcome, Sequenced, SharedLog, Ticket,
};
use sockeye_service::wire::{Data, Level, Payload};

use crate::common::{Events, Running, ask, start};

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
    for path in [resume, "/v1/sse?channel=c", "/v1/channels/c/history"] {
        let refused = ask(server.addr, "GET", path, "", "");
        assert_eq!(refused.status, 503, "{path}");
        assert!(refused.header("Retry-After").is_some(), "{path}");
        assert_eq!(refused.json()["error"]["code"], "unavailable", "{path}");
    }
    let ready = ask(server.addr, "GET", "/readyz", "", "");
    assert_eq!(ready.status, 503);
    let said = json!({"ready": false, "reason": "backbone_joining", "detail": "restoring 1 of 2"});
    assert_eq!(ready.json(), said);
    assert_eq!(ask(server.addr, "GET", "/healthz", "", "").status, 200, "it is alive");
    backbone.say(&server, [entry(2), Outcome::Health(Health::Good)]);
    assert_eq!(ask(server.addr, "GET", "/readyz", "", "").status, 200);
    let poll = ask(server.addr, "GET", resume, "", "").json();
    assert_eq!(poll["messages"][0]["cursor"], "18-2");
    assert_eq!(poll["gaps"], json!([]), "the cursor is known");
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
