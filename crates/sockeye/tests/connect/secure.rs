//! Whom it trusts.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::child::{bad, text};
use crate::common::{PATIENCE, run};

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("../../../client/tests/certificates/", $name, ".der")).as_slice()
    };
}

/// A server for `localhost` that has no WebSocket, and says so to whoever trusts it.
fn secured() -> SocketAddr {
    let key = PrivateKeyDer::try_from(der!("good.key")).expect("a key");
    let chain = vec![CertificateDer::from(der!("good"))];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|it| it.with_no_client_auth().with_single_cert(chain, key))
        .expect("a good certificate");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().expect("a client");
        socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        let session = ServerConnection::new(Arc::new(config)).expect("a session");
        let mut client = StreamOwned::new(session, socket);
        let (mut head, mut bytes) = (Vec::new(), [0; 1024]);
        while !head.ends_with(b"\r\n\r\n") {
            match client.read(&mut bytes) {
                Ok(len @ 1..) => head.extend_from_slice(&bytes[..len]),
                _ => return,
            }
        }
        let _ = client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\nover TLS");
        let _ = client.read(&mut bytes);
    });
    addr
}

#[test]
fn an_authority_is_trusted_when_it_is_named() {
    let file = std::env::temp_dir().join(format!("sockeye-authority-{}", std::process::id()));
    let pem = |der| {
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(der)
        )
    };
    fs::write(&file, pem(der!("trusted"))).expect("written");
    let path = file.to_str().expect("text");
    let url = |host: &str| format!("wss://{host}:{}/", secured().port());
    for command in ["connect", "events"] {
        let url =
            |host| if command == "events" { url(host).replace("wss", "https") } else { url(host) };
        bad(&run(&[command, "--cacert", path, &url("localhost")]), 1, "404 Not Found: over TLS");
        let stranger = run(&[command, &url("localhost")]);
        bad(&stranger, 1, "");
        assert!(!text(&stranger.stderr).contains("over TLS"), "{stranger:?}");
    }
    fs::write(&file, pem(der!("untrusted"))).expect("written");
    let other = run(&["connect", "--cacert", path, &url("localhost")]);
    bad(&other, 1, "the certificate of localhost is not trusted");
    fs::remove_file(&file).expect("it is there");
}
