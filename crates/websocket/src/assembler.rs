//! Assembles messages from pieces.

use alloc::string::String;
use alloc::vec::Vec;
use core::{fmt, mem};

use sockeye_frame::Utf8Validator;

use crate::owned::text;
use crate::{CodecError, Kind, Message, MessageCodec, MessageError, OwnedMessage, Piece};

/// A buffer of at most this capacity is reused for the next message.
const RECYCLED_BYTES_MAX: usize = 4096;
/// The least capacity of a buffer for a partial message.
const HELD_BYTES_MIN: usize = 64;

/// Assembles the pieces of a message, for applications that want whole messages.
///
/// It holds a buffer only from the first piece of a message until the message was used: call
/// [`release`](Self::release) when done with it, or leave it to the next [`push`](Self::push),
/// which keeps at most 4096 bytes of it. While a message arrives it holds at most a quarter more
/// than the bytes that arrived, plus 64, or those 4096 if that is more, whatever the frames
/// declared. The room that a caller of [`take_partial`](Self::take_partial) adds is the caller's to bound.
///
/// # Examples
/// ```
/// use sockeye_websocket::{Assembler, Kind, Message, Piece};
///
/// let mut assembler = Assembler::new(1 << 20);
/// let (mut head, mut tail) = (*b"sock", *b"eye");
/// let piece = |first, payload| Piece { kind: Kind::Text, first, last: !first, compressed: false, payload };
/// assert_eq!(assembler.push(piece(true, &mut head[..]), None), Ok(None));
/// assert_eq!(assembler.push(piece(false, &mut tail[..]), None), Ok(Some(Message::Text("sockeye"))));
/// ```
pub struct Assembler {
    held: Held,
    bytes_max: u64,
    failed: Option<MessageError>,
}

/// The buffer: bytes, or text that is known to be valid. The distinction saves a second check of the
/// text.
enum Held {
    Bytes(Vec<u8>),
    Text(String),
}

/// What a piece says besides its bytes, for [`Assembler::put_back`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The kind of the message.
    pub kind: Kind,
    /// The message ends here.
    pub last: bool,
    /// The message is compressed.
    pub compressed: bool,
}

impl Appended {
    /// No bytes of a message that goes on. Its kind does not matter.
    pub const NOTHING: Self = Self { kind: Kind::Binary, last: false, compressed: false };

    /// What a piece says.
    #[must_use]
    pub const fn of(piece: &Piece<'_>) -> Self {
        Self { kind: piece.kind, last: piece.last, compressed: piece.compressed }
    }
}

impl Assembler {
    /// An assembler of messages of at most `message_bytes_max` bytes each, both as they arrive
    /// and once they are decompressed.
    #[must_use]
    pub const fn new(message_bytes_max: u64) -> Self {
        Self { held: Held::EMPTY, bytes_max: message_bytes_max, failed: None }
    }

    /// The greatest message, in bytes.
    #[must_use]
    pub const fn message_bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Sets the bound for the next message. One assembler may serve connections with different
    /// bounds.
    pub const fn set_message_bytes_max(&mut self, message_bytes_max: u64) {
        self.bytes_max = message_bytes_max;
    }

