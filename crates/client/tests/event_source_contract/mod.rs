//! What contract tests for clients of event streams ask, in our own rendering: over real sockets, through the
//! blocking type, against servers that do what a script says.
//!
//! The groups are those of LaunchDarkly's suite, which `conformance/contract` is the counterpart of.

mod http;
mod parsing;
mod reconnection;

use std::io;
use std::time::Duration;

use crate::common::{Client, Server, in_time};
use sockeye_client::{
    Comments, Error, EventSource, EventSourceOptions, Network, OwnedSourceEvent, SourceMessage,
};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
     Transfer-Encoding: chunked\r\n\r\n";
/// Nobody comes back from this, so a test ends.
const NO_MORE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// What was told, as far as a contract is about it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Event(String, String, String),
    Comment(String),
    Lost(Error),
    /// With the status, if it was an answer.
    Failed(Option<u16>),
}

fn event(name: &str, data: impl Into<String>, id: &str) -> Told {
    Told::Event(name.to_owned(), data.into(), id.to_owned())
}

fn data(data: impl Into<String>) -> Told {
    event("message", data, "")
}

/// A source without waits that reports comments.
fn options(server: &Server) -> EventSourceOptions {
    let mut options = EventSourceOptions::new(&server.url("http", "/stream")).expect("a URL");
    options.comments = Comments::Report;
    options.policy.reconnection_ms = 0;
    options.policy.wait_ms_min = 0;
    options
}

fn told(event: Result<OwnedSourceEvent, Error>) -> Option<Told> {
    match event {
        Ok(OwnedSourceEvent::Message(SourceMessage { event_type, data, last_event_id })) => {
            Some(Told::Event(event_type, data, last_event_id))
        }
        Ok(OwnedSourceEvent::Comment(text)) => Some(Told::Comment(text)),
        Ok(OwnedSourceEvent::Lost { why, .. }) => Some(Told::Lost(why)),
        Ok(OwnedSourceEvent::Open(_) | OwnedSourceEvent::Retry(_)) => None,
        Err(Error::Refused(refusal)) => Some(Told::Failed(Some(refusal.status.code()))),
        Err(_) => Some(Told::Failed(None)),
    }
}

/// All that a source tells until it is over.
fn read(options: EventSourceOptions) -> Vec<Told> {
    in_time(move || {
        let source = EventSource::with(options, Network::default()).expect("a poller");
        source.filter_map(told).collect()
    })
}

impl Client {
    /// Reads the request and answers with a stream; gives the request's head.
    fn open_stream(&mut self) -> io::Result<String> {
        let request = self.read_request()?;
        self.send(STREAM.as_bytes())?;
        Ok(request)
    }

    /// Sends a piece of the stream, as a chunk of its own.
    fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        let head = format!("{:x}\r\n", bytes.len());
        self.send(&[head.as_bytes(), bytes, b"\r\n"].concat())
    }

    fn end_stream(&mut self) -> io::Result<()> {
        self.send(b"0\r\n\r\n")
    }
}

/// A server whose first connection is this stream; whoever comes back is told that there is no more.
fn stream_of(pieces: Vec<Vec<u8>>, pause: Duration) -> Server {
    Server::new(move |number, client| {
        if number > 0 {
            client.read_request()?;
            return client.send(NO_MORE);
        }
        client.open_stream()?;
        for piece in &pieces {
            client.piece(piece)?;
            std::thread::sleep(pause);
        }
        client.end_stream()
    })
}

/// Checks what comes of a stream's pieces. The end of the stream and of all is told behind it.
fn check(name: &str, pieces: Vec<Vec<u8>>, pause: Duration, expected: &[Told]) {
    let server = stream_of(pieces, pause);
    let mut told = read(options(&server));
    assert_eq!(told.pop(), Some(Told::Failed(Some(204))), "{name}");
    assert_eq!(told.pop(), Some(Told::Lost(Error::Ended)), "{name}");
    // Not by `assert_eq`: some data are megabytes.
    assert!(told == expected, "{name}: {:.300}", format!("{told:?}"));
    assert_eq!(server.accepted(), 2, "{name}");
}
