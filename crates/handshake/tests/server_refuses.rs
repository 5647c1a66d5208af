//! Each clause that a request can fail, and the exact answer to it.

use crate::support::{decide_on, request_with, text};
use sockeye_handshake::{Origins, Policy, Reject};
use sockeye_http::Date;

const ANY: Policy<'_> = Policy { subprotocols: &["chat"], origins: Origins::Any };

/// Expects the one refusal for each replacement of a line.
fn refused(expected: Reject, line: &str, replacements: &[&[&str]]) {
    for by in replacements {
        let head = request_with(line, by);
        assert_eq!(decide_on(&head, &ANY).err(), Some(expected), "{by:?}");
    }
}

/// [rfc6455:4.2.1-method]
#[test]
fn methods_other_than_get() {
    for method in ["POST", "PUT", "OPTIONS", "get", "Get", "GETS", "G"] {
        refused(Reject::Method, "GET", &[&[&format!("{method} /chat HTTP/1.1")]]);
    }
    refused(Reject::MethodHead, "GET", &[&["HEAD /chat HTTP/1.1"]]);
}

/// [rfc9110:7.8-http10-upgrade-ignored] and [rfc6455:4.2.1-http-version]
#[test]
fn http_1_0() {
    refused(Reject::HttpVersion, "GET", &[&["GET /chat HTTP/1.0"]]);
}

/// [rfc6455:4.2.1-upgrade]
#[test]
fn upgrade_that_does_not_name_websocket() {
    let replacements: &[&[&str]] = &[
        &[],
        &["Upgrade:"],
        &["Upgrade: h2c"],
        &["Upgrade: websockets"],
        &["Upgrade: notwebsocket"],
        &["Upgrade: websocket/13"],
        &["Upgrade: websocket 13"],
        &["Upgrade: \"websocket\""],
        &["Upgrade: h2c websocket"],
        &["Upgrade: \"h2c, websocket\""],
        &["X-Upgrade: websocket"],
    ];
    refused(Reject::Upgrade, "Upgrade", replacements);
}

/// [rfc6455:4.2.1-connection]
#[test]
fn connection_that_does_not_name_upgrade() {
    let replacements: &[&[&str]] = &[
        &[],
        &["Connection:"],
        &["Connection: keep-alive"],
        &["Connection: close"],
        &["Connection: notupgrade"],
        &["Connection: upgraded"],
        &["Connection: Upgrade; q=1"],
        &["Connection: \"Upgrade\""],
        &["Connection: keep-alive Upgrade"],
        &["Connection: \"keep-alive, Upgrade\""],
        &["Connection: up", "Connection: grade"],
    ];
    refused(Reject::Connection, "Connection", replacements);
}

/// [rfc9112:6-upgrade-without-content]
#[test]
fn content() {
    let added: &[&[&str]] = &[
        &["Content-Length: 1"],
        &["Content-Length: 18446744073709551615"],
        &["Transfer-Encoding: chunked"],
    ];
    refused(Reject::Content, "no line", added);
    let head = request_with("no line", &["Content-Length: 0"]);
    assert!(decide_on(&head, &ANY).is_ok());
}

/// [rfc6455:4.2.1-version], [rfc6455:4.3-version-grammar], [rfc6455:11.3.5-version-once]
#[test]
fn versions_that_cannot_be_read() {
    let replacements: &[&[&str]] = &[
        &[],
        &["Sec-WebSocket-Version:"],
        &["Sec-WebSocket-Version: 013"],
        &["Sec-WebSocket-Version: +13"],
        &["Sec-WebSocket-Version: 256"],
        &["Sec-WebSocket-Version: 13, 8"],
        &["Sec-WebSocket-Version: 13, 13"],
        &["Sec-WebSocket-Version: \"13\""],
        &["Sec-WebSocket-Version: thirteen"],
        &["Sec-WebSocket-Version: 1\u{b3}"],
        &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"],
        &["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 13"],
    ];
    refused(Reject::Version, "Sec-WebSocket-Version", replacements);
}

/// [rfc6455:4.2.2-version-unsupported]
#[test]
fn versions_that_are_not_spoken() {
    for version in ["0", "7", "8", "12", "14", "255"] {
        let line = format!("Sec-WebSocket-Version: {version}");
        refused(Reject::VersionUnsupported, "Sec-WebSocket-Version", &[&[&line]]);
    }
}

