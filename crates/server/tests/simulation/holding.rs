//! Requests that are answered later, to the millisecond and to the byte.

use sockeye_server::{
    CloseCause, CloseCode, Context, Deadline, Reply, SendError, Status, StreamKey,
};

use crate::simulation::stage::{Stage, Told, get, read, read_to_end};

const ROOM: usize = 1_000_000;

fn reply(text: &'static str) -> Reply {
    Reply::text(Status::OK, text)
}

#[test]
fn the_answer_comes_later_and_the_connection_is_kept() {
    let mut stage = Stage::new(ROOM, |_| {});
    let (mut peer, mut stream) = stage.open(&get("/hold"));
    for _ in 0..3 {
        stage.pass(30_000);
        assert_eq!(read(&mut peer).as_deref(), Some(""));
        stage.act(move |context| {
            assert_eq!(context.respond(stream, reply("late")), Ok(()));
            assert_eq!(context.respond(stream, reply("twice")), Err(SendError::Gone));
            assert_eq!(context.outbox_bytes(stream), 0, "the stream is over");
        });
        assert_eq!(stage.told(), [Told::Closed(stream, CloseCause::Finished)]);
        let answer = read(&mut peer).expect("it is open");
        assert!(answer.ends_with("\r\n\r\nlate") && !answer.contains("close"), "{answer}");
        peer.write(get("/hold").as_bytes());
        stage.turns();
        let told = stage.told();
        let [Told::Opened(next)] = told[..] else { panic!("{told:?}") };
        assert_ne!(next, stream, "another stream on the same connection");
        stream = next;
    }
}

