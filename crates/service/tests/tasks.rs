//! Large answers are tasks: they are built in the part of a turn that is the service's own, each account
//! has its share of it, and the requests that wait for theirs are bounded.

use std::net::IpAddr;

use sockeye_hub::Epoch;
use sockeye_service::{Holdings, Limits, Service};
use sockeye_simnet::Peer;

use crate::caching::{KEY, guarded};
use crate::common::Setup;
use crate::fan_out::{UPGRADE, World, frame, read};
use crate::turns::{HEALTH, open, post, publish, work_off, world, world_with};

const PAGE: &str = "GET /v1/channels/news:1/history?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A new connection from the address of this number, which says `request`.
fn ask_from(world: &World, address: u8, request: &str) -> Peer {
    let address = IpAddr::from([10, 0, 0, address]);
    let mut peer = world.net.connect_from(address).expect("it listens");
    peer.write(request.as_bytes());
    peer
}

/// The statuses of the answers that a peer has got.
fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|it| &it[..3]).collect()
}

/// Alone, a request for a page waits for no other turn. [service:answer-tasks]
#[test]
fn a_page_is_answered_in_the_turn_of_its_request() {
    let mut world = world();
    publish(&mut world, 100);
    let mut peer = open(&mut world);
    for limit in [0, 1, 100, 1_000] {
        let target = format!("/v1/channels/news:1/history?limit={limit}");
        peer.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        world.turn();
        let answer = read(&mut peer);
        assert_eq!(statuses(&answer), ["200"], "limit {limit}");
        assert_eq!(answer.matches("hello").count(), limit.min(100), "limit {limit}");
    }
    world.turn();
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// A thousand requests for pages from one address, and a poll from another: the pages take many turns,
/// and the poll does not wait for them. [service:turn-yields] [service:answer-tasks]
#[test]
fn a_poll_does_not_wait_for_the_pages_of_another() {
    const PAGES: usize = 1_000;
    let mut world = world();
    let (mut publisher, mut other) = (publish(&mut world, 100), open(&mut world));
    let poll = "GET /v1/poll?channel=news:2&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut poll = ask_from(&world, 2, poll);
    world.turn();
    let mut readers: Vec<Peer> = (0..PAGES).map(|_| ask_from(&world, 1, PAGE)).collect();
    let came = (0..100).any(|_| {
        world.turn();
        world.server.app().holdings().held >= PAGES / 2
    });
    assert!(came, "no pages wait");
    publisher.write(post("news:2", "\"for the poll\"").as_bytes());
    let mut turns = 0;
    while !read(&mut poll).contains("for the poll") {
        world.turn();
        turns += 1;
        assert!(turns <= 2, "the poll waits");
    }
    assert!(world.server.app().holdings().held > PAGES / 4, "the pages do");
    let mut answers = vec![String::new(); PAGES];
    let mut look = || {
        readers.iter_mut().zip(&mut answers).for_each(|(peer, answer)| *answer += &read(peer));
    };
    let turns = work_off(&mut world, &mut other, &mut look);
    look();
    assert!(turns > 50, "{turns} turns");
    for answer in &answers {
        assert_eq!((statuses(answer), answer.matches("hello").count()), (vec!["200"], 100));
    }
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// One message answers a thousand polls from one address: the answers take many turns, and a poll from
/// another address does not wait for them. [service:fair-work]
#[test]
fn a_poll_does_not_wait_for_the_polls_of_another() {
    const POLLS: usize = 1_000;
    let mut world = world();
    let (mut publisher, mut other) = (open(&mut world), open(&mut world));
    let poll = |channel: u8| {
        format!("GET /v1/poll?channel=news:{channel}&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    };
    let mut crowd: Vec<Peer> = (0..POLLS).map(|_| ask_from(&world, 1, &poll(1))).collect();
    let mut alone = ask_from(&world, 2, &poll(2));
    let came = (0..200).any(|_| {
        world.turn();
        world.server.app().holdings().streams > POLLS
    });
    assert!(came, "no polls wait");
    publisher.write(post("news:1", "\"for the crowd\"").as_bytes());
    world.turn();
    publisher.write(post("news:2", "\"for one\"").as_bytes());
    for _ in 0..2 {
        world.turn();
    }
    assert!(read(&mut alone).contains("for one"), "the poll waits");
    assert!(world.server.app().holdings().due > POLLS / 2, "the others wait");
    let mut answered = 0;
    let is_answered = |peer: &mut Peer| usize::from(read(peer).contains("crowd"));
    let mut look = || answered += crowd.iter_mut().map(is_answered).sum::<usize>();
    work_off(&mut world, &mut other, &mut look);
    look();
    assert_eq!(answered, POLLS);
}

/// A client that polls again and again does not wait for the first pages of many others.
/// [service:fair-work]
#[test]
fn a_client_that_polls_does_not_wait_for_newcomers() {
    let mut world = world();
    let (mut publisher, mut other) = (publish(&mut world, 300), open(&mut world));
    let poll = |query: &str| {
        format!("GET /v1/poll?channel=news:2&wait=60{query} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    };
    let mut alone = ask_from(&world, 2, &poll(""));
    let mut readers: Vec<Peer> = (10..210).map(|number| ask_from(&world, number, PAGE)).collect();
    (0..8).for_each(|_| world.turn());
    for round in 0..8 {
        publisher.write(post("news:2", "\"for one\"").as_bytes());
        // Eight short turns are two whole ones.
        let answer = (0..8).map(|_| {
            world.turn();
            read(&mut alone)
        });
        let answer: String = answer.skip_while(String::is_empty).take(1).collect();
        assert!(answer.contains("for one"), "round {round}: the poll waits");
        let cursor = answer.split("Sockeye-Cursor: ").nth(1).and_then(|it| it.lines().next());
        alone.write(poll(&format!("&cursor={}", cursor.expect("one"))).as_bytes());
        world.turn();
    }
    assert!(world.server.app().holdings().held > 50, "the pages wait");
    let mut answers = vec![String::new(); readers.len()];
    let mut look = || {
        readers.iter_mut().zip(&mut answers).for_each(|(peer, answer)| *answer += &read(peer));
    };
    work_off(&mut world, &mut other, &mut look);
    look();
    assert!(answers.iter().all(|answer| answer.contains("hello 299;")));
}

/// The streams of an API key get the part of a back end together, from however many addresses they come.
/// [service:fair-visits]
#[test]
fn an_api_key_at_many_addresses_gets_one_part() {
    const STREAMS: u8 = 100;
    let mut world = world();
    let mut setup = Setup::default();
    guarded(&mut setup);
    setup.limits.messages_burst = 1 << 30;
    let service = Service::new(Epoch(7), setup.hub, setup.limits);
    let service = service.with_access(setup.access.expect("it is guarded"));
    *world.server.app_mut() = service.with_namespaces(setup.namespaces);
    let with_key = UPGRADE.replace("Upgrade: websocket", &format!("{KEY}Upgrade: websocket"));
    let mut back_end: Vec<Peer> =
        (0..STREAMS).map(|number| ask_from(&world, number + 10, &with_key)).collect();
    let mut stranger = ask_from(&world, 1, UPGRADE);
    (0..10).for_each(|_| world.turn());
    let command = br#"{"type":"subscribe","channels":["news:1"]}"#;
    let commands = [&frame(command)[..], &frame(br#"{"type":"ping"}"#)].concat().repeat(40);
    let pongs = |peer: &mut Peer| read(peer).matches(r#""type":"pong""#).count();
    let (mut theirs, mut its, mut written) = (0, 0, vec![0; usize::from(STREAMS) + 1]);
    for turn in 0..400 {
        for (peer, written) in back_end.iter_mut().chain([&mut stranger]).zip(&mut written) {
            while *written < peer.taken() + 4_000 {
                peer.write(&commands);
                *written += commands.len() as u64;
            }
        }
        world.turn();
        let (of_key, of_stranger) =
            (back_end.iter_mut().map(pongs).sum::<usize>(), pongs(&mut stranger));
        if turn >= 100 {
            (theirs, its) = (theirs + of_key, its + of_stranger);
        }
    }
    let ratio = theirs / its.max(1);
    assert!((10..30).contains(&ratio), "{theirs} for the key, {its} for the stranger");
}

/// Requests that wait are bounded, the others are refused by the name of the bound, and a client that
/// is gone leaves nothing. [service:bound-archive]
#[test]
fn requests_that_wait_for_their_turn_are_bounded() {
    let mut limits = Limits::default();
    limits.archive_requests_max = 20;
    let mut world = world_with(limits);
    publish(&mut world, 200);
    let mut other = open(&mut world);
    for round in 0..3 {
        let mut readers = world.open(60, HEALTH, b"");
        readers.iter_mut().for_each(|peer| peer.write(PAGE.as_bytes()));
        world.turn();
        let held = world.server.app().holdings().held;
        assert!((10..=20).contains(&held), "round {round}: {held} are held");
        // Half of them leave.
        readers.iter_mut().step_by(2).for_each(Peer::reset);
        work_off(&mut world, &mut other, || ());
        let answers: String = readers.iter_mut().skip(1).step_by(2).map(read).collect();
        let statuses = statuses(&answers);
        let count = |status: &str| statuses.iter().filter(|it| **it == status).count();
        assert_eq!(count("200") + count("503"), 30, "round {round}");
        assert!(count("200") >= 10 && count("503") >= 10, "round {round}: {}", count("200"));
        assert_eq!(answers.matches("(disk_requests)").count(), count("503"));
        assert_eq!(world.server.app().holdings(), Holdings::default(), "round {round}");
    }
}
