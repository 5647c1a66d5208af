//! Properties of every input. Tests, fuzz targets and corpus replay call them. Each function panics on
//! a violation.

// These are tests that live in `src` so that others can call them.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

pub mod fuzz;
mod oracle;
mod script;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::{
    Assembler, CloseCode, Closed, Compression, Config, Connection, Event, Kind, Limits, MaskKey,
    Message, ProtocolError, Role, State,
};

pub use oracle::agrees_with_oracle;
pub use script::{conversation_survives, wire_from_script};

/// Limits that short inputs reach.
pub const CONFIG: Config = Config {
    limits: Limits {
        frame_bytes_max: 300,
        message_bytes_max: 400,
        fragments_max: 6,
        overhead_bytes_max: 34,
        replies_bytes_max: 100,
    },
    compression: Compression::PerMessageDeflate,
};

const KEY: [u8; 4] = [0xA5, 0x01, 0xFE, 0x3C];

/// The result of a conversation, which does not depend on the cuts of its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// All events, with whole messages.
    pub heard: Vec<Heard>,
    /// The rule that the peer broke.
    pub error: Option<ProtocolError>,
    /// Everything that was appended to the output.
    pub said: Vec<u8>,
    /// The state before the end of the stream.
    pub state: State,
    /// The end.
    pub closed: Closed,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message; if it is compressed, as it stands on the wire.
    Message {
        /// Text or binary.
        kind: Kind,
        /// RSV1 was set.
        compressed: bool,
        /// The payloads of its frames.
        payload: Vec<u8>,
    },
    /// A Ping frame.
    Ping(Vec<u8>),
    /// A Pong frame.
    Pong(Vec<u8>),
    /// A Close frame: code and text.
    Close(Option<(CloseCode, Vec<u8>)>),
}

/// One end in the given role.
pub fn connection(role: Role, config: &Config) -> Connection {
    match role {
        Role::Server => Connection::server(config),
        Role::Client => Connection::client(config, Box::new(|| MaskKey::new(KEY))),
    }
}

/// Feeds `bytes` in pieces of the lengths that `cuts` gives over and over; nothing is ever taken
/// out of the output.
pub fn converse(mut end: Connection, bytes: &[u8], cuts: &[u8]) -> Outcome {
    let mut listener = Listener::default();
    let mut said = Vec::new();
    let mut error = None;
    for mut input in pieces(&mut bytes.to_vec(), cuts) {
        let result = listen(&mut end, &mut input, &mut said, &mut listener);
        assert!(input.is_empty(), "all input is consumed");
        assert!(error.is_none() || result.is_ok(), "an error is told once");
        error = error.or_else(|| result.err());
    }
    let state = end.state();
    let closed = end.receive_eof();
    assert_eq!(closed, end.receive_eof(), "the end is the end");
    Outcome { heard: listener.heard, error, said, state, closed }
}

/// Cuts bytes into pieces of the lengths that `cuts` gives over and over; without any, into one.
fn pieces<'b>(mut rest: &'b mut [u8], cuts: &[u8]) -> impl Iterator<Item = &'b mut [u8]> {
    let mut lens = cuts.iter().map(|cut| usize::from(*cut).max(1)).cycle();
    core::iter::from_fn(move || {
        let len = lens.next().unwrap_or(usize::MAX).min(rest.len());
        rest.split_off_mut(..len).filter(|piece| !piece.is_empty())
    })
}

/// Reads one input to its end.
fn listen(
    end: &mut Connection,
    input: &mut &mut [u8],
    out: &mut Vec<u8>,
    listener: &mut Listener,
) -> Result<(), ProtocolError> {
    let mut left = input.len();
    while let Some(event) = end.receive(input, out)? {
        let progress = input.len() < left || matches!(event, Event::Piece(_));
        assert!(progress, "an event takes input");
        left = input.len();
        listener.take(event);
    }
    Ok(())
}

/// Joins pieces, naively.
#[derive(Default)]
struct Listener {
    heard: Vec<Heard>,
    under_way: Option<(Kind, bool, Vec<u8>)>,
}

impl Listener {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Message(message) => {
                assert!(self.under_way.is_none(), "no message inside a message");
                let payload = message.as_bytes().to_vec();
                self.heard.push(Heard::Message {
                    kind: message.kind(),
                    compressed: false,
                    payload,
                });
            }
            Event::Piece(piece) => {
                assert_eq!(piece.first, self.under_way.is_none());
                let fresh = (piece.kind, piece.compressed, vec![]);
                let (kind, compressed, payload) = self.under_way.get_or_insert(fresh);
                assert_eq!((*kind, *compressed), (piece.kind, piece.compressed));
                payload.extend_from_slice(piece.payload);
                if piece.last
                    && let Some((kind, compressed, payload)) = self.under_way.take()
                {
                    self.heard.push(Heard::Message { kind, compressed, payload });
                }
            }
            Event::Ping(payload) => self.heard.push(Heard::Ping(payload.to_vec())),
            Event::Pong(payload) => self.heard.push(Heard::Pong(payload.to_vec())),
            Event::Close(reason) => self.heard.push(Heard::Close(
                reason.map(|reason| (reason.code(), reason.text().as_bytes().to_vec())),
            )),
        }
    }
}

/// Any split of the input gives the same events, replies, error and end. Also: text is UTF-8, and
/// nothing is read or said after the last Close.
pub fn split_changes_nothing(role: Role, closing: bool, bytes: &[u8], cuts: &[u8]) {
    let end = || {
        let mut end = connection(role, &CONFIG);
        if closing {
            let closed = end.close(None, &mut Vec::new());
            assert_eq!(closed, Ok(()), "a new connection can be closed");
        }
        end
    };
    let whole = converse(end(), bytes, &[]);
    assert_eq!(converse(end(), bytes, cuts), whole, "cut at {cuts:?}");
    assert_eq!(converse(end(), bytes, &[1]), whole, "byte by byte");
    for heard in &whole.heard {
        if let Heard::Message { kind: Kind::Text, compressed: false, payload } = heard {
            assert!(core::str::from_utf8(payload).is_ok());
        }
    }
    assert_eq!(whole.error.is_some(), whole.state == State::Failed);
    let reply_bytes_max = CONFIG.limits.replies_bytes_max + 2 * (125 + 6);
    assert!(whole.said.len() <= reply_bytes_max, "{} bytes of replies", whole.said.len());
}

/// An assembler holds no more than what arrived and a quarter, plus a constant, at every moment.
pub fn memory_follows_input(role: Role, bytes: &[u8], cuts: &[u8]) {
    let mut end = connection(role, &CONFIG);
    let mut assembler = Assembler::new(CONFIG.limits.message_bytes_max);
    let mut received = 0;
    let cuts = if cuts.is_empty() { &[1] } else { cuts };
    for mut input in pieces(&mut bytes.to_vec(), cuts) {
        received += input.len();
        while let Ok(Some(event)) = end.receive(&mut input, &mut Vec::new()) {
            if let Event::Piece(piece) = event {
                let compressed = piece.compressed;
                if let Err(error) = assembler.push(piece, None) {
                    assert!(compressed, "the connection checked before: {error:?}");
                    return;
                }
            }
            assert!(assembler.bytes_held() <= received + received / 4 + 64);
        }
    }
}

/// A message of this kind, if the payload allows it.
fn message(kind: Kind, payload: &[u8]) -> Message<'_> {
    match (kind, core::str::from_utf8(payload)) {
        (Kind::Text, Ok(text)) => Message::Text(text),
        (Kind::Text, Err(_)) | (Kind::Binary, _) => Message::Binary(payload),
    }
}