#[test]
fn head_and_http10_get_what_they_asked_for() {
    let mut stage = Stage::new(ROOM, |_| {});
    // [rfc9110:9.3.2-head-like-get]
    let (mut peer, stream) = stage.open(&get("/hold").replace("GET", "HEAD"));
    stage.act(move |context| context.respond(stream, reply("late")).expect("it is held"));
    let answer = read(&mut peer).expect("it is open");
    assert!(answer.contains("Content-Length: 4\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    let (mut peer, stream) = stage.open("GET /hold HTTP/1.0\r\n\r\n");
    stage.act(move |context| context.respond(stream, reply("late")).expect("it is held"));
    // [rfc9112:9.6-close-announced]
    assert!(read_to_end(&mut peer).contains("\r\nConnection: close\r\n"));
}

#[test]
fn an_answer_may_come_at_once() {
    let mut stage = Stage::new(ROOM, |_| {});
    stage.server.app_mut().body = b"at once".to_vec();
    let mut peer = stage.peer(&(get("/now") + &get("/a") + &get("/now") + &get("/b")));
    let all = read(&mut peer).expect("it is open");
    let order = ["at once", "/a", "at once", "/b"];
    let bodies: Vec<&str> = all.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    // [rfc9112:9.3.2-in-order]
    assert!(bodies.len() == 4 && bodies.iter().zip(order).all(|(b, e)| b.ends_with(e)), "{all}");
    let told = stage.told();
    let ended = |stream| Told::Closed(stream, CloseCause::Finished);
    let &[Told::Opened(a), Told::Opened(b), ..] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told[2..], [ended(a), ended(b)], "both in one turn");
}

/// [server:hold-headers]
#[test]
fn what_the_hold_says_is_in_whatever_answer_comes() {
    let mut stage = Stage::new(ROOM, |_| {});
    let answers = |stage: &mut Stage, act: fn(&mut Context<'_>, StreamKey)| {
        let (mut peer, stream) = stage.open(&get("/hold/second"));
        stage.act(move |context| act(context, stream));
        stage.pass(1_100);
        let answer = read(&mut peer).expect("it is kept");
        assert_eq!(answer.matches("\r\nX-Held: yes\r\n").count(), 1, "{answer}");
        peer.write(get("/next").as_bytes());
        stage.turns();
        assert!(!read(&mut peer).expect("it is kept").contains("X-Held"), "the next has its own");
        stage.told();
        answer
    };
    let empty = answers(&mut stage, |context, stream| {
        context.respond(stream, Reply::empty(Status::NO_CONTENT)).expect("it is held");
    });
    assert!(empty.starts_with("HTTP/1.1 204 "), "{empty}");
    let closed = answers(&mut stage, |context, stream| {
        context.close(stream, CloseCode::NORMAL, "");
    });
    assert!(closed.starts_with("HTTP/1.1 503 "), "{closed}");
    let late = answers(&mut stage, |_, _| {});
    assert!(late.starts_with("HTTP/1.1 503 "), "{late}");
}

/// [server:hold-deadline]
#[test]
fn nothing_is_held_for_ever() {
    for (path, ms) in [("/hold", 5_000), ("/hold/second", 1_000)] {
        let mut stage = Stage::new(ROOM, |limits| limits.hold_ms = 5_000);
        let (mut peer, stream) = stage.open(&get(path));
        stage.pass(ms - 20);
        assert_eq!(read(&mut peer).as_deref(), Some(""), "{path}: not before its time");
        stage.pass(50);
        let answer = read(&mut peer).expect("it is kept");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\r\nRetry-After: 1\r\n") && !answer.contains("close"), "{answer}");
        let closed = Told::Closed(stream, CloseCause::Timeout(Deadline::Hold));
        assert_eq!(stage.told(), [Told::Refused(stream), closed]);
        peer.write(get("/next").as_bytes());
        stage.turns();
        assert!(read(&mut peer).expect("it is kept").ends_with("/next"));
    }
}

#[test]
fn a_hold_is_followed_by_a_whole_keep_alive() {
    for held_ms in [1_000, 10_000, 100_000] {
        let mut stage = Stage::new(ROOM, |_| {});
        let (mut peer, stream) = stage.open(&get("/hold"));
        stage.pass(held_ms);
        stage.act(move |context| context.respond(stream, reply("late")).expect("it is held"));
        assert!(read(&mut peer).expect("it is open").ends_with("late"));
        stage.pass(59_900);
        assert_eq!(read(&mut peer).as_deref(), Some(""), "a minute from the answer");
        stage.pass(200);
        assert_eq!(read(&mut peer), None, "and no longer, after {held_ms} ms");
    }
}

/// [server:kernel-timeout]
#[test]
fn a_client_that_the_kernel_gives_up_ran_out_of_time() {
    let mut stage = Stage::new(ROOM, |_| {});
    let (mut peer, stream) = stage.open(&get("/hold"));
    peer.time_out();
    stage.turns();
    let cause = CloseCause::Timeout(Deadline::Acknowledgement);
    assert_eq!(stage.told(), [Told::Closed(stream, cause)]);
    assert_eq!(stage.server.stats().timeouts, 1);
    assert_eq!((stage.server.connections(), stage.net.open()), (0, 0));
}

/// [server:hold-peer-gone]
#[test]
fn a_client_that_resets_is_gone() {
    for half_closed in [false, true] {
        let mut stage = Stage::new(ROOM, |_| {});
        let (mut peer, stream) = stage.open(&get("/hold"));
        if half_closed {
            peer.shutdown();
            stage.turns();
            assert_eq!(stage.told(), [Told::HalfClosed(stream)]);
        }
        peer.reset();
        stage.turns();
        assert_eq!(stage.told(), [Told::Closed(stream, CloseCause::Transport)]);
        assert_eq!((stage.server.connections(), stage.net.open()), (0, 0));
        stage.act(move |context| {
            assert_eq!(context.respond(stream, reply("late")), Err(SendError::Gone));
        });
        stage.pass(130_000);
        assert_eq!(stage.server.timers(), 0);
    }
}

/// [server:hold-half-closed]
#[test]
fn a_client_that_ends_its_direction_still_gets_its_answers() {
    for behind in ["", "/a", "/a and half a head"] {
        let mut stage = Stage::new(ROOM, |_| {});
        let (mut peer, stream) = stage.open(&get("/hold"));
        if !behind.is_empty() {
            peer.write((get("/a") + &behind[2..]).as_bytes());
        }
        peer.shutdown();
        stage.turns();
        assert_eq!(stage.told(), [Told::HalfClosed(stream)], "once");
        stage.pass(10_000);
        assert_eq!(read(&mut peer).as_deref(), Some(""), "it is held on");
        let idle = std::time::Duration::from_millis(7);
        stage.server.turn(Some(idle)).expect("the poller never fails here");
        assert_eq!(stage.net.last_wait(), Some(idle), "and nobody is kept awake by it");
        stage.act(move |context| context.respond(stream, reply("late")).expect("it is held"));
        stage.turns();
        assert_eq!(stage.told(), [Told::Closed(stream, CloseCause::Finished)]);
        let all = read_to_end(&mut peer);
        let bodies: Vec<&str> = all.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
        assert_eq!(bodies.len(), if behind.is_empty() { 1 } else { 2 }, "{all}");
        assert!(bodies[0].ends_with("late") && bodies.last().is_some_and(|it| it.len() > 10));
        assert_eq!((stage.server.connections(), stage.net.open()), (0, 0));
    }
}

/// [server:hold-half-closed] [server:hold-deadline]
#[test]
fn nobody_answers_a_client_that_ended_its_direction() {
    let mut stage = Stage::new(ROOM, |_| {});
    let (mut peer, stream) = stage.open(&get("/hold/second"));
    peer.shutdown();
    stage.pass(1_100);
    let closed = Told::Closed(stream, CloseCause::Timeout(Deadline::Hold));
    assert_eq!(stage.told(), [Told::HalfClosed(stream), Told::Refused(stream), closed]);
    assert!(read_to_end(&mut peer).starts_with("HTTP/1.1 503 "));
    assert_eq!(stage.server.connections(), 0);
}

/// [server:hold-bounded]
#[test]
fn what_comes_behind_is_bounded_and_served_afterwards() {
    for bytes_max in [0, 1, 100, 16_384] {
        let mut stage = Stage::new(ROOM, |limits| {
            limits.hold_bytes_max = bytes_max;
            limits.read_bytes = 64;
        });
        let hold = get("/hold");
        let (mut peer, stream) = stage.open(&hold);
        let requests: String = (0..1_000).map(|n| get(&format!("/{n}"))).collect();
        peer.write(requests.as_bytes());
        (0..600).for_each(|_| stage.turn());
        assert_eq!(peer.taken(), (hold.len() + bytes_max) as u64, "as many as may wait");
        assert_eq!(read(&mut peer).as_deref(), Some(""), "the first answer comes first");
        stage.act(move |context| context.respond(stream, reply("late")).expect("it is held"));
        (0..3_000).for_each(|_| stage.turn());
        let all = read(&mut peer).expect("it is open");
        let mut bodies = all.split("HTTP/1.1 200 OK\r\n").skip(1);
        assert!(bodies.next().is_some_and(|body| body.ends_with("\r\n\r\nlate")));
        // [rfc9112:9.3.2-in-order]
        for n in 0..1_000 {
            let body = bodies.next().expect("all are answered");
            assert!(body.ends_with(&format!("\r\n\r\n/{n}")), "{body} instead of {n}");
        }
    }
}

#[test]
fn what_came_in_the_same_packet_needs_nothing_more_to_be_served() {
    let mut stage = Stage::new(ROOM, |_| {});
    let mut peer = stage.peer(&(get("/hold") + &get("/a") + &get("/b")));
    let told = stage.told();
    let [Told::Opened(stream)] = told[..] else { panic!("{told:?}") };
    stage.act(move |context| context.respond(stream, reply("late")).expect("it is held"));
    stage.turns();
    let all = read(&mut peer).expect("it is open");
    let bodies: Vec<&str> = all.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    let order = ["late", "/a", "/b"];
    assert!(bodies.len() == 3 && bodies.iter().zip(order).all(|(b, e)| b.ends_with(e)), "{all}");
}

/// [rfc6455:10.4-bounded-output]
#[test]
fn who_does_not_read_its_answers_is_not_served() {
    let mut stage = Stage::new(10, |limits| limits.outbox_pause_bytes = 5_000);
    stage.server.app_mut().body = vec![b'.'; 1_000];
    let _deaf = stage.peer(&get("/now").repeat(100));
    (0..200).for_each(|_| stage.turn());
    let requests = stage.server.stats().requests;
    assert!((4..8).contains(&requests), "{requests} requests of a peer that does not read");

    // The same if the answers come later.
    let mut stage = Stage::new(10, |limits| limits.outbox_pause_bytes = 5_000);
    let _deaf = stage.peer(&get("/hold").repeat(100));
    for _ in 0..200 {
        for told in stage.told() {
            if let Told::Opened(stream) = told {
                let reply = Reply::text(Status::OK, ".".repeat(1_000));
                stage.act(move |context| context.respond(stream, reply).expect("it is held"));
            }
        }
        stage.turn();
    }
    let requests = stage.server.stats().requests;
    assert!((1..3).contains(&requests), "{requests} requests of a peer that does not read");
}
