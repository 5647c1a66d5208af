//! Requests that may cost much are held for their turn, those that cost little are answered at once, and no
//! crowd of the former delays a client that asks for little.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sockeye_hub::{Config, Epoch};
use sockeye_server::{
    Answer, App, CloseCause, Context, Holder, Message, Opened, Request, Server, StreamKey,
};
use sockeye_service::{Holdings, Limits, PendingStream, Service};
use sockeye_simnet::{Faults, Peer, SimNet};

use crate::caching::{KEY, guarded};
use crate::common::{Setup, Slow};
use crate::fan_out::{World, read};
use crate::turns::{open, post, publish, work_off, world, world_with};

/// A new connection from the address of this number, which says `request`.
fn ask_from(world: &World, address: u8, request: &str) -> Peer {
    let address = IpAddr::from([10, 0, 0, address]);
    let mut peer = world.net.connect_from(address).expect("it listens");
    peer.write(request.as_bytes());
    peer
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Every kind of request that costs much in a world with a hundred messages of `news:1`.
fn dear() -> Vec<String> {
    let names: Vec<String> = (0..128).map(|number| format!("channel=news:{number}")).collect();
    let names = names.join("&");
    vec![
        get("/v1/poll?channel=news:%3E&cursor=earliest"),
        get("/v1/poll?channel=news:1&cursor=earliest"),
        get("/v1/poll?channel=news:1&cursor=earliest&wait=60"),
        get(&format!("/v1/poll?{names}")),
        get(&format!("/v1/position?{names}")),
        get("/v1/channels/news:1/history?limit=1000"),
    ]
}

/// Requests that cost little in that world.
fn cheap() -> Vec<String> {
    vec![
        get("/v1/poll?channel=news:2&cursor=earliest"),
        get("/v1/poll?channel=news:1"),
        get("/v1/poll?channel=news:%3E"),
        get("/v1/position?channel=news:1&channel=news:2"),
        get("/healthz"),
    ]
}

/// Turns until many requests wait. Returns their number.
fn wait_for_held(world: &mut World) -> usize {
    let held = (0..40).map(|_| {
        world.turn();
        world.server.app().holdings().held
    });
    held.into_iter().find(|held| *held > 20).expect("not many wait for their turn")
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|it| &it[..3]).collect()
}

