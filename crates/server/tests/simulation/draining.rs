//! The phases of a drain, and notices of drained outboxes.

use sockeye_server::{CloseCause, CloseCode, Message, StreamKey};
use sockeye_simnet::Peer;

use crate::simulation::stage::{Stage, Told, get, read, read_to_end, upgrade};

const ROOM: usize = 1_000_000;
const GOING_AWAY: &str = "\u{fffd}\u{2}\u{3}\u{fffd}";

fn goodbyes(told: &[Told]) -> Vec<StreamKey> {
    let goodbye = |told: &Told| match told {
        Told::Goodbye(stream) => Some(*stream),
        _ => None,
    };
    told.iter().filter_map(goodbye).collect()
}

/// [server:drain-even]
#[test]
fn streams_are_told_one_by_one_at_an_even_rate() {
    let mut stage = Stage::new(ROOM, |limits| {
        (limits.drain_accept_ms, limits.drain_window_ms) = (3_000, 10_000);
    });
    let opened: Vec<(Peer, StreamKey)> = (0..100).map(|_| stage.open(&upgrade(""))).collect();
    stage.server.drain();
    assert_eq!(stage.told(), [Told::Drain]);
    stage.pass(2_999);
    assert_eq!(stage.told(), [], "everything goes on");
    stage.pass(1);
    let mut order = goodbyes(&stage.told());
    for passed in (0..10_000).step_by(50) {
        let due = 1 + passed / 100;
        assert_eq!(order.len(), due, "after {passed} ms of the window");
        stage.pass(50);
        order.extend(goodbyes(&stage.told()));
    }
    let slab: Vec<StreamKey> = opened.iter().map(|(_, stream)| *stream).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(sorted == slab && order != slab, "everybody once, in scattered order");
    let apart = order.windows(2).filter(|pair| {
        let place = |stream| slab.iter().position(|one| one == stream).expect("one of them");
        place(&pair[0]).abs_diff(place(&pair[1])) > 1
    });
    assert!(apart.count() > 90, "neighbours are told at different times");
}

/// [server:drain-wakes]
#[test]
fn the_loop_sleeps_until_the_next_goodbye_and_no_longer() {
    let mut stage = Stage::new(ROOM, |limits| {
        (limits.drain_accept_ms, limits.drain_window_ms) = (3_000, 600);
    });
    let _peers: Vec<_> = (0..3).map(|_| stage.open(&upgrade(""))).collect();
    stage.server.drain();
    for ms in [3_000, 200, 200] {
        let before = stage.server.net().last_wait();
        stage.server.turn(None).expect("the poller never fails here");
        let wait = stage.net.last_wait().expect("a deadline");
        // Earlier wakings are those of the timer wheel.
        assert!(wait.as_millis() <= ms, "{before:?}, then {wait:?}");
        stage.pass(u64::try_from(ms - wait.as_millis()).expect("small"));
        stage.turns();
        assert_eq!(goodbyes(&stage.told()).len(), 1, "after {ms} ms more");
    }
}

/// [server:drain-accepts]
#[test]
fn while_it_accepts_everything_goes_on_but_nothing_is_kept() {
    let mut stage = Stage::new(ROOM, |limits| limits.drain_accept_ms = 3_000);
    let mut kept = stage.peer(&get("/a"));
    let mut closing = stage.peer(&get("/b"));
    let (mut old, stream) = stage.open(&upgrade(""));
    stage.server.drain();
    stage.pass(1_000);
    for peer in [&mut kept, &mut closing, &mut old] {
        assert!(read(peer).is_some_and(|text| !text.is_empty()));
        assert_eq!(read(peer).as_deref(), Some(""), "it is open");
    }
    closing.write(get("/c").as_bytes());
    stage.turns();
    // [rfc9112:9.6-close-announced]
    assert!(read_to_end(&mut closing).contains("\r\nConnection: close\r\n"));
    stage.told();
    let mut late = stage.peer(&upgrade(""));
    let told = stage.told();
    assert!(matches!(told[..], [Told::Opened(a), Told::Goodbye(b)] if a == b), "{told:?}");
    assert!(read(&mut late).is_some_and(|text| text.ends_with(GOING_AWAY)));
    late.reset();
    stage.pass(1_900);
    assert_eq!(read(&mut kept).as_deref(), Some(""), "it is open still");
    stage.told();
    stage.pass(100);
    assert_eq!(read_to_end(&mut kept), "");
    assert!(stage.net.connect().is_none(), "nobody new is let in");
    assert_eq!(stage.told(), [Told::Goodbye(stream)]);
    assert_eq!(read(&mut old).as_deref(), Some(GOING_AWAY));
}

