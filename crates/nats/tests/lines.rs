//! Servers that say something other than what NATS does.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;

use sockeye_backbone::{Engine as _, Event, State, Trouble, TroubleKind};
use sockeye_nats::{NatsConfig, NatsEngine, NatsLimits};

/// The first line of a server.
const INFO: &str = r#"INFO {"server_id":"A","version":"VERSION","go":"","host":"","port":1,"proto":1,"max_payload":1048576}"#;

/// The trouble that an engine tells of a server. The server says `first` when the engine connects, and one of `others`
/// for each piece that it reads.
fn trouble_of(first: &str, others: &'static [&'static str]) -> Trouble {
    trouble_within(10_000, first, others)
}

fn trouble_within(patience_ms: u64, first: &str, others: &'static [&'static str]) -> Trouble {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let first = first.to_owned();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the engine connects");
        let mut is_open = client.write_all(first.as_bytes()).is_ok();
        for line in others {
            is_open = is_open && client.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0);
            is_open = is_open && client.write_all(line.as_bytes()).is_ok();
        }
    });
    let config = NatsConfig::from_url(&format!("nats://127.0.0.1:{port}")).expect("a URL");
    let mut limits = NatsLimits::default();
    limits.patience_ms = patience_ms;
    let mut engine = NatsEngine::open(config.with_limits(limits)).expect("a thread");
    let (wake, woken) = mpsc::channel();
    engine.set_wake(Arc::new(move || wake.send(()).unwrap_or_default()));
    woken.recv().expect("the engine has the sender");
    match engine.next() {
        Some(Event::State(State::Away(trouble) | State::Refused(trouble))) => trouble,
        event => panic!("{event:?}"),
    }
}

fn info(version: &str) -> String {
    format!("{}\r\n", INFO.replace("VERSION", version))
}

#[test]
fn another_protocol_is_named() {
    for line in ["HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n", "-ERR 'no'\r\n", "INFO {\r\n"] {
        let trouble = trouble_of(line, &[]);
        assert_eq!(trouble.kind, TroubleKind::Protocol, "{line:?}: {trouble}");
        assert!(!trouble.text.contains('\n'), "{trouble}");
        assert!(trouble.text.contains("is this NATS?"), "{trouble}");
    }
}

#[test]
fn a_server_that_says_nothing_or_leaves_is_away() {
    for line in ["", "INFO {"] {
        let trouble = trouble_within(1_000, line, &[]);
        assert_eq!(trouble.kind, TroubleKind::Unreachable, "{line:?}: {trouble}");
    }
}

#[test]
fn a_server_that_is_too_old_is_named() {
    let trouble = trouble_of(&info("2.8.4"), &["PONG\r\n"]);
    assert_eq!(trouble.kind, TroubleKind::Version, "{trouble}");
    assert!(trouble.text.contains("is nats-server 2.8.4: 2.9.0 is needed"), "{trouble}");
}

#[test]
fn a_server_that_refuses_the_login_is_named() {
    let trouble = trouble_of(&info("2.9.10"), &["-ERR 'Authorization Violation'\r\n"]);
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    assert!(trouble.text.contains("asks for a login: configure"), "{trouble}");
}

#[test]
fn a_server_that_never_answers_a_request_is_away() {
    let trouble = trouble_within(1_000, &info("2.9.10"), &["PONG\r\n", "", "", "", ""]);
    assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
    assert!(trouble.text.contains("does not answer in time"), "{trouble}");
}
