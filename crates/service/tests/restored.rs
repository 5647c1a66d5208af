//! A log that was put back to an older state: positions are given out a second time.

use serde_json::{Value, json};
use sockeye_hub::{ChannelName, Check, Config, Cursor, Epoch, Kind, Run, Seq};
use sockeye_service::sequencing::{
    Backbone, LoopBackbone, LoopBackboneLimits, Member, Offer, Outcome, Sequencer,
};
use sockeye_service::wire::{Data, Payload};
use sockeye_service::{Record, Service};

use crate::common::{Answered, Events, Running, Socket, ask, publish, start};

/// The check of the run that the backup was taken in, of the one that is lost, and of the one after
/// the backup was put back.
const CHECKS: [u32; 3] = [35, 36, 37];

fn run(first: u64, check: usize) -> Run {
    Run { first: Seq(first), check: Check::new(CHECKS[check]) }
}

fn text(text: &str) -> Payload {
    Payload::new(Data::text(text))
}

/// A log of two messages in `c`, and of these runs.
fn restored(runs: impl IntoIterator<Item = Run>) -> Running {
    let runs: Vec<Run> = runs.into_iter().collect();
    start(|setup| {
        setup.hub.settings.history_ms = u64::MAX;
        setup.prepare = Some(Box::new(move |mut service: Service| {
            service.restore_runs(&runs);
            for seq in 1..=2 {
                let record = Record {
                    position: Cursor::new(Epoch(7), Seq(seq)),
                    channel: ChannelName::new("c").expect("a name"),
                    time_ms: 1_000,
                    kind: Kind::Message,
                    payload: &text("kept"),
                    key: None,
                };
                service.restore(&record).expect("in order");
            }
            service
        }));
    })
}

fn poll(server: &Running, cursor: &str) -> Value {
    ask(server.addr, "GET", &format!("/v1/poll?channel=c&cursor={cursor}"), "", "").json()
}

fn data(poll: &Value) -> Vec<&str> {
    let messages = poll["messages"].as_array().expect("messages").iter();
    messages.map(|it| it["data"].as_str().expect("a text")).collect()
}

/// A client that is further on than the log was put back to is told so on every transport, and
/// nobody else is.
///
/// [hub:resume-forked] [hub:cursor-check]
#[test]
fn a_client_of_the_lost_run_has_a_gap_and_nobody_else() {
    let server = restored([run(1, 0), run(3, 1)]);
    let lost: Vec<String> = (3..=4).map(|_| publish(server.addr, "c", "lost")).collect();
    assert_eq!(lost, ["17-3.10", "17-4.10"]);
    assert_eq!(poll(&server, "earliest")["messages"][1]["cursor"], "17-2.z");
    drop(server);

    let server = restored([run(1, 0), run(3, 2)]);
    assert_eq!(poll(&server, &lost[0])["gaps"][0]["reason"], "ahead");
    for seq in 3..=5 {
        assert_eq!(publish(server.addr, "c", "new"), format!("17-{seq}.11"));
    }
    for cursor in &lost {
        let polled = poll(&server, cursor);
        assert_eq!(polled["gaps"], json!([{"channel": "c", "reason": "forked"}]), "{polled}");
        assert_eq!(polled["cursor"], "17-5.11");
        let header = format!("Last-Event-ID: {cursor}\r\n");
        let mut events = Events::open(server.addr, "/v1/sse?channel=c", &header);
        assert_eq!(events.next().map(|it| it.name), Some("$gap".to_owned()));
        assert_eq!(events.until("$sync")["recovered"], false);
        let mut socket = Socket::commands(server.addr);
        socket.send(&format!(r#"{{"type":"subscribe","channels":["c"],"cursor":"{cursor}"}}"#));
        assert_eq!(socket.until("subscribed")["cursor"], "10-0", "a gap follows");
        assert_eq!(socket.until("gap")["reason"], "forked");
        assert_eq!(socket.until("sync")["recovered"], false);
    }
    // Older clients, and those of before there were checks.
    for (cursor, owed) in [("17-2.z", 3), ("17-2", 3), ("17-4", 1), ("17-4.11", 1), ("17-0", 5)] {
        let polled = poll(&server, cursor);
        assert_eq!((&polled["gaps"], data(&polled).len()), (&json!([]), owed), "{cursor}");
        assert_eq!(polled["sync"]["recovered"], true, "{cursor}");
    }
}

/// [service:position-gap]
#[test]
fn a_position_says_whose_cursor_is_of_another_log() {
    let server = restored([run(1, 0), run(3, 2)]);
    publish(server.addr, "c", "new");
    let position = |cursor: &str| {
        let target = format!("/v1/position?channel=c&cursor={cursor}");
        ask(server.addr, "GET", &target, "", "").json()
    };
    for (cursor, gap) in [
        ("17-3.10", json!("forked")),
        ("17-4.10", json!("ahead")),
        ("18-1", json!("epoch")),
        ("x", json!("unreadable")),
        ("17-3.11", Value::Null),
        ("17-2.z", Value::Null),
        ("17-3", Value::Null),
        ("", Value::Null),
    ] {
        let said = position(cursor);
        assert_eq!((&said["gap"], &said["channels"][0]["last"]), (&gap, &json!(3)), "{cursor}");
    }
}

/// A condition on a message that is lost does not hold because another one has its position.
#[test]
fn a_condition_on_a_lost_message_fails() {
    let server = restored([run(1, 0), run(3, 2)]);
    publish(server.addr, "c", "new");
    let publish_if = |cursor: &str| -> Answered {
        ask(server.addr, "POST", &format!("/v1/channels/c?expect={cursor}"), "", "x")
    };
    let refused = publish_if("17-3.10");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &json!("expect_failed")));
    assert_eq!(publish_if("17-3.11").status, 200);
    assert_eq!(publish_if("17-4").status, 200);
}

/// An entity tag from before does not stand for what is there now.
#[test]
fn an_entity_tag_of_the_lost_run_is_not_known() {
    let tag = |server: &Running| {
        let answered = ask(server.addr, "GET", "/v1/poll?channel=c&cursor=earliest", "", "");
        answered.header("ETag").expect("one").to_owned()
    };
    let server = restored([run(1, 0), run(3, 1)]);
    publish(server.addr, "c", "lost");
    let lost = tag(&server);
    drop(server);
    let server = restored([run(1, 0), run(3, 2)]);
    publish(server.addr, "c", "new");
    let ask = |tag: &str| {
        let header = format!("If-None-Match: {tag}\r\n");
        ask(server.addr, "GET", "/v1/poll?channel=c&cursor=17-2", &header, "").status
    };
    assert_eq!((ask(&lost), ask(&tag(&server))), (200, 304));
}

/// What follows a sequencer has its checks, also of a run that begins later.
#[test]
fn followers_have_the_checks_of_their_sequencer() {
    let backbone = LoopBackbone::new(1, LoopBackboneLimits::default());
    let mut member: Member = backbone.member(0);
    let mut sequencer = Sequencer::new(Epoch(7), Config::default());
    sequencer.restore_runs(&[run(1, 0), run(9, 1)]);
    sequencer.restore_head(Seq(8)).expect("above nothing");
    let offer = Offer {
        channel: "c".into(),
        payload: text("x"),
        kind: Kind::Message,
        key: None,
        expect: None,
    };
    member.append(1, offer).expect("there is room");
    backbone.step(&mut sequencer, 5);
    let Some(Outcome::Entry(entry, Some(1))) = member.next() else { panic!("an entry") };
    assert_eq!(entry.position.to_string(), "17-9.10");
}
