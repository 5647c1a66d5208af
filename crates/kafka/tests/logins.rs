//! Logins, and servers that are none of Kafka.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use sockeye_backbone::{Event, State, Trouble, TroubleKind};
use sockeye_kafka::{KafkaConfig, KafkaEngine};

use crate::broker::Brokers;
use crate::faults::Owner;

fn trouble(config: KafkaConfig) -> Trouble {
    let mut owner = Owner::new(KafkaEngine::open(config).expect("a thread"));
    owner.wait("a state is told", |it| !it.is_empty());
    match owner.events.swap_remove(0) {
        Event::State(State::Away(trouble) | State::Refused(trouble)) => trouble,
        event => panic!("{event:?}"),
    }
}

fn config(brokers: &Brokers, options: &str, password: &str) -> KafkaConfig {
    let url = format!("kafka://ann@127.0.0.1:{}/log?{options}", brokers.ports[0]);
    KafkaConfig::from_url(&url).expect("a URL").with_password(password)
}

#[test]
fn a_user_logs_in() {
    let brokers = Brokers::start(1);
    brokers.change(|state| state.login = Some(("ann".into(), "secret".into())));
    let engine = KafkaEngine::open(config(&brokers, "sasl=plain", "secret")).expect("a thread");
    let mut owner = Owner::new(engine);
    owner.begin();
    let told = trouble(config(&brokers, "sasl=plain", "wrong"));
    assert_eq!(told.kind, TroubleKind::Login);
    assert!(told.text.contains("refuses the user or the password"), "{told}");
    let told = trouble(config(&brokers, "", "secret"));
    assert_eq!(told.kind, TroubleKind::Login);
    assert!(told.text.contains("knows no SCRAM-SHA-512: set sasl= to one of PLAIN"), "{told}");
}

/// The trouble that an engine tells of a server which answers its first request with these bytes, and closes.
fn trouble_of(reply: &[u8]) -> Trouble {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let reply = reply.to_owned();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the engine connects");
        let _ = client.read(&mut [0; 1024]);
        let _ = client.write_all(&reply);
    });
    trouble(KafkaConfig::from_url(&format!("kafka://127.0.0.1:{port}")).expect("a URL"))
}

#[test]
fn another_protocol_is_named() {
    for (reply, kind) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], TroubleKind::Protocol),
        (b"\0\0\0\x06\0\0\0\x07\0\0", TroubleKind::Protocol),
        (b"+OK", TroubleKind::Unreachable),
        (b"", TroubleKind::Unreachable),
    ] {
        let told = trouble_of(reply);
        assert_eq!(told.kind, kind, "{told}");
        assert!(told.text.contains("is this Kafka") && !told.text.contains('\n'), "{told}");
    }
}

#[test]
fn tls_without_authorities_is_refused() {
    let brokers = Brokers::start(1);
    let url = format!("kafkas://127.0.0.1:{}", brokers.ports[0]);
    let told = trouble(KafkaConfig::from_url(&url).expect("a URL"));
    assert_eq!(told.kind, TroubleKind::Login);
    assert!(told.text.contains("no authorities for TLS"), "{told}");
}