/// [rfc6455:11.3.1-key-once], [rfc6455:4.2.1-key-16-bytes]
#[test]
fn keys() {
    let good = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let replacements: &[&[&str]] = &[
        &[],
        &["Sec-WebSocket-Key:"],
        &["Sec-WebSocket-Key: x"],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWE="],
        &["Sec-WebSocket-Key: \"dGhlIHNhbXBsZSBub25jZQ==\""],
        &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="],
        &[good, good],
        &[good, "Sec-WebSocket-Key:"],
    ];
    refused(Reject::Key, "Sec-WebSocket-Key", replacements);
}

/// [rfc6454:7.3-origin-once]
#[test]
fn origins_that_are_not_one() {
    let added: &[&[&str]] = &[
        &["Origin: http://example.com", "Origin: http://example.com"],
        &["Origin: null", "Origin: http://example.com"],
        &["Origin: http://ex\u{e4}mple.com"],
    ];
    refused(Reject::Origin, "no line", added);
}

/// [rfc6455:10.2-origin-policy]
#[test]
fn origins_outside_the_policy() {
    let same_host = Policy { origins: Origins::SameHost, ..ANY };
    let list = Policy { origins: Origins::List(&["https://app.example"]), ..ANY };
    let table = [
        ("Origin: http://example.com", true, false),
        ("Origin: https://example.com", true, false),
        ("Origin: https://app.example", false, true),
        ("Origin: http://example.com:8080", false, false),
        ("Origin: http://example.com.evil.test", false, false),
        ("Origin: null", false, false),
        ("Origin:", false, false),
        ("X-No-Origin: at all", true, true),
    ];
    for (line, same_host_allows, list_allows) in table {
        let head = request_with("no line", &[line]);
        let expected = |allows: bool| (!allows).then_some(Reject::OriginForbidden);
        assert_eq!(decide_on(&head, &same_host).err(), expected(same_host_allows), "{line}");
        assert_eq!(decide_on(&head, &list).err(), expected(list_allows), "{line}");
        assert_eq!(decide_on(&head, &ANY).err(), None, "{line}");
    }
    assert_eq!(Policy::default().origins, Origins::SameHost, "the default is the careful one");
}

/// [rfc6455:4.1-subprotocol-token], [rfc6455:4.1-subprotocol-unique],
/// [rfc6455:11.3.4-lines-join]
#[test]
fn subprotocols() {
    let added: &[&[&str]] = &[
        &["Sec-WebSocket-Protocol:"],
        &["Sec-WebSocket-Protocol: ,"],
        &["Sec-WebSocket-Protocol: chat,"],
        &["Sec-WebSocket-Protocol: chat,, superchat"],
        &["Sec-WebSocket-Protocol: chat room"],
        &["Sec-WebSocket-Protocol: \"chat\""],
        &["Sec-WebSocket-Protocol: chat/2"],
        &["Sec-WebSocket-Protocol: ch\u{e4}t"],
        &["Sec-WebSocket-Protocol: chat, chat"],
        &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"],
        &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol:"],
    ];
    refused(Reject::Subprotocols, "no line", added);
}

/// [rfc6455:9.1-grammar], [rfc6455:9.1-at-least-one], [rfc6455:9.1-quoted-token]
#[test]
fn extensions() {
    let added: &[&[&str]] = &[
        &["Sec-WebSocket-Extensions:"],
        &["Sec-WebSocket-Extensions: ,"],
        &["Sec-WebSocket-Extensions: foo;"],
        &["Sec-WebSocket-Extensions: foo; =1"],
        &["Sec-WebSocket-Extensions: foo; a="],
        &["Sec-WebSocket-Extensions: foo; a=\"\""],
        &["Sec-WebSocket-Extensions: foo; a=\"1 2\""],
        &["Sec-WebSocket-Extensions: foo bar"],
        &["Sec-WebSocket-Extensions: foo", "Sec-WebSocket-Extensions: b@r"],
        &["Sec-WebSocket-Extensions: foo; a=\"1", "Sec-WebSocket-Extensions: 2\""],
    ];
    refused(Reject::Extensions, "no line", added);
}

/// An answer, to the last byte.
fn answers(reject: Reject, status: &str, required: &str, body: &str) {
    let mut out = Vec::new();
    reject.write_response(None, &mut out);
    let required = required.replace('|', "\r\n");
    let len = body.len();
    let expected = format!(
        "HTTP/1.1 {status}\r\n{required}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {len}\r\n\r\n{body}"
    );
    assert_eq!(text(&out), expected);
    assert_eq!(reject.status().to_string(), status[..3]);
    assert_eq!(reject.to_string(), body);
}

