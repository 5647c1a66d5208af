//! Clients that end their direction behind a request that is held.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{PATIENCE, Slow, start};

fn send(addr: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.write_all(request.as_bytes()).expect("it is read");
    stream
}

fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an end in time");
    answer
}

/// [service:half-closed]
#[test]
fn a_publication_is_answered_when_the_log_has_it() {
    let state = Arc::new(AtomicU64::new(0));
    let log = Slow(Arc::clone(&state));
    let server = start(|setup| {
        setup.prepare = Some(Box::new(|service| service.with_log(Box::new(log))));
    });
    let host = server.addr;
    let request = format!(
        "POST /v1/channels/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx\
         GET /v1/position HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    let stream = send(server.addr, &request);
    server.wait_until(|service| service.holdings().held == 1);
    stream.shutdown(Shutdown::Write).expect("it is open");
    // The end is there now: the next turn reads it, and this is one more.
    (0..3).for_each(|_| server.run(|_| ()));
    assert_eq!(server.run(|server| server.app().holdings().held), 1, "it waits for the log");
    state.store(1, Ordering::SeqCst);
    server.run(|_| ());
    let answer = read_to_end(stream);
    assert!(answer.contains("\"seq\":1,\"level\":\"logged\""), "{answer}");
    assert!(answer.contains("\"channels\":[]"), "and what it asked behind: {answer}");
    server.run(|server| assert_eq!(server.app().holdings().held, 0));
}

/// [service:half-closed]
#[test]
fn a_poll_is_answered_at_once() {
    let server = start(|_| ());
    let host = server.addr;
    let poll = format!("GET /v1/poll?channel=a&wait=60 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let stream = send(server.addr, &poll);
    server.wait_until(|service| service.holdings().due == 1);
    stream.shutdown(Shutdown::Write).expect("it is open");
    let answer = read_to_end(stream);
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(answer.contains("\r\nSockeye-Cursor: "), "{answer}");
    // One that is gone altogether ends in the same way.
    let gone = send(server.addr, &poll);
    server.wait_until(|service| service.holdings().due == 1);
    drop(gone);
    server.wait_until(|service| service.holdings().due == 0);
    server.wait_until(|service| service.hub_stats().subscribers == 0);
}
