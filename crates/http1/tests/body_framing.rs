//! How long a body is: the rules that keep two readers of one message in agreement.

use sockeye_http::Status;
use sockeye_http1::{
    BodyFraming, Error, HeaderStorage, Limits, RequestHead, ResponseFraming, ResponseHead,
};

fn request(version: &str, lines: &str) -> Result<BodyFraming, Error> {
    let head = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
    RequestHead::parse(head.as_bytes(), &mut HeaderStorage::new(), &Limits::DEFAULT)
        .map(|head| head.body())
}

fn response(status_line: &str, lines: &str, method: &str) -> Result<ResponseFraming, Error> {
    let head = format!("{status_line}\r\n{lines}\r\n");
    ResponseHead::parse(head.as_bytes(), &mut HeaderStorage::new(), &Limits::DEFAULT)
        .map(|head| head.body(method))
}

#[test]
fn a_request_says_how_long_its_body_is() {
    assert_eq!(request("1.1", ""), Ok(BodyFraming::None));
    assert_eq!(request("1.1", "Content-Length: 0\r\n"), Ok(BodyFraming::Length(0)));
    assert_eq!(request("1.0", "Content-Length:\t42 \r\n"), Ok(BodyFraming::Length(42)));
    assert_eq!(request("1.1", "Content-Length: 007\r\n"), Ok(BodyFraming::Length(7)));
    assert_eq!(request("1.1", "transfer-encoding: Chunked\r\n"), Ok(BodyFraming::Chunked));
}

/// Proves [rfc9112:6.2-content-length-digits] and [rfc9112:6.3-content-length-once].
#[test]
fn content_length_is_one_run_of_digits() {
    for value in ["", "+1", "-1", "1.0", "0x10", "1 2", "1,1", "1, 1", "1;", "١", "1e3", "\"1\""] {
        let answer = request("1.1", &format!("Content-Length: {value}\r\n"));
        assert_eq!(answer, Err(Error::ContentLength), "{value}");
    }
    for lines in
        ["Content-Length: 1\r\nContent-Length: 1\r\n", "Content-Length: 1\r\ncontent-length: 2\r\n"]
    {
        assert_eq!(request("1.1", lines), Err(Error::ContentLength));
    }
    assert_eq!(Error::ContentLength.status(), Status::BAD_REQUEST);
}

/// Proves [rfc9110:8.6-content-length-overflow].
#[test]
fn content_length_does_not_wrap() {
    let max = request("1.1", "Content-Length: 18446744073709551615\r\n");
    assert_eq!(max, Ok(BodyFraming::Length(u64::MAX)));
    for value in ["18446744073709551616", "99999999999999999999999999999999999999999999"] {
        let answer = request("1.1", &format!("Content-Length: {value}\r\n"));
        assert_eq!(answer, Err(Error::ContentLengthTooBig));
    }
    assert_eq!(Error::ContentLengthTooBig.status(), Status::CONTENT_TOO_LARGE);
}

/// Proves [rfc9112:6.3-chunked-last], [rfc9112:6.1-chunked-once] and [rfc9112:6.1-unknown-coding].
#[test]
fn transfer_encoding_is_chunked_and_nothing_else() {
    for value in [
        "",
        "gzip",
        "identity",
        "xchunked",
        "chunked,",
        ",chunked",
        "chunked, chunked",
        "chunked, gzip",
        "chunked, identity",
        "chunked;q=1",
        "\"chunked\"",
        "chunked x",
        "chunke",
    ] {
        let answer = request("1.1", &format!("Transfer-Encoding: {value}\r\n"));
        assert_eq!(answer, Err(Error::TransferEncoding), "{value}");
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(request("1.1", twice), Err(Error::TransferEncoding));
    let hidden = "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n";
    assert_eq!(request("1.1", hidden), Err(Error::TransferEncoding));
    assert_eq!(Error::TransferEncoding.status(), Status::BAD_REQUEST);
    for lines in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    ] {
        assert_eq!(request("1.1", lines), Err(Error::TransferCoding));
    }
    assert_eq!(Error::TransferCoding.status(), Status::NOT_IMPLEMENTED);
}

/// Proves [rfc9112:6.1-not-both] and [rfc9112:6.1-not-in-http10].
#[test]
fn transfer_encoding_excludes_content_length_and_http10() {
    for lines in [
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: x\r\nTransfer-Encoding: gzip\r\n",
    ] {
        assert_eq!(request("1.1", lines), Err(Error::FramingConflict));
    }
    assert_eq!(Error::FramingConflict.status(), Status::BAD_REQUEST);
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(request("1.0", chunked), Err(Error::TransferEncoding));
    assert_eq!(response("HTTP/1.0 200 OK", chunked, "GET"), Err(Error::TransferEncoding));
}

/// Proves [rfc9112:6.3-no-body].
#[test]
fn status_and_method_decide_whether_a_response_has_a_body() {
    let length = "Content-Length: 5\r\n";
    let ok = "HTTP/1.1 200 OK";
    assert_eq!(response(ok, length, "GET"), Ok(ResponseFraming::Length(5)));
    assert_eq!(response(ok, "", "GET"), Ok(ResponseFraming::UntilClose));
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(response(ok, chunked, "POST"), Ok(ResponseFraming::Chunked));
    for (status_line, method) in [
        ("HTTP/1.1 200 OK", "HEAD"),
        ("HTTP/1.1 299 ", "CONNECT"),
        ("HTTP/1.1 100 Continue", "GET"),
        ("HTTP/1.1 101 Switching Protocols", "GET"),
        ("HTTP/1.1 204 No Content", "GET"),
        ("HTTP/1.1 304 Not Modified", "GET"),
    ] {
        assert_eq!(response(status_line, length, method), Ok(ResponseFraming::None));
        assert_eq!(response(status_line, chunked, method), Ok(ResponseFraming::None));
    }
    assert_eq!(response("HTTP/1.1 404 ", length, "CONNECT"), Ok(ResponseFraming::Length(5)));
}

#[test]
fn a_status_line_is_checked() {
    for line in ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 \u{e4}"] {
        assert!(response(line, "", "GET").is_ok(), "{line}");
    }
    for line in [
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 X",
        "HTTP/1.1 600 X",
    ] {
        assert_eq!(response(line, "", "GET"), Err(Error::StatusLine), "{line}");
    }
    assert_eq!(response("HTTP/2.0 200 OK", "", "GET"), Err(Error::Version));
    assert_eq!(response("HTTP/1.1 200 OK", "Host : x\r\n", "GET"), Err(Error::Header));
    assert_eq!(response("HTTP/1.1 200 OK", "A: b\r\n c\r\n", "GET"), Err(Error::LineFolding));
}
