//! Servers that want to harm: each is answered by an error that says what was wrong, soon, and in bounded memory
//! (which `tests/memory.rs` measures).

mod events;
mod heads;
mod network;
mod sockets;
mod subscriptions;

use sockeye_client::{
    ConnectOptions, Error, EventSource, EventSourceOptions, Limits, OwnedSourceEvent, Reconnect,
    SourceMessage, WebSocket,
};

use crate::common::{Server, in_time};

/// Times that a test can wait for. What is not about time is over long before.
const LIMITS: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.connect_ms = 20_000;
    limits.head_ms = 20_000;
    limits
};
/// A deadline that has to strike, and not before what comes at once.
const SOON_MS: u64 = 1_000;

/// What a source told that does not come back, and why it failed; `None` if it did not.
type Told = (Vec<SourceMessage>, Option<Error>);

fn source(server: &Server) -> EventSourceOptions {
    let mut options = EventSourceOptions::new(&server.url("http", "/events")).expect("it is a URL");
    options.reconnect = Reconnect::Never;
    options.event_bytes_max = 100_000;
    options
}

fn read_source(options: EventSourceOptions, limits: Limits) -> Told {
    in_time(move || {
        let mut messages = Vec::new();
        for event in EventSource::with(options, limits.into()).expect("the options are good") {
            match event {
                Ok(OwnedSourceEvent::Message(message)) => messages.push(message),
                Ok(OwnedSourceEvent::Lost { .. }) => panic!("it does not come back"),
                Ok(_) => {}
                Err(error) => return (messages, Some(error)),
            }
        }
        (messages, None)
    })
}

/// Why a source of this server fails.
fn source_error(server: &Server) -> Error {
    read_source(source(server), LIMITS).1.expect("the server is hostile")
}

fn socket(server: &Server) -> ConnectOptions {
    ConnectOptions::new(&server.url("ws", "/socket")).expect("it is a URL")
}

/// Connects, receives until the end, and says why it failed; `None` if it was closed.
fn read_socket(options: ConnectOptions, limits: Limits) -> Option<Error> {
    in_time(move || {
        let mut socket = match WebSocket::with(options, limits.into()) {
            Ok(socket) => socket,
            Err(error) => return Some(error),
        };
        loop {
            match socket.receive() {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => {
                    assert_eq!(socket.receive(), Ok(None), "an error is told once");
                    return Some(error);
                }
            }
        }
    })
}

/// Why a socket to this server fails.
fn socket_error(server: &Server) -> Error {
    read_socket(socket(server), LIMITS).expect("the server is hostile")
}
