//! Bodies, queries and header values never reach a log through `Debug`.

use core::fmt::Debug;

use sockeye_http::{HeaderName, HeaderValue, Status};
use sockeye_http1::chunked::{Decoder, Event};
use sockeye_http1::{Body, HeaderStorage, Limits, RequestHead, RequestWriter, Response, chunked};

const COOKIE: HeaderName<'_> = HeaderName::from_static("Cookie");
const SECRET: HeaderValue<'_> = HeaderValue::from_static("hunter2");

/// Neither the text itself nor its bytes as a derived `Debug` writes them.
fn assert_silent(value: &impl Debug) {
    let shown = format!("{value:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn bodies_are_not_shown() {
    assert_silent(&Body::Bytes(b"hunter2"));
    let mut input: &[u8] = b"7\r\nhunter2\r\n";
    let event = Decoder::new(chunked::Limits::DEFAULT).next(&mut input);
    assert_eq!(event, Ok(Some(Event::Data(b"hunter2"))));
    assert_silent(&event);
}

#[test]
fn heads_show_no_values() {
    let received = b"GET /?token=hunter2 HTTP/1.1\r\nHost: a\r\nCookie: hunter2\r\n\r\n";
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(received, &mut storage, &Limits::DEFAULT).expect("a valid head");
    assert_silent(&head);
    assert_silent(&SECRET);
    assert_silent(&Response::new(Status::OK).header(COOKIE, SECRET));
    let request = RequestWriter::new("GET", "/?token=hunter2", "a").expect("a valid request");
    assert_silent(&request.header(COOKIE, SECRET));
}
