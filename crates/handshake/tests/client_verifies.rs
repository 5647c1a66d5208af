//! Each rule that an answer can break.

use crate::support::{response_with, verify};
use sockeye_handshake::{ClientRequest, Extensions, VerifyError, supported_versions};
use sockeye_http::Status;
use sockeye_http1::{HeaderStorage, Limits, ResponseHead};

fn refused(expected: VerifyError, line: &str, replacements: &[&[&str]]) {
    let offered = Extensions::parse([&b"foo, bar"[..]]).unwrap();
    let request = ClientRequest {
        subprotocols: &["chat", "superchat"],
        extensions: &offered,
        ..ClientRequest::new("example.com", "/")
    };
    for by in replacements {
        let head = response_with(line, by);
        assert_eq!(verify(&head, &request), Err(expected), "{by:?}");
    }
}

#[test]
fn a_good_answer() {
    let offered = Extensions::parse([&b"foo, bar;x, unused"[..]]).unwrap();
    let request = ClientRequest {
        subprotocols: &["chat", "superchat"],
        extensions: &offered,
        ..ClientRequest::new("example.com", "/")
    };
    let head = response_with(
        "no line",
        &["Sec-WebSocket-Protocol: superchat", "Sec-WebSocket-Extensions: bar;y=\"2\",foo"],
    );
    let accepted = verify(&head, &request).unwrap();
    assert_eq!(accepted.subprotocol, Some("superchat"));
    assert_eq!(accepted.extensions.as_str(), "bar; y=2, foo");

    let head = response_with("no line", &["Server: x"]);
    let accepted = verify(&head, &request).unwrap();
    assert_eq!(accepted.subprotocol, None);
    assert!(accepted.extensions.is_empty());
}

/// [rfc6455:4.1-response-status]
#[test]
fn other_statuses() {
    for (code, phrase) in [(100, "Continue"), (200, "OK"), (302, "Found"), (401, ""), (426, "")] {
        let line = format!("HTTP/1.1 {code} {phrase}");
        refused(VerifyError::Status(Status::new(code).unwrap()), "HTTP", &[&[&line]]);
    }
}

/// [rfc6455:4.1-response-version]
#[test]
fn http_1_0() {
    refused(VerifyError::HttpVersion, "HTTP", &[&["HTTP/1.0 101 Switching Protocols"]]);
}

/// [rfc6455:4.1-response-upgrade]
#[test]
fn upgrade() {
    let replacements: &[&[&str]] = &[
        &[],
        &["Upgrade:"],
        &["Upgrade: h2c"],
        &["Upgrade: websockets"],
        &["Upgrade: websocket/13"],
        &["Upgrade: \"websocket\""],
        &["Upgrade: websocket, h2c"],
        &["Upgrade: websocket", "Upgrade: websocket"],
    ];
    refused(VerifyError::Upgrade, "Upgrade", replacements);
    for good in ["Upgrade: WebSocket", "upgrade:\tWEBSOCKET "] {
        let head = response_with("Upgrade", &[good]);
        assert!(verify(&head, &ClientRequest::new("a", "/")).is_ok(), "{good}");
    }
}

/// [rfc6455:4.1-response-connection]
#[test]
fn connection() {
    let replacements: &[&[&str]] = &[
        &[],
        &["Connection:"],
        &["Connection: close"],
        &["Connection: notupgrade"],
        &["Connection: \"upgrade\""],
        &["Connection: keep-alive upgrade"],
    ];
    refused(VerifyError::Connection, "Connection", replacements);
    let good: [&[&str]; 3] = [
        &["Connection: keep-alive, Upgrade"],
        &["Connection: UPGRADE", "Connection: keep-alive"],
        &["Connection: keep-alive", "connection: upgrade"],
    ];
    for by in good {
        let head = response_with("Connection", by);
        assert!(verify(&head, &ClientRequest::new("a", "/")).is_ok(), "{by:?}");
    }
}

/// [rfc6455:4.1-response-accept], [rfc6455:11.3.3-accept-once]
#[test]
fn accept() {
    let good = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    refused(VerifyError::AcceptMissing, "Sec-WebSocket-Accept", &[&[]]);
    let repeated: &[&[&str]] = &[&[good, good], &[good, "Sec-WebSocket-Accept: x"]];
    refused(VerifyError::AcceptRepeated, "Sec-WebSocket-Accept", repeated);
    let different: &[&[&str]] = &[
        &["Sec-WebSocket-Accept:"],
        &["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo"],
        &["Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO="],
        &["Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ=="],
        &["Sec-WebSocket-Accept: \"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\""],
        &["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, x"],
    ];
    refused(VerifyError::AcceptMismatch, "Sec-WebSocket-Accept", different);
}

