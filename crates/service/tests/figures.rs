//! The page of metrics: its figures are collected over turns, also for other services of the process.

use std::net::IpAddr;

use sockeye_hub::{Config, Epoch};
use sockeye_service::{Holdings, Limits, Service, SharedState};
use sockeye_simnet::Peer;

use crate::fan_out::{World, read};

const METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Connections of a crowd: 2,500 units are needed to look at them.
const CONNECTIONS: usize = 20_000;

/// What a turn may spend: 9/32 of 2,000 units for the service, a step of 500 above it, and a page of 500
/// behind the last step; and what the requests cost.
const TURN_UNITS: u64 = 563 + 500 + 500 + 200;

fn service() -> Service {
    Service::new(Epoch(7), Config::default(), Limits::default())
}

fn world_of(service: Service) -> World {
    let mut server = sockeye_server::Limits::default();
    (server.turn_units_max, server.connection_units_max) = (2_000, 200);
    World::of(service, server)
}

/// Connections of many addresses, which ask for nothing.
fn crowd(world: &mut World) -> Vec<Peer> {
    let mut peers = Vec::new();
    for (number, host) in (0..CONNECTIONS).zip((0..200).cycle()) {
        let address = IpAddr::from([10, 1, host, 1]);
        peers.push(world.net.connect_from(address).expect("it listens"));
        if number % 50 == 49 {
            world.turn();
        }
    }
    while world.server.connections() < CONNECTIONS {
        world.turn();
    }
    peers
}

/// A turn, and the units that it has spent.
fn turn(world: &mut World) -> u64 {
    let before = world.server.stats().units;
    world.turn();
    world.server.stats().units - before
}

fn connect(world: &World) -> Peer {
    world.net.connect_from(IpAddr::from([10, 0, 0, 1])).expect("it listens")
}

fn ask(world: &World) -> Peer {
    let mut peer = connect(world);
    peer.write(METRICS.as_bytes());
    peer
}

/// The answers that came, each of them good.
fn answers(peer: &mut Peer) -> usize {
    let text = read(peer);
    assert_eq!(text.matches("HTTP/1.1 ").count(), text.matches("HTTP/1.1 200 ").count());
    text.matches("HTTP/1.1 200 ").count()
}

