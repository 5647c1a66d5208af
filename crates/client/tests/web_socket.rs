//! WebSocket on real sockets: what the machine's own tests cannot show.

use std::io::{self, Write as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sockeye_client::sans_io::SocketEvent;
use sockeye_client::websocket::{CloseCode, Fin, Message, UsageError as FrameUsage};
use sockeye_client::{
    ConnectOptions, Delivery, Driver, Entropy, Error, Limits, Network, OwnedMessage, UsageError,
    WebSocket,
};

use crate::peer::{LIMITS, Once, Peer, pattern, read_head};

fn options(server: &Once) -> ConnectOptions {
    let mut options = ConnectOptions::new(&server.url()).expect("a URL");
    options.limits = LIMITS;
    options.compression = None;
    options
}

fn connect(server: &Once) -> WebSocket {
    WebSocket::with(options(server), Network::default()).expect("the server accepts")
}

fn text(text: &str) -> OwnedMessage {
    OwnedMessage::Text(text.to_owned())
}

#[test]
fn a_conversation() {
    let server = Once::of_sockets(Peer::echo);
    let mut socket = connect(&server);
    socket.send(Message::Text("one")).expect("open");
    socket.ping(b"there?").expect("open");
    let pong = socket.receive_with(|event| match event {
        SocketEvent::Pong(payload) => Some(payload.to_vec()),
        _ => None,
    });
    assert_eq!(pong, Ok(Some(None)), "the echo comes first");
    let pong = socket.receive_with(|event| match event {
        SocketEvent::Pong(payload) => Some(payload.to_vec()),
        _ => None,
    });
    assert_eq!(pong, Ok(Some(Some(b"there?".to_vec()))));
    let closed = socket.close(CloseCode::NORMAL, "done").expect("open");
    assert_eq!((closed.code, closed.clean), (CloseCode::NORMAL, true));
    assert_eq!(socket.closed(), Some(closed));
    assert!(socket.is_over() && socket.next().is_none());
    assert_eq!(socket.close(CloseCode::NORMAL, ""), Ok(closed), "again is harmless");
    let not_open = Err(Error::Usage(UsageError::NotOpen));
    assert_eq!(socket.send(Message::Text("late")), not_open);
    server.end().expect("the server was closed");
}

#[test]
fn the_server_closes() {
    let server = Once::of_sockets(|peer| {
        peer.send(Message::Text("last"))?;
        peer.close(CloseCode::GOING_AWAY)?;
        peer.receive().map(|_| ())
    });
    let mut socket = connect(&server);
    let messages: Result<Vec<_>, Error> = socket.by_ref().collect();
    assert_eq!(messages, Ok(vec![text("last")]));
    let closed = socket.closed().expect("it was closed");
    assert_eq!((closed.code, closed.clean), (CloseCode::GOING_AWAY, true));
}

#[test]
fn closing_when_the_server_was_first() {
    let server = Once::of_sockets(|peer| {
        peer.close(CloseCode::GOING_AWAY)?;
        peer.receive().map(|_| ())
    });
    let mut socket = connect(&server);
    let is_close = |event: SocketEvent<'_>| matches!(event, SocketEvent::Close(_));
    assert_eq!(socket.receive_with(is_close), Ok(Some(true)));
    let closed = Error::Usage(UsageError::WebSocket(FrameUsage::Closed));
    assert_eq!(socket.send(Message::Text("late")), Err(closed));
    let closed = socket.close(CloseCode::NORMAL, "").expect("it goes on");
    assert_eq!(closed.code, CloseCode::GOING_AWAY);
}

#[test]
fn big_messages_both_ways_at_once() {
    let big = pattern(12 << 20);
    let its_big = big.clone();
    let server = Once::of_sockets(move |peer| {
        // It reads only when it has written all.
        peer.send(Message::Binary(&its_big))?;
        let got = peer.receive()?;
        assert!(got == Some(OwnedMessage::Binary(its_big)), "it is what was sent");
        peer.close(CloseCode::NORMAL)?;
        peer.receive().map(|_| ())
    });
    let mut socket = connect(&server);
    socket.send(Message::Binary(&big)).expect("the server reads in the end");
    assert!(socket.receive() == Ok(Some(OwnedMessage::Binary(big))), "it is what was sent");
    assert_eq!(socket.receive(), Ok(None));
    server.end().expect("both have come");
}

#[test]
fn streams_in_both_directions() {
    const PARTS: usize = 200;
    let server = Once::of_sockets(|peer| {
        let whole = peer.receive()?.expect("a message in parts is one");
        let bytes = whole.as_message().as_bytes();
        let mut parts = bytes.chunks(10_000).peekable();
        while let Some(part) = parts.next() {
            let fin = if parts.peek().is_some() { Fin::More } else { Fin::Final };
            peer.send_part(Message::Binary(part), fin)?;
        }
        peer.close(CloseCode::NORMAL)?;
        peer.receive().map(|_| ())
    });
    let mut options = options(&server);
    options.delivery = Delivery::Pieces;
    // Much less than is sent in all: what was sent does not count any more.
    let mut limits = Limits::DEFAULT;
    limits.out_bytes_max = 20_000;
    let mut socket = WebSocket::with(options, limits.into()).expect("the server accepts");
    let whole = pattern(PARTS * 7001);
    for (at, part) in whole.chunks(7001).enumerate() {
        let fin = if at + 1 == PARTS { Fin::Final } else { Fin::More };
        socket.send_part(Message::Binary(part), fin).expect("open");
    }
    let (mut got, mut pieces, mut done) = (Vec::new(), 0, false);
    while let Some(()) = socket
        .receive_with(|event| {
            if let SocketEvent::Piece(piece) = event {
                assert_eq!((piece.first, done), (got.is_empty(), false));
                got.extend_from_slice(piece.payload);
                (pieces, done) = (pieces + 1, piece.last);
            }
        })
        .expect("the server closes")
    {}
    assert!(got == whole && done, "{} bytes in {pieces} pieces", got.len());
    assert!(pieces > PARTS / 2, "they came as they were");
}

#[test]
fn an_answer_that_came_in_time_counts_however_late_it_is_read() {
    let (pinged, was_pinged) = mpsc::channel();
    let (go, may_answer) = mpsc::channel();
    let (answered, was_answered) = mpsc::channel();
    let server = Once::of_sockets(move |peer| {
        let mut ping = [0; 6];
        io::Read::read_exact(&mut peer.stream, &mut ping)?;
        assert_eq!(ping[0], 0x89);
        pinged.send(()).expect("the test waits");
        may_answer.recv().expect("the test waits");
        peer.send(Message::Text("alive"))?;
        answered.send(()).expect("the test waits");
        peer.receive().map(|_| ())
    });
    let mut options = options(&server);
    (options.ping_ms, options.pong_ms) = (Some(20), 1_000);
    let mut socket = WebSocket::with(options, Network::default()).expect("the server accepts");
    while was_pinged.try_recv().is_err() {
        let until = Instant::now() + Duration::from_millis(5);
        assert_eq!(socket.receive_until(until), Ok(None), "nothing was sent");
    }
    go.send(()).expect("the server waits");
    was_answered.recv().expect("the server answers");
    // Away for longer than the deadline, while the answer lies in the socket.
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(socket.receive(), Ok(Some(text("alive"))));
}

#[test]
fn a_driver_leaves_the_loop_its_turn() {
    const BYTES: usize = 64 * 1024;
    let (sent, was_sent) = mpsc::channel();
    let server = Once::of_sockets(move |peer| {
        peer.send(Message::Binary(&[7; BYTES]))?;
        sent.send(()).expect("the test waits");
        peer.receive().map(|_| ())
    });
    let mut limits = Limits::DEFAULT;
    limits.read_bytes = 64;
    let machine = sockeye_client::sans_io::WebSocket::new(
        options(&server),
        limits,
        Entropy::system().expect("there is entropy"),
    );
    let mut poll = mio::Poll::new().expect("a poller");
    let mut driver =
        Driver::new(machine.expect("good options"), limits, poll.registry(), mio::Token(0))
            .expect("a registry");
    let mut events = mio::Events::with_capacity(4);
    while driver.next(|event| matches!(event, SocketEvent::Open(_))).expect("it connects").is_none()
    {
        poll.poll(&mut events, None).expect("a poller");
        events.iter().for_each(|event| driver.on_event(event));
    }
    was_sent.recv().expect("the server sends");
    // All has come. Without another word of the poller, it is taken a little at a time.
    let mut turns = 0;
    let len = loop {
        let found = driver.next(|event| match event {
            SocketEvent::Message(message) => message.as_bytes().len(),
            other => panic!("{other:?}"),
        });
        if let Some(len) = found.expect("open") {
            break len;
        }
        assert!(driver.deadline().is_some_and(|at| at <= Instant::now()), "it wants another turn");
        turns += 1;
    };
    assert_eq!(len, BYTES);
    assert!((20..200).contains(&turns), "{turns}");
}

/// A loop that takes one event a turn, because it has others to serve, is not left waiting behind it.
#[test]
fn what_lies_behind_an_event_wants_another_turn() {
    let server = Once::of_sockets(|peer| {
        for round in ["1", "2", "3"] {
            peer.send(Message::Text(round))?;
        }
        peer.receive().map(|_| ())
    });
    let mut poll = mio::Poll::new().expect("a poller");
    let entropy = Entropy::system().expect("entropy");
    let machine =
        sockeye_client::sans_io::WebSocket::new(options(&server), Limits::DEFAULT, entropy);
    let machine = machine.expect("good options");
    let driver = Driver::new(machine, Limits::DEFAULT, poll.registry(), mio::Token(0));
    let mut driver = driver.expect("a registry");
    let (mut events, mut heard) = (mio::Events::with_capacity(4), String::new());
    while heard != "123" {
        let found = driver.next(|event| {
            if let SocketEvent::Message(Message::Text(text)) = event {
                heard.push_str(text);
            }
        });
        let wants_turn = driver.deadline().is_some_and(|at| at <= Instant::now());
        assert!(found.expect("open").is_none() || wants_turn, "behind {heard:?}");
        let timeout = driver.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        poll.poll(&mut events, timeout).expect("a poller");
        events.iter().for_each(|event| driver.on_event(event));
    }
}

#[test]
fn an_answer_of_another_status() {
    let server = Once::new(|mut stream| {
        read_head(&mut stream)?;
        stream.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 6\r\n\r\n",
        )?;
        std::thread::yield_now();
        stream.write_all(b"who")?;
        stream.write_all(b"is?")?;
        io::copy(&mut stream, &mut io::sink()).map(|_| ())
    });
    let Err(Error::Refused(refusal)) = WebSocket::connect(&server.url()) else {
        panic!("it refuses");
    };
    assert_eq!(refusal.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refusal.body, b"whois?");
}

#[test]
fn nobody_is_there() {
    let server = Once::new(|_| Ok(()));
    let url = server.url();
    // The one connection that it takes.
    assert!(WebSocket::connect(&url).is_err());
    server.end().expect("it has ended");
    let refused = Error::Connect(io::ErrorKind::ConnectionRefused);
    assert_eq!(WebSocket::connect(&url).err(), Some(refused));
    assert_eq!(
        WebSocket::connect("http://localhost/").err(),
        Some(Error::Usage(UsageError::Scheme))
    );
}
