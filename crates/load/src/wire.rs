//! Parses the input of an open connection: WebSocket frames, events, HTTP answers or bare bytes.

use std::borrow::Cow;

use sockeye_client::sans_io::Exchange;
use sockeye_deflate::{Engine, Params, Session, WindowBits};
use sockeye_frame::{MaskKey, Role};
use sockeye_http1::ResponseHead;
use sockeye_sse::{Item, Parser};
use sockeye_websocket::{Assembler, Compression, Config, Connection, Event, Kind, Limits, Message};

use super::fault::Fault;
use super::line::Outlet;

/// Something that came on a connection.
#[derive(Debug)]
pub enum Heard<'a> {
    /// It is open; messages may go out.
    Open {
        /// How far back a compressed message of ours may refer, if compression was agreed on.
        window: Option<WindowBits>,
    },
    /// A part of a WebSocket's message or of a bare one, in most cases all of it.
    Part(Part<'a>),
    /// An item of an event stream.
    Item(Item<'a>),
    /// The last event ID, behind the items of one piece of an event stream; empty if there is none.
    LastEventId(&'a str),
    /// The answer to a ping.
    Pong,
    /// A Close frame. Its answer is on the way; the server should end the connection.
    Close {
        /// Its code; 1005 if it has none.
        code: u16,
        /// Its reason.
        reason: &'a str,
    },
    /// The answer to a request.
    Answer(Answer<'a>),
}

/// A part of a message.
#[derive(Debug)]
pub struct Part<'a> {
    /// Whether the message is a text.
    pub is_text: bool,
    /// Bytes of the message before it.
    pub offset: usize,
    /// Whether the message ends with it.
    pub last: bool,
    /// The bytes themselves.
    pub bytes: &'a [u8],
}

/// A whole answer to a request.
#[derive(Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its status line and fields.
    pub head: &'a ResponseHead<'a, 'a>,
    /// Its body.
    pub body: &'a [u8],
}

/// Joins the parts of a connection's messages.
#[derive(Debug, Default)]
pub struct Joiner(Vec<u8>);

impl Joiner {
    /// Returns the whole message once its last part is here. The connection bounds the length.
    #[inline]
    pub fn join<'a>(&mut self, part: &Part<'a>) -> Option<Cow<'a, [u8]>> {
        if part.offset == 0 {
            if part.last {
                return Some(Cow::Borrowed(part.bytes));
            }
            self.0.clear();
        }
        self.0.extend_from_slice(part.bytes);
        part.last.then(|| Cow::Owned(core::mem::take(&mut self.0)))
    }
}

/// A callback that takes what came, and may return a fault.
pub(super) trait Ear: FnMut(Heard<'_>) -> Result<(), Fault> {}
impl<F: FnMut(Heard<'_>) -> Result<(), Fault>> Ear for F {}

/// The messages of a WebSocket server.
pub(super) struct Frames {
    connection: Connection,
    /// Bytes of the message that comes in pieces.
    offset: usize,
    inflation: Option<Box<Inflation>>,
}

struct Inflation {
    session: Session,
    assembler: Assembler,
}

impl Frames {
    /// `bytes_max` bounds a message; replies are masked with `key`.
    pub(super) fn new(bytes_max: usize, key: MaskKey, params: Option<Params>) -> Self {
        let bytes_max = bytes_max as u64;
        let mut limits = Limits::DEFAULT;
        limits.frame_bytes_max = bytes_max;
        limits.message_bytes_max = bytes_max;
        limits.fragments_max = u32::MAX;
        limits.overhead_bytes_max = u32::MAX;
        let compression =
            if params.is_some() { Compression::PerMessageDeflate } else { Compression::Off };
        let inflation = params.map(|params| {
            let session = Session::new(Role::Client, params);
            Box::new(Inflation { session, assembler: Assembler::new(bytes_max) })
        });
        let config = Config { limits, compression };
        Self {
            connection: Connection::client(&config, Box::new(move || key)),
            offset: 0,
            inflation,
        }
    }

    #[inline]
    pub(super) fn receive(
        &mut self,
        mut input: &mut [u8],
        engine: &mut Engine,
        out: &mut Outlet<'_>,
        hear: &mut impl Ear,
    ) -> Result<(), Fault> {
        let mut replies = Vec::new();
        loop {
            let received = self.connection.receive(&mut input, &mut replies);
            // An error has a reply, too: a Close frame.
            if !replies.is_empty() {
                out.tail().append(&mut replies);
            }
            let Some(event) = received? else { return Ok(()) };
            match event {
                Event::Message(message) => hear(whole(&message))?,
                Event::Piece(piece) if piece.compressed => {
                    // The connection lets compressed messages through only where they were negotiated.
                    let Some(inflation) = &mut self.inflation else { return Err(Fault::Sequence) };
                    let Inflation { session, assembler } = &mut **inflation;
                    let message = assembler.push(piece, Some(&mut session.codec(engine)));
                    if let Some(message) = message.map_err(Fault::Compressed)? {
                        hear(whole(&message))?;
                    }
                }
                Event::Piece(piece) => {
                    let offset = if piece.first { 0 } else { self.offset };
                    self.offset = offset + piece.payload.len();
                    let is_text = piece.kind == Kind::Text;
                    hear(Heard::Part(Part {
                        is_text,
                        offset,
                        last: piece.last,
                        bytes: piece.payload,
                    }))?;
                }
                Event::Ping(_) => {}
                Event::Pong(_) => hear(Heard::Pong)?,
                Event::Close(None) => hear(Heard::Close { code: 1005, reason: "" })?,
                Event::Close(Some(reason)) => {
                    hear(Heard::Close { code: reason.code().to_u16(), reason: reason.text() })?;
                }
            }
        }
    }
}

fn whole<'m>(message: &Message<'m>) -> Heard<'m> {
    let is_text = message.kind() == Kind::Text;
    Heard::Part(Part { is_text, offset: 0, last: true, bytes: message.as_bytes() })
}

