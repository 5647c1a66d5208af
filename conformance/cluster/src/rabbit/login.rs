//! Users, passwords, rights and TLS.

use sockeye_backbone::TroubleKind;

use super::{RabbitServer, config, node_with};
use crate::common::assert_same;
use crate::faults::{Certificates, Check, refusal, trusting};

pub(super) const CHECKS: &[Check] = &[
    ("rabbit: passwords and rights are checked, and the documented rights are enough", rights),
    ("rabbit: TLS with a known authority works, and with no other", tls),
];

fn rights() {
    let server = RabbitServer::start_with("");
    for (user, rights) in [("node", "^sockeye$"), ("nobody", "^other$")] {
        server.control(&["add_user", user, "correct-horse"]);
        server.control(&["set_permissions", user, rights, rights, rights]);
    }
    let url =
        |user: &str, vhost: &str| format!("amqp://{user}@127.0.0.1:{}/{vhost}", server.port());
    let wrong = config(&url("node", "")).with_password("battery-staple");
    assert!(!format!("{wrong:?}").contains("staple"), "a configuration shows no password");
    let trouble = refusal(&mut node_with("a", wrong));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    assert!(trouble.text.contains("the user \"node\" or its password"), "{trouble}");
    assert!(!trouble.text.contains("staple"), "{trouble}");
    let of = |user: &str, vhost: &str| {
        node_with("a", config(&url(user, vhost)).with_password("correct-horse"))
    };
    let trouble = refusal(&mut of("node", "elsewhere"));
    assert!(trouble.text.contains("virtual host \"elsewhere\""), "{trouble}");
    let mut node = of("node", "");
    node.begin();
    node.offer(10);
    node.settle();
    assert_eq!((node.ups, node.trouble()), (1, None), "nothing was refused");
    assert_same(&server, &node);
    let trouble = refusal(&mut of("nobody", ""));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    assert!(trouble.text.contains("configure, write and read on ^sockeye$"), "{trouble}");
}

fn tls() {
    let certificates = Certificates::new();
    let server = RabbitServer::start_tls(&certificates.0);
    let config = |authority: &str| {
        config(&format!("amqps://127.0.0.1:{}", server.port()))
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
    let mut plain = super::node("a", &format!("amqp://127.0.0.1:{}", server.port()));
    plain.wait("there is a trouble", |it| it.trouble().is_some());
}
