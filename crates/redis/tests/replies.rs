//! Replies that no Redis gives.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;

use sockeye_backbone::{Engine as _, Event, State, Trouble, TroubleKind};
use sockeye_redis::{RedisConfig, RedisEngine};

/// What an engine says of a server that answers its first command with these bytes, and then as often with the
/// others as they are taken.
fn trouble_of(first: &'static [u8], others: &'static [u8]) -> Trouble {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the engine connects");
        let _ = client.read(&mut [0; 1024]);
        let mut is_open = client.write_all(first).is_ok();
        while is_open && !others.is_empty() {
            is_open = client.write_all(others).is_ok();
        }
    });
    let config = RedisConfig::from_url(&format!("redis://127.0.0.1:{port}")).expect("a URL");
    let mut engine = RedisEngine::open(config).expect("threads");
    let (wake, woken) = mpsc::channel();
    engine.set_wake(Arc::new(move || wake.send(()).unwrap_or_default()));
    woken.recv().expect("the engine has the sender");
    match engine.next() {
        Some(Event::State(State::Away(trouble) | State::Refused(trouble))) => trouble,
        event => panic!("{event:?}"),
    }
}

#[test]
fn another_protocol_is_named() {
    for reply in ["HTTP/1.1 400 Bad Request\r\n\r\n", ":1x\r\n", "+\u{7f}\r\n\r\n", "$1\r\nab\r\n"]
    {
        let trouble = trouble_of(reply.as_bytes(), b"");
        assert_eq!(trouble.kind, TroubleKind::Protocol, "{reply:?}");
        assert!(!trouble.text.contains('\n'), "{trouble}");
    }
    let trouble = trouble_of(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"");
    assert!(trouble.text.ends_with("is this Redis?"), "{trouble}");
}

#[test]
fn another_command_s_reply_is_no_reply_and_is_not_repeated() {
    for reply in ["+OK\r\n", ":5\r\n", "*0\r\n", "*1\r\n:5\r\n", "$6\r\nsecret\r\n"] {
        let trouble = trouble_of(reply.as_bytes(), b"");
        assert_eq!(trouble.kind, TroubleKind::Protocol, "{reply:?}");
        assert!(trouble.text.ends_with("a reply is not one that its command has"), "{trouble}");
    }
}

#[test]
fn a_reply_without_an_end_is_given_up() {
    for (first, others) in [
        (&b"$1099511627776\r\n"[..], &[b'x'; 4096][..]),
        (b"*1099511627776\r\n", b"$4\r\nabcd\r\n"),
        (b"+", &[b'x'; 4096]),
    ] {
        let trouble = trouble_of(first, others);
        assert_eq!(trouble.kind, TroubleKind::Protocol);
        assert!(trouble.text.ends_with("a reply is longer than allowed"), "{trouble}");
    }
}

#[test]
fn a_reply_that_breaks_off_is_the_end_of_the_connection() {
    for reply in ["", "*2\r\n", "$5\r\nabc", "+O"] {
        let trouble = trouble_of(reply.as_bytes(), b"");
        assert_eq!(trouble.kind, TroubleKind::Unreachable, "{reply:?}");
        assert!(trouble.text.ends_with("closed the connection"), "{trouble}");
    }
}

#[test]
fn roles_are_named() {
    // As a replica without its primary gives it.
    let replica = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9\r\n$7\r\nconnect\r\n:-1\r\n";
    let trouble = trouble_of(replica, b"");
    assert_eq!(trouble.kind, TroubleKind::NoLeader, "{trouble}");
    assert!(trouble.text.ends_with("is a replica: connect to the primary"), "{trouble}");
    let trouble = trouble_of(b"*2\r\n$8\r\nsentinel\r\n*1\r\n$3\r\nlog\r\n", b"");
    assert_eq!(trouble.kind, TroubleKind::Settings, "{trouble}");
    assert!(trouble.text.contains("is a Sentinel: redis-sentinel://127.0.0.1:"), "{trouble}");
}
