//! What is written, and what cannot be.

use sockeye_http::{Date, HeaderName, HeaderValue, Status, UsageError};
use sockeye_http1::{Body, Persistence, RequestWriter, Response};

const NAME: HeaderName<'_> = HeaderName::from_static("X-Name");

fn written(response: &Response<'_>, body: Body<'_>) -> String {
    let mut out = Vec::new();
    response.write(body, &mut out);
    String::from_utf8(out).unwrap()
}

/// Proves [rfc9112:4-space-before-reason].
#[test]
fn a_status_line_has_its_spaces_without_a_reason() {
    let response = Response::new(Status::new(299).unwrap());
    assert_eq!(written(&response, Body::Empty), "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn framing_follows_the_body() {
    let ok = Response::new(Status::OK);
    let head = |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n");
    assert_eq!(written(&ok, Body::Bytes(b"hello")), head("Content-Length: 5") + "hello");
    assert_eq!(written(&ok, Body::Length(u64::MAX)), head("Content-Length: 18446744073709551615"));
    assert_eq!(written(&ok, Body::Chunked), head("Transfer-Encoding: chunked"));
    let mut out = b"kept".to_vec();
    ok.connection(Persistence::KeepAlive).write_until_close(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), String::from("kept") + &head("Connection: close"));
}

/// Proves [rfc9112:6.1-no-framing-on-bodiless], [rfc9110:8.6-no-length-on-bodiless] and
/// [rfc9110:15.3.6-reset-content-empty].
#[test]
fn a_status_without_content_is_written_without() {
    for status in
        [Status::CONTINUE, Status::SWITCHING_PROTOCOLS, Status::NO_CONTENT, Status::NOT_MODIFIED]
    {
        for body in [Body::Empty, Body::Bytes(b"x"), Body::Length(1), Body::Chunked] {
            let expected = format!("HTTP/1.1 {} {}\r\n\r\n", status.code(), status.reason());
            assert_eq!(written(&Response::new(status), body), expected);
        }
    }
    for body in [Body::Empty, Body::Bytes(b"x"), Body::Length(1), Body::Chunked] {
        let expected = "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(written(&Response::new(Status::RESET_CONTENT), body), expected);
    }
}

/// Proves [rfc9110:7.8-upgrade-needs-option].
#[test]
fn upgrade_brings_its_connection_option() {
    let upgrade = |connection| {
        let response = Response::new(Status::SWITCHING_PROTOCOLS)
            .upgrade(HeaderValue::from_static("websocket"))
            .connection(connection);
        written(&response, Body::Empty)
    };
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: ";
    assert_eq!(upgrade(Persistence::Persist), format!("{head}Upgrade\r\n\r\n"));
    assert_eq!(upgrade(Persistence::KeepAlive), format!("{head}keep-alive, Upgrade\r\n\r\n"));
    assert_eq!(upgrade(Persistence::Close), format!("{head}close, Upgrade\r\n\r\n"));
}

#[test]
fn headers_keep_their_order() {
    let value = HeaderValue::from_bytes(b"\xff \t1").unwrap();
    let response = Response::new(Status::OK)
        .header(NAME, HeaderValue::from_static("a"))
        .date(Date::from_unix(0))
        .header(NAME, HeaderValue::from_static(""))
        .header(HeaderName::from_static("B"), value);
    let mut out = Vec::new();
    response.write(Body::Empty, &mut out);
    let expected = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Name: a\r\n\
        X-Name: \r\nB: \xff \t1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(out, expected);
}

/// Proves [rfc9112:3.2-client-sends-host].
#[test]
fn a_request_names_its_host_first() {
    let request = |method, target, body| {
        let mut out = Vec::new();
        RequestWriter::new(method, target, "h:1")?
            .header(NAME, HeaderValue::from_static("v"))
            .connection(Persistence::Close)
            .upgrade(HeaderValue::from_static("websocket"))
            .write(body, &mut out);
        Ok::<_, UsageError>(String::from_utf8(out).unwrap())
    };
    let lines = "Host: h:1\r\nUpgrade: websocket\r\nConnection: close, Upgrade\r\nX-Name: v\r\n";
    assert_eq!(request("GET", "/?q", Body::Empty), Ok(format!("GET /?q HTTP/1.1\r\n{lines}\r\n")));
    let empty = format!("POST / HTTP/1.1\r\n{lines}Content-Length: 0\r\n\r\n");
    assert_eq!(request("POST", "/", Body::Empty), Ok(empty));
    let bytes = format!("PUT / HTTP/1.1\r\n{lines}Content-Length: 1\r\n\r\nx");
    assert_eq!(request("PUT", "/", Body::Bytes(b"x")), Ok(bytes));
    let chunked = format!("PUT / HTTP/1.1\r\n{lines}Transfer-Encoding: chunked\r\n\r\n");
    assert_eq!(request("PUT", "/", Body::Chunked), Ok(chunked));
}

#[test]
fn a_request_cannot_be_injected() {
    let new = |method, target, host| RequestWriter::new(method, target, host).map(|_| ());
    assert_eq!(new("GET", "/", "a"), Ok(()));
    assert_eq!(new("G T", "/", "a"), Err(UsageError::Method));
    assert_eq!(new("", "/", "a"), Err(UsageError::Method));
    assert_eq!(new("GET", "/ HTTP/1.1\r\nX: y", "a"), Err(UsageError::Target));
    assert_eq!(new("GET", "*", "a"), Err(UsageError::Target));
    assert_eq!(new("GET", "", "a"), Err(UsageError::Target));
    assert_eq!(new("GET", "/", "a\r\nX: y"), Err(UsageError::Host));
    assert_eq!(new("GET", "/", ""), Err(UsageError::Host));
}