/// [rfc9110:15.5.6-allow], [rfc9110:15.5.22-upgrade], [rfc6455:4.2.2-version-header].
#[test]
fn the_answers_that_say_what_would_do() {
    for (reject, status, required, body) in [
        (
            Reject::Method,
            "405 Method Not Allowed",
            "Connection: close|Allow: GET",
            "A WebSocket connection is opened with GET.",
        ),
        (
            Reject::HttpVersion,
            "426 Upgrade Required",
            "Upgrade: websocket|Connection: close, Upgrade",
            "A WebSocket connection is opened over HTTP/1.1.",
        ),
        (
            Reject::Upgrade,
            "426 Upgrade Required",
            "Upgrade: websocket|Connection: close, Upgrade",
            "A WebSocket endpoint: Upgrade must name websocket.",
        ),
        (
            Reject::Connection,
            "426 Upgrade Required",
            "Upgrade: websocket|Connection: close, Upgrade",
            "A WebSocket endpoint: Connection must name upgrade.",
        ),
        (
            Reject::VersionUnsupported,
            "426 Upgrade Required",
            "Upgrade: websocket|Connection: close, Upgrade|Sec-WebSocket-Version: 13",
            "The WebSocket version spoken here is 13.",
        ),
    ] {
        answers(reject, status, required, body);
    }
}

/// [rfc6455:4.2.2-version-header]
#[test]
fn the_answers_to_what_is_malformed_or_forbidden() {
    for (reject, status, required, body) in [
        (
            Reject::Content,
            "400 Bad Request",
            "Connection: close",
            "A request that upgrades to WebSocket has no content.",
        ),
        (
            Reject::Version,
            "400 Bad Request",
            "Connection: close|Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Version must be one number from 0 to 255.",
        ),
        (Reject::Origin, "400 Bad Request", "Connection: close", "Origin must be one ASCII value."),
        (
            Reject::OriginForbidden,
            "403 Forbidden",
            "Connection: close",
            "Connections from this origin are not allowed.",
        ),
        (
            Reject::Subprotocols,
            "400 Bad Request",
            "Connection: close",
            "Sec-WebSocket-Protocol must be a list of a few distinct tokens.",
        ),
        (
            Reject::Extensions,
            "400 Bad Request",
            "Connection: close",
            "Sec-WebSocket-Extensions is malformed.",
        ),
        (
            Reject::Key,
            "400 Bad Request",
            "Connection: close",
            "Sec-WebSocket-Key must be one base64 value of 16 bytes.",
        ),
    ] {
        answers(reject, status, required, body);
    }
}

/// [rfc9110:9.3.2-head-without-content]: the head is that of the answer to any other method.
#[test]
fn the_answer_to_head_stops_at_the_head() {
    let (mut head, mut post) = (Vec::new(), Vec::new());
    Reject::MethodHead.write_response(None, &mut head);
    Reject::Method.write_response(None, &mut post);
    assert!(head.ends_with(b"\r\n\r\n") && post.starts_with(&head) && post.len() > head.len());
}

#[test]
fn the_date_is_stated_if_it_is_known() {
    let mut out = b"before".to_vec();
    Reject::Key.write_response(Some(Date::from_unix(784_111_777)), &mut out);
    assert!(text(&out).starts_with("beforeHTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994"));
}

/// What the client sent is in no answer.
#[test]
fn nothing_is_echoed() {
    let mark = "zyxwv";
    let heads = [
        request_with("GET", &[&format!("{mark} /{mark} HTTP/1.1")]),
        request_with("Upgrade", &[&format!("Upgrade: {mark}")]),
        request_with("Connection", &[&format!("Connection: {mark}")]),
        request_with("Sec-WebSocket-Version", &[&format!("Sec-WebSocket-Version: {mark}")]),
        request_with("Sec-WebSocket-Key", &[&format!("Sec-WebSocket-Key: {mark}")]),
        request_with("no line", &[&format!("Origin: http://{mark}")]),
        request_with("no line", &[&format!("Sec-WebSocket-Protocol: {mark} {mark}")]),
        request_with("no line", &[&format!("Sec-WebSocket-Extensions: {mark} {mark}")]),
    ];
    for head in heads {
        let mut out = Vec::new();
        let reject = decide_on(&head, &Policy::default()).expect_err("a refusal");
        reject.write_response(None, &mut out);
        assert!(!text(&out).contains(mark), "{reject:?}");
    }
}