/// [service:figures-yield]
#[test]
fn many_connections_are_looked_at_over_turns() {
    let mut world = world_of(service());
    let crowd = crowd(&mut world);
    let mut operators: Vec<Peer> = (0..3).map(|_| ask(&world)).collect();
    let (mut turns, mut answered) = (0, 0);
    while answered < operators.len() {
        let units = turn(&mut world);
        assert!(units <= TURN_UNITS, "{units} units in turn {turns}");
        answered += operators.iter_mut().map(answers).sum::<usize>();
        turns += 1;
        assert!(turns < 40, "{answered} are answered");
    }
    // Once for all of them.
    assert!((3..10).contains(&turns), "{turns} turns");
    drop(crowd);
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// Two services of a process, and where each has its connections.
fn two() -> [World; 2] {
    let state = SharedState::new(2, &Limits::default(), |_| ());
    [0, 1].map(|which| world_of(service().with_shared_state(&state, which)))
}

/// [service:figures-yield]
#[test]
fn another_service_looks_at_its_connections_over_turns() {
    let [mut world, mut other] = two();
    let crowd = crowd(&mut other);
    let mut operator = ask(&world);
    let mut turns = 0;
    loop {
        turn(&mut world);
        if answers(&mut operator) > 0 {
            break;
        }
        let units = turn(&mut other);
        assert!(units <= TURN_UNITS, "{units} units in turn {turns}");
        turns += 1;
        assert!(turns < 40, "it is never answered");
    }
    assert!(turns >= 3, "{turns} turns");
    drop(crowd);
}

/// Many ask beside another service: their pages, too, are work of several turns. Those who go away are forgotten.
/// [service:figures-yield]
#[test]
fn pages_for_many_are_made_over_turns() {
    const REQUESTS: usize = 300;
    let [mut world, mut other] = two();
    let mut operators: Vec<Peer> = (0..REQUESTS).map(|_| ask(&world)).collect();
    while world.server.app().holdings().held < REQUESTS {
        turn(&mut world);
    }
    operators.truncate(REQUESTS - 50);
    let (mut turns, mut answered) = (0, 0);
    while answered < operators.len() {
        turn(&mut other);
        turn(&mut world);
        let now: usize = operators.iter_mut().map(answers).sum();
        assert!(now <= 3, "{now} pages in turn {turns}");
        answered += now;
        turns += 1;
        assert!(turns < 2 * REQUESTS, "{answered} are answered");
    }
    for _ in 0..200 {
        other.turn();
        world.turn();
    }
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// A service whose loop stands still counts with its last figures, after a second.
#[test]
fn a_service_that_stands_still_is_not_waited_for() {
    let [mut world, _other] = two();
    let mut operator = ask(&world);
    (0..20).for_each(|_| world.turn());
    assert_eq!(answers(&mut operator), 0);
    world.net.advance(1_001);
    world.turn_until_idle();
    assert_eq!(answers(&mut operator), 1);
}

/// The statuses of the answers that have come.
fn statuses(peers: &mut [Peer]) -> (usize, usize) {
    let text: String = peers.iter_mut().map(read).collect();
    let count = |status: &str| text.matches(&format!("HTTP/1.1 {status} ")).count();
    (count("200"), count("503"))
}

/// [service:bound-figures] One address has half of the places at the most, and leaves some to others. Those who are
/// refused or gone have none.
#[test]
fn one_address_does_not_take_all_places() {
    const REQUESTS: usize = 700;
    let [mut world, mut other] = two();
    // While the other service stands still, all of them wait.
    let mut crowd: Vec<Peer> = (0..REQUESTS).map(|_| ask(&world)).collect();
    let mut answered = (0, 0);
    for _ in 0..600 {
        world.turn();
        let (good, refused) = statuses(&mut crowd);
        answered = (answered.0 + good, answered.1 + refused);
    }
    assert_eq!(answered, (0, REQUESTS - 512));
    let mut operator = world.net.connect_from(IpAddr::from([10, 0, 0, 2])).expect("it listens");
    operator.write(METRICS.as_bytes());
    (0..20).for_each(|_| world.turn());
    assert_eq!(statuses(std::slice::from_mut(&mut operator)), (0, 0), "it has a place");
    crowd.iter_mut().for_each(Peer::reset);
    (0..300).for_each(|_| world.turn());
    let mut again: Vec<Peer> = (0..500).map(|_| ask(&world)).collect();
    let mut answered = (0, 0);
    for _ in 0..1_500 {
        other.turn();
        world.turn();
        let (good, refused) = statuses(&mut again);
        answered = (answered.0 + good, answered.1 + refused);
    }
    assert_eq!(answered, (500, 0));
    assert_eq!(statuses(std::slice::from_mut(&mut operator)), (1, 0));
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// Turns until somebody's next request is answered who has asked for the figures, while others have requests, too.
fn turns_after_figures(connections: usize) -> usize {
    let mut world = world_of(service());
    let mut peers = Vec::new();
    for number in 0..connections {
        let host = u8::try_from(number % 200).expect("it is small");
        peers.push(world.net.connect_from(IpAddr::from([10, 1, host, 1])).expect("it listens"));
        if number % 50 == 49 {
            world.turn();
        }
    }
    while world.server.connections() < connections {
        world.turn();
    }
    let names: Vec<String> = (0..128).map(|number| format!("channel=n:{number}")).collect();
    let dear = format!("GET /v1/position?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", names.join("&"));
    let mut crowd: Vec<Peer> = (0..20)
        .map(|at| world.net.connect_from(IpAddr::from([10, 0, 1, at])).expect("it listens"))
        .collect();
    crowd.iter_mut().for_each(|peer| peer.write(dear.repeat(1_000).as_bytes()));
    let (_asker, mut second) = (ask(&world), connect(&world));
    for turn in 1..2_000 {
        // The question comes first.
        if turn == 10 {
            second.write(dear.as_bytes());
        }
        world.turn();
        crowd.iter_mut().for_each(|peer| drop(read(peer)));
        if read(&mut second).contains("n:127") {
            return turn;
        }
    }
    panic!("it is never answered");
}

/// [service:figures-billed] Whoever asks for the figures pays for the count.
#[test]
fn whoever_asks_for_the_figures_pays_for_the_count() {
    let (few, many) = (turns_after_figures(100), turns_after_figures(CONNECTIONS));
    assert!(many > few + 20, "{many} turns after a count of many, {few} after one of few");
}