#[test]
fn nobody_there_is_no_reason_to_end_early() {
    let mut stage = Stage::new(ROOM, |limits| limits.drain_accept_ms = 3_000);
    stage.server.drain();
    stage.pass(2_999);
    assert!(!stage.server.is_drained(), "somebody may come");
    stage.pass(1);
    assert!(stage.server.is_drained());
}

/// [server:drain-backlog]
#[test]
fn who_waits_in_the_backlog_is_served() {
    for with_request in [true, false] {
        let mut stage = Stage::new(ROOM, |limits| limits.accepts_per_turn_max = 1);
        let mut peers: Vec<Peer> =
            (0..50).map(|_| stage.net.connect().expect("it listens")).collect();
        if with_request {
            peers.iter_mut().for_each(|peer| peer.write(get("/a").as_bytes()));
        }
        stage.server.drain();
        assert_eq!(stage.net.waiting(), 0);
        stage.turns();
        if !with_request {
            // A first request may still be on its way.
            peers.iter_mut().for_each(|peer| peer.write(get("/a").as_bytes()));
            stage.turns();
        }
        assert!(peers.iter_mut().all(|peer| read_to_end(peer).ends_with("/a")));
    }
}

#[test]
fn a_drain_can_be_cut_short() {
    for begun in [false, true] {
        let mut stage = Stage::new(ROOM, |limits| {
            (limits.drain_accept_ms, limits.drain_window_ms) = (3_000, 100_000);
        });
        let _peers: Vec<_> = (0..100).map(|_| stage.open(&upgrade(""))).collect();
        if begun {
            stage.server.drain();
            stage.pass(3_000);
            stage.pass(50_000);
            assert_eq!(goodbyes(&stage.told()).len(), 51);
        }
        stage.server.drain_now();
        assert_eq!(goodbyes(&stage.told()).len(), if begun { 49 } else { 100 });
        assert!(stage.net.connect().is_none(), "nobody new is let in");
        stage.server.drain_now();
        stage.server.drain();
        assert_eq!(goodbyes(&stage.told()), [], "nobody is told twice");
        stage.pass(9_999);
        assert!(stage.server.connections() <= 100);
        stage.pass(1);
        assert!(stage.server.is_drained(), "drain_ms later what is left is cut");
    }
}

#[test]
fn a_stream_may_stay_until_it_is_cut() {
    let mut stage = Stage::new(ROOM, |limits| {
        (limits.drain_accept_ms, limits.drain_window_ms) = (1_000, 1_000);
    });
    stage.server.app_mut().stays = true;
    let (_old, old) = stage.open(&upgrade(""));
    stage.server.drain();
    let mut late = stage.peer(&upgrade(""));
    let told = stage.told();
    let [Told::Drain, Told::Opened(new), Told::Goodbye(_)] = told[..] else { panic!("{told:?}") };
    stage.pass(1_000);
    assert_eq!(stage.told(), [Told::Goodbye(old)], "the other was told");
    // Both are as good as ever.
    for stream in [old, new] {
        stage.act(move |context| context.send(stream, Message::Text("hi")).expect("it is open"));
    }
    assert!(read(&mut late).is_some_and(|text| text.ends_with("\u{2}hi")));
    stage.pass(10_999);
    assert_eq!(stage.told(), []);
    stage.pass(1);
    let cut = CloseCause::Drained;
    assert_eq!(stage.told(), [Told::Closed(old, cut), Told::Closed(new, cut)]);
    assert!(stage.server.is_drained());
}

