use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sockeye_handshake::accept_key;
use sockeye_websocket::Message;

use super::WebSocket;
use crate::{ConnectOptions, Deadline, Error, Limits};

const KIB: [&[u8]; 2] = [b"\x82\x7e\x04\x00", &[0; 1024]];

/// Accepts one client, and sends it this frame for as long as it is there; reads nothing more.
fn flood(listener: &TcpListener, frame: &[u8]) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let (_, rest) = head.split_once("Sec-WebSocket-Key: ").expect("a handshake");
    let accept = accept_key(&rest.as_bytes()[..24]);
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")?;
    stream.write_all(b"Connection: Upgrade\r\nSec-WebSocket-Accept: ")?;
    stream.write_all(&accept)?;
    stream.write_all(b"\r\n\r\n")?;
    let many = frame.repeat(64 * 1024 / frame.len());
    loop {
        stream.write_all(&many)?;
    }
}

#[test]
fn what_is_kept_of_a_flood_has_a_bound() {
    const INBOX: usize = 1 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
    let url = format!("ws://{}/", listener.local_addr().expect("it is bound"));
    let server = std::thread::spawn(move || flood(&listener, &KIB.concat()));
    let limits = Limits { send_ms: 200, inbox_bytes_max: INBOX, ..Limits::DEFAULT };
    let mut options = ConnectOptions::new(&url).expect("a URL");
    options.ping_ms = Some(10);
    let mut socket = WebSocket::with(options, limits.into()).expect("the server accepts");
    // More than the sockets between the two take.
    let error = socket.send(Message::Binary(&vec![0; 32 << 20])).err();
    assert_eq!(error, Some(Error::TimedOut(Deadline::Send)));
    let held = socket.inbox.bytes_held();
    assert!((INBOX..INBOX + 2048).contains(&held), "{held}");
    // The Ping is due, and has to wait: there would be no sleep before the end of the patience.
    let until = Instant::now() + Duration::from_secs(60);
    assert!(socket.inner.driver().deadline().is_some_and(|due| due < until));
    assert_eq!(socket.wait_end(until), until);
    // It is not lost, and what the network holds comes behind it.
    for _ in 0..2 * INBOX / 1024 {
        let message = socket.receive().expect("open").expect("the flood goes on");
        assert_eq!(message.as_message().as_bytes().len(), 1024);
    }
    drop(socket);
    assert!(server.join().expect("it does not panic").is_err(), "the flood ends with the client");
}

#[test]
fn a_flood_of_pings_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
    let url = format!("ws://{}/", listener.local_addr().expect("it is bound"));
    let server = std::thread::spawn(move || flood(&listener, b"\x89\x00"));
    let mut socket = WebSocket::connect(&url).expect("the server accepts");
    let (done, over) = mpsc::channel();
    std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_millis(100);
        let _ = done.send(socket.receive_until(until).map(|it| it.is_none()));
    });
    let found = over.recv_timeout(Duration::from_secs(10));
    assert_eq!(found, Ok(Ok(true)), "it stays for the pings");
    assert!(server.join().expect("it does not panic").is_err(), "the flood ends with the client");
}
