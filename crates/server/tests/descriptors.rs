//! Out of descriptors, the server keeps what it has, does not spin, and accepts again later.
//!
//! The limit is the whole process's, which is why this file holds one test.

mod common;

use common::{PING, Peer, TEXT, frame, start};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn running_out_of_descriptors_is_survived() {
    let server = start(|_| {});
    let mut old = server.open("/echo");
    // A few descriptors for us and a few for the server, who share them: nine, since the count has that of the
    // directory in it. The number is odd, so one connection at least finds none for the server.
    let in_use = std::fs::read_dir("/proc/self/fd").map_or(64, Iterator::count) as u64;
    let limit = Rlimit { current: Some(in_use + 8), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("lowering is allowed");

    let mut crowd = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect(server.addr) {
        crowd.push(stream);
        assert!(crowd.len() < 1_000, "the limit does not hold");
    }
    server.until("accepting rests", |server| server.stats().accept_pauses > 0);

    // It rests instead of trying all the time, and serves who is there.
    let before = server.ask(|server| server.stats().accept_pauses);
    for _ in 0..50 {
        server.pass(10);
    }
    let pauses = server.ask(|server| server.stats().accept_pauses) - before;
    assert!((1..=12).contains(&pauses), "{pauses} pauses in half a second");
    old.send(frame(TEXT, b"still served"));
    let echo = std::iter::from_fn(|| Some(old.read_frame())).find(|(first, _)| *first != PING);
    assert_eq!(echo, Some((TEXT, b"still served".to_vec())));

    // Descriptors are free again: those who waited in the backlog are served.
    let last = crowd.pop().expect("somebody got through");
    drop(crowd);
    server.pass(1_000);
    let mut last = Peer::new(last);
    last.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(last.read_response().1, b"/a");
}