#[test]
fn held_requests_are_answered_in_a_drain() {
    let mut stage = Stage::new(ROOM, |limits| {
        (limits.drain_accept_ms, limits.drain_window_ms) = (1_000, 1_000);
    });
    let (mut answered, one) = stage.open(&get("/hold"));
    let (mut refused, other) = stage.open(&get("/hold"));
    stage.server.drain();
    let reply = sockeye_server::Reply::text(sockeye_server::Status::OK, "late");
    stage.act(move |context| context.respond(one, reply).expect("it is held"));
    // [rfc9112:9.6-close-announced]
    let text = read_to_end(&mut answered);
    assert!(text.contains("\r\nConnection: close\r\n") && text.ends_with("late"), "{text}");
    // One that comes now.
    let mut late = stage.peer(&get("/hold"));
    for peer in [&mut refused, &mut late] {
        stage.pass(1_000);
        let text = read_to_end(peer);
        assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
        assert!(text.contains("\r\nRetry-After: 1\r\n") && text.contains("close"), "{text}");
    }
    assert!(stage.told().contains(&Told::Closed(other, CloseCause::Finished)));
}

/// [server:drained-once]
#[test]
fn a_notice_comes_once_and_without_sleep() {
    let mut stage = Stage::new(1_000, |limits| limits.outbox_refill_bytes = 500);
    let (mut peer, stream) = stage.open(&upgrade(""));
    let room = peer.room();
    read(&mut peer);
    stage.act(move |context| {
        context.send(stream, Message::Binary(&vec![0; room + 600])).expect("it is open");
        assert!(context.outbox_bytes(stream) > 600);
        context.notify_drained(stream);
        context.notify_drained(stream);
    });
    stage.turns();
    assert_eq!(stage.told(), [], "604 bytes wait");
    assert_eq!(peer.read(100).map(|bytes| bytes.len()), Some(100));
    stage.turns();
    assert_eq!(stage.told(), [], "504 bytes wait");
    assert_eq!(peer.read(4).map(|bytes| bytes.len()), Some(4));
    stage.turn();
    stage.server.turn(None).expect("the poller never fails here");
    assert_eq!(stage.net.last_wait(), Some(std::time::Duration::ZERO), "it does not sleep on it");
    assert_eq!(stage.told(), [Told::Drained(stream)]);
    stage.turns();
    assert_eq!(stage.told(), [], "once");
}

#[test]
fn a_notice_of_what_is_empty_comes_with_the_next_turn() {
    let mut stage = Stage::new(ROOM, |_| {});
    let (_peer, stream) = stage.open(&upgrade(""));
    stage.act(move |context| context.notify_drained(stream));
    stage.server.turn(None).expect("the poller never fails here");
    assert_eq!(stage.told(), [Told::Drained(stream)]);
}

/// [server:drained-news] [server:drained-once]
#[test]
fn who_asks_again_and_sends_nothing_does_not_keep_the_loop_awake() {
    let mut stage = Stage::new(ROOM, |_| {});
    let (_peer, stream) = stage.open(&upgrade(""));
    stage.server.app_mut().asks_again = true;
    stage.act(move |context| context.notify_drained(stream));
    stage.turns();
    assert_eq!(stage.told(), [Told::Drained(stream)], "nothing new since");
    let while_idle = std::time::Duration::from_millis(7);
    stage.server.turn(Some(while_idle)).expect("the poller never fails here");
    assert_eq!(stage.net.last_wait(), Some(while_idle), "it sleeps");
    // The wish is not lost: it is answered once something was written, each time.
    for _ in 0..3 {
        stage.act(move |context| context.send(stream, Message::Text("x")).expect("it is open"));
        stage.turns();
        assert_eq!(stage.told(), [Told::Drained(stream)]);
    }
}

/// [server:drained-news]
#[test]
fn what_waits_below_the_mark_and_shrinks_is_news() {
    let mut stage = Stage::new(1_000, |limits| limits.outbox_refill_bytes = 500);
    let (mut peer, stream) = stage.open(&upgrade(""));
    read(&mut peer);
    stage.server.app_mut().asks_again = true;
    let room = peer.room();
    stage.act(move |context| {
        context.send(stream, Message::Binary(&vec![0; room + 300])).expect("it is open");
        context.notify_drained(stream);
    });
    stage.turns();
    assert_eq!(stage.told(), [Told::Drained(stream)], "304 bytes wait, and nobody reads");
    // An application whose own mark is lower hears of every step down to it.
    for _ in 0..3 {
        assert_eq!(peer.read(100).map(|bytes| bytes.len()), Some(100));
        stage.turns();
        assert_eq!(stage.told(), [Told::Drained(stream)]);
    }
}

