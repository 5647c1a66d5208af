//! Ways that lead to no server.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use sockeye_client::{ConnectOptions, Deadline, Error, EventSourceOptions, Limits, Reconnect};

use super::{LIMITS, SOON_MS, read_socket, read_source, source};
use crate::common::Server;

/// Why either client fails that goes there.
fn errors(authority: &str, limits: Limits) -> [Error; 2] {
    let mut options = EventSourceOptions::new(&format!("http://{authority}/")).expect("a URL");
    options.reconnect = Reconnect::Never;
    let source = read_source(options, limits).1.expect("there is nobody");
    let options = ConnectOptions::new(&format!("ws://{authority}/")).expect("a URL");
    [source, read_socket(options, limits).expect("there is nobody")]
}

/// A label of 64 characters is none that could be asked for, so nobody is asked.
#[test]
fn a_name_without_an_address() {
    let name = format!("{}.invalid", "a".repeat(64));
    for error in errors(&name, LIMITS) {
        assert!(matches!(error, Error::Resolve(_)), "{error:?}");
    }
}

#[test]
fn a_port_where_nobody_listens() {
    let addr = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    for error in errors(&addr.expect("it was bound").to_string(), LIMITS) {
        assert_eq!(error, Error::Connect(ErrorKind::ConnectionRefused));
    }
}

/// Once as many are connected as a listener has room for, the system leaves others without an answer.
#[test]
fn a_black_hole() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
    let addr = listener.local_addr().expect("it is bound");
    let mut crowd = Vec::new();
    while let Ok(one) = TcpStream::connect_timeout(&addr, Duration::from_millis(SOON_MS)) {
        crowd.push(one);
        assert!(crowd.len() < 900, "the listener has room for all");
    }
    let mut limits = LIMITS;
    limits.connect_ms = SOON_MS;
    for error in errors(&addr.to_string(), limits) {
        assert_eq!(error, Error::TimedOut(Deadline::Connect));
    }
}

/// The time to connect bounds the way to a server, not what comes after a connection that is over.
#[test]
fn a_redirect_that_comes_after_the_time_to_connect() {
    let server = Server::new(|number, client| {
        client.read_request()?;
        if number > 0 {
            return client.send(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
        std::thread::sleep(Duration::from_millis(2 * SOON_MS));
        client.send(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    });
    let mut limits = LIMITS;
    limits.connect_ms = SOON_MS;
    let (_, error) = read_source(source(&server), limits);
    let Some(Error::Refused(refusal)) = error else { panic!("no answer came through: {error:?}") };
    assert_eq!((refusal.status.code(), server.accepted()), (204, 2));
}
