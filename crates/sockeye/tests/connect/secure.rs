//! Whom it trusts.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::common::child::{bad, text};
use crate::common::run;
use crate::common::tls::{Authority, ELSEWHERE, EXPIRED, Ending, GOOD, OWN, UNTRUSTED, answer};

const REFUSAL: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\nover TLS";

#[test]
fn an_authority_is_trusted_when_it_is_named() {
    let authority = Authority::new();
    for (command, scheme) in [("connect", "wss"), ("events", "https")] {
        // It has no WebSocket and no events, and says so to whoever trusts it.
        let url =
            || format!("{scheme}://localhost:{}/", answer(GOOD, REFUSAL, Ending::Said).port());
        bad(&run(&[command, "--cacert", authority.path(), &url()]), 1, "404 Not Found: over TLS");
        let stranger = run(&[command, &url()]);
        bad(&stranger, 1, "");
        assert!(!text(&stranger.stderr).contains("over TLS"), "{stranger:?}");
    }
    let url = format!("wss://localhost:{}/", answer(GOOD, REFUSAL, Ending::Said).port());
    let other = run(&["connect", "--cacert", Authority::stranger().path(), &url]);
    bad(&other, 1, "the certificate of localhost is not trusted: its authority is unknown");
}

#[test]
fn what_is_wrong_with_a_certificate_is_told() {
    let authority = Authority::new();
    for (certificate, authority, why) in [
        (ELSEWHERE, &authority, "it is for another name"),
        (EXPIRED, &authority, "it has expired"),
        (UNTRUSTED, &authority, "its authority is unknown; --cacert names one"),
        (OWN, &authority, "it is an authority's own (CA:TRUE), and a server needs another one"),
        (
            OWN,
            &Authority::own(),
            "it is an authority's own (CA:TRUE), and a server needs another one",
        ),
    ] {
        for (command, scheme) in [("connect", "wss"), ("events", "https")] {
            let port = answer(certificate, REFUSAL, Ending::Said).port();
            let url = format!("{scheme}://localhost:{port}/");
            let output = run(&[command, "--cacert", authority.path(), &url]);
            let words = format!("the certificate of localhost is not trusted: {why}");
            bad(&output, 1, &words);
            assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");
        }
    }
}

#[test]
fn tls_where_there_is_none_and_none_where_there_is() {
    let authority = Authority::new();
    let plain = |scheme: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = socket.read_to_end(&mut Vec::new());
        });
        format!("{scheme}://127.0.0.1:{port}/")
    };
    for (command, secure, insecure) in [("connect", "wss", "ws"), ("events", "https", "http")] {
        let output = run(&[command, "--cacert", authority.path(), &plain(secure)]);
        bad(&output, 1, "127.0.0.1 answers, but not in TLS; does it speak http:// or ws:// there?");
        // The server ends the connection, with an alert before that.
        let url = format!("{insecure}://{}/", answer(GOOD, REFUSAL, Ending::Said));
        bad(&run(&[command, &url]), 1, "perhaps it wants TLS, https:// or wss://");
    }
}
