//! No work of the service holds the loop: a turn spends its budget and a piece of each kind of work above
//! it, and what is left goes on in the next one.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_hub::{Config, Cursor, Epoch, PatternUse, Seq};
use sockeye_server::App;
use sockeye_service::{Holdings, Limits, Service};
use sockeye_simnet::Peer;

use crate::common::Slow;
use crate::fan_out::{UPGRADE, World, frame, read};

/// The budget of a turn in these tests: 1,500 for the service's own work.
const BUDGET: u64 = 8_000;
/// What a turn may spend above it: a step of a task, and a share of the last connection in each phase.
const PIECES: u64 = 6_000;

/// Turns for which others wait at the most, because a crowd came first.
const WAITS_MAX: usize = 12;

pub(crate) const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub(crate) fn world() -> World {
    world_with(Limits::default())
}

pub(crate) fn world_with(limits: Limits) -> World {
    let mut server = sockeye_server::Limits::default();
    server.turn_units_max = u32::try_from(BUDGET).expect("it is small");
    server.connection_units_max = 1_000;
    let mut hub = Config::default();
    hub.settings.history_messages_max = 2_000;
    hub.settings.history_bytes_max = 1 << 22;
    hub.settings.patterns = PatternUse::Allowed;
    World::with(hub, limits, server)
}

