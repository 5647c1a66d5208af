//! Who pays and who waits for whom: nobody pays for what others publish, tasks go on beside the log's answers, and a client
//! that asks for less than its part may ask for several things at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_hub::{Config, Epoch, Kind};
use sockeye_service::sequencing::{
    Backbone, LoopBackbone, LoopBackboneLimits, Member, Offer, Sequencer,
};
use sockeye_service::wire::{Data, Payload};
use sockeye_service::{Limits, Service};
use sockeye_simnet::Peer;

use crate::common::Slow;
use crate::fan_out::{UPGRADE, World, frame, read};
use crate::turns::{HEALTH, open, post, work_off};

const SUBSCRIBE: &[u8] = br#"{"type":"subscribe","channels":["news:1"]}"#;
/// More subscribers than the application's part of a turn has units: 9/32 of 2,000.
const SUBSCRIBERS: usize = 700;
const POLLS: usize = 40;

/// A world with small turns.
fn world_of(service: Service) -> World {
    let mut server = sockeye_server::Limits::default();
    (server.turn_units_max, server.connection_units_max) = (2_000, 200);
    World::of(service, server)
}

fn service() -> Service {
    Service::new(Epoch(7), Config::default(), Limits::default())
}

fn poll(world: &World, address: IpAddr, channel: &str) -> Peer {
    let mut peer = world.net.connect_from(address).expect("it listens");
    let get = format!("GET /v1/poll?channel={channel}&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    peer.write(get.as_bytes());
    peer
}

/// Another service of the process, whose publications this one hears of.
struct Other {
    backbone: Arc<LoopBackbone>,
    sequencer: Sequencer,
    member: Member,
    tickets: u64,
}

impl Other {
    /// The other service, and one that has been told nothing yet.
    fn beside(service: Service) -> (Self, Service) {
        let limits = LoopBackboneLimits { entries_max: 1_000, bytes_max: 1 << 20 };
        let backbone = LoopBackbone::new(2, limits);
        let service = service.with_backbone(Box::new(backbone.member(0)));
        let sequencer = Sequencer::new(Epoch(7), Config::default());
        (Self { member: backbone.member(1), backbone, sequencer, tickets: 0 }, service)
    }

    fn publish(&mut self, world: &World, channel: &str, count: usize) {
        for _ in 0..count {
            self.tickets += 1;
            let payload = Payload::new(Data::text("hello"));
            let (channel, kind) = (channel.into(), Kind::Message);
            let offer = Offer { channel, payload, kind, key: None, expect: None };
            self.member.append(self.tickets, offer).expect("there is room");
        }
        self.backbone.step(&mut self.sequencer, world.server.app().log_time().ms);
        while self.member.next().is_some() {}
    }
}

/// Clients of twenty addresses that always have requests.
fn crowd(world: &mut World) -> Vec<Peer> {
    let address = |number: u8| IpAddr::from([10, 0, 1, number]);
    let connect = |number| world.net.connect_from(address(number)).expect("it listens");
    let mut crowd: Vec<Peer> = (0..20).map(connect).collect();
    crowd.iter_mut().for_each(|peer| peer.write(HEALTH.repeat(2_000).as_bytes()));
    crowd
}

/// Turns until something is done. Returns their number.
fn until(world: &mut World, crowd: &mut [Peer], mut is_done: impl FnMut() -> bool) -> usize {
    for turn in 1..=1_000 {
        world.turn();
        crowd.iter_mut().for_each(|peer| drop(read(peer)));
        if is_done() {
            return turn;
        }
    }
    panic!("it is not done");
}

/// In each turn there is a message whose deliveries are more than the part, and many polls are to be answered.
/// Returns the turns until all of them are.
fn turns_of_polls(world: &mut World, mut next: impl FnMut(&mut World)) -> usize {
    let mut sockets = Vec::new();
    while sockets.len() < SUBSCRIBERS {
        sockets.append(&mut world.open(20, UPGRADE, &frame(SUBSCRIBE)));
    }
    let mut polls: Vec<Peer> =
        (0..POLLS).map(|_| poll(world, IpAddr::from([10, 0, 0, 2]), "news:2")).collect();
    let mut other = open(world);
    work_off(world, &mut other, || sockets.iter_mut().for_each(|peer| drop(read(peer))));
    let mut answered = 0;
    for turn in 1..=POLLS * 2 {
        next(world);
        world.turn();
        sockets.iter_mut().for_each(|peer| drop(read(peer)));
        let is_answered = |peer: &mut Peer| usize::from(read(peer).contains("hello"));
        answered += polls.iter_mut().map(is_answered).sum::<usize>();
        if answered == POLLS {
            return turn;
        }
    }
    panic!("{answered} polls are answered");
}

/// Twenty units for each poll: seven in a quarter of the part, not one. [service:tasks-go-on]
const TURNS_MAX: usize = POLLS / 7 + 4;

/// [service:tasks-go-on]
#[test]
fn tasks_go_on_beside_the_answers_of_a_log() {
    let through = Arc::new(AtomicU64::new(0));
    let mut world = world_of(service().with_log(Box::new(Slow(Arc::clone(&through)))));
    let mut publisher = world.open(1, HEALTH, b"").remove(0);
    let mut at = 0;
    let turns = turns_of_polls(&mut world, |world| {
        if at == 0 {
            let line = |channel| format!("{{\"channel\":\"news:{channel}\",\"data\":\"hello\"}}\n");
            let lines = line(2) + &line(1).repeat(POLLS * 2);
            let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
            publisher.write(format!("{head} {}\r\n\r\n{lines}", lines.len()).as_bytes());
            (0..30).for_each(|_| world.turn());
            at = 1;
        }
        at += 1;
        through.store(at, Ordering::SeqCst);
    });
    assert!(turns <= TURNS_MAX, "{turns} turns");
}

/// [service:tasks-go-on]
#[test]
fn tasks_go_on_beside_the_publications_of_another_service() {
    let (mut other, service) = Other::beside(service());
    let mut world = world_of(service);
    let mut channel = "news:2";
    let turns = turns_of_polls(&mut world, |world| {
        // The polls first, then one message after the other to those that are more than the part.
        other.publish(world, channel, 1);
        channel = "news:1";
    });
    assert!(turns <= TURNS_MAX, "{turns} turns");
}

/// Others always have requests, and the visit of one client is the first after each publication of another
/// service: its next visit does not wait for that. [service:follow-bill]
#[test]
fn a_visit_does_not_pay_for_the_publications_of_another_service() {
    let (mut other, service) = Other::beside(service());
    let mut world = world_of(service);
    let mut sockets = world.open(10, UPGRADE, &frame(SUBSCRIBE));
    let mut modest = open(&mut world);
    let mut crowd = crowd(&mut world);
    let (mut turns, mut heard) = (0, 0);
    for round in 0..40 {
        (0..20).for_each(|_| world.turn());
        modest.write(HEALTH.as_bytes());
        other.publish(&world, "news:1", 100);
        while !read(&mut modest).ends_with("ok\n") {
            world.turn();
            turns += usize::from(round >= 5);
            crowd.iter_mut().for_each(|peer| drop(read(peer)));
            heard += sockets.iter_mut().map(|it| read(it).matches("hello").count()).sum::<usize>();
        }
    }
    assert!(world.server.is_busy(), "the others have requests");
    assert!(heard > 30 * 1_000, "{heard} messages");
    assert!(turns <= 2 * 35, "{turns} turns for 35 requests");
}

/// Others always have requests, and 1,000 messages have expired when one client polls: its next request does not wait
/// for that. [service:due-bill]
#[test]
fn a_visit_does_not_pay_for_what_has_expired() {
    let mut config = Config::default();
    (config.settings.history_ms, config.settings.history_messages_max) = (1_000, 1_000);
    let mut world = world_of(Service::new(Epoch(7), config, Limits::default()));
    let mut publisher = open(&mut world);
    let mut modest = world.net.connect_from(IpAddr::from([10, 0, 0, 2])).expect("it listens");
    let mut crowd = crowd(&mut world);
    let mut turns = 0;
    for _ in 0..10 {
        let lines = "{\"channel\":\"news:1\",\"data\":\"hello\"}\n".repeat(1_000);
        let head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length:";
        publisher.write(format!("{head} {}\r\n\r\n{lines}", lines.len()).as_bytes());
        until(&mut world, &mut crowd, || read(&mut publisher).contains("200 OK"));
        world.net.advance(1_001);
        modest.write(b"GET /v1/poll?channel=news:2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        until(&mut world, &mut crowd, || read(&mut modest).contains("200 OK"));
        modest.write(HEALTH.as_bytes());
        turns += until(&mut world, &mut crowd, || read(&mut modest).ends_with("ok\n"));
    }
    assert!(world.server.is_busy(), "the others have requests");
    assert!(turns <= 30, "{turns} turns for 10 requests");
}

/// Two hundred others always have polls to be answered. A client that has asked for less gets the answers to
/// six polls at once. [service:task-credit]
#[test]
fn a_burst_of_polls_is_answered_at_once() {
    const HOLDERS: u8 = 200;
    const OF_EACH: usize = 15;
    let mut world = crate::turns::world();
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    let modest = IpAddr::from([10, 0, 0, 2]);
    let crowd = (0..HOLDERS).flat_map(|number| [IpAddr::from([10, 0, 1, number]); OF_EACH]);
    let _crowd: Vec<Peer> = crowd.map(|address| poll(&world, address, "news:1")).collect();
    let mut first = poll(&world, modest, "news:3");
    let mut burst: Vec<Peer> = (0..6).map(|_| poll(&world, modest, "news:2")).collect();
    let polls = usize::from(HOLDERS) * OF_EACH + 7;
    while world.server.app().holdings().streams < polls {
        world.turn();
    }
    work_off(&mut world, &mut other, || ());
    let is_answered = |peer: &mut Peer| usize::from(read(peer).contains("hello"));
    publisher.write((post("news:1", "\"hello\"") + &post("news:3", "\"hello\"")).as_bytes());
    (0..20).for_each(|_| world.turn());
    assert_eq!(is_answered(&mut first), 1);
    publisher.write(post("news:2", "\"hello\"").as_bytes());
    (0..2).for_each(|_| world.turn());
    assert_eq!(burst.iter_mut().map(is_answered).sum::<usize>(), 6);
    let due = world.server.app().holdings().due;
    assert!(due > usize::from(HOLDERS) * 2, "{due} of the others wait");
}
