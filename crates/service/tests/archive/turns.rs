//! Pages of the archive are work of those who ask for them: they delay and cost nobody else.

use std::net::IpAddr;

use sockeye_hub::{Config, Epoch};
use sockeye_service::{Holdings, Limits, Service};
use sockeye_simnet::Peer;

use super::bounds::base36;
use super::naive::{Naive, TOKENS};
use super::restore;
use crate::fan_out::{World, read};

/// A page of the archive: memory has nothing of `c`.
const PAGE: &str = "GET /v1/channels/c/history?limit=200 HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// A page of about as many messages that are in memory.
const RECENT: &str = "GET /v1/channels/e/history?limit=200 HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A service after a restart, with turns of 8,000 units.
fn world(disk: &Naive, adjust: impl FnOnce(&mut Limits)) -> World {
    let mut limits = Limits::default();
    (limits.archive_requests_max, limits.archive_requests_per_holder_max) = (4_000, 2_000);
    adjust(&mut limits);
    let mut hub = Config::default();
    hub.settings.history_messages_max = 2_000;
    let service = Service::new(Epoch(7), hub, limits);
    let mut server = sockeye_server::Limits::default();
    (server.turn_units_max, server.connection_units_max) = (8_000, 1_000);
    World::of(restore(service, disk.clone()), server)
}

/// New connections from the address of this number, which say `request`.
fn ask_from(world: &World, address: u8, count: usize, request: &str) -> Vec<Peer> {
    let connect = |_| {
        let address = IpAddr::from([10, 0, 0, address]);
        let mut peer = world.net.connect_from(address).expect("it listens");
        peer.write(request.as_bytes());
        peer
    };
    (0..count).map(connect).collect()
}

/// Turns until so many requests are held.
fn turn_until_held(world: &mut World, count: usize) {
    for _ in 0..1_000 {
        if world.server.app().holdings().held >= count {
            return;
        }
        world.turn();
    }
    panic!("{} are held", world.server.app().holdings().held);
}

/// Publishes so many messages in `e`, which memory has.
fn publish(world: &mut World, count: usize) {
    let mut publisher = ask_from(world, 3, 1, "").remove(0);
    let head = "POST /v1/channels/e HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1";
    (0..count).for_each(|_| publisher.write(head.as_bytes()));
    let mut answers = String::new();
    while answers.matches("accepted").count() < count {
        world.turn();
        answers += &read(&mut publisher);
    }
}