#[test]
fn an_outbox_that_was_filled_again_has_not_drained() {
    let mut stage = Stage::new(1_000, |limits| limits.outbox_refill_bytes = 500);
    let (mut peer, stream) = stage.open(&upgrade(""));
    let room = peer.room();
    stage.act(move |context| {
        context.notify_drained(stream);
        context.send(stream, Message::Binary(&vec![0; room + 600])).expect("it is open");
    });
    stage.turns();
    assert_eq!(stage.told(), [], "more than 600 bytes wait");
    while read(&mut peer).is_some_and(|bytes| !bytes.is_empty()) {
        stage.turns();
    }
    assert_eq!(stage.told(), [Told::Drained(stream)], "the wish is not lost");
}

#[test]
fn a_wish_ends_with_its_stream() {
    let mut stage = Stage::new(10, |limits| limits.outbox_refill_bytes = 0);
    let mut peer = stage.peer(&(get("/a") + &get("/hold") + &get("/hold")));
    let Some(Told::Opened(first)) = stage.told().pop() else { panic!("nothing is held") };
    stage.act(move |context| {
        assert!(context.outbox_bytes(first) > 0, "the answer to the request before it");
        context.notify_drained(first);
        let reply = sockeye_server::Reply::empty(sockeye_server::Status::OK);
        context.respond(first, reply).expect("it is held");
    });
    stage.turns();
    let told = stage.told();
    assert!(matches!(told[..], [Told::Closed(one, _)] if one == first), "{told:?}");
    while read(&mut peer).is_some_and(|bytes| !bytes.is_empty()) {
        stage.turns();
    }
    let told = stage.told();
    assert!(matches!(told[..], [Told::Opened(_)]), "the second one asked for nothing: {told:?}");
}

/// [server:drained-open-only]
#[test]
fn a_stream_that_is_closing_gets_no_notice() {
    let mut stage = Stage::new(ROOM, |_| {});
    let (mut peer, stream) = stage.open(&upgrade(""));
    stage.act(move |context| {
        context.notify_drained(stream);
        context.close(stream, CloseCode::NORMAL, "");
        context.notify_drained(stream);
    });
    stage.turns();
    assert_eq!(stage.told(), []);
    peer.write(b"\x88\x82\0\0\0\0\x03\xE8");
    stage.turns();
    let told = stage.told();
    assert_eq!(told, [Told::Closed(stream, CloseCause::Local(CloseCode::NORMAL))]);
    stage.act(move |context| context.notify_drained(stream));
    stage.turns();
    assert_eq!(stage.told(), [], "the key names nothing");
}

#[test]
fn a_heartbeat_that_says_nothing_is_not_asked_for_at_once() {
    let mut stage = Stage::new(ROOM, |limits| limits.heartbeat_ms = 1_000);
    let (_peer, stream) = stage.open(&get("/events"));
    for beat in 0..3 {
        stage.pass(900);
        assert_eq!(stage.told(), [], "beat {beat}");
        stage.pass(120);
        assert_eq!(stage.told(), [Told::Heartbeat(stream)], "beat {beat}");
    }
}

/// [server:address-bound]
#[test]
fn one_address_has_its_share() {
    let mut stage = Stage::new(ROOM, |limits| limits.connections_per_address_max = 3);
    let mut peers: Vec<Peer> = (0..5).map(|_| stage.peer(&get("/a"))).collect();
    assert_eq!(stage.server.connections(), 3);
    assert!(peers[..3].iter_mut().all(|peer| read(peer).is_some_and(|text| !text.is_empty())));
    assert!(peers[3..].iter_mut().all(|peer| read(peer).is_none()));
    let stats = *stage.server.stats();
    assert_eq!((stats.accepted, stats.crowded_out, stats.requests), (3, 2, 3));
    peers[0].shutdown();
    stage.turns();
    let mut next = stage.peer(&get("/a"));
    assert!(read(&mut next).is_some_and(|text| text.ends_with("/a")), "a place is free again");
}

/// [rfc6455:10.2-origin-policy]
#[test]
fn a_list_of_origins_from_run_time() {
    let mut stage = Stage::new(ROOM, |_| {});
    stage.server.app_mut().origins = Some(vec![format!("https://{}.test", "a")]);
    for (origin, status) in [("https://a.test", "101"), ("https://b.test", "403")] {
        let mut peer = stage.peer(&upgrade(&format!("Origin: {origin}\r\n")));
        let head = read(&mut peer).expect("an answer");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{origin}: {head}");
    }
}
