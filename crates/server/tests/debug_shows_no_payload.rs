//! What requests and answers carry never reaches a log through `Debug`.

use std::fmt::Debug;
use std::net::{Ipv4Addr, SocketAddr};

use sockeye_http::Status;
use sockeye_http1::{HeaderStorage, Limits, RequestHead};
use sockeye_server::{Answer, EventStream, Header, Reply, Request};

const COOKIE: Header = Header::from_static("Set-Cookie", "hunter2");

/// Neither the text itself nor its bytes as a derived `Debug` writes them.
fn assert_silent(value: &impl Debug) {
    let shown = format!("{value:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn an_answer_shows_no_content() {
    let reply = Reply::text(Status::OK, "hunter2").header(COOKIE);
    let stream = EventStream::default().headers([COOKIE]);
    assert_silent(&COOKIE);
    assert_silent(&reply);
    assert_silent(&Answer::<()>::Reply(reply));
    assert_silent(&stream);
    assert_silent(&Answer::EventStream(stream, ()));
}

#[test]
fn a_request_shows_no_content() {
    let received = b"POST /?token=hunter2 HTTP/1.1\r\nHost: a\r\nCookie: hunter2\r\n\
                     Content-Length: 7\r\n\r\n";
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(received, &mut storage, &Limits::DEFAULT).expect("a valid head");
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    assert_silent(&Request { head: &head, body: b"hunter2", peer, listener: 0 });
}
