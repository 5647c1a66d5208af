//! Users, passwords, rights and TLS.

use sockeye_backbone::TroubleKind;

use super::{PostgresServer, config, node, node_with};
use crate::common::assert_same;
use crate::faults::{Certificates, Check, refusal, trusting};
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("postgres: users and passwords are checked, and never shown", passwords),
    ("postgres: a user without rights is refused, and the documented ones are enough", rights),
    ("postgres: TLS with a known authority works, and with no other", tls),
];

/// The URL of a server for another user.
fn url(server: &PostgresServer, user: &str) -> String {
    server.url().replace("sockeye@", &format!("{user}@")) + "/sockeye"
}

fn passwords() {
    let mut server = PostgresServer::start();
    server.ask("CREATE ROLE node LOGIN SUPERUSER PASSWORD 'correct-horse'");
    server.stop();
    server.allow("host all node 127.0.0.1/32 scram-sha-256\nhost all sockeye 127.0.0.1/32 trust\n");
    server.run();
    let url = url(&server, "node");
    let trouble = refusal(&mut node("a", &url));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    let wrong = config(&url).with_password("battery-staple");
    assert!(!format!("{wrong:?}").contains("staple"), "a configuration shows no password");
    let trouble = refusal(&mut node_with("a", wrong));
    assert_eq!(trouble.kind, TroubleKind::Login);
    assert!(trouble.text.contains("the user \"node\" or its password"), "{trouble}");
    assert!(!trouble.text.contains("staple"), "{trouble}");
    let mut node = node_with("a", config(&url).with_password("correct-horse"));
    node.begin();
    node.offer(10);
    node.settle();
    assert_same(&server, &node);
}

fn rights() {
    let server = PostgresServer::start();
    server.ask(
        "CREATE ROLE node LOGIN; CREATE ROLE owner LOGIN; GRANT CREATE ON SCHEMA public TO owner",
    );
    let trouble = refusal(&mut node("a", &url(&server, "node")));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    assert!(trouble.text.contains("GRANT CREATE on the schema"), "{trouble}");
    // The right to create the tables is enough.
    let mut owner = node("b", &url(&server, "owner"));
    owner.begin();
    let trouble = refusal(&mut node("a", &url(&server, "node")));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    let advice = "GRANT SELECT, INSERT, UPDATE, DELETE ON sockeye, sockeye_head TO \"node\"";
    assert!(trouble.text.contains(advice), "{trouble}");
    server.ask(advice);
    let mut node = node("a", &url(&server, "node"));
    node.offer(10);
    node.wait("it has read the beginning", |it| !it.read.is_empty());
    node.settle();
    node.engine.trim(node.place());
    let place = node.place();
    node.wait("it has trimmed", |it| it.ends_now().first == Some(place));
    server.ask("TRUNCATE sockeye");
    node.wait("the log is empty", |it| it.ends.is_some_and(|it| it.last.is_none()));
    node.forget();
    node.begin();
    assert_same(&server, &node);
}

fn tls() {
    let certificates = Certificates::new();
    let server = PostgresServer::start_tls(&certificates.0);
    let url = server.url() + "?sslmode=verify-full";
    let with = |url: &str, authority: &str| {
        config(url).with_tls(trusting(&certificates.0.join(authority)))
    };
    let trouble = refusal(&mut node_with("a", with(&url, "other.pem")));
    assert!(trouble.kind == TroubleKind::Login && trouble.text.contains("TLS"), "{trouble}");
    let trouble = refusal(&mut node("a", &server.url()));
    assert_eq!(trouble.kind, TroubleKind::Login, "without TLS: {trouble}");
    let mut node = node_with("a", with(&url, "ca.pem"));
    node.begin();
    node.offer(100);
    node.settle();
    assert_eq!(node.read.len(), 101);
    // A server without TLS is left before the login.
    let plain = PostgresServer::start();
    let url = plain.url() + "?sslmode=verify-full";
    let mut node = node_with("a", with(&url, "ca.pem"));
    let trouble = refusal(&mut node);
    assert!(trouble.text.contains("begins no TLS"), "{trouble}");
}
