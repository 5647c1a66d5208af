//! A peer that takes nothing for too long is given up; a slow one is not.

use crate::common::{BINARY, frame, start, start_timed};
use sockeye_server::{CloseCause, Deadline};

#[test]
fn a_peer_that_takes_nothing_is_cut() {
    let server = start_timed(|limits| limits.write_stall_ms = 300);
    let mut deaf = server.open("/echo");
    deaf.stuff(&frame(BINARY, &[3; 1_000]).repeat(64_000), || false);
    assert_eq!(server.next_closed(), CloseCause::Timeout(Deadline::WriteStall));
    server.until("it is gone", |server| server.connections() == 0);
}

#[test]
fn a_response_that_nobody_reads_is_given_up() {
    let server = start_timed(|limits| limits.write_stall_ms = 300);
    let mut deaf = server.connect();
    deaf.send("GET /bytes/24000000 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    server.until("it is gone", |server| server.connections() == 0 && server.stats().timeouts == 1);
}

#[test]
fn a_slow_but_steady_reader_is_kept() {
    // So slow that the system does not report room within the deadline: it waits until a good
    // part of its buffer is free. Bytes are taken all the same.
    let server = start(|limits| {
        limits.write_stall_ms = 1_000;
        limits.keep_alive_ms = 100;
    });
    let mut slow = server.connect();
    slow.send("GET /bytes/24000000 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    slow.read_head();
    let mut rest = 24_000_000;
    for _ in 0..60 {
        server.pass(50);
        slow.read(30_000);
        rest -= 30_000;
    }
    slow.read(rest);
    assert_eq!(slow.read_to_end(), b"");
    assert_eq!(server.ask(|server| server.stats().timeouts), 0);
}
