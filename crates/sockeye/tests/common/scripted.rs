//! A server of one connection after the other, each by a script of the test's, on blocking sockets.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use crate::common::PATIENCE;

/// One connection of a client.
pub struct Client {
    pub socket: TcpStream,
    /// The head of its request.
    pub head: String,
}

/// Runs a script for each of `connections`; joining it gives what the last one gave.
pub fn serve_each<R: Send + 'static>(
    connections: usize,
    mut script: impl FnMut(usize, Client) -> R + Send + 'static,
) -> (SocketAddr, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let server = std::thread::spawn(move || {
        let mut last = None;
        for index in 0..connections {
            let (socket, _) = listener.accept().expect("a client");
            last = Some(script(index, Client::new(socket)));
        }
        last.expect("at least one")
    });
    (addr, server)
}

/// The same for a single connection.
pub fn serve_once<R: Send + 'static>(
    script: impl FnOnce(Client) -> R + Send + 'static,
) -> (SocketAddr, JoinHandle<R>) {
    let mut script = Some(script);
    serve_each(1, move |_, client| script.take().expect("one client")(client))
}

/// A server that answers with these bytes, and ends the connection when the client does.
pub fn answer(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    serve_once(move |mut client| {
        client.say(&bytes);
        client.rest();
    })
    .0
}

impl Client {
    fn new(mut socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        Self { socket, head: String::from_utf8(head).expect("text") }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Sends bytes; a client that has gone does not matter.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.socket.write_all(bytes.as_ref());
    }

    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.socket.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    /// All that still comes. Whoever goes with bytes unread resets the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.socket.read_to_end(&mut bytes);
        bytes
    }

    /// Accepts a WebSocket, with further header lines.
    pub fn accept(&mut self, headers: &str) {
        let key = self.header("Sec-WebSocket-Key").expect("a key").to_owned();
        let accept = sockeye_handshake::accept_key(key.as_bytes());
        let accept = str::from_utf8(&accept).expect("base64").to_owned();
        self.say(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
        ));
    }

    /// Sends a frame of up to 65,535 bytes.
    pub fn frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(len @ 0..=125) => frame.push(len),
            _ => {
                frame.push(126);
                frame.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        self.say(frame);
    }

    pub fn close_frame(&mut self, code: u16, reason: &str) {
        self.frame(8, &[&code.to_be_bytes(), reason.as_bytes()].concat());
    }

    /// The next frame of the client's, short and masked: its opcode and payload.
    pub fn next_frame(&mut self) -> (u8, Vec<u8>) {
        let start = self.read(2);
        assert_eq!((start[0] & 0xf0, start[1] & 0x80), (0x80, 0x80), "whole, plain and masked");
        let len = usize::from(start[1] & 0x7f);
        assert!(len < 126, "a short one");
        let mask = self.read(4);
        let mut payload = self.read(len);
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
        (start[0] & 0x0f, payload)
    }

    /// Answers Pings until the client closes; gives its code. Then ends the connection.
    pub fn until_close(&mut self) -> u16 {
        loop {
            match self.next_frame() {
                (9, payload) => self.frame(10, &payload),
                (8, payload) => {
                    self.frame(8, &payload);
                    return payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                }
                _ => {}
            }
        }
    }
}
