//! One end of a connection without its stream: bytes in, messages out, and the other way round.

pub(crate) mod partial;

use sockeye_websocket::{
    Assembler, CloseCode, CloseFrame, CloseFrameError, CloseReason, Closed, Compression, Config,
    Connection, Control, Event, Fin, Kind, Message, MessageCodec, MessageError, OwnedMessage,
    Piece, Role, State, UsageError,
};

use crate::compressor::Compressor;
use crate::{Agreed, Error, Outgoing, Output, Settings, entropy, spare};

/// A shorter message is copied between its neighbours: a buffer and a slice of its own would cost more.
const UNCOPIED_BYTES_MIN: usize = 8 * 1024;

/// A part of a message, for messages that are not to be held whole.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// The kind of the message.
    pub kind: Kind,
    /// The message begins with this part.
    pub first: bool,
    /// The message ends with this part.
    pub last: bool,
    /// The bytes; there may be none. A part of a text may end inside a character.
    pub payload: Vec<u8>,
}

/// Shows the length only.
impl core::fmt::Debug for Part {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Part")
            .field("kind", &self.kind)
            .field("first", &self.first)
            .field("last", &self.last)
            .field("payload_len", &self.payload.len())
            .finish()
    }
}

/// A message or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message(OwnedMessage),
    /// A Ping. Its Pong is queued already.
    Ping(Control),
    /// A Pong, to one of our Pings or to none.
    Pong(Control),
    /// The peer's Close frame; `None` if it was empty. Its answer is queued already.
    Close(Option<CloseReason>),
}

/// How the application takes messages in a call: whole ([`OwnedMessage`]), in parts ([`Part`]), with control frames
/// ([`Incoming`]), or not at all ([`Dropped`]).
pub trait Take: Sized {
    /// Whether parts are wanted as they come.
    const IN_PARTS: bool;
    /// A whole message.
    fn message(message: OwnedMessage) -> Self;
    /// A part. `None` unless parts are wanted.
    fn part(piece: Piece<'_>) -> Option<Self>;
    /// A control frame. `None` unless control frames are wanted.
    fn control(_: Incoming) -> Option<Self> {
        None
    }
}

impl Take for Incoming {
    const IN_PARTS: bool = false;

    fn message(message: OwnedMessage) -> Self {
        Self::Message(message)
    }

    fn part(_: Piece<'_>) -> Option<Self> {
        None
    }

    fn control(frame: Incoming) -> Option<Self> {
        Some(frame)
    }
}

impl Take for OwnedMessage {
    const IN_PARTS: bool = false;

    fn message(message: OwnedMessage) -> Self {
        message
    }

    fn part(_: Piece<'_>) -> Option<Self> {
        None
    }
}

impl Take for Part {
    const IN_PARTS: bool = true;

    fn message(message: OwnedMessage) -> Self {
        let (kind, payload) = match message {
            OwnedMessage::Text(text) => (Kind::Text, text.into_bytes()),
            OwnedMessage::Binary(bytes) => (Kind::Binary, bytes),
        };
        Self { kind, first: true, last: true, payload }
    }

    fn part(piece: Piece<'_>) -> Option<Self> {
        let Piece { kind, first, last, payload, .. } = piece;
        Some(Self { kind, first, last, payload: payload.to_vec() })
    }
}

/// A message that nobody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl Take for Dropped {
    const IN_PARTS: bool = true;

    fn message(_: OwnedMessage) -> Self {
        Self
    }

    fn part(_: Piece<'_>) -> Option<Self> {
        None
    }
}

/// The place in the message that arrives in pieces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is put together.
    Assembling,
    /// It is handed over in parts. If the rest is not wanted so, it is dropped.
    InParts,
}

/// One end of a connection without its stream. What it has to send is appended to the caller's output.
pub struct Endpoint {
    connection: Connection,
    assembler: Assembler,
    compressor: Option<Compressor>,
    subprotocol: Option<Box<str>>,
    place: Place,
    /// The length of the last message, if it was not compressed.
    message_len: usize,
    /// A message is being sent in parts.
    sends_parts: bool,
    reason: Option<CloseReason>,
    failure: Option<Error>,
}

