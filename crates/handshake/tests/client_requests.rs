//! What a client writes, and what it refuses to write.

use crate::support::{NONCE, text};
use sockeye_handshake::{Challenge, ClientRequest, Extensions, UsageError};
use sockeye_http::{self as http, HeaderName, HeaderValue};

fn write(request: &ClientRequest<'_>) -> Result<Vec<u8>, UsageError> {
    let mut out = Vec::new();
    let result = Challenge::new(NONCE).write_request(request, &mut out);
    assert!(result.is_ok() || out.is_empty(), "nothing is written on an error");
    result.map(|()| out)
}

/// [rfc6455:4.1-request-line], [rfc6455:4.1-request-upgrade], [rfc6455:4.1-key-value],
/// [rfc6455:4.1-version-13]
#[test]
fn the_least_request() {
    let out = write(&ClientRequest::new("example.com:8080", "/chat?room=7")).unwrap();
    assert_eq!(
        text(&out),
        "GET /chat?room=7 HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
}

/// [rfc6455:4.1-version-13]
#[test]
fn a_connect_has_neither_key_nor_upgrade() {
    let extensions = Extensions::parse([&b"foo;a=\"1\",bar"[..]]).unwrap();
    let own = [(HeaderName::from_static("Cookie"), HeaderValue::from_static("a=b"))];
    let request = ClientRequest {
        origin: Some("http://example.com"),
        subprotocols: &["chat", "superchat"],
        extensions: &extensions,
        headers: &own,
        ..ClientRequest::new("example.com", "/")
    };
    let mut lines = String::new();
    let add = |name: HeaderName<'_>, value: HeaderValue<'_>| {
        lines.push_str(&format!("{}: {}\n", name.as_str(), text(value.as_bytes())));
    };
    request.connect_fields(add).unwrap();
    assert_eq!(
        lines,
        "Sec-WebSocket-Version: 13\nOrigin: http://example.com\n\
         Sec-WebSocket-Protocol: chat, superchat\n\
         Sec-WebSocket-Extensions: foo; a=1, bar\nCookie: a=b\n"
    );
    let mut least = 0;
    ClientRequest::new("a", "/").connect_fields(|_, _| least += 1).unwrap();
    assert_eq!(least, 1);
    let reserved = [(HeaderName::from_static("Sec-WebSocket-Key"), HeaderValue::from_static("x"))];
    let request = ClientRequest { headers: &reserved, ..ClientRequest::new("a", "/") };
    assert_eq!(request.connect_fields(|_, _| ()), Err(UsageError::HeaderReserved));
}

#[test]
fn the_fullest_request() {
    let extensions = Extensions::parse([&b"foo;a=\"1\",bar"[..]]).unwrap();
    let own = [(HeaderName::from_static("Cookie"), HeaderValue::from_static("a=b"))];
    let request = ClientRequest {
        origin: Some("http://example.com"),
        subprotocols: &["chat", "superchat"],
        extensions: &extensions,
        headers: &own,
        ..ClientRequest::new("example.com", "/")
    };
    let out = write(&request).unwrap();
    let expected = "==\r\nOrigin: http://example.com\r\n\
                    Sec-WebSocket-Protocol: chat, superchat\r\n\
                    Sec-WebSocket-Extensions: foo; a=1, bar\r\nCookie: a=b\r\n\r\n";
    assert!(text(&out).ends_with(expected));
}

#[test]
fn hosts_and_targets_that_http_refuses() {
    for host in ["", " ", "a b", "a\r\nX: y", "user@host", "host:port", "[::1", "a/b"] {
        let error = write(&ClientRequest::new(host, "/")).err();
        assert_eq!(error, Some(UsageError::Http(http::UsageError::Host)), "{host:?}");
    }
    for target in ["", "chat", "/a b", "/a\r\nX: y", "/#fragment", "*", "ws://example.com/"] {
        let error = write(&ClientRequest::new("example.com", target)).err();
        assert_eq!(error, Some(UsageError::Http(http::UsageError::Target)), "{target:?}");
    }
}

/// [rfc6455:4.1-subprotocol-token], [rfc6455:4.1-subprotocol-unique]
#[test]
fn subprotocols_that_no_server_may_accept() {
    let table: [&[&str]; 6] =
        [&[""], &["a", ""], &["a b"], &["a,b"], &["a\r\nX: y"], &["a", "b", "a"]];
    for subprotocols in table {
        let request = ClientRequest { subprotocols, ..ClientRequest::new("example.com", "/") };
        assert_eq!(write(&request).err(), Some(UsageError::Subprotocols), "{subprotocols:?}");
    }
}

#[test]
fn origins_that_are_none() {
    for origin in ["", " ", "http://a b", "null\r\nX: y", "http://\u{e4}"] {
        let request =
            ClientRequest { origin: Some(origin), ..ClientRequest::new("example.com", "/") };
        assert_eq!(write(&request).err(), Some(UsageError::Origin), "{origin:?}");
    }
}

/// [rfc6455:4.2.2-reserved-headers]
#[test]
fn headers_of_the_handshake() {
    for name in ["Sec-WebSocket-Key", "sec-websocket-version", "Origin", "Expect"] {
        let headers = [(HeaderName::new(name).unwrap(), HeaderValue::from_static("x"))];
        let request = ClientRequest { headers: &headers, ..ClientRequest::new("example.com", "/") };
        assert_eq!(write(&request).err(), Some(UsageError::HeaderReserved), "{name}");
    }
    assert!(HeaderName::new("Host").is_err(), "cannot even be passed");
}
