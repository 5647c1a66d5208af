//! Users, passwords and certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use sockeye_backbone::TroubleKind;
use sockeye_redis::RedisConfig;

use super::Check;
use super::links::assert_same;
use super::settings::refusal;
use crate::node::{Node, config};
use crate::server::{LogServer as _, Server, directory};

pub(super) const CHECKS: &[Check] = &[
    ("a missing and a wrong password are refused, and not repeated", passwords),
    ("the rights that a refusal names are enough", rights),
    ("TLS is spoken with a server whose authority is known, and no other", tls),
];

fn passwords() {
    let server = Server::start(&["--requirepass", "correct-horse"]);
    let trouble = refusal(&mut Node::new("a", &server.url()));
    assert!(
        trouble.kind == TroubleKind::Login && trouble.text.contains("asks for a password"),
        "{trouble}"
    );
    let wrong = config(&server.url()).with_password("battery-staple");
    assert!(!format!("{wrong:?}").contains("staple"), "a configuration shows no password");
    let trouble = refusal(&mut Node::with("a", wrong));
    assert_eq!(trouble.kind, TroubleKind::Login);
    assert!(trouble.text.contains("\"default\" or its password"), "{trouble}");
    assert!(!trouble.text.contains("staple"), "{trouble}");
    let mut node = Node::with("a", config(&server.url()).with_password("correct-horse"));
    node.begin();
    node.offer(10);
    node.settle();
    assert_same(&server, &node);
    // A user without a password is another one than `default`, who may do everything here.
    let server = Server::start(&[]);
    server.set(&["ACL", "SETUSER", "nobody", "on", "nopass", "+auth"]);
    let url = server.url().replace("redis://", "redis://nobody@");
    let trouble = refusal(&mut Node::new("a", &url));
    assert!(trouble.text.contains("the user \"nobody\" not do all"), "{trouble}");
    let needless = config(&server.url()).with_password("staple");
    let trouble = refusal(&mut Node::with("a", needless));
    assert!(trouble.text.contains("has no password: configure none"), "{trouble}");
}

/// The rest of `ACL SETUSER NAME` in a refusal.
fn advice(text: &str) -> Vec<String> {
    let rights = text.split("ACL SETUSER ").nth(1).and_then(|rest| rest.split(" (").next());
    let words = rights.unwrap_or_else(|| panic!("no advice: {text}")).split(' ').skip(1);
    words.map(String::from).collect()
}

fn rights() {
    let primary = Server::start(&[]);
    let _replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    primary.set(&["ACL", "SETUSER", "node", "on", ">secret", "+auth"]);
    let url = primary.url().replace("redis://", "redis://node@");
    let config = config(&format!("{url}/0?replicas=1")).with_password("secret");
    let trouble = refusal(&mut Node::with("a", config.clone()));
    assert_eq!(trouble.kind, TroubleKind::Login, "{trouble}");
    let advice = advice(&trouble.text);
    let words: Vec<&str> = advice.iter().map(|word| &**word).collect();
    primary.set(&[&["ACL", "SETUSER", "node"][..], &words].concat());
    let mut node = Node::with("a", config);
    node.begin();
    node.offer(10);
    node.settle();
    let (fence, place) = (node.fence, node.place());
    node.wait("there are copies", |it| it.replicated == Some(place));
    node.engine.trim(place);
    node.wait("the rest is trimmed", |it| it.ends.is_some_and(|it| it.first == Some(place)));
    node.engine.raise_fence(&Arc::from(*b"raised")).expect("little waits");
    node.wait("the fence is raised", |it| it.fence > fence);
    assert_eq!(node.ups, 1, "nothing was refused");
}

/// A directory with an authority, a certificate of 127.0.0.1, and another authority. It goes with its owner.
pub(crate) struct Certificates(pub(crate) PathBuf);

impl Certificates {
    pub(crate) fn new() -> Self {
        let place = directory();
        let openssl = |arguments: &str| {
            let made =
                Command::new("openssl").args(arguments.split(' ')).current_dir(&place).output();
            let made = made.expect("openssl can be started (Debian: openssl)");
            assert!(
                made.status.success(),
                "openssl {arguments}: {}",
                String::from_utf8_lossy(&made.stderr)
            );
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ours -days 2"));
        openssl(&format!(
            "req -x509 {key} -keyout other.key -out other.pem -subj /CN=other -days 2"
        ));
        openssl(&format!(
            "req -x509 {key} -keyout server.key -out server.pem -subj /CN=redis -days 2 -CA ca.pem -CAkey ca.key \
             -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
        ));
        Self(place)
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Trusts the authorities of a file.
pub(crate) fn trusting(file: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).expect("a file of certificates") {
        roots.add(certificate.expect("a certificate")).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(config.expect("versions").with_root_certificates(roots).with_no_client_auth())
}

fn tls() {
    let certificates = Certificates::new();
    let server = Server::start_tls(&certificates.0);
    let config = |authority: &str| -> RedisConfig {
        config(&format!("rediss://127.0.0.1:{}", server.port))
            .with_tls(trusting(&certificates.0.join(authority)))
    };
    let mut node = Node::with("a", config("ca.pem"));
    node.begin();
    node.offer(1000);
    node.settle();
    assert_eq!(node.applied.len(), 1000);
    assert_same(&server, &node);
    let trouble = refusal(&mut Node::with("a", config("other.pem")));
    assert!(trouble.kind == TroubleKind::Login && trouble.text.contains("TLS"), "{trouble}");
    let mut plain = Node::new("a", &server.url());
    plain.wait("there is a trouble", |it| it.trouble().is_some());
}