pub(crate) fn post(channel: &str, body: &str) -> String {
    let head = format!("POST /v1/channels/{channel} HTTP/1.1\r\nHost: localhost\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Turns, one by one, until nothing is left to do. Somebody else is served in each of them. Returns
/// the number of turns.
pub(crate) fn work_off(world: &mut World, other: &mut Peer, mut look: impl FnMut()) -> usize {
    let (mut idle, mut waits) = (0, 0);
    for turns in 0..2_000 {
        let before = world.server.stats().units;
        other.write(HEALTH.as_bytes());
        world.turn();
        let units = world.server.stats().units - before;
        assert!(units <= BUDGET + PIECES, "{units} units in turn {turns}");
        waits = if read(other).ends_with("ok\n") { 0 } else { waits + 1 };
        assert!(waits <= WAITS_MAX, "somebody waits for ever in turn {turns}");
        look();
        // What a peer has read makes room for more in the next turn.
        idle = if world.server.is_busy() { 0 } else { idle + 1 };
        if idle > 3 {
            return turns + 1 - idle;
        }
    }
    panic!("it never ends");
}

/// A connection that was served. It is not from the address of the crowds.
pub(crate) fn open(world: &mut World) -> Peer {
    let mut peer = world.net.connect_from(IpAddr::from([10, 9, 9, 9])).expect("it listens");
    peer.write(HEALTH.as_bytes());
    (0..5).for_each(|_| world.turn());
    assert!(read(&mut peer).ends_with("ok\n"), "it was not served");
    peer
}

/// Publishes so many messages.
pub(crate) fn publish(world: &mut World, messages: usize) -> Peer {
    let mut publisher = open(world);
    for number in 0..messages {
        publisher.write(post("news:1", &format!("\"hello {number};\"")).as_bytes());
        world.turn();
        assert!(read(&mut publisher).contains("accepted"), "message {number}");
    }
    publisher
}

/// A publication wakes more polls than a turn answers. Nobody waits for long, and nothing is lost.
/// [service:turn-yields]
#[test]
fn a_crowd_of_polls_is_answered_over_turns() {
    const POLLS: usize = 1_000;
    let mut world = world();
    let poll = "GET /v1/poll?channel=news:1&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut polls: Vec<Peer> =
        (0..POLLS).map(|_| world.net.connect().expect("it listens")).collect();
    polls.iter_mut().for_each(|peer| peer.write(poll.as_bytes()));
    while world.server.app().holdings().streams < POLLS {
        world.turn();
    }
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    let mut answered = 0;
    publisher.write(post("news:1", "\"hello\"").as_bytes());
    let turns = work_off(&mut world, &mut other, || {
        let is_answered = |peer: &mut Peer| usize::from(read(peer).contains("hello"));
        answered += polls.iter_mut().map(is_answered).sum::<usize>();
    });
    assert!(turns > 10, "{turns} turns");
    let is_answered = |peer: &mut Peer| usize::from(read(peer).contains("hello"));
    answered += polls.iter_mut().map(is_answered).sum::<usize>();
    assert_eq!(answered, POLLS);
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// Streams that missed much catch up over turns, each in the order of the log.
/// [service:turn-yields]
#[test]
fn streams_catch_up_over_turns() {
    const MESSAGES: usize = 1_000;
    let mut world = world();
    publish(&mut world, MESSAGES);
    let (mut sockets, mut other) = (world.open(20, UPGRADE, b""), open(&mut world));
    let subscribe = br#"{"type":"subscribe","channels":["news:1"],"cursor":"earliest"}"#;
    sockets.iter_mut().for_each(|peer| peer.write(&frame(subscribe)));
    let mut heard = vec![String::new(); sockets.len()];
    let turns = work_off(&mut world, &mut other, || {
        sockets.iter_mut().zip(&mut heard).for_each(|(peer, heard)| *heard += &read(peer));
    });
    assert!(turns > 5, "{turns} turns");
    for heard in &heard {
        let places: Vec<Option<usize>> =
            (0..MESSAGES).map(|n| heard.find(&format!("hello {n};"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "all, and in order");
        assert_eq!(heard.matches("hello").count(), MESSAGES, "each once");
        assert_eq!(heard.matches(r#""type":"sync""#).count(), 1);
    }
}

/// A stream whose outbox has drained goes on by itself, though nothing else wakes the loop.
/// [service:turn-yields]
#[test]
fn a_stream_that_has_room_again_goes_on_by_itself() {
    const MESSAGES: usize = 4_000;
    let mut hub = Config::default();
    hub.settings.history_messages_max = MESSAGES;
    hub.settings.history_bytes_max = 1 << 22;
    let mut world = World::with(hub, Limits::default(), sockeye_server::Limits::default());
    publish(&mut world, MESSAGES);
    let mut stream = world.net.connect().expect("it listens");
    let get = "GET /v1/sse?channel=news:1&cursor=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write(get.as_bytes());
    world.turn();
    let mut heard = String::new();
    for _ in 0..2_000 {
        heard += &read(&mut stream);
        if heard.matches("hello").count() == MESSAGES {
            return;
        }
        world.turn();
        let is_left = world.server.app().holdings().due > 0;
        assert!(world.server.is_busy() || !is_left, "work is left, and the loop sleeps");
    }
    panic!("messages are left");
}

/// A publication comes while a stream catches up: it follows what the stream has missed.
#[test]
fn what_comes_meanwhile_follows() {
    let mut world = world();
    let mut publisher = publish(&mut world, 1_000);
    let (mut socket, mut other) = (world.open(1, UPGRADE, b"").remove(0), open(&mut world));
    let subscribe = br#"{"type":"subscribe","channels":["news:1"],"cursor":"earliest"}"#;
    socket.write(&frame(subscribe));
    world.turn();
    publisher.write(post("news:1", "\"hello 1000;\"").as_bytes());
    let mut heard = String::new();
    work_off(&mut world, &mut other, || heard += &read(&mut socket));
    let places: Vec<Option<usize>> =
        (0..=1_000).map(|n| heard.find(&format!("hello {n};"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "all, and in order");
    assert_eq!(heard.matches("hello").count(), 1_001, "each once");
}

/// A batch is published in steps: the turn of its request ends, and others are served in between.
/// [service:turn-yields]
#[test]
fn a_batch_to_many_is_spread_over_turns() {
    const SUBSCRIBERS: usize = 200;
    let mut world = world();
    let subscribe = br#"{"type":"subscribe","channels":["news:1"]}"#;
    let mut sockets = world.open(SUBSCRIBERS, UPGRADE, &frame(subscribe));
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    let lines: String =
        (0..200).map(|n| format!("{{\"channel\":\"news:1\",\"data\":\"hello {n};\"}}\n")).collect();
    let head = format!(
        "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        lines.len() + 3
    );
    publisher.write(format!("{head}{lines}{{}}\n").as_bytes());
    let (mut answer, mut heard) = (String::new(), vec![String::new(); SUBSCRIBERS]);
    let turns = work_off(&mut world, &mut other, || {
        answer += &read(&mut publisher);
        sockets.iter_mut().zip(&mut heard).for_each(|(peer, heard)| *heard += &read(peer));
    });
    assert!(turns > 5, "{turns} turns");
    assert_eq!(answer.matches("\"level\":\"accepted\"").count(), 200);
    assert!(answer.contains("\"published\":200,\"failed\":1"), "{answer}");
    assert!(answer.contains("\"line\":201"), "the lines keep their numbers: {answer}");
    for heard in &heard {
        let places: Vec<Option<usize>> =
            (0..200).map(|n| heard.find(&format!("\"hello {n};\""))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "all, and in order");
        assert_eq!(heard.matches("hello").count(), 200, "each once");
    }
    let holdings = world.server.app().holdings();
    assert_eq!((holdings.held, holdings.jobs, holdings.due), (0, 0, 0));
}

/// A publication to many channels likewise: each receipt comes, in the order of the channels.
/// [service:turn-yields]
#[test]
fn a_publication_to_many_channels_is_spread_over_turns() {
    const CHANNELS: usize = 60;
    let mut world = world();
    let names: Vec<String> = (0..CHANNELS).map(|n| format!("\"news:{n}\"")).collect();
    let mut sockets = world.open(200, UPGRADE, b"");
    for some in names.chunks(5) {
        let text = format!("{{\"type\":\"subscribe\",\"channels\":[{}]}}", some.join(","));
        sockets.iter_mut().for_each(|peer| peer.write(&frame(text.as_bytes())));
    }
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    work_off(&mut world, &mut other, || sockets.iter_mut().for_each(|peer| drop(read(peer))));
    let body = format!("{{\"channels\":[{}],\"data\":\"hello\"}}", names.join(","));
    let head =
        format!("POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}", body.len());
    publisher.write(format!("{head}\r\n\r\n{body}").as_bytes());
    let (mut answer, mut heard) = (String::new(), vec![String::new(); sockets.len()]);
    let turns = work_off(&mut world, &mut other, || {
        answer += &read(&mut publisher);
        sockets.iter_mut().zip(&mut heard).for_each(|(peer, heard)| *heard += &read(peer));
    });
    assert!(turns > 2, "{turns} turns");
    assert_eq!(answer.matches("\"subscribers\":200").count(), CHANNELS, "{answer}");
    let places: Vec<Option<usize>> = names.iter().map(|name| answer.find(name)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answer}");
    for heard in &heard {
        assert_eq!(heard.matches("hello").count(), CHANNELS, "{heard}");
    }
}

/// [service:bound-batches] What waits for its steps is bounded, and it is free again when these are done.
#[test]
fn batches_that_wait_are_bounded() {
    let mut limits = Limits::default();
    limits.batches_bytes_max = 1;
    let mut world = world_with(limits);
    let subscribe = br#"{"type":"subscribe","channels":["news:1"]}"#;
    let mut sockets = world.open(400, UPGRADE, &frame(subscribe));
    let (mut publishers, mut other) = (world.open(2, HEALTH, b""), open(&mut world));
    let lines = "{\"channel\":\"news:1\",\"data\":1}\n".repeat(50);
    let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
    let batch = format!("{head} {}\r\n\r\n{lines}", lines.len());
    let mut answers = vec![String::new(); 2];
    for round in 0..2 {
        answers.iter_mut().for_each(String::clear);
        publishers.iter_mut().for_each(|peer| peer.write(batch.as_bytes()));
        work_off(&mut world, &mut other, || {
            sockets.iter_mut().for_each(|peer| drop(read(peer)));
            publishers
                .iter_mut()
                .zip(&mut answers)
                .for_each(|(peer, answer)| *answer += &read(peer));
        });
        let published = answers.iter().filter(|it| it.contains("\"published\":50")).count();
        let refused = answers.iter().filter(|it| it.contains("503") && it.contains("overloaded"));
        assert_eq!((published, refused.count()), (1, 1), "round {round}: {answers:?}");
    }
}

/// A log settles more messages than a turn delivers. The others follow, in their order.
/// [service:turn-yields]
#[test]
fn what_the_log_has_settled_is_delivered_over_turns() {
    let (mut world, through) = world_with_log();
    let subscribe = br#"{"type":"subscribe","channels":["news:1"]}"#;
    let mut sockets = world.open(200, UPGRADE, &frame(subscribe));
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    let posts: String = (0..50).map(|n| post("news:1", &format!("\"hello {n};\""))).collect();
    let lines =
        posts.split("\r\n\r\n").skip(1).map(|it| it.split("POST").next().unwrap_or_default());
    let lines: String =
        lines.map(|data| format!("{{\"channel\":\"news:1\",\"data\":{data}}}\n")).collect();
    let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
    publisher.write(format!("{head} {}\r\n\r\n{lines}", lines.len()).as_bytes());
    work_off(&mut world, &mut other, || assert_eq!(read(&mut publisher), ""));
    assert_eq!(world.server.app().holdings().publications, 50);
    through.store(50, Ordering::SeqCst);
    let (mut answer, mut heard) = (String::new(), vec![String::new(); sockets.len()]);
    let turns = work_off(&mut world, &mut other, || {
        sockets.iter_mut().zip(&mut heard).for_each(|(peer, heard)| *heard += &read(peer));
        answer += &read(&mut publisher);
    });
    assert!(turns > 5, "{turns} turns");
    assert_eq!(answer.matches("\"level\":\"logged\"").count(), 50, "{answer}");
    for heard in &heard {
        let places: Vec<Option<usize>> =
            (0..50).map(|n| heard.find(&format!("hello {n};"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "all, and in order");
    }
}

/// A batch to many, and a log that waits: it gets no more than it may have, and a publication of another account
/// is next, behind what the log has. [service:paced] [service:fair-work]
#[test]
fn a_publication_does_not_wait_for_the_batch_of_another() {
    const SUBSCRIBERS: usize = 200;
    const LINES: usize = 400;
    let (mut world, through) = world_with_log();
    let subscribe = br#"{"type":"subscribe","channels":["news:1"]}"#;
    let mut sockets = world.open(SUBSCRIBERS, UPGRADE, &frame(subscribe));
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    let mut modest = world.net.connect_from(IpAddr::from([10, 9, 9, 8])).expect("it listens");
    let lines = "{\"channel\":\"news:1\",\"data\":1}\n".repeat(LINES);
    let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
    publisher.write(format!("{head} {}\r\n\r\n{lines}", lines.len()).as_bytes());
    work_off(&mut world, &mut other, || ());
    // Ten units for each, and one for each subscriber; the piece that passes the bound is the last.
    let at_once = 20_000 / (10 + SUBSCRIBERS) + 1;
    let publications = |world: &World| world.server.app().holdings().publications;
    assert_eq!(publications(&world), at_once);
    modest.write(post("news:2", "2").as_bytes());
    work_off(&mut world, &mut other, || ());
    assert_eq!(publications(&world), at_once, "the log gets no more");
    through.store(at_once as u64, Ordering::SeqCst);
    let mut answer = String::new();
    work_off(&mut world, &mut other, || {
        sockets.iter_mut().for_each(|peer| drop(read(peer)));
        answer += &read(&mut modest);
    });
    assert!(answer.is_empty(), "it is not in the log yet: {answer}");
    // It is among the next that the log was given, beside steps of the batch.
    through.store(at_once as u64 + 30, Ordering::SeqCst);
    work_off(&mut world, &mut other, || {
        sockets.iter_mut().for_each(|peer| drop(read(peer)));
        answer += &read(&mut modest);
    });
    assert!(answer.contains("\"level\":\"logged\""), "it waits for the batch: {answer}");
    through.store(LINES as u64 + 1, Ordering::SeqCst);
    let mut batch = String::new();
    work_off(&mut world, &mut other, || {
        sockets.iter_mut().for_each(|peer| drop(read(peer)));
        batch += &read(&mut publisher);
    });
    assert!(batch.contains(&format!("\"published\":{LINES},\"failed\":0")), "{batch}");
    assert_eq!(world.server.app().holdings().publications, 0);
}

/// Publications of one WebSocket keep their order while they wait for their turn. [service:paced]
#[test]
fn commands_that_wait_for_their_turn_keep_their_order() {
    let (mut world, through) = world_with_log();
    let subscribe = br#"{"type":"subscribe","channels":["news:1"]}"#;
    let mut sockets = world.open(200, UPGRADE, &frame(subscribe));
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    let mut socket = world.open(1, UPGRADE, b"").remove(0);
    let lines = "{\"channel\":\"news:1\",\"data\":1}\n".repeat(200);
    let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
    publisher.write(format!("{head} {}\r\n\r\n{lines}", lines.len()).as_bytes());
    work_off(&mut world, &mut other, || ());
    for id in 0..40 {
        let text = format!(r#"{{"type":"publish","id":{id},"channel":"news:2","data":{id}}}"#);
        socket.write(&frame(text.as_bytes()));
    }
    work_off(&mut world, &mut other, || ());
    // The log has as much as it may: 20,000 units, 210 for each line, and the one that passes the bound.
    assert_eq!(world.server.app().holdings().publications, 20_000 / 210 + 1, "the commands wait");
    let mut receipts = String::new();
    for at in 0..=240 {
        through.store(at, Ordering::SeqCst);
        world.turn();
        sockets.iter_mut().for_each(|peer| drop(read(peer)));
        receipts += &read(&mut socket);
    }
    work_off(&mut world, &mut other, || {
        sockets.iter_mut().for_each(|peer| drop(read(peer)));
        receipts += &read(&mut socket);
    });
    let places: Vec<Option<usize>> =
        (0..40).map(|id| receipts.find(&format!("\"id\":{id},"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{receipts}");
    assert_eq!(receipts.matches("published").count(), 40, "each once: {receipts}");
}

/// The end of a channel waits behind the publications that were there before it. [service:paced]
#[test]
fn an_end_does_not_overtake_publications_that_wait() {
    let (mut world, through) = world_with_log();
    let subscribe =
        |channel| frame(format!(r#"{{"type":"subscribe","channels":["{channel}"]}}"#).as_bytes());
    let mut crowd = world.open(200, UPGRADE, &subscribe("news:1"));
    let mut reader = world.open(1, UPGRADE, &subscribe("news:2")).remove(0);
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    let (mut last, mut closer) = (open(&mut world), open(&mut world));
    let lines = "{\"channel\":\"news:1\",\"data\":1}\n".repeat(200);
    let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
    publisher.write(format!("{head} {}\r\n\r\n{lines}", lines.len()).as_bytes());
    work_off(&mut world, &mut other, || ());
    last.write(post("news:2", "\"the last one\"").as_bytes());
    work_off(&mut world, &mut other, || ());
    let close =
        "POST /v1/channels/news:2/close HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    closer.write(close.as_bytes());
    work_off(&mut world, &mut other, || ());
    assert_eq!(world.server.app().holdings().publications, 20_000 / 210 + 1, "both wait");
    let (mut heard, mut answer) = (String::new(), String::new());
    for at in 0..=210 {
        through.store(at, Ordering::SeqCst);
        world.turn();
        crowd.iter_mut().for_each(|peer| drop(read(peer)));
        heard += &read(&mut reader);
    }
    work_off(&mut world, &mut other, || {
        crowd.iter_mut().for_each(|peer| drop(read(peer)));
        heard += &read(&mut reader);
        answer += &read(&mut closer);
    });
    let message = heard.find("the last one").expect("it comes");
    let end = heard.find("\"type\":\"end\"").expect("it comes");
    assert!(message < end, "{heard}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A new epoch is a gap for every stream: all are told, over turns, and nobody gets a cursor of it before.
/// [service:turn-yields]
#[test]
fn a_gap_for_all_is_told_over_turns() {
    const SUBSCRIBERS: usize = 1_500;
    let (mut world, through) = world_with_log();
    let subscribe = br#"{"type":"subscribe","channels":["news:1"]}"#;
    let mut sockets = world.open(SUBSCRIBERS, UPGRADE, &frame(subscribe));
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    publisher.write(post("news:1", "\"hello\"").as_bytes());
    work_off(&mut world, &mut other, || ());
    // A message waits, so a log that fails begins an epoch.
    through.store(u64::MAX, Ordering::SeqCst);
    world.turn();
    // Streams ask for their cursors before it is their turn to hear of it.
    for peer in &mut sockets[SUBSCRIBERS - 100..] {
        peer.write(&frame(br#"{"type":"ping"}"#));
    }
    let mut heard = vec![String::new(); SUBSCRIBERS];
    let turns = work_off(&mut world, &mut other, || {
        sockets.iter_mut().zip(&mut heard).for_each(|(peer, heard)| *heard += &read(peer));
    });
    assert!(turns > 5, "{turns} turns");
    let nowhere = format!(r#""cursor":"{}""#, Cursor::new(Epoch(0), Seq::ZERO));
    let mut early = 0;
    for (number, heard) in heard.iter().enumerate() {
        let gap = heard.find(r#""reason":"epoch""#).expect("its gap");
        let pong = heard.find(r#""type":"pong""#);
        assert_eq!(pong.is_some(), number >= SUBSCRIBERS - 100);
        if let Some(pong) = pong.filter(|pong| *pong < gap) {
            assert!(heard[pong..gap].contains(&nowhere), "{heard}");
            early += 1;
        }
    }
    assert!(early > 0, "some pings came before their streams' turn");
}

/// A world with a log, and how far the log is; `u64::MAX`: it has failed.
fn world_with_log() -> (World, Arc<AtomicU64>) {
    let through = Arc::new(AtomicU64::new(0));
    let log = Slow(Arc::clone(&through));
    let mut world = world();
    let mut limits = Limits::default();
    limits.publishing_units_max = 20_000;
    let service = Service::new(Epoch(7), Config::default(), limits);
    *world.server.app_mut() = service.with_log(Box::new(log));
    (world, through)
}

/// A message that the log has settled leaves more to be dropped than a call drops. Nothing else wakes the loop, and it
/// comes back by itself. [service:drops-go-on]
#[test]
fn the_loop_comes_back_for_what_the_logs_answer_leaves_to_drop() {
    const ROOM: u64 = 20_000;
    let mut hub = Config::default();
    hub.limits.history_bytes_max = usize::try_from(ROOM).expect("it is small");
    hub.limits.drops_per_call_max = 2;
    let through = Arc::new(AtomicU64::new(100));
    let service = Service::new(Epoch(7), hub, Limits::default());
    let service = service.with_log(Box::new(Slow(Arc::clone(&through))));
    let mut world = World::of(service, sockeye_server::Limits::default());
    let mut publisher = open(&mut world);
    for number in 0..100 {
        publisher.write(post(&format!("news:{number}"), "\"short\"").as_bytes());
        world.turn_until_idle();
        assert!(read(&mut publisher).contains("logged"), "message {number}");
    }
    publisher.write(post("news:long", &"x".repeat(15_000)).as_bytes());
    world.turn_until_idle();
    through.store(101, Ordering::SeqCst);
    let bytes = |world: &World| world.server.app().hub_stats().history_bytes;
    world.turn();
    assert!(read(&mut publisher).contains("logged"), "the turn of its answer");
    assert!(bytes(&world) > ROOM, "something is left: {}", bytes(&world));
    let comes_back = world.server.is_busy() || world.server.app().deadline() <= world.server.now();
    assert!(comes_back, "nobody else wakes it");
    world.turn_until_idle();
    assert!(bytes(&world) <= ROOM, "{}", bytes(&world));
}