    /// Takes the next piece, and returns the message when it is whole.
    ///
    /// A compressed message goes through `codec` once its last piece is here. A piece that is a
    /// whole message is not copied: it is returned where it lies, or decompressed from there.
    /// Pieces come in the order in which a connection returns them. A first piece discards a
    /// partial message.
    ///
    /// # Errors
    /// The message is too big, corrupt or not UTF-8. The memory is given back, every later call
    /// returns the same error, and the connection has to be failed with its
    /// [`close_code`](MessageError::close_code).
    ///
    /// # RFC
    /// RFC 6455 §5.4, §8.1; RFC 7692 §6.2.
    pub fn push<'m>(
        &'m mut self,
        piece: Piece<'m>,
        codec: Option<&mut dyn MessageCodec>,
    ) -> Result<Option<Message<'m>>, MessageError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Piece { kind, first, last, compressed, payload } = piece;
        if first && last && !compressed {
            return self.pass(kind, payload);
        }
        let mut buffer = self.held.take();
        if first {
            recycle(&mut buffer);
        }
        if first && last {
            return match inflate(payload, buffer, self.bytes_max, codec) {
                Ok(message) => self.finish(kind, message),
                Err(error) => Err(self.fail(error)),
            };
        }
        if let Err(error) = hold(&mut buffer, payload, self.bytes_max) {
            return Err(self.fail(error));
        }
        self.advance(buffer, Appended { kind, last, compressed }, codec)
    }

    /// Keeps the buffer of a partial message, or makes it the message.
    fn advance(
        &mut self,
        buffer: Vec<u8>,
        appended: Appended,
        codec: Option<&mut dyn MessageCodec>,
    ) -> Result<Option<Message<'_>>, MessageError> {
        let Appended { kind, last, compressed } = appended;
        let message = if buffer.len() as u64 > self.bytes_max {
            Err(MessageError::TooBig)
        } else if !last {
            self.held = Held::Bytes(buffer);
            return Ok(None);
        } else if compressed {
            inflate(&buffer, Vec::new(), self.bytes_max, codec)
        } else {
            Ok(buffer)
        };
        match message {
            Ok(message) => self.finish(kind, message),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// As [`push`](Self::push), and hands the message over. One of several pieces, or a compressed one, is not
    /// copied: the buffer in which it was assembled is the message.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_owned(
        &mut self,
        piece: Piece<'_>,
        codec: Option<&mut dyn MessageCodec>,
    ) -> Result<Option<OwnedMessage>, MessageError> {
        let is_lent = piece.first && piece.last && !piece.compressed;
        match self.push(piece, codec)? {
            None => Ok(None),
            Some(message) if is_lent => Ok(Some(message.into())),
            Some(_) => Ok(Some(self.take_message())),
        }
    }

    /// Takes the buffer of the message under way, so that its next bytes can be read to its end: appended, given to
    /// [`Connection::receive`](crate::Connection::receive) there, and put back by [`put_back`](Self::put_back). That saves a
    /// copy. It is empty if every message so far was whole, and [`push_owned`](Self::push_owned) or this handed it over.
    #[must_use]
    pub fn take_partial(&mut self) -> Vec<u8> {
        self.held.take()
    }

    /// Takes a buffer of [`take_partial`](Self::take_partial) back, and hands the message over if it is whole. What was appended
    /// is what the last piece says, and no piece was pushed in between.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn put_back(
        &mut self,
        buffer: Vec<u8>,
        appended: Appended,
        codec: Option<&mut dyn MessageCodec>,
    ) -> Result<Option<OwnedMessage>, MessageError> {
        match self.failed {
            Some(error) => Err(error),
            None => match self.advance(buffer, appended, codec)? {
                None => Ok(None),
                Some(_) => Ok(Some(self.take_message())),
            },
        }
    }

    /// The message that was just finished.
    fn take_message(&mut self) -> OwnedMessage {
        match mem::replace(&mut self.held, Held::EMPTY) {
            Held::Bytes(bytes) => OwnedMessage::Binary(bytes),
            Held::Text(text) => OwnedMessage::Text(text),
        }
    }

    /// Frees all memory, and discards a partial message.
    pub fn release(&mut self) {
        self.held = Held::EMPTY;
    }

    /// The memory held, in bytes.
    #[must_use]
    pub const fn bytes_held(&self) -> usize {
        match &self.held {
            Held::Bytes(bytes) => bytes.capacity(),
            Held::Text(text) => text.capacity(),
        }
    }

    /// Returns a whole message without copying it.
    fn pass<'m>(
        &mut self,
        kind: Kind,
        payload: &'m [u8],
    ) -> Result<Option<Message<'m>>, MessageError> {
        self.release();
        match kind {
            _ if payload.len() as u64 > self.bytes_max => Err(self.fail(MessageError::TooBig)),
            Kind::Binary => Ok(Some(Message::Binary(payload))),
            Kind::Text => match Utf8Validator::check(payload) {
                Ok(text) => Ok(Some(Message::Text(text))),
                Err(_) => Err(self.fail(MessageError::InvalidUtf8)),
            },
        }
    }

    fn finish(
        &mut self,
        kind: Kind,
        message: Vec<u8>,
    ) -> Result<Option<Message<'_>>, MessageError> {
        self.held = match kind {
            Kind::Binary => Held::Bytes(message),
            Kind::Text => match text(message) {
                Some(text) => Held::Text(text),
                // [rfc6455:8.1-utf8-inflated]
                None => return Err(self.fail(MessageError::InvalidUtf8)),
            },
        };
        Ok(Some(match &self.held {
            Held::Bytes(bytes) => Message::Binary(bytes),
            Held::Text(text) => Message::Text(text),
        }))
    }

    fn fail(&mut self, error: MessageError) -> MessageError {
        self.release();
        self.failed = Some(error);
        error
    }
}

impl fmt::Debug for Assembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler")
            .field("bytes_held", &self.bytes_held())
            .field("bytes_max", &self.bytes_max)
            .field("failed", &self.failed)
            .finish()
    }
}

impl Held {
    const EMPTY: Self = Self::Bytes(Vec::new());

    fn take(&mut self) -> Vec<u8> {
        match mem::replace(self, Self::EMPTY) {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.into_bytes(),
        }
    }
}

/// Empties a buffer for the next message, and frees a large one.
fn recycle(buffer: &mut Vec<u8>) {
    if buffer.capacity() > RECYCLED_BYTES_MAX {
        *buffer = Vec::new();
    }
    buffer.clear();
}

/// Appends a piece. The buffer grows by the bytes that arrived, never by an announced length, and by
/// a quarter at least, so that copying stays linear. [rfc6455:10.4-bytes-held]
fn hold(buffer: &mut Vec<u8>, part: &[u8], bytes_max: u64) -> Result<(), MessageError> {
    let len = buffer.len().saturating_add(part.len());
    if len as u64 > bytes_max {
        return Err(MessageError::TooBig);
    }
    if len > buffer.capacity() {
        buffer.reserve_exact(part.len().max(buffer.len() / 4).max(HELD_BYTES_MIN));
    }
    buffer.extend_from_slice(part);
    Ok(())
}

fn inflate(
    deflated: &[u8],
    mut out: Vec<u8>,
    bytes_max: u64,
    codec: Option<&mut dyn MessageCodec>,
) -> Result<Vec<u8>, MessageError> {
    let codec = codec.ok_or(MessageError::CodecMissing)?;
    match codec.decompress(deflated, bytes_max, &mut out) {
        Ok(()) if out.len() as u64 > bytes_max => Err(MessageError::TooBig),
        Ok(()) => Ok(out),
        Err(CodecError::Corrupt) => Err(MessageError::Corrupt),
        Err(CodecError::TooBig) => Err(MessageError::TooBig),
    }
}