impl Endpoint {
    /// An end of a connection on which this was agreed.
    #[must_use]
    pub fn new(agreed: Agreed, settings: &Settings) -> Self {
        let compressor = agreed.compressor(settings);
        let Agreed { role, subprotocol, .. } = agreed;
        let compression = match compressor {
            Some(_) => Compression::PerMessageDeflate,
            None => Compression::Off,
        };
        let config = Config { limits: settings.limits, compression };
        Self {
            connection: match role {
                Role::Server => Connection::server(&config),
                Role::Client => Connection::client(&config, Box::new(entropy::masks())),
            },
            assembler: Assembler::new(settings.whole_bytes_max),
            compressor,
            subprotocol,
            place: Place::Assembling,
            message_len: 0,
            sends_parts: false,
            reason: None,
            failure: None,
        }
    }

    /// The role of this end.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.connection.role()
    }

    /// The state of the connection.
    #[must_use]
    pub const fn state(&self) -> State {
        self.connection.state()
    }

    /// Whether only the end of the stream is awaited: nothing more is sent or read.
    #[must_use]
    pub const fn expects_eof(&self) -> bool {
        match self.state() {
            State::Closed | State::Failed => true,
            State::Open | State::CloseSent | State::Ended => false,
        }
    }

    /// Whether permessage-deflate was agreed on.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        self.compressor.is_some()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The reason in the peer's Close frame, if it gave one.
    #[must_use]
    pub const fn reason(&self) -> Option<&CloseReason> {
        self.reason.as_ref()
    }

    /// Why the connection was failed.
    #[must_use]
    pub const fn failure(&self) -> Option<Error> {
        self.failure
    }

    /// Takes input up to the next message or part. `None`: all is taken. Answers are appended to `out`.
    pub fn receive<T: Take>(&mut self, input: &mut &mut [u8], out: &mut Vec<u8>) -> Option<T> {
        loop {
            let frame = match self.connection.receive(input, out) {
                Ok(None) => return None,
                Ok(Some(Event::Message(message))) => {
                    if !self.fits::<T>(message.as_bytes().len(), out) {
                        continue;
                    }
                    self.message_len = message.as_bytes().len();
                    return Some(T::message(spare::owned(message)));
                }
                Ok(Some(Event::Piece(piece))) => match self.take_piece(piece, out) {
                    Some(taken) => return Some(taken),
                    None => continue,
                },
                Ok(Some(Event::Ping(payload))) => Incoming::Ping(payload),
                Ok(Some(Event::Pong(payload))) => Incoming::Pong(payload),
                Ok(Some(Event::Close(reason))) => {
                    self.reason = reason;
                    Incoming::Close(reason)
                }
                Err(error) => {
                    self.failure = Some(Error::Protocol(error));
                    continue;
                }
            };
            if let Some(taken) = T::control(frame) {
                return Some(taken);
            }
        }
    }

    fn take_piece<T: Take>(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) -> Option<T> {
        if piece.first {
            let in_parts = T::IN_PARTS && !piece.compressed;
            self.place = if in_parts { Place::InParts } else { Place::Assembling };
        }
        match self.place {
            Place::InParts => T::part(piece),
            Place::Assembling => {
                let codec = self.compressor.as_mut().map(|it| it as &mut dyn MessageCodec);
                let message = self.assembler.push_owned(piece, codec);
                self.assembled(message, out)
            }
        }
    }

    /// Hands a message over that may be whole now.
    fn assembled<T: Take>(
        &mut self,
        message: Result<Option<OwnedMessage>, MessageError>,
        out: &mut Vec<u8>,
    ) -> Option<T> {
        match message {
            Ok(message) => message.map(|message| self.whole(message)),
            Err(error) => {
                self.fail(error, out);
                None
            }
        }
    }

    /// Whether a message that came whole may be handed over so. If not, the connection has failed.
    fn fits<T: Take>(&mut self, len: usize, out: &mut Vec<u8>) -> bool {
        let fits = T::IN_PARTS || len as u64 <= self.assembler.message_bytes_max();
        if !fits {
            self.fail(MessageError::TooBig, out);
        }
        fits
    }

    fn fail(&mut self, error: MessageError, out: &mut Vec<u8>) {
        self.connection.fail(error.close_code(), "", out);
        self.failure = Some(Error::Message(error));
    }

    fn whole<T: Take>(&mut self, message: OwnedMessage) -> T {
        // What was compressed says nothing about the frame.
        self.message_len =
            if self.is_compressed() { 0 } else { message.as_message().as_bytes().len() };
        T::message(message)
    }

    /// The length of the last whole message, if compression is off: the next one is often as long. 0 if nothing is known.
    #[must_use]
    pub const fn message_len(&self) -> usize {
        self.message_len
    }

    /// Appends a message as one frame, compressed if that was agreed on and helps.
    ///
    /// # Errors
    /// The connection is closing, or a message is being sent in parts.
    pub fn send(&mut self, message: Message<'_>, out: &mut Vec<u8>) -> Result<(), UsageError> {
        // A compressed message has to be sent, or the peer could not decompress the next one.
        if self.sends_parts {
            return Err(UsageError::MessageUnderWay);
        }
        if self.state() == State::Open
            && let Some(compressor) = &mut self.compressor
        {
            let connection = &mut self.connection;
            let sent = compressor.compress(message.as_bytes(), |deflated| {
                connection.send_compressed(message.kind(), deflated, out)
            });
            if let Some(sent) = sent {
                return sent;
            }
        }
        self.connection.send(message, out)
    }

    /// As [`send`](Self::send). A message of 8 KiB or more that is handed over is not copied, unless compression was agreed on.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_outgoing(
        &mut self,
        message: Outgoing<'_>,
        output: &mut Output,
    ) -> Result<(), UsageError> {
        let message = match message {
            Outgoing::Owned(message)
                if self.compressor.is_none()
                    && message.as_message().as_bytes().len() >= UNCOPIED_BYTES_MIN =>
            {
                message
            }
            message => return self.send_copied(message, output.end()),
        };
        if self.sends_parts {
            return Err(UsageError::MessageUnderWay);
        }
        let kind = message.as_message().kind();
        let mut payload = match message {
            OwnedMessage::Text(text) => text.into_bytes(),
            OwnedMessage::Binary(bytes) => bytes,
        };
        self.connection.flush_replies(output.end());
        let start = self.connection.begin(kind, payload.len() as u64, Fin::Final)?;
        output.end().extend_from_slice(start.header());
        start.apply_mask(&mut payload, 0);
        output.push(payload);
        Ok(())
    }

    /// As [`send`](Self::send), for a message that nobody needs any more if it is handed over.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_copied(
        &mut self,
        message: Outgoing<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.send(message.as_message(), out)?;
        if let Outgoing::Owned(message) = message {
            spare::keep(message);
        }
        Ok(())
    }

    /// Appends a part of a message as a frame of its own, uncompressed.
    ///
    /// # Errors
    /// The connection is closing, or the part is of another kind than those before.
    pub fn send_part(
        &mut self,
        part: Message<'_>,
        fin: Fin,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let payload = part.as_bytes();
        self.connection.flush_replies(out);
        let start = self.connection.begin(part.kind(), payload.len() as u64, fin)?;
        self.sends_parts = fin == Fin::More;
        out.extend_from_slice(start.header());
        let at = out.len();
        out.extend_from_slice(payload);
        start.apply_mask(&mut out[at..], 0);
        Ok(())
    }

    /// Appends a Ping.
    ///
    /// # Errors
    /// The connection is closing, or the payload has more than 125 bytes.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.connection.ping(payload, out)
    }

    /// Appends a Pong that answers nothing.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.connection.pong(payload, out)
    }

    /// Appends a Close frame. A connection that is closing already, or has ended, is left as it is: `false`.
    /// [`CloseCode::NO_STATUS`] makes an empty Close frame.
    ///
    /// # Errors
    /// The code must not be sent, or the reason has more than 123 bytes.
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        out: &mut Vec<u8>,
    ) -> Result<bool, UsageError> {
        if self.state() != State::Open {
            return Ok(false);
        }
        let frame = match code {
            CloseCode::NO_STATUS if reason.is_empty() => None,
            _ => Some(CloseFrame::new(code, reason).map_err(|error| match error {
                CloseFrameError::ReasonTooLong => UsageError::ControlTooLong,
                _ => UsageError::InvalidCloseCode,
            })?),
        };
        self.connection.close(frame, out)?;
        Ok(true)
    }

    /// Appends the Pong that waited for room.
    pub fn flush_replies(&mut self, out: &mut Vec<u8>) {
        self.connection.flush_replies(out);
    }

    /// Records the end of the stream. Frees the memory of a partial message.
    pub fn end(&mut self) -> Closed {
        self.assembler.release();
        self.connection.receive_eof()
    }
}

impl core::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Endpoint")
            .field("role", &self.role())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
