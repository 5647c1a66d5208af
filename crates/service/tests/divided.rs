//! A message to many goes to some of them in each turn.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_hub::{Config, Epoch};
use sockeye_service::{Limits, Service};
use sockeye_simnet::Peer;

use crate::common::Slow;
use crate::fan_out::{UPGRADE, World, frame, read};
use crate::turns::{HEALTH, post};

/// The budget of a turn: 562 units for the service's own work.
const BUDGET: u32 = 2_000;
/// What a turn may spend above it: a piece of each kind of work.
const PIECES: u64 = 900;
/// More than a turn has units for.
const SUBSCRIBERS: usize = 3_200;
/// Subscribers that are reached at once.
const AT_ONCE: usize = 100;

fn hub_config(fan_outs_max: usize) -> Config {
    let mut hub = Config::default();
    (hub.limits.fan_out_members_max, hub.limits.fan_outs_max) = (AT_ONCE, fan_outs_max);
    hub
}

fn world_of(service: Service) -> World {
    let mut server = sockeye_server::Limits::default();
    (server.turn_units_max, server.connection_units_max) = (BUDGET, 200);
    World::of(service, server)
}

/// So many streams of a channel. Each has read what it was told so far.
fn streams(world: &mut World, channel: &str, count: usize) -> Vec<Peer> {
    streams_of(world, &format!("\"{channel}\""), count)
}

