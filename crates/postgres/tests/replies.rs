//! Answers to a log-in, as a server gives them that lets nobody in, or that is another one.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;

use sockeye_backbone::{Engine as _, Event, State, Trouble, TroubleKind};
use sockeye_postgres::{PostgresConfig, PostgresEngine};

/// The trouble that an engine tells of a server which answers its login with these bytes, and closes.
fn trouble_of(reply: &[u8]) -> Trouble {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let reply = reply.to_owned();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the engine connects");
        let _ = client.read(&mut [0; 1024]);
        let _ = client.write_all(&reply);
    });
    let config = PostgresConfig::from_url(&format!("postgres://node@127.0.0.1:{port}"));
    let mut engine = PostgresEngine::open(config.expect("a URL")).expect("a thread");
    let (wake, woken) = mpsc::channel();
    engine.set_wake(Arc::new(move || wake.send(()).unwrap_or_default()));
    woken.recv().expect("the engine has the sender");
    match engine.next() {
        Some(Event::State(State::Away(trouble) | State::Refused(trouble))) => trouble,
        event => panic!("{event:?}"),
    }
}

/// An error, as the protocol has it.
fn error(state: &str, text: &str) -> Vec<u8> {
    let mut body = format!("SFATAL\0VFATAL\0C{state}\0M{text}\0").into_bytes();
    body.push(0);
    let length = u32::try_from(body.len() + 4).expect("little");
    [&b"E"[..], &length.to_be_bytes(), &body].concat()
}

#[test]
fn refusals_are_named_by_what_to_change() {
    for (state, kind, what) in [
        ("28P01", TroubleKind::Login, "refuses the user \"node\" or its password"),
        ("28000", TroubleKind::Login, "see pg_hba.conf"),
        ("3D000", TroubleKind::Settings, "has no database \"node\""),
        ("53300", TroubleKind::Unreachable, "has no connection left"),
        ("57P03", TroubleKind::Unreachable, "does not serve now"),
        ("53100", TroubleKind::Full, "its disk or memory is full"),
        ("25006", TroubleKind::NoLeader, "connect to the primary"),
        (
            "42501",
            TroubleKind::Login,
            "GRANT SELECT, INSERT, UPDATE, DELETE ON sockeye, sockeye_head",
        ),
        ("XX000", TroubleKind::Protocol, "answered with an error"),
    ] {
        let trouble = trouble_of(&error(state, "two\nlines"));
        assert_eq!(trouble.kind, kind, "{trouble}");
        assert!(trouble.text.contains(what), "{trouble}");
        assert!(trouble.text.ends_with(&format!("({state}: two\\nlines)")), "{trouble}");
        assert!(trouble.text.starts_with("127.0.0.1:"), "{trouble}");
    }
}

#[test]
fn another_protocol_is_named() {
    for reply in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"+OK\r\n", b""] {
        let trouble = trouble_of(reply);
        assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
        assert!(trouble.text.ends_with("before the login: is this PostgreSQL?"), "{trouble}");
    }
    // A message of a length that none has.
    let trouble = trouble_of(b"R\0\0\0\0");
    assert!(!trouble.text.contains('\n'), "{trouble}");
}
