//! History beyond memory: streams and polls that read it from an archive.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use sockeye_hub::{ChannelName, Cursor, Epoch, Kind, Seq};
use sockeye_service::Service;
use sockeye_service::sequencing::{
    Archive, Archived, Full, Page, Question, Range, Ticket, Unavailable,
};
use sockeye_service::wire::{Data, Payload};

use crate::common::{Events, Running, Setup, Socket, ask, publish, start};

/// Messages of `c` on disk: more than any page, queue or answer has room for.
const TOKENS: u64 = 20_000;

#[derive(Default)]
struct Disk {
    /// The archive keeps no message up to here.
    floor: u64,
    questions: VecDeque<Question>,
    canceled: Vec<Ticket>,
    is_slow: bool,
    is_broken: bool,
}

/// The messages 1 to 20,000 of `c`, read without any index.
#[derive(Clone, Default)]
struct Naive(Arc<Mutex<Disk>>);

impl Naive {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no test has failed inside")
    }
}

fn text(seq: u64) -> Payload {
    Payload { data: Data::text(seq.to_string()), ..Payload::empty() }
}

fn page(question: &Question, floor: u64) -> Page {
    let Range::After { after, through } = question.range else { panic!("{question:?}") };
    assert!(after < through && question.bytes_max > 0);
    let has_it = question.targets.iter().any(|it| **it == *"c");
    let last = through.0.min(TOKENS);
    let mut through = through;
    let mut entries = Vec::new();
    for seq in after.0.max(floor) + 1..=last {
        if !has_it {
            break;
        }
        entries.push(Archived {
            position: Cursor::new(Epoch(7), Seq(seq)),
            channel: "c".into(),
            time_ms: 1,
            kind: Kind::Message,
            payload: text(seq),
        });
        if entries.len() == question.messages_max && seq < last {
            through = Seq(seq);
            break;
        }
    }
    let missing = (has_it && floor > after.0).then(|| ("c".into(), Seq(floor)));
    Page { entries, through, missing: missing.into_iter().collect(), ..Page::default() }
}

impl Archive for Naive {
    fn ask(&mut self, question: Question) -> Result<(), Full> {
        self.disk().questions.push_back(question);
        Ok(())
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.disk().canceled.push(ticket);
    }

    fn next(&mut self) -> Option<(Ticket, Result<Page, Unavailable>)> {
        let mut disk = self.disk();
        if disk.is_slow {
            return None;
        }
        let question = disk.questions.pop_front()?;
        let page = if disk.is_broken { Err(Unavailable) } else { Ok(page(&question, disk.floor)) };
        Some((question.ticket, page))
    }
}

/// A service after a restart: it knows its channel, and has no message in memory.
fn restarted(disk: &Naive, adjust: impl FnOnce(&mut Setup)) -> Running {
    let theirs = disk.clone();
    start(|setup| {
        setup.prepare = Some(Box::new(move |mut service: Service| {
            let channel = ChannelName::new("c").expect("a name");
            service.restore_channel(channel, Seq(TOKENS), false);
            service.restore_head(Seq(TOKENS)).expect("above nothing");
            service.with_archive(Box::new(theirs))
        }));
        adjust(setup);
    })
}

/// Lets the service have turns until a client has what it waits for.
fn keep_turning<T: Send>(server: &Running, client: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let client = scope.spawn(client);
        while !client.is_finished() {
            server.run(|_| ());
        }
        client.join().expect("the client has what it waits for")
    })
}

fn poll(server: &Running, cursor: &str) -> Value {
    let target = format!("/v1/poll?channel=c&cursor={cursor}");
    keep_turning(server, || ask(server.addr, "GET", &target, "", "").json())
}

