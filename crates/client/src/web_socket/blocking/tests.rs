use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;

use sockeye_handshake::accept_key;
use sockeye_websocket::Message;

use super::WebSocket;
use crate::{ConnectOptions, Deadline, Error, Limits};

/// Accepts one client, and sends it messages of 1 KiB for as long as it is there; reads nothing more.
fn flood(listener: &TcpListener) -> io::Result<()> {
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
    let many = [&b"\x82\x7e\x04\x00"[..], &[0; 1024]].concat().repeat(64);
    loop {
        stream.write_all(&many)?;
    }
}

#[test]
fn what_is_kept_of_a_flood_has_a_bound() {
    const INBOX: usize = 1 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
    let url = format!("ws://{}/", listener.local_addr().expect("it is bound"));
    let server = std::thread::spawn(move || flood(&listener));
    let limits = Limits { send_ms: 200, inbox_bytes_max: INBOX, ..Limits::DEFAULT };
    let options = ConnectOptions::new(&url).expect("a URL");
    let mut socket = WebSocket::with(options, limits.into()).expect("the server accepts");
    // More than the sockets between the two take.
    let error = socket.send(Message::Binary(&vec![0; 32 << 20])).err();
    assert_eq!(error, Some(Error::TimedOut(Deadline::Send)));
    let held = socket.inbox.bytes_held();
    assert!((INBOX..INBOX + 2048).contains(&held), "{held}");
    // It is not lost, and what the network holds comes behind it.
    for _ in 0..2 * INBOX / 1024 {
        let message = socket.receive().expect("open").expect("the flood goes on");
        assert_eq!(message.as_message().as_bytes().len(), 1024);
    }
    drop(socket);
    assert!(server.join().expect("it does not panic").is_err(), "the flood ends with the client");
}