/// The body of an event stream.
pub(super) struct Events {
    /// The answer that the events are the body of; none on a stream, whose content is the body.
    exchange: Option<Exchange>,
    parser: Parser,
}

impl Events {
    /// Reads on behind the head of the answer in `exchange`.
    pub(super) fn new(exchange: Option<Exchange>, bytes_max: usize) -> Self {
        let mut limits = sockeye_sse::Limits::default();
        limits.bytes_held_max = bytes_max;
        let config = sockeye_sse::Config { limits, ..sockeye_sse::Config::default() };
        Self { exchange, parser: Parser::new(config) }
    }

    pub(super) fn receive(&mut self, mut input: &[u8], hear: &mut impl Ear) -> Result<(), Fault> {
        let Self { exchange, parser } = self;
        let Some(exchange) = exchange else { return hear_items(parser, input, hear) };
        while let Some(piece) = exchange.body(&mut input)? {
            hear_items(parser, piece, hear)?;
        }
        if exchange.is_over() { Err(Fault::Ended) } else { Ok(()) }
    }
}

/// Tells of the items in a piece of an event stream.
fn hear_items(parser: &mut Parser, mut piece: &[u8], hear: &mut impl Ear) -> Result<(), Fault> {
    let too_large = |error: sockeye_sse::Error| Fault::Http(error.to_string());
    while let Some(item) = parser.next(&mut piece).map_err(too_large)? {
        hear(Heard::Item(item))?;
    }
    hear(Heard::LastEventId(parser.last_event_id()))
}

/// Messages of one size without anything around them.
pub(super) struct Bare {
    bytes: usize,
    offset: usize,
}

impl Bare {
    pub(super) const fn new(bytes: usize) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(super) fn receive(&mut self, mut input: &[u8], hear: &mut impl Ear) -> Result<(), Fault> {
        while !input.is_empty() {
            let (bytes, rest) = input.split_at(input.len().min(self.bytes - self.offset));
            let (offset, end) = (self.offset, self.offset + bytes.len());
            let last = end == self.bytes;
            self.offset = if last { 0 } else { end };
            hear(Heard::Part(Part { is_text: false, offset, last, bytes }))?;
            input = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sockeye_deflate::EngineConfig;
    use sockeye_reactor::{Outbox, Pool};

    use super::*;

    /// Whether it is text, and what it says.
    type Whole = (bool, Vec<u8>);

    /// What is heard of `wire`, cut into pieces of `size` bytes, and how many bytes are answered.
    fn hear(wire: &[u8], size: usize) -> (Vec<Whole>, Result<(), Fault>, usize) {
        let mut frames = Frames::new(1000, MaskKey::new([1, 2, 3, 4]), None);
        let mut engine = Engine::new(EngineConfig::default());
        let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
        let (mut messages, mut held) = (Vec::new(), Vec::new());
        let mut result = Ok(());
        for piece in wire.chunks(size) {
            let mut out = Outlet::new(&mut outbox, &mut pool);
            let mut listen = |heard: Heard<'_>| match heard {
                Heard::Part(part) => {
                    assert_eq!(part.offset, held.len(), "parts follow each other");
                    held.extend_from_slice(part.bytes);
                    if part.last {
                        messages.push((part.is_text, core::mem::take(&mut held)));
                    }
                    Ok(())
                }
                Heard::Close { code, .. } => Err(Fault::Closed(code)),
                _ => Ok(()),
            };
            result = frames.receive(&mut piece.to_vec(), &mut engine, &mut out, &mut listen);
            if result.is_err() {
                break;
            }
        }
        (messages, result, outbox.len())
    }

    #[test]
    fn messages_are_the_same_wherever_they_are_cut() {
        let wire = b"\x81\x05Hello\x02\x03abc\x89\x02hi\x00\x00\x80\x02de\x82\x00\x8a\x01x";
        let expected = [(true, b"Hello".to_vec()), (false, b"abcde".to_vec()), (false, Vec::new())];
        for size in 1..=wire.len() {
            let (messages, result, answered) = hear(wire, size);
            assert!(result.is_ok(), "{size}: {result:?}");
            assert_eq!(messages, expected, "{size}");
            assert_eq!(answered, 8, "one pong, masked");
        }
    }

    #[test]
    fn what_is_no_sequence_of_frames_is_a_fault() {
        for (wire, name) in [
            (&b"\x80\x01a"[..], "protocol"),
            (b"\x01\x01a\x81\x01b", "protocol"),
            (b"\xc1\x01a", "protocol"),
            (b"\x81\x81\0\0\0\0a", "protocol"),
            (b"\x88\x01a", "protocol"),
            (b"\x88\x02\x03\xe8", "closed"),
            (b"\x82\x7e\x03\xe9", "protocol"),
        ] {
            for size in 1..=wire.len() {
                let (_, result, answered) = hear(wire, size);
                let fault = result.expect_err("it is illegal");
                assert_eq!(fault.name(), name, "{wire:?} in pieces of {size}: {fault}");
                assert_eq!(answered, 8, "a Close frame with a code, masked");
            }
        }
    }
}