/// [rfc6455:4.1-response-subprotocol], [rfc6455:11.3.4-response-once]
#[test]
fn subprotocol() {
    let added: &[&[&str]] = &[
        &["Sec-WebSocket-Protocol:"],
        &["Sec-WebSocket-Protocol: other"],
        &["Sec-WebSocket-Protocol: Chat"],
        &["Sec-WebSocket-Protocol: chat, superchat"],
        &["Sec-WebSocket-Protocol: ch\u{e4}t"],
    ];
    refused(VerifyError::SubprotocolNotRequested, "no line", added);
    let added: &[&[&str]] = &[
        &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"],
        &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: superchat"],
    ];
    refused(VerifyError::SubprotocolRepeated, "no line", added);
    let head = response_with("no line", &["Sec-WebSocket-Protocol: chat"]);
    let result = verify(&head, &ClientRequest::new("a", "/"));
    assert_eq!(result, Err(VerifyError::SubprotocolNotRequested), "none was requested");
}

/// [rfc6455:4.1-response-extensions], [rfc6455:11.3.2-response-once], [rfc6455:9.1-grammar]
#[test]
fn extensions() {
    let added: &[&[&str]] = &[
        &["Sec-WebSocket-Extensions: other"],
        &["Sec-WebSocket-Extensions: foo, other"],
        &["Sec-WebSocket-Extensions: FOO"],
    ];
    refused(VerifyError::ExtensionNotRequested, "no line", added);
    let added: &[&[&str]] = &[&["Sec-WebSocket-Extensions: foo", "Sec-WebSocket-Extensions: bar"]];
    refused(VerifyError::ExtensionsRepeated, "no line", added);
    let added: &[&[&str]] = &[
        &["Sec-WebSocket-Extensions:"],
        &["Sec-WebSocket-Extensions: foo;"],
        &["Sec-WebSocket-Extensions: foo; a=\"1 2\""],
    ];
    refused(VerifyError::ExtensionsMalformed, "no line", added);
    let head = response_with("no line", &["Sec-WebSocket-Extensions: foo"]);
    let result = verify(&head, &ClientRequest::new("a", "/"));
    assert_eq!(result, Err(VerifyError::ExtensionNotRequested), "none was requested");
}

/// [rfc6455:4.4-versions-over-lines], [rfc6455:4.3-version-grammar]
#[test]
fn versions_to_try_instead() {
    let head = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\
        Sec-WebSocket-Version: 13, 8\r\nSec-WebSocket-Version: 7,, 013, 256, x\r\n\r\n";
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(head, &mut storage, &Limits::DEFAULT).unwrap();
    assert!(supported_versions(&head).eq([13, 8, 7]));
}

/// [rfc8441:5-any-2xx]
#[test]
fn a_connect_is_answered_by_any_2xx() {
    use sockeye_http::{HeaderLine, Headers};

    let request = ClientRequest { subprotocols: &["chat"], ..ClientRequest::new("a", "/") };
    let line = |value: &'static [u8]| [HeaderLine { name: b"sec-websocket-protocol", value }];
    for code in [200, 204, 299] {
        let lines = line(b"chat");
        let status = Status::new(code).unwrap();
        let accepted = request.verify_connect(status, Headers::new(&lines)).unwrap();
        assert_eq!(accepted.subprotocol, Some("chat"));
    }
    for code in [101, 199, 300, 404] {
        let status = Status::new(code).unwrap();
        let verified = request.verify_connect(status, Headers::new(&[]));
        assert_eq!(verified, Err(VerifyError::Status(status)));
    }
    let lines = line(b"other");
    let verified = request.verify_connect(Status::OK, Headers::new(&lines));
    assert_eq!(verified, Err(VerifyError::SubprotocolNotRequested));
    let lines = [HeaderLine { name: b"sec-websocket-extensions", value: b"x" }];
    let verified = request.verify_connect(Status::OK, Headers::new(&lines));
    assert_eq!(verified, Err(VerifyError::ExtensionNotRequested));
}
