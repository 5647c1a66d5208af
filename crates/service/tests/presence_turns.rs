//! An event of presence goes to its watchers over turns, and nobody gets an old one behind a newer list.

use sockeye_hub::{Config, Epoch};
use sockeye_service::{Limits, Namespaces, Rules, Service};
use sockeye_simnet::Peer;

use crate::fan_out::{UPGRADE, World, frame, read};
use crate::turns::{open, work_off};

/// The budget of a turn, and what it may spend above that: a piece of work in each phase.
const TURN: u64 = 1_000;
const PIECES: u64 = 1_000;

/// More than a turn has units.
const WATCHERS: usize = 3_000;
const WATCH: &[u8] = br#"{"type":"subscribe","channels":["news:1"],"presence":true}"#;
const SUBSCRIBE: &[u8] = br#"{"type":"subscribe","channels":["news:1"]}"#;

/// A world with small turns, where presence is told at once.
fn world() -> World {
    let mut server = sockeye_server::Limits::default();
    server.turn_units_max = u32::try_from(TURN).expect("it is small");
    let mut limits = Limits::default();
    limits.presence_interval_ms = 0;
    let mut rules = Rules::default();
    rules.presence_ms = Some(0);
    let service = Service::new(Epoch(7), Config::default(), limits);
    World::of(service.with_namespaces(Namespaces { rules, named: Vec::new() }), server)
}

/// Watchers that have heard of all that came before.
fn watchers(world: &mut World) -> Vec<Peer> {
    let mut watchers = Vec::new();
    while watchers.len() < WATCHERS {
        watchers.append(&mut world.open(50, UPGRADE, &frame(WATCH)));
    }
    let mut other = open(world);
    // Their events have a rate, too.
    for _ in 0..10 {
        world.net.advance(1_000);
        work_off(world, &mut other, || watchers.iter_mut().for_each(|peer| drop(read(peer))));
    }
    watchers
}

/// The numbers of streams in the events that were heard.
fn streams(heard: &str) -> Vec<usize> {
    let events = heard.split(r#""type":"presence""#).skip(1);
    let of = |event: &str| {
        let (_, streams) = event.split_once(r#""streams":"#)?;
        streams.split(|byte: char| !byte.is_ascii_digit()).next()?.parse().ok()
    };
    events.map(|event| of(event).expect("a number")).collect()
}

/// [service:presence-steps] [service:turn-yields]
#[test]
fn a_crowd_of_watchers_is_told_over_turns() {
    let mut world = world();
    let (mut watchers, mut joins) = (watchers(&mut world), world.open(1, UPGRADE, b"").remove(0));
    joins.write(&frame(SUBSCRIBE));
    let (mut told, mut turns) = (0, 0);
    while told < WATCHERS {
        let before = world.server.stats().units;
        world.turn();
        let units = world.server.stats().units - before;
        assert!(units <= TURN + PIECES, "{units} units in turn {turns}");
        told += watchers.iter_mut().map(|peer| streams(&read(peer)).len()).sum::<usize>();
        turns += 1;
        assert!(turns < WATCHERS, "{told} are told");
    }
    assert_eq!(told, WATCHERS);
}

/// A watcher that comes while an event is being sent gets the list, and that event no more.
/// [service:presence-steps]
#[test]
fn who_comes_meanwhile_gets_no_older_event() {
    let mut world = world();
    let mut watchers = watchers(&mut world);
    let mut comers = world.open(2, UPGRADE, b"");
    let mut late = comers.remove(1);
    comers[0].write(&frame(SUBSCRIBE));
    let mut hears = |world: &mut World| {
        world.turn();
        watchers.iter_mut().map(|peer| streams(&read(peer)).len()).sum::<usize>()
    };
    let mut told = 0;
    while told == 0 {
        told += hears(&mut world);
    }
    assert!(told < WATCHERS / 2, "{told} were told in one turn");
    late.write(&frame(WATCH));
    let mut heard = String::new();
    for _ in 0..WATCHERS {
        told += hears(&mut world);
        heard += &read(&mut late);
    }
    let (heard, now) = (streams(&heard), WATCHERS + 2);
    assert!(!heard.is_empty() && heard.iter().all(|it| *it == now), "{heard:?}, of {now}");
    assert!(told >= WATCHERS, "{told} of the others were told");
}

/// Streams with many subscriptions end in one turn: to forget them is the work of many, and is counted.
/// [service:ends-billed]
#[test]
fn streams_with_many_subscriptions_are_forgotten_over_turns() {
    const STREAMS: usize = 60;
    let mut world = world();
    let names: Vec<String> = (0..128).map(|number| format!("\"room:{number}\"")).collect();
    let subscribe = format!(r#"{{"type":"subscribe","channels":[{}]}}"#, names.join(","));
    let mut sockets = world.open(STREAMS, UPGRADE, b"");
    let mut other = open(&mut world);
    let len = u16::try_from(subscribe.len()).expect("it is not long").to_be_bytes();
    let command = [&[0x81, 0xFE, len[0], len[1], 0, 0, 0, 0][..], subscribe.as_bytes()].concat();
    sockets.iter_mut().for_each(|peer| peer.write(&command));
    work_off(&mut world, &mut other, || sockets.iter_mut().for_each(|peer| drop(read(peer))));
    assert_eq!(world.server.app().hub_stats().subscriptions, STREAMS * 128);
    sockets.iter_mut().for_each(Peer::reset);
    let mut turns = 0;
    while world.server.app().holdings().streams > 0 {
        let before = world.server.stats().units;
        world.turn();
        let units = world.server.stats().units - before;
        // Their connections cost 50 units each.
        assert!(units <= TURN + PIECES + 50 * STREAMS as u64, "{units} units in turn {turns}");
        turns += 1;
        assert!(turns < 1_000, "they are never forgotten");
    }
    // Each costs what most of a turn has.
    assert!(turns > STREAMS / 3, "{turns} turns");
}