/// The time of a poll is over when the loop looks, and its page is there, or is not. [service:archive-page-first]
#[test]
fn a_poll_whose_time_is_over_gets_the_page_that_is_there() {
    for (channel, is_slow, status) in
        [("c", false, "200"), ("d", false, "200"), ("c", true, "503"), ("d", true, "503")]
    {
        let disk = Naive::default();
        disk.disk().is_slow = true;
        let mut world = world(&disk, |limits| limits.archive_ms_max = 20);
        let poll = format!(
            "GET /v1/poll?channel={channel}&cursor=17-1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let mut peer = ask_from(&world, 1, 1, &poll).remove(0);
        (0..10).for_each(|_| world.turn());
        assert_eq!((disk.disk().asked.len(), read(&mut peer)), (1, String::new()), "{channel}");
        disk.disk().is_slow = is_slow;
        world.net.advance(30);
        world.turn();
        let answer = read(&mut peer);
        assert_eq!(answer.get(9..12), Some(status), "{channel}, {is_slow}: {answer}");
        assert_eq!(answer.contains(r#""data":"2""#), (channel, is_slow) == ("c", false));
        assert_eq!(world.server.app().holdings(), Holdings::default());
    }
}

/// A thousand pages for one address, and the first one for another: it does not wait for them, neither
/// for the archive nor in a turn. [service:fair-archive]
#[test]
fn a_thousand_pages_do_not_delay_the_first_of_another() {
    const PAGES: usize = 1_000;
    let disk = Naive::default();
    disk.disk().is_slow = true;
    let mut world = world(&disk, |_| ());
    let mut crowd = ask_from(&world, 1, PAGES, PAGE);
    turn_until_held(&mut world, PAGES);
    world.turn_until_idle();
    // What the crowd has asked is answered first.
    disk.disk().is_slow = false;
    (0..5).for_each(|_| world.turn());
    let mut other = ask_from(&world, 2, 1, PAGE);
    let mut turns = 0;
    while !read(&mut other[0]).contains("\"20000\"") {
        world.turn();
        turns += 1;
        assert!(turns <= 6, "the page waits for {} others", world.server.app().holdings().held);
    }
    assert!(world.server.app().holdings().held > PAGES / 2, "the others wait");
    let mut answered = vec![String::new(); PAGES];
    for _ in 0..10_000 {
        if !world.server.is_busy() {
            break;
        }
        world.turn();
        crowd.iter_mut().zip(&mut answered).for_each(|(peer, answer)| *answer += &read(peer));
    }
    assert!(answered.iter().all(|it| it.starts_with("HTTP/1.1 200") && it.contains("\"20000\"")));
    assert_eq!(world.server.app().holdings(), Holdings::default());
}

/// An account that reads from the archive and one that reads from memory get equal parts of a turn.
/// [service:fair-archive] [service:fair-work]
#[test]
fn pages_are_charged_to_those_who_asked() {
    const CONNECTIONS: usize = 40;
    let disk = Naive::default();
    let mut world = world(&disk, |_| ());
    publish(&mut world, 200);
    let mut readers = [(1, PAGE), (2, RECENT)]
        .map(|(address, request)| (ask_from(&world, address, CONNECTIONS, request), request, 0));
    for turn in 0..600 {
        world.turn();
        for (peers, request, pages) in &mut readers {
            for peer in peers {
                if read(peer).contains("HTTP/1.1 200") {
                    *pages += u32::from(turn >= 100);
                    peer.write(request.as_bytes());
                }
            }
        }
    }
    let [(_, _, from_disk), (_, _, from_memory)] = readers;
    // A page of the archive costs a third more: its messages have to be decoded.
    let parts = f64::from(from_disk) / f64::from(from_memory);
    assert!(from_memory > 100 && (0.6..0.9).contains(&parts), "{from_disk} and {from_memory}");
}

/// Whoever reads history, wherever it is: each message of it is counted. [service:turn-yields]
#[test]
fn each_message_that_is_read_is_counted() {
    let disk = Naive::default();
    let mut world = world(&disk, |_| ());
    let get = |target: String| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    publish(&mut world, 200);
    let mut units = |target: String| {
        world.turn_until_idle();
        let before = world.server.stats().units;
        let mut peer = ask_from(&world, 4, 1, &get(target)).remove(0);
        (0..3).for_each(|_| world.turn());
        world.turn_until_idle();
        let (answer, units) = (read(&mut peer), world.server.stats().units - before);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        (units, answer.len() as u64)
    };
    type Way = fn(u64) -> String;
    let ways: [(&str, Way); 6] = [
        ("page", |count| format!("/v1/channels/e/history?limit={count}")),
        ("poll", |count| format!("/v1/poll?channel=e&cursor=17-{}", base36(TOKENS + 200 - count))),
        ("stream", |count| format!("/v1/sse?channel=e&cursor=17-{}", base36(TOKENS + 200 - count))),
        ("page from disk", |count| format!("/v1/channels/c/history?limit={count}")),
        ("poll from disk", |count| {
            format!("/v1/poll?channel=c&cursor=17-{}", base36(TOKENS - count))
        }),
        ("stream from disk", |count| {
            format!("/v1/sse?channel=c&cursor=17-{}", base36(TOKENS - count))
        }),
    ];
    for (name, target) in ways {
        let ((few, short), (many, long)) = (units(target(2)), units(target(182)));
        // The text of an answer is counted, too. That of a stream is the server's.
        let is_answer = !name.contains("stream");
        let (counted, text) = (many - few, if is_answer { (long - short) / 64 } else { 0 });
        assert!(counted >= 180 * 3 + text, "{name}: {counted} units, {text} for text");
    }
}

/// An account has a quarter of the questions under way, and the others are for those who come later.
/// [service:fair-archive]
#[test]
fn one_account_leaves_room_for_questions_of_others() {
    let disk = Naive::default();
    disk.disk().is_slow = true;
    let mut world = world(&disk, |limits| limits.archive_questions_max = 8);
    let asked = |world: &mut World| {
        (0..3).for_each(|_| world.turn());
        world.turn_until_idle();
        disk.disk().questions.len()
    };
    let mut crowd = ask_from(&world, 1, 10, PAGE);
    assert_eq!(asked(&mut world), 2, "a quarter");
    let others: Vec<Vec<Peer>> = (2..4).map(|it| ask_from(&world, it, 3, PAGE)).collect();
    assert_eq!(asked(&mut world), 6);
    // Those who wait leave, and those who are asked for.
    crowd.iter_mut().rev().for_each(Peer::reset);
    drop(crowd);
    world.turn_until_idle();
    assert_eq!(disk.disk().canceled.len(), 2);
    let again = ask_from(&world, 1, 3, PAGE);
    assert_eq!(asked(&mut world), 8);
    drop((again, others));
    disk.disk().is_slow = false;
    world.turn();
    world.turn_until_idle();
    assert_eq!(world.server.app().holdings(), Holdings::default());
}
