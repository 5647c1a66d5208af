//! A service in front of a log that does what a test says, over real sockets.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use crate::common::{Events, Running, Setup, Socket, ask, start};
use serde_json::{Value, json};
use sockeye_hub::{ChannelName, Cursor, Epoch, Kind, Seq};
use sockeye_service::wire::{Data, Payload};
use sockeye_service::{Holdings, Log, LogState, NoRoom, Record, Service};

/// What the log does.
struct Script {
    room: Result<(), NoRoom>,
    /// Places and channels, as they came.
    appended: Vec<(u64, String)>,
    /// What it says as soon as it is given the record at that place.
    at_once: Option<(u64, LogState)>,
    to_say: VecDeque<LogState>,
    last: LogState,
}

#[derive(Clone)]
struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Script {
            room: Ok(()),
            appended: Vec::new(),
            at_once: None,
            to_say: VecDeque::new(),
            last: LogState::Through(Seq::ZERO),
        })))
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().expect("no test has failed inside")
    }

    /// Lets the log say this, and wakes the loop as a log does.
    fn say(&self, server: &Running, state: LogState) {
        self.script().to_say.push_back(state);
        server.run(|_| ());
    }

    fn places(&self) -> Vec<u64> {
        self.script().appended.iter().map(|(seq, _)| *seq).collect()
    }
}

impl Log for Scripted {
    fn room(&self, _: ChannelName<'_>, _: Option<&str>, _: &Payload) -> Result<(), NoRoom> {
        self.script().room
    }

    fn append(&mut self, record: &Record<'_>) {
        let mut script = self.script();
        let seq = record.position.seq.0;
        script.appended.push((seq, record.channel.as_str().to_owned()));
        if let Some((_, state)) = script.at_once.filter(|(at, _)| *at == seq) {
            script.to_say.push_back(state);
        }
    }

    fn settled(&mut self) -> LogState {
        let mut script = self.script();
        let Some(state) = script.to_say.pop_front() else { return script.last };
        // A refusal is said once; how far the log is stays what it was.
        if !matches!(state, LogState::Refused(_)) {
            script.last = state;
        }
        state
    }
}

/// A service with such a log.
fn logged(adjust: impl FnOnce(&mut Setup)) -> (Running, Scripted) {
    let log = Scripted::new();
    let theirs = log.clone();
    let server = start(|setup| {
        setup.prepare = Some(Box::new(|service| service.with_log(Box::new(theirs))));
        adjust(setup);
    });
    (server, log)
}

/// A request on a thread of its own: its status, its JSON, and its `Retry-After`.
type Asked = JoinHandle<(u16, Value, Option<String>)>;

fn post(server: &Running, target: &str, body: &str) -> Asked {
    let (addr, target, body) = (server.addr, target.to_owned(), body.to_owned());
    std::thread::spawn(move || {
        let answered = ask(addr, "POST", &target, "", &body);
        let retry = answered.header("Retry-After").map(str::to_owned);
        (answered.status, answered.json(), retry)
    })
}

fn answer(asked: Asked) -> (u16, Value, Option<String>) {
    asked.join().expect("an answer")
}

/// Waits until so many requests are held for so many places.
fn wait_until_held(server: &Running, held: usize, publications: usize) {
    server.wait_until(move |service| {
        let holdings = service.holdings();
        (holdings.held, holdings.publications) == (held, publications)
    });
}

fn history(server: &Running, channel: &str) -> Vec<(u64, Value)> {
    let target = format!("/v1/channels/{channel}/history");
    let page = ask(server.addr, "GET", &target, "", "").json();
    let messages = page["messages"].as_array().expect("messages");
    let seq = |message: &Value| {
        let cursor = Cursor::parse(message["cursor"].as_str().expect("a cursor"));
        cursor.expect("a cursor").seq.0
    };
    messages.iter().map(|message| (seq(message), message["data"].clone())).collect()
}

