//! What a server can make a client hold: no more than its limits, however much it sends or says that it will.
//!
//! One test, since the memory that is measured is the process's.
#![cfg(target_os = "linux")]

mod common;

use std::io;
use std::time::{Duration, Instant};

use sockeye_client::websocket::{self, Message};
use sockeye_client::{
    ConnectOptions, Delivery, Error, EventSource, EventSourceOptions, Limits, Network, Reconnect,
    WebSocket,
};

use crate::common::{Client, Server, in_time};

/// What servers send where nothing stops them.
const SENT: usize = 64 << 20;
/// What a client may hold of it, with its stacks, its codec and the server's own buffers.
const GROWTH_MAX: usize = 12 << 20;
const LIMITS: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.inbox_bytes_max = 1 << 20;
    limits
};

#[test]
fn memory_is_bounded() {
    // From the first on, since what the allocator keeps of a case would hide what the next one holds.
    let before = start_peak();
    for (name, run) in CASES {
        run();
        let growth = peak().saturating_sub(before);
        println!("{name}: {} KiB, with those before", growth >> 10);
        assert!(growth < GROWTH_MAX, "{name}: {} MiB", growth >> 20);
    }
    // The measure sees what there is to see.
    let before = start_peak();
    assert_eq!(vec![1_u8; SENT].iter().map(|&byte| usize::from(byte)).sum::<usize>(), SENT);
    assert!(peak().saturating_sub(before) > SENT / 2, "the measure does not measure");
}

const CASES: [(&str, fn()); 9] = [
    ("events without end", many_events),
    ("a comment without end", comment),
    ("an event over its limit", large_event),
    ("a head without end", head),
    ("a refusal without end", refusal),
    ("pings without end", pings),
    ("a message in pieces", pieces),
    ("declared, and not sent", declared),
    ("sent while we send", both_send),
];

/// Has the system forget the peak, and gives what is held now.
fn start_peak() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").expect("it is our own");
    status("VmRSS:")
}

fn peak() -> usize {
    status("VmHWM:")
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("it is our own");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("Linux has it");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

/// Sends so many bytes, piece by piece.
fn send(client: &mut Client, piece: &[u8]) -> io::Result<()> {
    let many = piece.repeat((64 * 1024 / piece.len()).max(1));
    for _ in 0..SENT / many.len() {
        client.send(&many)?;
    }
    Ok(())
}

fn stream(head: &'static str, first: &'static str, piece: &'static [u8]) -> Server {
    Server::new(move |_, client| {
        client.read_request()?;
        client.send(format!("HTTP/1.1 {head}{first}").as_bytes())?;
        send(client, piece)?;
        client.finish()
    })
}

/// Reads a source to its end: events, and why it failed.
fn read(server: Server) -> (usize, Option<Error>) {
    in_time(move || {
        let mut options = EventSourceOptions::new(&server.url("http", "/")).expect("a URL");
        options.reconnect = Reconnect::Never;
        options.event_bytes_max = 1 << 20;
        let mut source = EventSource::with(options, LIMITS.into()).expect("the options are good");
        let mut count = 0;
        loop {
            match source.next_with(|_| ()) {
                Ok(Some(())) => count += 1,
                Ok(None) => return (count, None),
                Err(error) => return (count, Some(error)),
            }
        }
    })
}

const OK: &str = "200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

fn many_events() {
    let (count, error) = read(stream(OK, "", b"id: 1\ndata: 0123456789 0123456789 0123456789\n\n"));
    assert!(count > SENT / 60, "{count}");
    assert_eq!(error, None);
}

fn comment() {
    // What ends in a comment is no event that was cut off, but not a clean end either.
    assert_eq!(read(stream(OK, ":", b"x")), (1, Some(Error::Truncated)));
}

fn large_event() {
    assert_eq!(read(stream(OK, "", b"data: x\n")), (1, Some(Error::EventTooLarge)));
}

fn head() {
    let (count, error) = read(stream("200 OK\r\nA: ", "", b"x"));
    assert!(matches!(error, Some(Error::Http(_))) && count == 0);
}

fn refusal() {
    let head = "403 Forbidden\r\nContent-Length: 3221225472\r\n\r\n";
    let (_, error) = read(stream(head, "", b"x"));
    assert!(matches!(error, Some(Error::Refused(refusal)) if refusal.body.len() == 4096));
}

/// Connects, with room for messages of 4 GiB.
fn connect(server: &Server, delivery: Delivery) -> WebSocket {
    let mut options = ConnectOptions::new(&server.url("ws", "/")).expect("a URL");
    options.delivery = delivery;
    options.limits = websocket::Limits::DEFAULT;
    options.limits.frame_bytes_max = 4 << 30;
    options.limits.message_bytes_max = 4 << 30;
    WebSocket::with(options, Network::new(LIMITS)).expect("it is accepted")
}

fn pings() {
    let server = Server::of_sockets(|client| {
        let ping = [&b"\x89\x7D"[..], &[7; 125]].concat();
        send(client, &ping)?;
        client.send(b"\x81\x02ok")?;
        client.finish()
    });
    in_time(move || {
        let message = connect(&server, Delivery::Whole).receive();
        assert_eq!(message.expect("no crime").expect("it").as_message(), Message::Text("ok"));
    });
}

fn pieces() {
    let server = Server::of_sockets(|client| {
        client.send(&[&b"\x82\x7F"[..], &(SENT as u64).to_be_bytes()].concat())?;
        send(client, &[1; 1024])?;
        client.finish()
    });
    let received = in_time(move || {
        let mut socket = connect(&server, Delivery::Pieces);
        let mut received = 0;
        while received < SENT {
            socket
                .receive_with(|event| {
                    if let sockeye_client::sans_io::SocketEvent::Piece(piece) = event {
                        received += piece.payload.len();
                    }
                })
                .expect("it is a message")
                .expect("it goes on");
        }
        received
    });
    assert_eq!(received, SENT);
}

fn declared() {
    let server = Server::of_sockets(|client| {
        client.send(b"\x82\x7F\x00\x00\x00\x00\xC0\x00\x00\x00begun")?;
        client.read_to_end()
    });
    let found = in_time(move || {
        let soon = Instant::now() + Duration::from_millis(200);
        connect(&server, Delivery::Whole).receive_until(soon)
    });
    assert_eq!(found, Ok(None));
}

/// The server sends and takes nothing until it is done; so do we.
fn both_send() {
    let server = Server::of_sockets(|client| {
        send(client, b"\x82\x04abcd")?;
        client.read_to_end()
    });
    in_time(move || {
        let mut limits = LIMITS;
        limits.send_ms = 300;
        let options = ConnectOptions::new(&server.url("ws", "/")).expect("a URL");
        let mut socket = WebSocket::with(options, limits.into()).expect("it is accepted");
        let big = vec![7; 1 << 20];
        let error = (0..100).find_map(|_| socket.send(Message::Binary(&big)).err());
        assert!(matches!(error, Some(Error::TimedOut(_))), "{error:?}");
    });
}