/// The same for several channels.
fn streams_of(world: &mut World, channels: &str, count: usize) -> Vec<Peer> {
    let before = world.server.app().holdings().streams;
    let subscribe = format!(r#"{{"type":"subscribe","channels":[{channels}]}}"#);
    let connect = |_| world.net.connect().expect("it listens");
    let mut peers: Vec<Peer> = (0..count).map(connect).collect();
    for peer in &mut peers {
        peer.write(UPGRADE.as_bytes());
        peer.write(&frame(subscribe.as_bytes()));
    }
    while world.server.app().holdings().streams < before + count || world.server.is_busy() {
        world.turn();
    }
    let said = hear(world, &mut peers);
    assert!(said.iter().all(|said| said.contains("sync")));
    peers
}

/// What each has been told. Some sockets take little at a time.
fn hear(world: &mut World, peers: &mut [Peer]) -> Vec<String> {
    let mut said = vec![String::new(); peers.len()];
    let mut idle = 0;
    while idle < 10 {
        world.turn();
        let more = peers.iter_mut().zip(&mut said).map(|(peer, said)| {
            let text = read(peer);
            said.push_str(&text);
            text.len()
        });
        idle = if more.sum::<usize>() > 0 { 0 } else { idle + 1 };
    }
    said
}

fn connect(world: &World, last: u8) -> Peer {
    world.net.connect_from(IpAddr::from([10, 9, 9, last])).expect("it listens")
}

/// Turns until nothing is left to do. No turn spends much more than its budget. Returns the number of turns.
fn turns(world: &mut World, mut look: impl FnMut()) -> usize {
    let mut idle = 0;
    for turn in 1..5_000 {
        let before = world.server.stats().units;
        world.turn();
        let units = world.server.stats().units - before;
        assert!(units <= u64::from(BUDGET) + PIECES, "{units} units in turn {turn}");
        look();
        // A request may take a turn to arrive.
        idle = if world.server.is_busy() { 0 } else { idle + 1 };
        if idle > 3 {
            return turn - idle;
        }
    }
    panic!("it never ends");
}

/// [service:fan-out-steps] One message reaches everybody over turns, each of which spends its budget. Its
/// receipt does not wait for them, nor does anybody else.
#[test]
fn a_publication_to_many_is_spread_over_turns() {
    let mut world = world_of(Service::new(Epoch(7), hub_config(16), Limits::default()));
    let mut peers = streams(&mut world, "news:1", SUBSCRIBERS);
    let (mut publisher, mut other) = (connect(&world, 1), connect(&world, 2));
    publisher.write(post("news:1", "\"hello\"").as_bytes());
    let (mut count, mut receipt_at, mut answers) = (0, None, 0);
    other.write(HEALTH.as_bytes());
    let turns = turns(&mut world, || {
        count += 1;
        if read(&mut publisher).contains(&format!("\"subscribers\":{SUBSCRIBERS}")) {
            receipt_at = Some(count);
        }
        if read(&mut other).ends_with("ok\n") {
            answers += 1;
            other.write(HEALTH.as_bytes());
        }
    });
    // 562 units of deliveries in each turn at the most.
    assert!(turns >= SUBSCRIBERS / 562, "{turns} turns");
    assert!(receipt_at.is_some_and(|at| at <= 2), "the receipt came in turn {receipt_at:?}");
    assert!(answers * 2 >= turns, "{answers} answers in {turns} turns");
    assert!(peers.iter_mut().all(|peer| read(peer).matches("hello").count() == 1));
    assert_eq!(world.server.app().hub_stats().delivered, SUBSCRIBERS as u64);
    assert_eq!(world.server.app().holdings().due, 0);
}

/// Messages of two channels by turns, each to many. Returns the turns that they took.
fn a_flood(mut world: World, published: usize, through: Option<&AtomicU64>) -> usize {
    let mut peers = streams(&mut world, "news:1", 300);
    peers.append(&mut streams(&mut world, "news:2", 300));
    let mut publisher = connect(&world, 1);
    let posts = (0..published).map(|at| {
        let channel = ["news:1", "news:2"][at % 2];
        format!("{{\"channel\":\"{channel}\",\"data\":\"hello {at};\"}}\n")
    });
    let lines: String = posts.collect();
    let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
    publisher.write(format!("{head} {}\r\n\r\n{lines}", lines.len()).as_bytes());
    let mut answer = String::new();
    let mut count = turns(&mut world, || answer += &read(&mut publisher));
    if let Some(through) = through {
        // The log has got all of them by now.
        assert_eq!((world.server.app().holdings().publications, &*answer), (published, ""));
        through.store(published as u64, Ordering::SeqCst);
        count = turns(&mut world, || answer += &read(&mut publisher));
    }
    assert_eq!(answer.matches("\"subscribers\":300").count(), published, "{answer}");
    for (at, peer) in peers.iter_mut().enumerate() {
        let heard = read(peer);
        let own = (0..published).filter(|message| message % 2 == at / 300);
        let places: Vec<_> = own.map(|it| heard.find(&format!("hello {it};"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "all, and in order");
        assert_eq!(heard.matches("hello").count(), places.len(), "each once");
    }
    assert_eq!(world.server.app().hub_stats().hastened, 0, "no fan-out had to end early");
    count
}

/// [service:fan-out-room] [hub:bound-fan-outs] Publications wait for the fan-outs before them: few are under way at
/// a time, and none has to go on to its end at once.
#[test]
fn publications_wait_for_fan_outs() {
    let world = world_of(Service::new(Epoch(7), hub_config(2), Limits::default()));
    let turns = a_flood(world, 40, None);
    assert!(turns > 40 * 300 / 562, "{turns} turns");
}

/// [service:fan-out-room] The same with what a log has settled, all at once.
#[test]
fn what_the_log_has_settled_waits_for_fan_outs() {
    let through = Arc::new(AtomicU64::new(0));
    let mut limits = Limits::default();
    limits.publishing_units_max = 20_000;
    let service = Service::new(Epoch(7), hub_config(2), limits);
    let world = world_of(service.with_log(Box::new(Slow(Arc::clone(&through)))));
    let turns = a_flood(world, 40, Some(&through));
    assert!(turns > 40 * 300 / 562, "{turns} turns");
}

/// Turns until a client is served again that has published to so many, while others always have requests.
fn turns_after(subscribers: usize) -> usize {
    let mut world = world_of(Service::new(Epoch(7), hub_config(16), Limits::default()));
    let _peers = streams(&mut world, "news:1", subscribers);
    let address = |number: u8| IpAddr::from([10, 0, 1, number]);
    let mut crowd: Vec<Peer> =
        (0..20).map(|at| world.net.connect_from(address(at)).expect("it listens")).collect();
    crowd.iter_mut().for_each(|peer| peer.write(HEALTH.repeat(2_000).as_bytes()));
    let mut publisher = connect(&world, 1);
    let publication = post("news:1", "\"hello\"");
    publisher.write(format!("{publication}{HEALTH}").as_bytes());
    for turn in 1..1_000 {
        world.turn();
        crowd.iter_mut().for_each(|peer| drop(read(peer)));
        if read(&mut publisher).ends_with("ok\n") {
            return turn;
        }
    }
    panic!("it is never served");
}

/// [service:fan-out-bill] Whoever publishes to many has had its part for as long, though the deliveries come later.
#[test]
fn a_publisher_pays_for_later_deliveries() {
    let (few, many) = (turns_after(AT_ONCE / 2), turns_after(AT_ONCE * 8));
    assert!(many > 2 * few, "{many} turns after a publication to many, {few} after one to few");
}

/// The messages whose delivery lag was observed.
fn lags(world: &mut World) -> String {
    let mut asker = connect(world, 3);
    asker.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut page = String::new();
    turns(world, || page += &read(&mut asker));
    let mut lines = page.lines();
    let count = lines.find_map(|line| line.strip_prefix("sockeye_delivery_lag_seconds_count "));
    count.expect("it is on the page").trim().to_owned()
}

/// Subscribers that do something get the message before their turn. It is one message all the same.
#[test]
fn a_message_to_many_has_one_delivery_lag() {
    let mut world = world_of(Service::new(Epoch(7), hub_config(16), Limits::default()));
    let mut peers = streams(&mut world, "news:1", SUBSCRIBERS);
    connect(&world, 1).write(post("news:1", "\"hello\"").as_bytes());
    while world.server.app().hub_stats().delivered == 0 {
        world.turn();
    }
    let ask = frame(br#"{"type":"subscribe","channels":["other:1"]}"#);
    peers.iter_mut().take(500).for_each(|peer| peer.write(&ask));
    turns(&mut world, || ());
    assert!(peers.iter_mut().all(|peer| read(peer).matches("hello").count() == 1));
    assert_eq!(lags(&mut world), "1");
}

/// The last step of a fan-out may come to nobody: those that are left have gone.
#[test]
fn a_message_has_a_delivery_lag_though_the_rest_of_its_subscribers_leave() {
    let mut world = world_of(Service::new(Epoch(7), hub_config(16), Limits::default()));
    let mut peers = streams(&mut world, "news:1", SUBSCRIBERS);
    connect(&world, 1).write(post("news:1", "\"hello\"").as_bytes());
    while world.server.app().hub_stats().delivered == 0 {
        world.turn();
    }
    peers.iter_mut().for_each(Peer::reset);
    world.turn_until_idle();
    let delivered = world.server.app().hub_stats().delivered;
    assert!(delivered < SUBSCRIBERS as u64, "all {delivered} got it before");
    assert_eq!(lags(&mut world), "1");
}

/// The turns until a message in a small channel has its receipt and its subscribers have it, while large fan-outs go on
/// and more publications wait for them.
fn turns_of_a_small_channel(service: Service) -> usize {
    const LARGE: [&str; 4] = ["news:1", "news:2", "news:3", "news:4"];
    let mut world = world_of(service);
    let _peers: Vec<Peer> =
        LARGE.iter().flat_map(|channel| streams(&mut world, channel, 1_600)).collect();
    let mut listener = connect(&world, 3);
    let subscribe = frame(br#"{"type":"subscribe","channels":["small:1"]}"#);
    listener.write(&[UPGRADE.as_bytes(), &subscribe].concat());
    assert!(hear(&mut world, std::slice::from_mut(&mut listener))[0].contains("sync"));
    let mut canary = connect(&world, 2);
    let mut publishers: Vec<Peer> = LARGE.iter().map(|_| connect(&world, 1)).collect();
    for (publisher, channel) in publishers.iter_mut().zip(LARGE) {
        publisher.write(post(channel, "\"to many\"").as_bytes());
    }
    (0..3).for_each(|_| world.turn());
    assert!(world.server.app().holdings().jobs > 0, "some wait");
    canary.write(post("small:1", "\"sing\"").as_bytes());
    let (mut receipt, mut heard) = (String::new(), String::new());
    for turn in 1..1_000 {
        world.turn();
        heard += &read(&mut listener);
        receipt += &read(&mut canary);
        if heard.contains("sing") && receipt.contains("\"subscribers\":1") {
            assert!(world.server.app().holdings().jobs > 0, "they wait still");
            return turn;
        }
    }
    panic!("it never comes");
}

/// [service:fan-out-room] A small channel waits for no fan-out, however many are under way.
#[test]
fn a_small_channel_does_not_wait_for_large_ones() {
    let turns = turns_of_a_small_channel(Service::new(Epoch(7), hub_config(1), Limits::default()));
    assert!(turns <= 2, "{turns} turns");
}

/// [service:fan-out-room] The same behind a log, which has one message to many at a time, as by default.
#[test]
fn a_small_channel_does_not_wait_for_large_ones_behind_a_log() {
    let log = Slow(Arc::new(AtomicU64::new(1_000)));
    let mut limits = Limits::default();
    limits.publishing_units_max = 1_000;
    let service = Service::new(Epoch(7), hub_config(1), limits).with_log(Box::new(log));
    let turns = turns_of_a_small_channel(service);
    assert!(turns <= 4, "{turns} turns");
}

/// [service:fan-out-room] A channel that has become small meanwhile keeps its order all the same.
#[test]
fn a_channel_that_becomes_small_keeps_its_order() {
    let service = Service::new(Epoch(7), hub_config(1), Limits::default());
    let mut world = world_of(service);
    let _many = streams(&mut world, "news:1", 1_600);
    let mut few = streams(&mut world, "news:2", AT_ONCE + 50);
    let mut publisher = connect(&world, 1);
    publisher.write(post("news:1", "\"to many\"").as_bytes());
    publisher.write(post("news:2", "\"first;\"").as_bytes());
    (0..2).for_each(|_| world.turn());
    assert!(world.server.app().holdings().jobs > 0, "the second one waits");
    few.drain(..100).for_each(|mut peer| peer.reset());
    (0..2).for_each(|_| world.turn());
    assert!(world.server.app().holdings().jobs > 0, "it waits still");
    connect(&world, 1).write(post("news:2", "\"second;\"").as_bytes());
    turns(&mut world, || ());
    for heard in hear(&mut world, &mut few) {
        let places = ["first;", "second;"].map(|it| heard.find(it));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{heard}");
    }
}

/// [service:fan-out-fair] Whoever has many publications to many under way has others wait for one or two of them, and not
/// for all.
#[test]
fn payers_begin_fan_outs_by_turns() {
    let mut world = world_of(Service::new(Epoch(7), hub_config(1), Limits::default()));
    let _peers = ["news:1", "news:2"].map(|channel| streams(&mut world, channel, 600));
    let mut greedy: Vec<Peer> = (0..20).map(|_| connect(&world, 1)).collect();
    greedy.iter_mut().for_each(|peer| peer.write(post("news:1", "\"many\"").as_bytes()));
    (0..3).for_each(|_| world.turn());
    let mut modest = connect(&world, 2);
    modest.write(post("news:2", "\"one\"").as_bytes());
    (0..2).for_each(|_| world.turn());
    greedy.iter_mut().for_each(|peer| drop(read(peer)));
    assert!(world.server.app().holdings().jobs > 12, "most of them wait");
    let mut before = 0;
    for _ in 0..1_000 {
        world.turn();
        if read(&mut modest).contains("\"subscribers\":600") {
            assert!(before <= 2, "{before} of the others came before it");
            return;
        }
        before += greedy.iter_mut().map(|peer| usize::from(!read(peer).is_empty())).sum::<usize>();
    }
    panic!("it never comes");
}

/// The units of messages to a few while fan-outs are under way. Each of these few has so many subscriptions.
fn units_beside_fan_outs(subscriptions: usize) -> u64 {
    let mut world = world_of(Service::new(Epoch(7), hub_config(16), Limits::default()));
    let large: Vec<String> = (0..16).map(|number| format!("news:{number}")).collect();
    let _peers: Vec<Peer> = large.iter().flat_map(|it| streams(&mut world, it, 300)).collect();
    let names: Vec<String> = (0..subscriptions).map(|number| format!("\"s:{number}\"")).collect();
    let _few = streams_of(&mut world, &names.join(","), AT_ONCE - 10);
    let mut publishers: Vec<Peer> = large.iter().map(|_| connect(&world, 1)).collect();
    let mut others: Vec<Peer> = (0..6).map(|_| connect(&world, 2)).collect();
    (0..3).for_each(|_| world.turn());
    let before = world.server.stats().units;
    for (publisher, channel) in publishers.iter_mut().zip(&large) {
        publisher.write(post(channel, "\"to many\"").as_bytes());
    }
    for other in &mut others {
        world.turn();
        other.write(post("s:0", "\"to few\"").as_bytes());
    }
    turns(&mut world, || ());
    world.server.stats().units - before
}

/// [hub:owed-counted] [service:owed-billed] To find what subscribers are owed costs units: as many as it has compared.
#[test]
fn comparisons_with_fan_outs_cost_units() {
    let (few, many) = (units_beside_fan_outs(1), units_beside_fan_outs(60));
    assert!(many > few + 500, "{many} units with many subscriptions, {few} with one");
}
