//! Users, passwords, tokens, rights and TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use sockeye_backbone::TroubleKind;

use super::{NatsServer, config, node, node_with};
use crate::common::assert_same;
use crate::faults::{Certificates, Check, refusal, trusting};
use crate::node::WAIT_MAX;
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("nats: users and passwords are checked, and never shown", passwords),
    ("nats: a token is checked, and never shown", tokens),
    ("nats: a user without rights is refused, and the documented ones are enough", rights),
    ("nats: TLS with a known authority works, and with no other", tls),
    ("nats: a login is never sent to a server without TLS that should speak it", plain_server),
];

fn passwords() {
    let settings = "authorization { users: [{ user: \"node\", password: \"correct-horse\" }] }\n";
    let login = ",\"user\":\"node\",\"pass\":\"correct-horse\"";
    let server = NatsServer::start_with(settings, login);
    let trouble = refusal(&mut node("a", &server.url()));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    assert!(trouble.text.contains("asks for a login: configure"), "{trouble}");
    let url = server.url().replace("nats://", "nats://node@");
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

fn tokens() {
    let settings = "authorization { token: \"correct-horse\" }\n";
    let server = NatsServer::start_with(settings, ",\"auth_token\":\"correct-horse\"");
    let trouble = refusal(&mut node_with("a", config(&server.url()).with_password("staple")));
    assert!(
        trouble.kind == TroubleKind::Login && trouble.text.contains("refuses the token"),
        "{trouble}"
    );
    assert!(!trouble.text.contains("staple"), "{trouble}");
    let mut node = node_with("a", config(&server.url()).with_password("correct-horse"));
    node.begin();
    node.offer(10);
    node.settle();
    assert_same(&server, &node);
}

/// The first line of a server that speaks no TLS.
const PLAIN_INFO: &[u8] =
    b"INFO {\"server_id\":\"A\",\"version\":\"2.9.10\",\"go\":\"\",\"host\":\"\",\
    \"port\":1,\"proto\":1,\"max_payload\":1048576}\r\n";

/// What docs/cluster.md says.
const RIGHTS: &str = r#"publish: ["sockeye.log.*", "$JS.API.STREAM.INFO.sockeye", "$JS.API.STREAM.CREATE.sockeye",
    "$JS.API.STREAM.PURGE.sockeye", "$JS.API.CONSUMER.CREATE.sockeye", "$JS.API.CONSUMER.CREATE.sockeye.>",
    "$JS.API.CONSUMER.MSG.NEXT.sockeye.>"], subscribe: "_INBOX.>""#;

fn rights() {
    let settings = format!(
        "authorization {{ users: [{{ user: \"node\", password: \"a\", permissions: {{ {RIGHTS} }} }},\n\
         {{ user: \"nobody\", password: \"a\", permissions: {{ publish: \"other\", subscribe: \"_INBOX.>\" }} }},\n\
         {{ user: \"admin\", password: \"a\" }}] }}\n"
    );
    let server = NatsServer::start_with(&settings, ",\"user\":\"admin\",\"pass\":\"a\"");
    let of = |user: &str| {
        let url = server.url().replace("nats://", &format!("nats://{user}@"));
        node_with("a", config(&url).with_password("a"))
    };
    let trouble = refusal(&mut of("nobody"));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    assert!(trouble.text.contains("all that is needed"), "{trouble}");
    let mut node = of("node");
    node.begin();
    node.offer(10);
    node.settle();
    let place = node.place();
    node.engine.trim(place);
    node.wait("the rest is trimmed", |it| it.ends.is_some_and(|it| it.first == Some(place)));
    assert_eq!((node.ups, node.trouble()), (1, None), "nothing was refused");
}

fn tls() {
    let certificates = Certificates::new();
    let server = NatsServer::start_tls(&certificates.0);
    let config = |authority: &str| {
        config(&format!("tls://127.0.0.1:{}", server.port))
            .with_tls(trusting(&certificates.0.join(authority)))
    };
    let mut node = node_with("a", config("ca.pem"));
    node.begin();
    node.offer(1000);
    node.settle();
    assert_eq!(node.applied.len(), 1000);
    let trouble = refusal(&mut node_with("a", config("other.pem")));
    assert!(
        trouble.kind == TroubleKind::Login && trouble.text.contains("authorities"),
        "{trouble}"
    );
    let trouble = refusal(&mut super::node("a", &server.url()));
    assert!(trouble.kind == TroubleKind::Login && trouble.text.contains("use tls://"), "{trouble}");
}

fn plain_server() {
    let certificates = Certificates::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the engine connects");
        client.set_read_timeout(Some(WAIT_MAX)).expect("a time");
        client.write_all(PLAIN_INFO).expect("it reads");
        let mut sent = vec![0; 64 * 1024];
        let length = client.read(&mut sent).expect("it begins TLS");
        sent.truncate(length);
        // This is no TLS either, so the client ends the connection.
        let _ = client.write_all(b"PONG\r\n");
        let _ = client.read_to_end(&mut sent);
        sent
    });
    let config = config(&format!("tls://node@127.0.0.1:{port}")).with_password("correct-horse");
    let config = config.with_tls(trusting(&certificates.0.join("ca.pem")));
    let trouble = refusal(&mut node_with("a", config));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    let sent = server.join().expect("the server has what was sent");
    let sent = String::from_utf8_lossy(&sent);
    assert!(!sent.is_empty(), "the engine was there");
    assert!(!sent.contains("CONNECT") && !sent.contains("correct-horse"), "{sent}");
}
