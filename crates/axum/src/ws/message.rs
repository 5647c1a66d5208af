//! Messages and control frames, as an application writes and reads them.

use core::fmt;

use axum_core::Error;
use bytes::Bytes;
use sockeye_tokio::{CloseReason, Incoming, Message as Whole};

use crate::ws::Utf8Bytes;

/// The number of a Close frame. [`close_code`] has names for some.
pub type CloseCode = u16;

/// The content of a Close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The number.
    pub code: CloseCode,
    /// A text of at most 123 bytes, for people and logs.
    pub reason: Utf8Bytes,
}

/// A message or a control frame.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// A text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
    /// A Ping of at most 125 bytes. One that is received is answered already.
    Ping(Bytes),
    /// A Pong of at most 125 bytes. One that is sent answers nothing: Pings are answered without it.
    Pong(Bytes),
    /// A Close frame. One that is received is answered already, and nothing comes behind it.
    Close(Option<CloseFrame>),
}

impl Message {
    /// A text.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A message of bytes.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// The bytes of the message. Those of a Close frame are its reason.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(frame) => frame.map(|frame| frame.reason.into()).unwrap_or_default(),
        }
    }

    /// The message as text.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn into_text(self) -> Result<Utf8Bytes, Error> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => {
                Utf8Bytes::try_from(bytes).map_err(Error::new)
            }
            Self::Close(frame) => Ok(frame.map(|frame| frame.reason).unwrap_or_default()),
        }
    }

    /// The message as text, lent.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn to_text(&self) -> Result<&str, Error> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => {
                core::str::from_utf8(bytes).map_err(Error::new)
            }
            Self::Close(frame) => Ok(frame.as_ref().map_or("", |frame| &frame.reason)),
        }
    }
}

impl From<Incoming> for Message {
    fn from(incoming: Incoming) -> Self {
        match incoming {
            Incoming::Message(Whole::Text(text)) => Self::Text(text.into()),
            Incoming::Message(Whole::Binary(bytes)) => Self::Binary(bytes.into()),
            Incoming::Ping(payload) => Self::Ping(Bytes::copy_from_slice(&payload)),
            Incoming::Pong(payload) => Self::Pong(Bytes::copy_from_slice(&payload)),
            Incoming::Close(reason) => Self::Close(reason.map(CloseFrame::from)),
        }
    }
}

impl From<CloseReason> for CloseFrame {
    fn from(reason: CloseReason) -> Self {
        Self { code: reason.code().to_u16(), reason: reason.text().into() }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<Utf8Bytes> for Message {
    fn from(text: Utf8Bytes) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.into_data().into()
    }
}

/// Shows the length only.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, len) = match self {
            Self::Text(text) => ("Text", text.len()),
            Self::Binary(bytes) => ("Binary", bytes.len()),
            Self::Ping(bytes) => ("Ping", bytes.len()),
            Self::Pong(bytes) => ("Pong", bytes.len()),
            Self::Close(frame) => return f.debug_tuple("Close").field(frame).finish(),
        };
        write!(f, "{kind}({len} bytes)")
    }
}

/// Numbers of Close frames (RFC 6455 §7.4), by the names that axum gives them.
pub mod close_code {
    use sockeye_tokio::CloseCode;

    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: u16 = CloseCode::NORMAL.to_u16();
    /// 1001: a server stops, a page is left.
    pub const AWAY: u16 = CloseCode::GOING_AWAY.to_u16();
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL: u16 = CloseCode::PROTOCOL_ERROR.to_u16();
    /// 1003: a kind of data that is not accepted.
    pub const UNSUPPORTED: u16 = CloseCode::UNSUPPORTED_DATA.to_u16();
    /// 1005: the Close frame had no number. Never on the wire.
    pub const STATUS: u16 = CloseCode::NO_STATUS.to_u16();
    /// 1006: there was no Close frame. Never on the wire.
    pub const ABNORMAL: u16 = CloseCode::ABNORMAL.to_u16();
    /// 1007: data that contradicts its type.
    pub const INVALID: u16 = CloseCode::INVALID_PAYLOAD.to_u16();
    /// 1008: a policy was violated.
    pub const POLICY: u16 = CloseCode::POLICY_VIOLATION.to_u16();
    /// 1009: a message is too big.
    pub const SIZE: u16 = CloseCode::MESSAGE_TOO_BIG.to_u16();
    /// 1010: a client misses an extension.
    pub const EXTENSION: u16 = CloseCode::MANDATORY_EXTENSION.to_u16();
    /// 1011: an unexpected condition.
    pub const ERROR: u16 = CloseCode::INTERNAL_ERROR.to_u16();
    /// 1012: the service restarts.
    pub const RESTART: u16 = CloseCode::SERVICE_RESTART.to_u16();
    /// 1013: the service is overloaded.
    pub const AGAIN: u16 = CloseCode::TRY_AGAIN_LATER.to_u16();
}
