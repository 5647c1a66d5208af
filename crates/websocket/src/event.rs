//! The events that a connection returns.

use alloc::vec::Vec;
use core::fmt;

use crate::{Appended, CloseReason, Control, OwnedMessage};

/// An event of a connection.
#[derive(Debug)]
pub enum Event<'b> {
    /// A whole uncompressed message that lay in the input in one piece. Text is valid UTF-8.
    Message(Message<'b>),
    /// A part of any other message; the parts come in order.
    Piece(Piece<'b>),
    /// A Ping frame. Its Pong is already in the output or, while that holds
    /// [`Limits::replies_bytes_max`](crate::Limits::replies_bytes_max) or more, waits for room, where
    /// a later Ping's replaces it.
    Ping(Control),
    /// A Pong frame, asked for or not.
    Pong(Control),
    /// The peer's Close frame; `None` if it was empty. Its answer, if it needs one, is already in
    /// the output. No event follows.
    Close(Option<CloseReason>),
}

/// What [`Connection::receive_owned`](crate::Connection::receive_owned) takes.
pub enum Owned {
    /// A whole uncompressed message.
    Message(OwnedMessage),
    /// The first piece of any other message, for [`Assembler::put_back`](crate::Assembler::put_back).
    Part {
        /// The bytes of the piece.
        bytes: Vec<u8>,
        /// What the piece says besides.
        appended: Appended,
    },
}

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

/// A whole message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Message<'m> {
    /// UTF-8 text.
    Text(&'m str),
    /// Bytes.
    Binary(&'m [u8]),
}

impl<'m> Message<'m> {
    /// Whether the message is text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The message's bytes, of either kind.
    pub const fn as_bytes(&self) -> &'m [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind(), self.as_bytes().len())
    }
}

/// A part of a message, in the caller's receive buffer.
///
/// Pieces follow the chunks in which bytes arrived, not the frames in which the peer cut the
/// message. Uncompressed text has been checked up to the end of the piece, which may lie inside a
/// character.
#[derive(PartialEq, Eq)]
pub struct Piece<'b> {
    /// The kind of the message.
    pub kind: Kind,
    /// The message begins with this piece.
    pub first: bool,
    /// The message ends with this piece.
    pub last: bool,
    /// The message is compressed: the payload is not text yet.
    pub compressed: bool,
    /// The bytes, unmasked; there may be none.
    pub payload: &'b mut [u8],
}

/// Shows lengths only.
impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Part { bytes, appended } => f
                .debug_struct("Part")
                .field("len", &bytes.len())
                .field("appended", appended)
                .finish(),
        }
    }
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece")
            .field("kind", &self.kind)
            .field("first", &self.first)
            .field("last", &self.last)
            .field("compressed", &self.compressed)
            .field("payload_len", &self.payload.len())
            .finish()
    }
}