#[test]
fn a_publish_is_answered_and_delivered_once_it_is_logged() {
    let (server, log) = logged(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=c", "");
    events.until("$sync");
    let asked = post(&server, "/v1/channels/c", "hello");
    wait_until_held(&server, 1, 1);
    assert_eq!(log.script().appended, [(1, "c".to_owned())]);
    assert!(!asked.is_finished(), "answered before it is safe");
    assert_eq!(history(&server, "c"), []);
    let poll = ask(server.addr, "GET", "/v1/poll?channel=c&cursor=earliest", "", "").json();
    assert_eq!(poll["messages"], json!([]), "delivered before it is safe");
    assert_eq!(poll["cursor"], "17-0");

    log.say(&server, LogState::Through(Seq(1)));
    let (status, body, _) = answer(asked);
    let expected = json!({"channel": "c", "cursor": "17-1", "seq": 1, "level": "logged",
        "duplicate": false, "subscribers": 1});
    assert_eq!((status, body), (200, expected));
    let event = events.next_message();
    assert_eq!((event.data.as_str(), event.id.as_str()), ("hello", "17-1"));
    assert_eq!(history(&server, "c"), [(1, "hello".into())]);
}

#[test]
fn answers_and_messages_keep_the_logs_order() {
    let (server, log) = logged(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=c", "");
    events.until("$sync");
    let mut asked = VecDeque::new();
    for count in 1..=3 {
        asked.push_back(post(&server, "/v1/channels/c", &count.to_string()));
        wait_until_held(&server, count, count);
    }
    log.say(&server, LogState::Through(Seq(2)));
    for seq in 1..=2 {
        let (status, body, _) = answer(asked.pop_front().expect("three"));
        assert_eq!((status, &body["seq"]), (200, &seq.into()));
    }
    wait_until_held(&server, 1, 1);
    let last = asked.pop_front().expect("three");
    assert!(!last.is_finished(), "answered with the others");
    log.say(&server, LogState::Through(Seq(3)));
    assert_eq!(answer(last).1["seq"], 3);
    let seen: Vec<String> = (0..3).map(|_| events.next_message().data).collect();
    assert_eq!(seen, ["1", "2", "3"]);
    assert_eq!(log.places(), [1, 2, 3]);
}

#[test]
fn repeats_of_a_key_that_waits_are_answered_together() {
    let (server, log) = logged(|_| ());
    let first = post(&server, "/v1/channels/c?key=k", "hello");
    wait_until_held(&server, 1, 1);
    let repeats: Vec<Asked> =
        (0..2).map(|_| post(&server, "/v1/channels/c?key=k", "hello")).collect();
    wait_until_held(&server, 3, 1);
    assert_eq!(log.places(), [1]);
    assert!(repeats.iter().all(|asked| !asked.is_finished()), "what it repeats is not safe");

    log.say(&server, LogState::Through(Seq(1)));
    let (_, body, _) = answer(first);
    assert_eq!((&body["cursor"], &body["duplicate"]), (&"17-1".into(), &false.into()));
    for asked in repeats {
        let (status, body, _) = answer(asked);
        assert_eq!((status, &body["level"]), (200, &"logged".into()));
        assert_eq!((&body["cursor"], &body["duplicate"]), (&"17-1".into(), &true.into()));
    }
    // And once it is safe, at once.
    let (_, body, _) = answer(post(&server, "/v1/channels/c?key=k", "hello"));
    assert_eq!((&body["level"], &body["duplicate"]), (&"logged".into(), &true.into()));
    assert_eq!(log.places(), [1]);
}

#[test]
fn a_refused_place_stays_empty() {
    let (server, log) = logged(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=c", "");
    events.until("$sync");
    let refused = post(&server, "/v1/channels/c?key=k", "hello");
    let repeat = post(&server, "/v1/channels/c?key=k", "hello");
    wait_until_held(&server, 2, 1);
    log.say(&server, LogState::Refused(Seq(1)));
    for asked in [refused, repeat] {
        let (status, body, retry) = answer(asked);
        assert_eq!((status, &body["error"]["code"]), (503, &"unavailable".into()));
        assert!(retry.is_some(), "it may come back");
    }
    // Its key is free again, and its place is nobody's.
    let again = post(&server, "/v1/channels/c?key=k", "hello");
    wait_until_held(&server, 1, 1);
    log.say(&server, LogState::Through(Seq(2)));
    let (status, body, _) = answer(again);
    assert_eq!((status, &body["cursor"]), (200, &"17-2".into()));
    assert_eq!(body["duplicate"], false);
    assert_eq!(events.next_message().id, "17-2");
    assert_eq!(history(&server, "c"), [(2, "hello".into())]);
    let target = "/v1/poll?channel=c&cursor=17-0";
    let poll = ask(server.addr, "GET", target, "", "").json();
    assert_eq!((&poll["gaps"], &poll["cursor"]), (&json!([]), &"17-2".into()));
}

#[test]
fn each_item_of_a_batch_has_its_own_outcome() {
    let (server, log) = logged(|_| ());
    let known = post(&server, "/v1/channels/c?key=k", "hello");
    wait_until_held(&server, 1, 1);
    log.say(&server, LogState::Through(Seq(1)));
    answer(known);

    // Said while the rest of the batch is taken, and not to be missed.
    log.script().at_once = Some((2, LogState::Refused(Seq(2))));
    let lines = [
        r#"{"channel":"c","data":"refused"}"#,
        r#"{"channel":"c","data":}"#,
        r#"{"channel":"c","data":"hello","key":"k"}"#,
        r#"{"channel":"c","data":"kept"}"#,
    ];
    let batch = post(&server, "/v1/batch", &lines.join("\n"));
    wait_until_held(&server, 1, 1);
    assert!(!batch.is_finished(), "one of them is not safe");
    log.say(&server, LogState::Through(Seq(3)));
    let (status, body, _) = answer(batch);
    assert_eq!((status, &body["published"], &body["failed"]), (200, &2.into(), &2.into()));
    let results = body["results"].as_array().expect("results");
    assert_eq!(results[0]["error"]["code"], "unavailable", "{body}");
    assert_eq!(results[1]["error"]["code"], "bad_json", "{body}");
    assert_eq!((&results[2]["cursor"], &results[2]["duplicate"]), (&"17-1".into(), &true.into()));
    assert_eq!((&results[3]["cursor"], &results[3]["level"]), (&"17-3".into(), &"logged".into()));
    assert_eq!(history(&server, "c"), [(1, "hello".into()), (3, "kept".into())]);
}

#[test]
fn without_room_nothing_gets_a_place() {
    let (server, log) = logged(|_| ());
    for (no_room, code) in [
        (NoRoom::Waiting, "overloaded"),
        (NoRoom::Bytes, "log_full"),
        (NoRoom::Channels, "log_full"),
        (NoRoom::Keys, "log_full"),
    ] {
        log.script().room = Err(no_room);
        let (status, body, retry) = answer(post(&server, "/v1/channels/c?key=k", "hello"));
        assert_eq!((status, &body["error"]["code"]), (503, &code.into()));
        assert!(matches!(retry.as_deref(), Some("1" | "2")), "spread: {retry:?}");
    }
    assert!(log.places().is_empty());
    assert_eq!(server.run(|server| server.app().holdings()), Holdings::default());

    log.script().room = Ok(());
    let asked = post(&server, "/v1/channels/c?key=k", "hello");
    wait_until_held(&server, 1, 1);
    log.say(&server, LogState::Through(Seq(1)));
    let (_, body, _) = answer(asked);
    assert_eq!((&body["seq"], &body["duplicate"]), (&1.into(), &false.into()));
}

#[test]
fn repeats_that_wait_are_bounded() {
    let (server, log) = logged(|setup| setup.limits.publishing_max = 3);
    let mut socket = Socket::commands(server.addr);
    for id in 1..=4 {
        let command =
            json!({"type": "publish", "id": id, "channel": "c", "data": "hello", "key": "k"});
        socket.send(&command.to_string());
    }
    let refused = socket.next_json();
    assert_eq!((&refused["id"], &refused["code"]), (&4.into(), &"overloaded".into()));
    log.say(&server, LogState::Through(Seq(1)));
    for id in 1..=3 {
        let published = socket.next_json();
        assert_eq!((&published["type"], &published["id"]), (&"published".into(), &id.into()));
        assert_eq!((&published["seq"], &published["duplicate"]), (&1.into(), &(id > 1).into()));
    }
    assert_eq!(log.places(), [1]);
}

#[test]
fn a_failed_log_is_a_gap_for_everybody() {
    let (server, log) = logged(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=c", "");
    events.until("$sync");
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["d"]}"#);
    socket.until("sync");
    let poll = {
        let addr = server.addr;
        std::thread::spawn(move || ask(addr, "GET", "/v1/poll?channel=e&wait=60", "", "").json())
    };
    server.wait_for_streams(3);
    let asked = post(&server, "/v1/channels/c", "hello");
    wait_until_held(&server, 1, 1);
    log.say(&server, LogState::Failed);

    let (status, body, retry) = answer(asked);
    assert_eq!((status, &body["error"]["code"]), (503, &"unavailable".into()));
    assert!(retry.is_some());
    assert_eq!(events.until("$gap")["reason"], "epoch");
    assert_eq!(socket.until("gap")["reason"], "epoch");
    assert_eq!(poll.join().expect("an answer")["gaps"][0]["reason"], "epoch");
    // It takes nothing more, and says so at once.
    let (status, body, _) = answer(post(&server, "/v1/channels/c", "again"));
    assert_eq!((status, &body["error"]["code"]), (503, &"unavailable".into()));
    assert_eq!(log.places(), [1]);
}

#[test]
fn a_publisher_that_leaves_leaves_nothing_behind() {
    let (server, log) = logged(|_| ());
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"publish","channel":"c","data":"one"}"#);
    server.wait_until(|service| service.holdings().publications == 1);
    let mut stream = TcpStream::connect(server.addr).expect("it listens");
    let request = "POST /v1/channels/c HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\ntwo";
    stream.write_all(request.as_bytes()).expect("it is read");
    wait_until_held(&server, 1, 2);
    drop(stream);
    drop(socket);
    server.wait_until(|service| service.holdings().streams == 0);
    log.say(&server, LogState::Through(Seq(2)));
    server.wait_until(|service| service.holdings() == Holdings::default());
    // Nobody waits for the answers, and both are in the log.
    assert_eq!(history(&server, "c"), [(1, "one".into()), (2, "two".into())]);
}

/// [service:ready-again]
#[test]
fn readiness_follows_the_log() {
    let (server, log) = logged(|setup| setup.server.drain_accept_ms = 60_000);
    let ready = || {
        let answered = ask(server.addr, "GET", "/readyz", "", "");
        (answered.status, answered.body)
    };
    let objection = |reason: &str| {
        (503, format!(r#"{{"ready":false,"reason":"{reason}","reasons":["{reason}"]}}"#))
    };
    assert_eq!(ready(), (200, "ready\n".to_owned()));
    let refused = post(&server, "/v1/channels/a", "1");
    wait_until_held(&server, 1, 1);
    log.say(&server, LogState::Refused(Seq(1)));
    assert_eq!(answer(refused).0, 503);
    assert_eq!(ready(), objection("log_refusing"));
    // Publishing goes on meanwhile: only that shows that there is room again.
    let taken = post(&server, "/v1/channels/a", "2");
    wait_until_held(&server, 1, 1);
    assert_eq!(ready(), objection("log_refusing"), "nothing was taken yet");
    let metrics = ask(server.addr, "GET", "/metrics", "", "").body;
    for line in ["log_refusing 1", "log_pending 1", "log_refusals_total 1", "log_enabled 1"] {
        assert!(metrics.contains(&format!("\nsockeye_{line}\n")), "{line}: {metrics}");
    }
    log.say(&server, LogState::Through(Seq(2)));
    assert_eq!(answer(taken).0, 200);
    assert_eq!(ready(), (200, "ready\n".to_owned()));
    log.say(&server, LogState::Failed);
    assert_eq!(ready(), objection("log_failed"));
    let metrics = ask(server.addr, "GET", "/metrics", "", "").body;
    for line in ["log_refusing 0", "log_failed 1", "published_total 1"] {
        assert!(metrics.contains(&format!("\nsockeye_{line}\n")), "{line}: {metrics}");
    }
    assert!(metrics.contains("sockeye_publications_refused_total{code=\"unavailable\"} 1\n"));
    // One reason does not hide another.
    server.run(sockeye_server::Server::drain);
    let both = r#"{"ready":false,"reason":"draining","reasons":["draining","log_failed"]}"#;
    assert_eq!(ready(), (503, both.to_owned()));
}

fn text(text: &str) -> Payload {
    Payload::new(Data::text(text))
}

/// A log that has dropped what was up to 3, has records at 5 and 6, and gave out 8 places.
fn take_back(mut service: Service) -> Service {
    service.restore_floor(Seq(3)).expect("it is empty");
    for (seq, channel, key) in [(5, "c", Some("k")), (6, "d", None)] {
        let record = Record {
            position: Cursor::new(Epoch(7), Seq(seq)),
            channel: ChannelName::new(channel).expect("a name"),
            time_ms: 1_000 + seq,
            kind: Kind::Message,
            payload: &text(channel),
            key,
        };
        service.restore(&record).expect("in order");
    }
    service.restore_head(Seq(8)).expect("above the last one");
    service
}

#[test]
fn what_a_log_has_kept_is_there_again() {
    let log = Scripted::new();
    log.script().last = LogState::Through(Seq(8));
    let theirs = log.clone();
    let server = start(|setup| {
        // What is restored is of 1970.
        setup.hub.settings.history_ms = u64::MAX;
        setup.hub.settings.key_ms = u64::MAX;
        setup.prepare = Some(Box::new(|service| take_back(service).with_log(Box::new(theirs))));
    });
    assert_eq!(history(&server, "c"), [(5, "c".into())]);
    assert_eq!(history(&server, "d"), [(6, "d".into())]);
    let position = ask(server.addr, "GET", "/v1/position?channel=c", "", "").json();
    assert_eq!(
        (&position["cursor"], &position["channels"][0]["last"]),
        (&"17-8".into(), &5.into())
    );

    // Its key is known, and new places are above all that were given out.
    let (_, body, _) = answer(post(&server, "/v1/channels/c?key=k", "c"));
    assert_eq!((&body["cursor"], &body["duplicate"]), (&"17-5".into(), &true.into()));
    assert!(log.places().is_empty());
    let asked = post(&server, "/v1/channels/c", "new");
    wait_until_held(&server, 1, 1);
    log.say(&server, LogState::Through(Seq(9)));
    assert_eq!(answer(asked).1["cursor"], "17-9");

    // Whoever had all that is gone resumes; whoever had not is told.
    let resume = |cursor: &str| {
        let target = format!("/v1/poll?channel=c&cursor={cursor}");
        ask(server.addr, "GET", &target, "", "").json()
    };
    let poll = resume("17-3");
    let seen: Vec<&Value> =
        poll["messages"].as_array().expect("messages").iter().map(|it| &it["cursor"]).collect();
    assert_eq!((seen, &poll["gaps"]), (vec![&"17-5".into(), &"17-9".into()], &json!([])));
    assert_eq!(resume("17-2")["gaps"][0]["reason"], "trimmed");
}

/// [service:receipts-before-goaway]
#[test]
fn a_drain_sends_the_receipts_of_publications_that_wait() {
    let (server, log) = logged(|_| ());
    let mut socket = Socket::commands(server.addr);
    let mut idle = Socket::commands(server.addr);
    for id in 1..=2 {
        socket.send(&json!({"type": "publish", "id": id, "channel": "c", "data": id}).to_string());
    }
    server.wait_until(|service| service.holdings().publications == 2);
    server.run(sockeye_server::Server::drain);
    // A stream that waits for nothing is told at once.
    assert_eq!(idle.closed().0, 1012);
    // A command that comes now has no effect.
    socket.send(r#"{"type":"publish","id":3,"channel":"c","data":3}"#);
    log.say(&server, LogState::Through(Seq(1)));
    assert_eq!(socket.until("published")["id"], 1);
    log.say(&server, LogState::Through(Seq(2)));
    assert_eq!(socket.until("published")["id"], 2);
    socket.until("goaway");
    let (code, reason) = socket.closed();
    assert!(code == 1012 && reason.starts_with("restart"), "{code} {reason}");
    assert_eq!(log.places(), [1, 2]);
}

/// [service:receipts-before-goaway] A log that never answers holds nobody beyond the drain's end.
#[test]
fn a_drain_ends_without_the_receipts_of_a_log_that_stays_silent() {
    let (server, _log) = logged(|setup| setup.server.drain_ms = 50);
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"publish","id":1,"channel":"c","data":1}"#);
    server.wait_until(|service| service.holdings().publications == 1);
    server.run(sockeye_server::Server::drain);
    server.wait_for_streams(0);
}
