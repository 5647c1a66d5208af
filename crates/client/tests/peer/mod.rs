//! The server's end of a WebSocket, on whatever carries bytes.

// Each test program takes what it needs.
#![allow(dead_code)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use sockeye_client::OwnedMessage;
use sockeye_client::websocket::{
    Assembler, CloseCode, CloseFrame, Config, Connection, Event, Fin, Limits, Message,
};
use sockeye_handshake::accept_key;

/// So long a script waits for a client at most. Nothing that is asserted depends on it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Larger than what any test sends.
pub(crate) const BIG: u64 = 64 << 20;

pub(crate) const LIMITS: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.frame_bytes_max = BIG;
    limits.message_bytes_max = BIG;
    limits
};

/// A server for one connection, on a thread of its own. Whoever drops it waits for the end of the script.
pub(crate) struct Once {
    pub(crate) port: u16,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Once {
    pub(crate) fn new(script: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
        let port = listener.local_addr().expect("it is bound").port();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            script(stream)
        });
        Self { port, thread: Some(thread) }
    }

    /// A server that completes the handshake and goes on with the script.
    pub(crate) fn of_sockets(
        script: impl FnOnce(&mut Peer<TcpStream>) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self::new(move |stream| script(&mut Peer::accept(stream, "")?))
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/", self.port)
    }

    /// Waits for the end of the script, and gives what it said.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.thread.take().expect("it was started").join().expect("no script panics")
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            // A client that has come and gone ends the script, whatever it says of that.
            let _ = thread.join().expect("no script panics");
        }
    }
}

/// The server's end of an open WebSocket.
pub(crate) struct Peer<S> {
    pub(crate) stream: S,
    protocol: Connection,
    assembler: Assembler,
    input: Vec<u8>,
}

impl<S: Read + Write> Peer<S> {
    /// Reads the request and accepts it, with more lines.
    pub(crate) fn accept(mut stream: S, lines: &str) -> io::Result<Self> {
        let request = read_head(&mut stream)?;
        let (_, rest) = request.split_once("Sec-WebSocket-Key: ").ok_or(ErrorKind::InvalidData)?;
        let accept = accept_key(rest.split("\r\n").next().unwrap_or_default().as_bytes());
        let accept = String::from_utf8_lossy(&accept).into_owned();
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.flush()?;
        let protocol = Connection::server(&Config { limits: LIMITS, ..Config::default() });
        Ok(Self { stream, protocol, assembler: Assembler::new(BIG), input: Vec::new() })
    }

    pub(crate) fn send(&mut self, message: Message<'_>) -> io::Result<()> {
        let mut out = Vec::new();
        self.protocol.send(message, &mut out).map_err(io::Error::other)?;
        self.stream.write_all(&out)?;
        self.stream.flush()
    }

    /// Sends a part of a message as a frame of its own.
    pub(crate) fn send_part(&mut self, part: Message<'_>, fin: Fin) -> io::Result<()> {
        let payload = part.as_bytes();
        let start = self.protocol.begin(part.kind(), payload.len() as u64, fin);
        let start = start.map_err(io::Error::other)?;
        self.stream.write_all(start.header())?;
        self.stream.write_all(payload)
    }

    pub(crate) fn close(&mut self, code: CloseCode) -> io::Result<()> {
        let mut out = Vec::new();
        self.protocol.close(CloseFrame::new(code, "").ok(), &mut out).map_err(io::Error::other)?;
        self.stream.write_all(&out)?;
        self.stream.flush()
    }

    /// The next message; `None` once both Close frames were exchanged.
    pub(crate) fn receive(&mut self) -> io::Result<Option<OwnedMessage>> {
        loop {
            let held = self.input.len();
            let (mut input, mut out) = (&mut self.input[..], Vec::new());
            let mut found = None;
            while found.is_none() {
                let event = self.protocol.receive(&mut input, &mut out);
                match event.map_err(io::Error::other)? {
                    Some(Event::Message(message)) => found = Some(message.into()),
                    Some(Event::Piece(piece)) => {
                        let message = self.assembler.push(piece, None);
                        found = message.map_err(io::Error::other)?.map(OwnedMessage::from);
                    }
                    Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_)) => {}
                    None => break,
                }
            }
            let taken = held - input.len();
            self.input.drain(..taken);
            self.stream.write_all(&out)?;
            self.stream.flush()?;
            if found.is_some() || self.protocol.expects_eof() {
                return Ok(found);
            }
            let mut bytes = vec![0; 64 * 1024];
            let len = read_some(&mut self.stream, &mut bytes)?;
            if len == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.input = bytes;
            self.input.truncate(len);
        }
    }

    /// Sends every message back until the client closes.
    pub(crate) fn echo(&mut self) -> io::Result<()> {
        while let Some(message) = self.receive()? {
            self.send(message.as_message())?;
        }
        Ok(())
    }
}

/// Reads up to the end of a head, byte by byte.
pub(crate) fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    String::from_utf8(head).map_err(|_| ErrorKind::InvalidData.into())
}

/// Bytes in which a piece that is lost, doubled or out of place shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap_or(0)).collect()
}

/// Reads once. A read that has a timeout may be interrupted, by a signal or where the machine pauses; that one
/// is repeated.
fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