/// An answer of a model that was published as 20,000 tokens replays whole, and goes on live.
///
/// [hub:archive]
#[test]
fn twenty_thousand_messages_replay_whole_from_the_archive() {
    let disk = Naive::default();
    let server = restarted(&disk, |_| ());
    publish(server.addr, "c", "live");
    let expected = || (1..=TOKENS).map(|it| it.to_string()).chain(["live".to_owned()]);
    let mut events = Events::open(server.addr, "/v1/sse?channel=c&cursor=17-0", "");
    let sync = keep_turning(&server, || {
        for token in expected() {
            assert_eq!(events.next_message().data, token);
        }
        events.until("$sync")
    });
    assert_eq!((&sync["recovered"], &sync["replayed"]), (&json!(true), &json!(TOKENS + 1)));

    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["c"],"cursor":"17-0"}"#);
    keep_turning(&server, || {
        for token in expected() {
            assert_eq!(socket.until("message")["data"], token);
        }
        assert_eq!(socket.until("sync")["gaps"], 0);
    });

    let (mut cursor, mut tokens) = ("17-0".to_owned(), Vec::new());
    loop {
        let polled = poll(&server, &cursor);
        assert_eq!(polled["gaps"], json!([]));
        let messages = polled["messages"].as_array().expect("messages");
        tokens.extend(messages.iter().map(|it| it["data"].as_str().expect("a text").to_owned()));
        cursor = polled["cursor"].as_str().expect("a cursor").to_owned();
        if polled["more"] == false {
            break;
        }
    }
    assert!(tokens.into_iter().eq(expected()));
    assert!(disk.disk().canceled.is_empty());
}

/// [hub:archive-trimmed]
#[test]
fn what_the_archive_has_dropped_is_declared() {
    let disk = Naive::default();
    disk.disk().floor = TOKENS - 2;
    let server = restarted(&disk, |setup| {
        setup.hub.settings.on_gap = sockeye_hub::OnGap::Tail;
    });
    let polled = poll(&server, "17-5");
    let gap = json!([{
        "channel": "c", "reason": "trimmed", "missed": {"after": 5, "through": TOKENS - 2},
    }]);
    assert_eq!((&polled["gaps"], polled["messages"].as_array().map(Vec::len)), (&gap, Some(2)));
}

/// Who waits for an archive holds nobody else, and leaves nothing behind.
///
/// [service:bound-archive]
#[test]
fn a_slow_archive_holds_only_those_that_need_it() {
    let disk = Naive::default();
    disk.disk().is_slow = true;
    let server = restarted(&disk, |setup| {
        (setup.limits.archive_questions_max, setup.limits.archive_requests_max) = (1, 3);
    });
    let open = || Events::open(server.addr, "/v1/sse?channel=c&cursor=17-ffi", "");
    let waiting = [open(), open(), open()];
    server.wait_for_streams(3);
    assert_eq!(disk.disk().questions.len(), 1, "the others wait in a queue");
    let refused = ask(server.addr, "GET", "/v1/poll?channel=c&cursor=17-1", "", "");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("overloaded")));
    let mut live = Events::open(server.addr, "/v1/sse?channel=c", "");
    live.until("$sync");
    publish(server.addr, "c", "live");
    assert_eq!(live.next_message().data, "live");

    let [gone, mut second, mut third] = waiting;
    drop(gone);
    server.wait_for_streams(3);
    assert_eq!(disk.disk().canceled.len(), 1);
    disk.disk().is_slow = false;
    for stream in [&mut second, &mut third] {
        let texts = keep_turning(&server, || [(); 3].map(|()| stream.next_message().data));
        assert_eq!(texts, ["19999", "20000", "live"]);
    }
    drop((second, third, live));
    server.wait_for_streams(0);
}

/// [service:archive-unavailable]
#[test]
fn without_its_archive_a_client_is_told_to_come_back() {
    let disk = Naive::default();
    disk.disk().is_broken = true;
    let server = restarted(&disk, |_| ());
    let target = "/v1/poll?channel=c&cursor=17-1";
    let refused = keep_turning(&server, || ask(server.addr, "GET", target, "", ""));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("unavailable")));
    assert!(refused.header("Retry-After").is_some());
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["c"],"cursor":"17-1"}"#);
    let goaway = keep_turning(&server, || socket.until("goaway"));
    assert_eq!((&goaway["code"], &goaway["cursor"]), (&json!(1013), &json!("17-1")));
    server.wait_for_streams(0);
}
