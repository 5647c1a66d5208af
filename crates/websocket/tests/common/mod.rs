//! Helpers of the behaviour tests: frames written out by hand, and an end that listens.
#![allow(dead_code, clippy::cast_possible_truncation)] // Each test file uses its part of this.

use sockeye_websocket::{
    Closed, Compression, Config, Connection, Event, Kind, Limits, MaskKey, ProtocolError,
};

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;

pub(crate) const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame from a client: `first` is the whole first byte.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0x80, payload.len());
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A frame from a server.
pub(crate) fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0, payload.len());
    frame.extend(payload);
    frame
}

fn header(first: u8, mask: u8, len: usize) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..=125 => header.push(mask | len as u8),
        126..=0xFFFF => {
            header.push(mask | 126);
            header.extend((len as u16).to_be_bytes());
        }
        _ => {
            header.push(mask | 127);
            header.extend((len as u64).to_be_bytes());
        }
    }
    header
}

pub(crate) fn close_payload(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

pub(crate) fn config(limits: Limits) -> Config {
    Config { limits, compression: Compression::Off }
}

pub(crate) fn compressing() -> Config {
    Config { limits: Limits::DEFAULT, compression: Compression::PerMessageDeflate }
}

pub(crate) fn server() -> End {
    End::new(Connection::server(&Config::default()))
}

pub(crate) fn client() -> End {
    End::new(Connection::client(&Config::default(), Box::new(|| MaskKey::new(KEY))))
}

/// The events of an end, free of borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Piece(Kind, &'static str, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Event<'_>> for Heard {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(sockeye_websocket::Message::Text(text)) => Self::Text(text.into()),
            Event::Message(sockeye_websocket::Message::Binary(bytes)) => Self::Binary(bytes.into()),
            Event::Piece(piece) => {
                let place = match (piece.first, piece.last) {
                    (true, true) => "whole",
                    (true, false) => "first",
                    (false, true) => "last",
                    (false, false) => "middle",
                };
                Self::Piece(piece.kind, place, piece.payload.to_vec())
            }
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(reason) => {
                Self::Close(reason.map(|reason| (reason.code().to_u16(), reason.text().into())))
            }
        }
    }
}

/// A connection and its output.
pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) out: Vec<u8>,
}

impl End {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, out: Vec::new() }
    }

    /// Feeds one input to its end. The events up to an error, and the error.
    pub(crate) fn try_hear(&mut self, wire: &[u8]) -> (Vec<Heard>, Option<ProtocolError>) {
        let mut bytes = wire.to_vec();
        let mut input = &mut bytes[..];
        let mut heard = Vec::new();
        loop {
            match self.connection.receive(&mut input, &mut self.out) {
                Ok(Some(event)) => heard.push(event.into()),
                Ok(None) => {
                    assert!(input.is_empty(), "all input is consumed");
                    return (heard, None);
                }
                Err(error) => {
                    assert!(input.is_empty(), "the rest is discarded");
                    return (heard, Some(error));
                }
            }
        }
    }

    #[track_caller]
    pub(crate) fn hear(&mut self, wire: &[u8]) -> Vec<Heard> {
        let (heard, error) = self.try_hear(wire);
        assert_eq!(error, None);
        heard
    }

    /// The error that the input ends in, with what stood in the output by then taken out.
    #[track_caller]
    pub(crate) fn error(&mut self, wire: &[u8]) -> ProtocolError {
        self.try_hear(wire).1.expect("the input breaks a rule")
    }

    /// Takes the output.
    pub(crate) fn said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn eof(&mut self) -> Closed {
        self.connection.receive_eof()
    }
}

/// Asserts that a server fails on `wire` with this error and code, says so, and is deaf after it.
#[track_caller]
pub(crate) fn assert_fails(mut end: End, wire: &[u8], error: ProtocolError, code: u16) {
    assert_eq!(end.error(wire), error);
    assert_eq!(end.said(), plain(FIN | CLOSE, &close_payload(code, b"")), "the Close frame");
    assert_eq!(end.connection.state(), sockeye_websocket::State::Failed);
    assert!(end.connection.expects_eof());
    assert_eq!(end.hear(&masked(FIN | TEXT, b"more")), [], "nothing is read after a failure");
    assert_eq!(end.said(), b"", "nothing is said after a failure");
}
