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
    let in_use = std::fs::read_dir("/proc/self/fd").map_or(64, Iterator::count) as u64;
    let limit = Rlimit { current: Some(in_use + 9), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("lowering is allowed");

    // Files take all descriptors but one. A connection takes that one, and none is left for the server.
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
        assert!(files.len() < 1_000, "the limit does not hold");
    }
    files.pop().expect("a file was opened");
    let new = std::net::TcpStream::connect(server.addr).expect("a descriptor is free");
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

    // Descriptors are free again: who waited in the backlog is served.
    drop(files);
    server.pass(1_000);
    let mut new = Peer::new(new);
    new.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(new.read_response().1, b"/a");
}
