//! Requests that open a connection, and the answer that they get.

use crate::support::{decide_on, request_with, text};
use sockeye_handshake::{Extensions, Origins, Policy, UsageError};
use sockeye_http::{HeaderName, HeaderValue};

const ANY: Policy<'_> = Policy { subprotocols: &[], origins: Origins::Any };

fn list(text: &str) -> Extensions {
    Extensions::parse([text.as_bytes()]).expect("well-formed")
}

/// The example of RFC 6455 §1.3, to the last byte: [rfc6455:4.2.2-response-101],
/// [rfc6455:4.2.2-accept-value], [rfc6455:4.2.2-subprotocol-offered].
#[test]
fn the_example_of_section_1_3() {
    let added = ["Origin: http://example.com", "Sec-WebSocket-Protocol: chat, superchat"];
    let head = request_with("no line", &added);
    let policy = Policy { subprotocols: &["superchat", "chat"], origins: Origins::SameHost };
    let accept = decide_on(&head, &policy).unwrap();
    assert_eq!(accept.subprotocol(), Some("superchat"));
    let mut out = Vec::new();
    accept.write_response(&Extensions::new(), &[], &mut out).unwrap();
    assert_eq!(
        text(&out),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: superchat\r\n\r\n"
    );
}

/// [rfc6455:4.2.2-accept-value]: the key is hashed without the whitespace around it.
#[test]
fn whitespace_around_values_means_nothing() {
    let head = request_with("no line", &[]);
    let good = decide_on(&head, &ANY).unwrap();
    for (line, by) in [
        ("Sec-WebSocket-Key", "sec-websocket-key:\t dGhlIHNhbXBsZSBub25jZQ==\t "),
        ("Sec-WebSocket-Version", "SEC-WEBSOCKET-VERSION:13  "),
    ] {
        assert_eq!(decide_on(&request_with(line, &[by]), &ANY).as_ref(), Ok(&good));
    }
}

/// [rfc6455:4.2.1-upgrade] and [rfc6455:4.2.1-connection]: lists, any case, several lines.
#[test]
fn lists_that_name_what_they_must() {
    let upgrades: [&[&str]; 5] = [
        &["Upgrade: WebSocket"],
        &["Upgrade: WEBSOCKET"],
        &["Upgrade: h2c, websocket"],
        &["Upgrade: h2c", "Upgrade: websocket"],
        &["Upgrade:  ,\twebsocket\t,"],
    ];
    for by in upgrades {
        assert!(decide_on(&request_with("Upgrade", by), &ANY).is_ok(), "{by:?}");
    }
    let connections: [&[&str]; 6] = [
        &["Connection: upgrade"],
        &["Connection: UPGRADE"],
        &["Connection: keep-alive, Upgrade"],
        &["Connection: Upgrade", "Connection: keep-alive"],
        &["Connection: keep-alive", "Connection: Upgrade"],
        &["connection: x,\t upgrade\t ,,y"],
    ];
    for by in connections {
        assert!(decide_on(&request_with("Connection", by), &ANY).is_ok(), "{by:?}");
    }
}

/// Absent, a subprotocol is not in the answer: [rfc6455:4.2.2-subprotocol-offered],
/// [rfc6455:11.3.4-lines-join].
#[test]
fn subprotocols_are_chosen_by_the_servers_preference() {
    let policy = Policy { subprotocols: &["c", "b"], origins: Origins::Any };
    let table: [(&[&str], Option<&str>); 5] = [
        (&[], None),
        (&["Sec-WebSocket-Protocol: a"], None),
        (&["Sec-WebSocket-Protocol: B, C"], None),
        (&["Sec-WebSocket-Protocol: a, b"], Some("b")),
        (&["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c"], Some("c")),
    ];
    for (lines, chosen) in table {
        let head = request_with("no line", lines);
        let accept = decide_on(&head, &policy).unwrap();
        assert_eq!(accept.subprotocol(), chosen, "{lines:?}");
        let mut out = Vec::new();
        accept.write_response(&Extensions::new(), &[], &mut out).unwrap();
        let written = chosen.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        let lines: Vec<_> =
            text(&out).split_inclusive("\r\n").filter(|line| line.contains("Protocol:")).collect();
        assert_eq!(lines, Vec::from_iter(written.as_deref()));
    }
}

/// [rfc6455:11.3.2-lines-join]
#[test]
fn offers_are_one_list_in_order() {
    let lines = [
        "Sec-WebSocket-Extensions: b;x=1,a",
        "X: between",
        "sec-websocket-extensions: b; x = \"2\"",
    ];
    let head = request_with("no line", &lines);
    let accept = decide_on(&head, &ANY).unwrap();
    assert_eq!(accept.offers().as_str(), "b; x=1, a, b; x=2");
}

/// [rfc6455:9.1-accept-offered]
#[test]
fn extensions_are_accepted_on_one_line_if_they_were_offered() {
    let head = request_with("no line", &["Sec-WebSocket-Extensions: a, b;x"]);
    let accept = decide_on(&head, &ANY).unwrap();
    let mut out = Vec::new();
    accept.write_response(&list("b;y=2,a"), &[], &mut out).unwrap();
    assert!(text(&out).ends_with("\r\nSec-WebSocket-Extensions: b; y=2, a\r\n\r\n"));

    let mut out = Vec::new();
    for extensions in [list("c"), list("a, c"), list("A")] {
        let result = accept.write_response(&extensions, &[], &mut out);
        assert_eq!(result, Err(UsageError::ExtensionNotOffered));
    }
    assert_eq!(out, b"");
}

/// [rfc6455:4.2.2-reserved-headers]
#[test]
fn the_applications_headers_follow_and_cannot_replace() {
    let head = request_with("no line", &[]);
    let accept = decide_on(&head, &ANY).unwrap();
    let value = HeaderValue::from_static("1");
    let own = [
        (HeaderName::from_static("Set-Cookie"), HeaderValue::from_static("a=b; HttpOnly")),
        (HeaderName::from_static("Server"), HeaderValue::from_static("test")),
    ];
    let mut out = Vec::new();
    accept.write_response(&Extensions::new(), &own, &mut out).unwrap();
    assert!(text(&out).ends_with("=\r\nSet-Cookie: a=b; HttpOnly\r\nServer: test\r\n\r\n"));

    let mut out = Vec::new();
    for name in [
        "Sec-WebSocket-Accept",
        "sec-websocket-protocol",
        "SEC-WEBSOCKET-EXTENSIONS",
        "Sec-WebSocket-Anything",
    ] {
        let headers = [own[0], (HeaderName::new(name).unwrap(), value)];
        let result = accept.write_response(&Extensions::new(), &headers, &mut out);
        assert_eq!(result, Err(UsageError::HeaderReserved), "{name}");
    }
    assert_eq!(out, b"");
    for name in ["Upgrade", "connection", "Content-Length", "transfer-encoding", "a\r\nb"] {
        assert!(HeaderName::new(name).is_err(), "{name} cannot even be passed");
    }
}
