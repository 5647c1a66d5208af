//! WebSocket endpoints that do not keep to the protocol: they take the connection over and write
//! what they like, with the protocol's own machine where that helps.

use sockeye_handshake::accept_key;
use sockeye_server::{Answer, Request};
use sockeye_websocket::{
    Assembler, CloseCode, CloseFrame, Config, Connection, Event, Limits, Message, State,
};

use crate::host::Lead;
use crate::query::{Query, header};
use crate::script::{Script, Stage};

const MESSAGE_BYTES_MAX: u64 = 16 << 20;

/// In which way an endpoint is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// No HTTP at all.
    Garbage,
    /// An accept key that belongs to no question.
    WrongKey,
    /// The response and a Close in one packet.
    CloseAtOnce,
    /// A subprotocol, wanted or not.
    Subprotocol,
    /// The response comes late; then the conversation is over.
    LateThenOver,
    /// The response comes late; then an echo.
    LateThenEcho,
    /// Repeats the peer's bytes, not its message.
    Raw,
    /// The peer's Close is answered late.
    LateClose,
    /// The peer's Close is not answered: the stream ends.
    NoClose,
    /// The stream ends without a Close.
    Abrupt,
}

/// Answers what is odd.
pub(crate) fn answer(request: &Request<'_>) -> Option<Lead> {
    let head = request.head;
    let way = match head.path() {
        "/invalid" => Way::Garbage,
        "/wrong_accept_key" => Way::WrongKey,
        "/simple_handshake" => Way::CloseAtOnce,
        "/handshake_protocol" => Way::Subprotocol,
        "/handshake_sleep_2" => Way::LateThenOver,
        "/sleep_10_v13" => Way::LateThenEcho,
        "/echo_raw" => Way::Raw,
        "/delayed-passive-close" => Way::LateClose,
        "/passive-close-abort" => Way::NoClose,
        "/remote-close" if Query::of(head).has("abrupt") => Way::Abrupt,
        _ => return None,
    };
    let key = header(head, "sec-websocket-key").unwrap_or_default();
    Some(Answer::Tunnel(Box::new(Odd::new(way, &key))))
}

struct Odd {
    way: Way,
    accept: String,
    opened: bool,
    connection: Connection,
    assembler: Assembler,
    /// The machine's output.
    out: Vec<u8>,
}

impl Odd {
    fn new(way: Way, key: &str) -> Self {
        let mut limits = Limits::DEFAULT;
        limits.frame_bytes_max = MESSAGE_BYTES_MAX;
        limits.message_bytes_max = MESSAGE_BYTES_MAX;
        Self {
            way,
            accept: String::from_utf8_lossy(&accept_key(key.as_bytes())).into_owned(),
            opened: false,
            connection: Connection::server(&Config { limits, ..Config::default() }),
            assembler: Assembler::new(MESSAGE_BYTES_MAX),
            out: Vec::new(),
        }
    }

    fn accept(&mut self, more: &str, stage: &mut Stage<'_, '_>) {
        self.opened = true;
        let key = if self.way == Way::WrongKey { "thisisawrongacceptkey" } else { &self.accept };
        let head = format!(
            "HTTP/1.1 101 Switching Protocols:\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
             {more}Sec-WebSocket-Accept: {key}\r\n\r\n"
        );
        stage.write(head.as_bytes());
    }

    fn close(&mut self, code: CloseCode, reason: &str) {
        let _ = self.connection.close(CloseFrame::new(code, reason).ok(), &mut self.out);
    }

    /// Writes what the machine wants to say, and ends with it.
    fn flush(&mut self, stage: &mut Stage<'_, '_>) {
        if !self.out.is_empty() {
            stage.write(&core::mem::take(&mut self.out));
        }
        if self.connection.expects_eof() {
            stage.end();
        }
    }

    /// Does with a message what this endpoint does with messages.
    fn hear(way: Way, message: Message<'_>, connection: &mut Connection, out: &mut Vec<u8>) {
        match way {
            Way::Raw if message.as_bytes() == b"exit" => {
                let _ = connection.close(CloseFrame::new(CloseCode::NORMAL, "").ok(), out);
            }
            Way::Raw => out.extend_from_slice(message.as_bytes()),
            Way::LateThenEcho => {
                let _ = connection.send(message, out);
            }
            Way::Garbage
            | Way::WrongKey
            | Way::CloseAtOnce
            | Way::Subprotocol
            | Way::LateThenOver
            | Way::LateClose
            | Way::NoClose
            | Way::Abrupt => {}
        }
    }
}

impl Script for Odd {
    fn open(&mut self, stage: &mut Stage<'_, '_>) {
        match self.way {
            Way::Garbage => {
                stage.write(b"FOO BAR BAZ\r\n\r\n");
                stage.end();
            }
            Way::CloseAtOnce => {
                self.accept("Set-Cookie: ws_test=test\r\n", stage);
                self.close(CloseCode::GOING_AWAY, "PASS");
                self.flush(stage);
            }
            Way::Subprotocol => {
                self.accept("Sec-WebSocket-Protocol: foobar\r\n", stage);
                self.close(CloseCode::NORMAL, "");
                self.flush(stage);
            }
            Way::LateThenOver => stage.wake_in(2_000),
            Way::LateThenEcho => stage.wake_in(10_000),
            Way::Abrupt => {
                self.accept("", stage);
                // Without a frame the peer could take the end for that of the handshake.
                let _ = self.connection.ping(b"ping", &mut self.out);
                self.flush(stage);
                stage.end();
            }
            Way::WrongKey | Way::Raw | Way::LateClose | Way::NoClose => self.accept("", stage),
        }
    }

    fn alarm(&mut self, stage: &mut Stage<'_, '_>) {
        if !self.opened {
            self.accept("", stage);
            if self.way == Way::LateThenOver {
                self.close(CloseCode::NORMAL, "");
            }
        }
        self.flush(stage);
    }

    fn bytes(&mut self, bytes: &[u8], stage: &mut Stage<'_, '_>) {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        let (way, connection, out) = (self.way, &mut self.connection, &mut self.out);
        loop {
            match connection.receive(&mut input, out) {
                Ok(Some(Event::Message(message))) => Self::hear(way, message, connection, out),
                Ok(Some(Event::Piece(piece))) => {
                    if let Ok(Some(message)) = self.assembler.push(piece, None) {
                        Self::hear(way, message, connection, out);
                    }
                }
                Ok(Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_))) => {}
                Ok(None) | Err(_) => break,
            }
        }
        let closed = connection.state() != State::Open;
        match way {
            Way::LateClose if closed => stage.wake_in(1_000),
            Way::NoClose if closed => stage.end(),
            _ => self.flush(stage),
        }
    }
}
