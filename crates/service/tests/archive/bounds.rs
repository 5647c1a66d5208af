//! Bounds on those who wait for an archive.

use std::time::Instant;

use serde_json::json;
use sockeye_hub::{Config, Epoch, Seq};
use sockeye_service::sequencing::Range;
use sockeye_service::{Limits, Service};

use super::naive::Naive;
use super::{keep_turning, restarted, restore};
use crate::caching::{KEY, guarded};
use crate::common::{Events, PATIENCE, Running, ask, publish};
use crate::fan_out::World;

/// Who waits for an archive holds nobody else, and leaves nothing behind.
///
/// [service:bound-archive]
#[test]
fn a_slow_archive_holds_only_those_that_need_it() {
    let disk = Naive::default();
    disk.disk().is_slow = true;
    let server = restarted(&disk, |setup| {
        setup.limits.archive_questions_max = 1;
    });
    let open = || Events::open(server.addr, "/v1/sse?channel=c&cursor=17-ffi", "");
    let waiting = [open(), open(), open()];
    server.wait_for_streams(3);
    assert_eq!(disk.disk().questions.len(), 1, "the others wait in a queue");
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

/// The queue goes on when the one who was asked for leaves, though nothing else wakes the loop.
///
/// [service:bound-archive]
#[test]
fn a_place_that_is_left_goes_to_the_queue() {
    let disk = Naive::default();
    disk.disk().is_slow = true;
    let mut limits = Limits::default();
    limits.archive_questions_max = 1;
    let service = Service::new(Epoch(7), Config::default(), limits);
    let server = sockeye_server::Limits::default();
    let mut world = World::of(restore(service, disk.clone()), server);
    let mut open = |cursor: &str| {
        let mut peer = world.net.connect().expect("it listens");
        let target = format!("/v1/sse?channel=c&cursor=17-{cursor}");
        peer.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        // It is accepted, and heard in the next turn.
        world.turn();
        world.turn_until_idle();
        peer
    };
    let (mut first, _second) = (open("ffi"), open("ffj"));
    assert_eq!((world.server.app().holdings().streams, disk.disk().asked.len()), (2, 1));
    first.reset();
    world.turn_until_idle();
    assert_eq!((world.server.app().holdings().streams, disk.disk().asked.len()), (1, 2));
}

/// Requests that wait for the archive are bounded for all, and for each user and address.
///
/// [service:bound-archive]
#[test]
fn requests_that_wait_have_shares() {
    let disk = Naive::default();
    disk.disk().is_slow = true;
    let server = restarted(&disk, |setup| {
        guarded(setup);
        setup.namespaces.rules.subscribe = sockeye_service::Readers::Anyone;
        setup.limits.archive_requests_max = 4;
        setup.limits.archive_requests_per_holder_max = 2;
    });
    let held = |server: &Running| server.run(|server| server.app().holdings().held);
    let polls = |server: &Running| server.run(|server| server.app().hub_stats().subscribers);
    let overloaded = |headers: &str| {
        for target in ["/v1/poll?channel=c&cursor=17-1", "/v1/channels/c/history"] {
            let refused = ask(server.addr, "GET", target, headers, "");
            let code = &refused.json()["error"]["code"];
            assert_eq!((refused.status, code), (503, &json!("overloaded")));
            assert!(refused.header("Retry-After").is_some());
        }
    };
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        let mut come = |target: &'static str, headers: &'static str, wanted: (usize, usize)| {
            let addr = server.addr;
            clients.push(scope.spawn(move || ask(addr, "GET", target, headers, "").status));
            let start = Instant::now();
            while (polls(&server), held(&server)) != wanted {
                assert!(start.elapsed() < PATIENCE, "it is not held");
            }
        };
        come("/v1/poll?channel=c&cursor=17-1", "", (1, 0));
        come("/v1/channels/c/history", "", (1, 1));
        overloaded("");
        come("/v1/channels/c/history", KEY, (1, 2));
        come("/v1/poll?channel=c&cursor=17-1", KEY, (2, 2));
        overloaded(KEY);
        let figures = [
            ("archive_waiting{kind=\"request\"}", 4),
            ("archive_waiting{kind=\"stream\"}", 0),
            ("archive_pages_total{outcome=\"read\"}", 0),
            ("rejected_total{reason=\"own_archive\"}", 2),
            ("rejected_total{reason=\"archive\"}", 2),
        ];
        check_figures(&server, &figures);
        disk.disk().is_slow = false;
        for client in clients {
            assert_eq!(keep_turning(&server, || client.join().expect("an answer")), 200);
        }
    });
    assert_eq!((polls(&server), held(&server)), (0, 0));
    let figures = [
        ("archive_waiting{kind=\"request\"}", 0),
        ("archive_pages_total{outcome=\"read\"}", 4),
        ("archive_pages_total{outcome=\"unavailable\"}", 0),
    ];
    check_figures(&server, &figures);
}

