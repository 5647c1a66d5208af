//! Large answers are tasks: they are built in the part of a turn that is the service's own, each account
//! has its share of it, and the requests that wait for theirs are bounded.

use std::net::{IpAddr, Ipv4Addr};

use sockeye_service::{Holdings, Limits};
use sockeye_simnet::Peer;

use crate::fan_out::{World, read};
use crate::turns::{HEALTH, open, post, publish, work_off, world, world_with};

const PAGE: &str = "GET /v1/channels/news:1/history?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A new connection from the address of this number, which says `request`.
fn ask_from(world: &World, address: u8, request: &str) -> Peer {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, address));
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