/// [service:answer-tasks]
#[test]
fn alone_each_is_answered_in_the_turn_of_its_request() {
    let mut world = world();
    publish(&mut world, 100);
    let mut peer = open(&mut world);
    for request in dear().into_iter().chain(cheap()).chain([get("/metrics")]) {
        peer.write(request.as_bytes());
        world.turn();
        assert_eq!(statuses(&read(&mut peer)), ["200"], "{request}");
    }
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// Without room for those that wait, the cheap ones are answered, and the others refused by the name of
/// the bound. [service:answer-tasks] [service:bound-archive]
#[test]
fn small_requests_do_not_wait_for_a_turn() {
    let mut limits = Limits::default();
    limits.archive_requests_max = 0;
    let mut world = world_with(limits);
    publish(&mut world, 100);
    let mut peer = open(&mut world);
    // Metrics wait for their turn, and the connections bound them.
    let metrics = vec![get("/metrics")];
    for (requests, status) in [(cheap(), "200"), (dear(), "503"), (metrics, "200")] {
        for request in requests {
            peer.write(request.as_bytes());
            world.turn();
            let answer = read(&mut peer);
            assert_eq!(statuses(&answer), [status], "{request}");
            assert_eq!(answer.contains("(disk_requests)"), status == "503", "{answer}");
        }
    }
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// Each kind is a task: a crowd of them takes many turns, in each of which somebody else is served.
/// [service:turn-yields] [service:answer-tasks]
#[test]
fn a_crowd_of_each_kind_is_answered_over_turns() {
    const CROWD: usize = 300;
    for request in dear().into_iter().chain([get("/metrics")]) {
        let mut world = world();
        publish(&mut world, 100);
        let mut other = open(&mut world);
        let mut crowd: Vec<Peer> = (0..CROWD).map(|_| ask_from(&world, 1, &request)).collect();
        let came = (0..40).any(|_| {
            world.turn();
            world.server.app().holdings().held >= CROWD / 2
        });
        assert!(came, "not many wait: {request}");
        let mut answers = vec![String::new(); CROWD];
        let mut look = || {
            crowd.iter_mut().zip(&mut answers).for_each(|(peer, answer)| *answer += &read(peer));
        };
        let turns = work_off(&mut world, &mut other, &mut look);
        look();
        assert!(turns > 20, "{turns} turns: {request}");
        assert!(answers.iter().all(|answer| statuses(answer) == ["200"]), "{request}");
        assert_eq!(world.server.app().holdings(), Holdings::default());
    }
}

/// 250 addresses always have more polls of a pattern than a turn answers. A stranger with one small poll,
/// again and again, is answered within two turns. [service:fair-work] [service:answer-tasks]
#[test]
fn a_small_poll_does_not_wait_for_large_ones() {
    const ADDRESSES: u8 = 250;
    let mut world = world();
    publish(&mut world, 100);
    let mut publisher = open(&mut world);
    let polls = get("/v1/poll?channel=news:%3E&cursor=earliest").repeat(8);
    let addresses = (0..ADDRESSES).chain(0..ADDRESSES);
    let mut crowd: Vec<Peer> = addresses.map(|at| ask_from(&world, at, &polls)).collect();
    let mut written = vec![polls.len() as u64; crowd.len()];
    let mut turn = |world: &mut World| {
        for (peer, written) in crowd.iter_mut().zip(&mut written) {
            read(peer);
            if *written < peer.taken() + polls.len() as u64 {
                peer.write(polls.as_bytes());
                *written += polls.len() as u64;
            }
        }
        world.turn();
    };
    (0..200).for_each(|_| turn(&mut world));
    let mut alone = ask_from(&world, 251, "");
    let mut waits = Vec::new();
    for at in 0..60 {
        alone.write(get("/v1/poll?channel=quiet:1&cursor=earliest").as_bytes());
        let mut turns = 0;
        while statuses(&read(&mut alone)).is_empty() {
            turn(&mut world);
            turns += 1;
            assert!(turns < 1_000, "poll {at} is never answered");
        }
        waits.push(turns);
    }
    assert!(world.server.app().holdings().held > 200, "the others wait");
    assert!(waits.iter().all(|turns| *turns <= 2), "turns until the answers: {waits:?}");
    // A long poll, which is answered by a task of its own.
    let mut waits = Vec::new();
    for at in 0..30 {
        alone.write(get("/v1/poll?channel=quiet:2&wait=60").as_bytes());
        (0..3).for_each(|_| turn(&mut world));
        publisher.write(post("quiet:2", "\"for one\"").as_bytes());
        let mut turns = 0;
        while !read(&mut alone).contains("for one") {
            turn(&mut world);
            turns += 1;
            assert!(turns < 1_000, "poll {at} is never answered");
        }
        waits.push(turns);
    }
    assert!(waits.iter().all(|turns| *turns <= 3), "turns until the answers: {waits:?}");
}

/// Clients that are gone, requests by HEAD, and more than may wait leave nothing.
/// [service:bound-archive]
#[test]
fn polls_that_wait_for_their_turn_are_bounded() {
    let mut limits = Limits::default();
    limits.archive_requests_max = 20;
    let mut world = world_with(limits);
    publish(&mut world, 200);
    let mut other = open(&mut world);
    let poll = get("/v1/poll?channel=news:1&cursor=earliest&wait=60");
    for (round, poll) in [poll.clone(), poll.replace("GET", "HEAD"), poll].iter().enumerate() {
        let mut pollers: Vec<Peer> = (0..60).map(|_| ask_from(&world, 1, poll)).collect();
        let most = (0..6).map(|_| {
            world.turn();
            world.server.app().holdings().held
        });
        let most = most.max().expect("some");
        assert!((10..=20).contains(&most), "round {round}: {most} are held");
        // Half of them leave.
        pollers.iter_mut().step_by(2).for_each(Peer::reset);
        work_off(&mut world, &mut other, || ());
        let answers: String = pollers.iter_mut().skip(1).step_by(2).map(read).collect();
        let statuses = statuses(&answers);
        let count = |status: &str| statuses.iter().filter(|it| **it == status).count();
        assert_eq!(count("200") + count("503"), 30, "round {round}: {statuses:?}");
        assert!(count("200") >= 5, "round {round}: {statuses:?}");
        assert_eq!(world.server.app().holdings(), Holdings::default(), "round {round}");
    }
}

/// A client that ends its direction while its long poll waits for its turn is answered, also if nothing is
/// there for it. [service:half-closed]
#[test]
fn half_closed_polls_are_answered_in_their_turn() {
    let mut world = world();
    publish(&mut world, 1);
    let mut other = open(&mut world);
    let names: Vec<String> = (0..128).map(|number| format!("channel=empty:{number}")).collect();
    let poll = get(&format!("/v1/poll?wait=60&{}", names.join("&")));
    let mut polls: Vec<Peer> = (0..100).map(|_| ask_from(&world, 1, &poll)).collect();
    wait_for_held(&mut world);
    polls.iter_mut().for_each(Peer::shutdown);
    work_off(&mut world, &mut other, || ());
    for poll in &mut polls {
        assert_eq!(statuses(&read(poll)), ["204"]);
    }
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// A reload takes the key of polls that wait for their turn: they get nothing but their cursor, and are not
/// held any more. [service:revoked]
#[test]
fn a_poll_whose_key_is_revoked_gets_nothing_in_its_turn() {
    let mut world = guarded_world();
    let mut publisher = ask_from(&world, 9, "");
    world.turn();
    for number in 0..100 {
        let post = post("staff:1", &format!("\"secret {number}\""));
        publisher.write(post.replace("\r\nHost", &format!("\r\n{KEY}Host")).as_bytes());
        world.turn();
        assert!(read(&mut publisher).contains("accepted"));
    }
    for (target, is_told) in [("staff:1", true), ("staff:1", false)] {
        let poll = format!("/v1/poll?channel={target}&cursor=earliest&wait=60");
        let poll = get(&poll).replace("\r\nHost", &format!("\r\n{KEY}Host"));
        let mut polls: Vec<Peer> = (0..100).map(|_| ask_from(&world, 1, &poll)).collect();
        let held = wait_for_held(&mut world);
        if !is_told {
            revoke(&mut world);
        }
        world.turn_until_idle();
        let answers: Vec<String> = polls.iter_mut().map(read).collect();
        let empty = answers.iter().filter(|answer| statuses(answer) == ["204"]).count();
        assert_eq!(empty >= held, !is_told, "{empty} of {held}");
        assert!(answers.iter().all(|it| it.contains("Sockeye-Cursor") || statuses(it) == ["401"]));
    }
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// A list of members is a task where it is long. [service:answer-tasks]
#[test]
fn a_long_list_of_members_waits_for_its_turn() {
    const USERS: usize = 80;
    let mut world = guarded_world();
    let mut peers = Vec::new();
    for number in 0..USERS {
        let wanted = format!(r#"{{"user":"user-{number:03}","channels":["room:1"]}}"#);
        let ask = format!(
            "POST /v1/tickets HTTP/1.1\r\n{KEY}Host: localhost\r\nContent-Length: {}\r\n\r\n{wanted}",
            wanted.len()
        );
        let mut back_end = ask_from(&world, 9, &ask);
        (0..2).for_each(|_| world.turn());
        let answer = read(&mut back_end);
        let ticket = answer.split("\"ticket\":\"").nth(1).and_then(|it| it.split('"').next());
        let ticket = ticket.unwrap_or_else(|| panic!("{answer}"));
        peers.push(ask_from(&world, 9, &get(&format!("/v1/sse?channel=room:1&ticket={ticket}"))));
        (0..2).for_each(|_| world.turn());
    }
    let list = |limit| get(&format!("/v1/channels/room:1/presence?limit={limit}"));
    let mut peer = ask_from(&world, 1, "");
    world.turn();
    for (limit, users) in [(10, 10), (1_000, USERS)] {
        peer.write(list(limit).as_bytes());
        world.turn();
        let answer = read(&mut peer);
        assert_eq!((statuses(&answer), answer.matches("user-").count()), (vec!["200"], users));
    }
    for (limit, waits) in [(10, false), (1_000, true)] {
        let mut crowd: Vec<Peer> = (0..100).map(|_| ask_from(&world, 1, &list(limit))).collect();
        let held = (0..6).map(|_| {
            world.turn();
            world.server.app().holdings().held
        });
        assert_eq!(held.max().expect("some") > 20, waits, "limit {limit}");
        (0..60).for_each(|_| world.turn());
        assert!(crowd.iter_mut().all(|peer| statuses(&read(peer)) == ["200"]));
    }
}

/// An application that asks the service for the holder of each stream that opens.
struct Recorder {
    service: Service,
    holders: Vec<Option<Holder>>,
}

impl App for Recorder {
    type Pending = PendingStream;

    fn on_request(
        &mut self,
        request: &Request<'_>,
        context: &mut Context<'_>,
    ) -> Answer<PendingStream> {
        self.service.on_request(request, context)
    }

    fn on_open(
        &mut self,
        stream: StreamKey,
        pending: PendingStream,
        open: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
        self.service.on_open(stream, pending, open, context);
        self.holders.push(self.service.holder(stream));
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        self.service.on_message(stream, message, context);
    }

    fn on_close(&mut self, stream: StreamKey, cause: CloseCause, context: &mut Context<'_>) {
        self.service.on_close(stream, cause, context);
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        self.service.on_turn(context);
    }
}

/// The visits to whatever a back end holds count for its key: streams, polls, pages that wait, and
/// publications that wait for the log. Those of a stranger count for the address. [service:fair-visits]
#[test]
fn the_holder_of_a_held_request_is_its_principal() {
    let service = guarded_service();
    let service = service.with_log(Box::new(Slow(Arc::default())));
    let net = SimNet::new(1, Faults::default(), 1 << 20);
    let recorder = Recorder { service, holders: Vec::new() };
    let limits = sockeye_server::Limits::default();
    let mut server = Server::new(net.clone(), recorder, limits);
    let requests = [
        get("/v1/sse?channel=news:1"),
        get("/v1/poll?channel=news:1&wait=60"),
        get("/v1/channels/news:1/history"),
        post("news:1", "\"hello\""),
        get("/metrics"),
    ];
    let mut peers = Vec::new();
    let mut ask = |request: &str| {
        let mut peer = net.connect_from(IpAddr::from([10, 0, 0, 1])).expect("it listens");
        peer.write(request.as_bytes());
        peers.push(peer);
        (0..2).for_each(|_| server.turn(Some(Duration::ZERO)).expect("it never fails here"));
        server.app().holders.last().copied().flatten()
    };
    let key = |request: &str| request.replace("\r\nHost", &format!("\r\n{KEY}Host"));
    let of_key: Vec<Option<Holder>> = requests.iter().map(|it| ask(&key(it))).collect();
    let of_stranger: Vec<Option<Holder>> = requests.iter().map(|it| ask(it)).collect();
    assert!(of_key[0].is_some_and(|holder| holder.weight > 1));
    assert!(of_key[..4].iter().all(|it| *it == of_key[0]), "{of_key:?}");
    // Nobody shows a key for metrics.
    assert_eq!(of_key[4], None);
    assert!(of_stranger.iter().all(Option::is_none), "{of_stranger:?}");
}

/// The service of the tests on caches: everybody may read `news` and `room`, where presence is kept.
fn guarded_service() -> Service {
    let mut setup = Setup::default();
    guarded(&mut setup);
    let service = Service::new(Epoch(7), setup.hub, setup.limits);
    let service = service.with_access(setup.access.expect("it is guarded"));
    service.with_namespaces(setup.namespaces)
}

fn guarded_world() -> World {
    let mut world = world();
    *world.server.app_mut() = guarded_service();
    world
}

/// Takes all keys.
fn revoke(world: &mut World) {
    let mut setup = Setup::default();
    guarded(&mut setup);
    let access = crate::reload_steps::access(&[]);
    world.server.with_app(|service, context| {
        service.reload(access, setup.namespaces, Config::default(), Limits::default(), context);
    });
}