fn check_figures(server: &Running, figures: &[(&str, u64)]) {
    let page = ask(server.addr, "GET", "/metrics", "", "").body;
    for (name, value) in figures {
        let line = format!("sockeye_{name} {value}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
}

/// A request whose time is over is refused and forgotten, also in the queue.
///
/// [service:bound-archive]
#[test]
fn a_request_waits_no_longer_than_it_may() {
    let disk = Naive::default();
    disk.disk().is_slow = true;
    let server = restarted(&disk, |setup| {
        (setup.limits.archive_questions_max, setup.limits.archive_ms_max) = (1, 20);
    });
    std::thread::scope(|scope| {
        let get = || ask(server.addr, "GET", "/v1/channels/c/history", "", "");
        for client in [scope.spawn(get), scope.spawn(get)] {
            let refused = client.join().expect("an answer");
            let code = &refused.json()["error"]["code"];
            assert_eq!((refused.status, code), (503, &json!("unavailable")), "{refused:?}");
            assert!(refused.header("Retry-After").is_some());
        }
    });
    server.wait_until(|service| service.holdings().held == 0);
    disk.disk().is_slow = false;
    let start = Instant::now();
    while !disk.disk().questions.is_empty() {
        assert!(start.elapsed() < PATIENCE, "their answers are ignored");
        server.run(|_| ());
    }
    let disk = disk.disk();
    let asked = (disk.asked.len(), disk.canceled.len());
    assert!(asked == (1, 1) || asked == (2, 2), "{asked:?}");
}

/// An account with many that wait does not hold up the one of another account.
///
/// [service:fair-archive]
#[test]
fn accounts_have_their_turns_alternately() {
    let disk = Naive::default();
    disk.disk().is_slow = true;
    let server = restarted(&disk, |setup| {
        guarded(setup);
        setup.namespaces.rules.subscribe = sockeye_service::Readers::Anyone;
        setup.limits.archive_questions_max = 1;
        setup.limits.archive_messages_max = 1;
    });
    let open = |cursor: u64, headers: &str| {
        let target = format!("/v1/sse?channel=c&cursor=17-{}", base36(cursor));
        Events::open(server.addr, &target, headers)
    };
    let mut streams: Vec<Events> = (1..=4).map(|cursor| open(cursor, "")).collect();
    server.wait_for_streams(4);
    streams.push(open(10, KEY));
    server.wait_for_streams(5);
    disk.disk().is_slow = false;
    let start = Instant::now();
    while disk.disk().asked.len() < 5 {
        assert!(start.elapsed() < PATIENCE, "nobody is asked for");
        server.run(|_| ());
    }
    let asked = disk.disk().asked.clone();
    let is_other = |it: &Range| matches!(it, Range::After { after: Seq(10), .. });
    assert!(asked[..3].iter().any(is_other), "{:?}", &asked[..5]);
}

/// An archive that takes no question is asked again, and nobody is sent away.
///
/// [service:archive-full]
#[test]
fn an_archive_that_is_full_is_asked_again() {
    let disk = Naive::default();
    disk.disk().is_full = true;
    // Nothing else wakes the loop.
    let server = restarted(&disk, |setup| setup.server.heartbeat_ms = 3_600_000);
    let mut events = Events::open(server.addr, "/v1/sse?channel=c&cursor=17-ffi", "");
    server.wait_for_streams(1);
    disk.disk().is_full = false;
    let start = Instant::now();
    while disk.disk().asked.is_empty() {
        assert!(start.elapsed() < PATIENCE, "the loop does not ask again by itself");
        std::thread::yield_now();
    }
    let texts = keep_turning(&server, || [(); 2].map(|()| events.next_message().data));
    assert_eq!(texts, ["19999", "20000"]);
}

/// A poll that waits is answered when its time is over, though the archive had nothing for it.
///
/// [service:archive-patience]
#[test]
fn a_poll_that_finds_nothing_in_the_archive_waits_no_longer_than_it_wants() {
    let disk = Naive::default();
    let server = restarted(&disk, |setup| setup.limits.archive_ms_max = u64::MAX / 2);
    for (wait, status) in [("0", 200), ("1", 204)] {
        let target = format!("/v1/poll?channel=d&cursor=17-1&wait={wait}");
        let polled = keep_turning(&server, || ask(server.addr, "GET", &target, "", ""));
        assert_eq!((polled.status, polled.header("Sockeye-Cursor")), (status, Some("17-ffk")));
    }
    assert_eq!(disk.disk().asked.len(), 2);
}

pub(super) fn base36(number: u64) -> String {
    let digit = |it: u64| char::from_digit(u32::try_from(it).expect("a digit"), 36).expect("one");
    match number {
        0..36 => digit(number).to_string(),
        _ => format!("{}{}", base36(number / 36), digit(number % 36)),
    }
}
