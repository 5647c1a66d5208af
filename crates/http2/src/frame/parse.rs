//! Reading frames.

use super::{
    Flags, Frame, FrameError, FrameHead, FrameKind, HEAD_BYTES, PAYLOAD_BYTES_MAX, Priority,
    Settings,
};
use crate::{ErrorCode, StreamId};

/// The lengths that a type of frame may have.
enum Length {
    Any,
    Exactly(u32),
    AtLeast(u32),
    MultipleOf(u32),
}

/// The streams that a type of frame may name.
enum Place {
    Stream,
    Connection,
    Either,
}

impl FrameHead {
    /// Reads a head. Every nine bytes are one; [`check`](Self::check) says whether the frame may come.
    #[must_use]
    pub const fn parse(bytes: [u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, w, x, y, z] = bytes;
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind: FrameKind::from_u8(kind),
            flags: Flags(flags),
            stream: StreamId::new(u32::from_be_bytes([w, x, y, z])),
        }
    }

    /// Checks length and stream before a byte of the payload has to be there.
    ///
    /// # Errors
    /// [`FrameError::TooLong`], [`FrameError::Length`], [`FrameError::PriorityLength`] and
    /// [`FrameError::Stream`].
    pub const fn check(&self) -> Result<(), FrameError> {
        // [http2:4.2-frame-size]
        if self.len > PAYLOAD_BYTES_MAX {
            return Err(FrameError::TooLong);
        }
        let (place, length) = self.rules();
        let is_connection = self.stream.to_u32() == 0;
        // [http2:6-stream-identifier]
        let is_in_place = match place {
            Place::Stream => !is_connection,
            Place::Connection => is_connection,
            Place::Either => true,
        };
        if !is_in_place {
            return Err(FrameError::Stream);
        }
        // [http2:6-fixed-length]
        let is_right = match length {
            Length::Any => true,
            Length::Exactly(len) => self.len == len,
            Length::AtLeast(len) => self.len >= len,
            Length::MultipleOf(len) => self.len.is_multiple_of(len),
        };
        if is_right {
            return Ok(());
        }
        // [http2:6.3-priority-length]
        match self.kind {
            FrameKind::Priority => Err(FrameError::PriorityLength),
            _ => Err(FrameError::Length),
        }
    }

    /// The rules of each type, from the sections of RFC 9113 §6.
    const fn rules(&self) -> (Place, Length) {
        let padding = if self.flags.has(Flags::PADDED) { 1_u32 } else { 0 };
        match self.kind {
            FrameKind::Data => (Place::Stream, Length::AtLeast(padding)),
            FrameKind::Headers => {
                let priority = if self.flags.has(Flags::PRIORITY) { 5 } else { 0 };
                (Place::Stream, Length::AtLeast(padding.saturating_add(priority)))
            }
            FrameKind::Priority => (Place::Stream, Length::Exactly(5)),
            FrameKind::RstStream => (Place::Stream, Length::Exactly(4)),
            FrameKind::Settings if self.flags.has(Flags::ACK) => {
                (Place::Connection, Length::Exactly(0))
            }
            FrameKind::Settings => (Place::Connection, Length::MultipleOf(6)),
            FrameKind::PushPromise => (Place::Stream, Length::AtLeast(padding.saturating_add(4))),
            FrameKind::Ping => (Place::Connection, Length::Exactly(8)),
            FrameKind::Goaway => (Place::Connection, Length::AtLeast(8)),
            FrameKind::WindowUpdate => (Place::Either, Length::Exactly(4)),
            FrameKind::Continuation => (Place::Stream, Length::Any),
            // [http2:5.5-unknown-frames]
            FrameKind::Unknown(_) => (Place::Either, Length::Any),
        }
    }
}

impl<'b> Frame<'b> {
    /// Reads a frame whose payload is complete.
    ///
    /// # Errors
    /// Those of [`FrameHead::check`]; [`FrameError::Length`] if `payload` is not as long as the head
    /// says; and what is wrong with the payload.
    pub fn parse(head: FrameHead, payload: &'b [u8]) -> Result<Self, FrameError> {
        head.check()?;
        if u32::try_from(payload.len()) != Ok(head.len) {
            return Err(FrameError::Length);
        }
        let FrameHead { flags, stream, .. } = head;
        let end_stream = flags.has(Flags::END_STREAM);
        let end_headers = flags.has(Flags::END_HEADERS);
        Ok(match head.kind {
            FrameKind::Data => {
                Self::Data { stream, end_stream, data: without_padding(flags, payload)? }
            }
            FrameKind::Headers => {
                let rest = without_padding(flags, payload)?;
                let (priority, block) = leading_priority(flags, rest)?;
                Self::Headers { stream, end_stream, end_headers, priority, block }
            }
            FrameKind::Priority => {
                Self::Priority { stream, priority: Priority::parse(payload)?.check(stream)? }
            }
            FrameKind::RstStream => Self::RstStream { stream, code: code(payload)?.0 },
            FrameKind::Settings if flags.has(Flags::ACK) => Self::SettingsAck,
            FrameKind::Settings => Self::Settings(Settings::new(payload)),
            FrameKind::PushPromise => {
                let (promised, block) = number(without_padding(flags, payload)?)?;
                let promised = StreamId::new(promised);
                Self::PushPromise { stream, promised, end_headers, block }
            }
            FrameKind::Ping => {
                let payload = payload.try_into().map_err(|_| FrameError::Length)?;
                Self::Ping { ack: flags.has(Flags::ACK), payload }
            }
            FrameKind::Goaway => {
                let (last, rest) = number(payload)?;
                let (code, debug) = code(rest)?;
                Self::Goaway { last: StreamId::new(last), code, debug }
            }
            FrameKind::WindowUpdate => {
                Self::WindowUpdate { stream, increment: increment(stream, payload)? }
            }
            FrameKind::Continuation => Self::Continuation { stream, end_headers, block: payload },
            FrameKind::Unknown(_) => Self::Unknown(head),
        })
    }
}

impl Priority {
    /// Reads the five bytes.
    fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let (dependency, rest) = number(bytes)?;
        let &[weight] = rest else { return Err(FrameError::PriorityLength) };
        let exclusive = dependency > StreamId::MAX.to_u32();
        Ok(Self { dependency: StreamId::new(dependency), exclusive, weight })
    }

    /// Checks that the stream does not depend on itself (RFC 7540 §5.3.1).
    ///
    /// [`Frame::parse`] does so for PRIORITY frames. For a HEADERS frame the caller does, because the
    /// field block has to be decoded even if the stream ends.
    ///
    /// # Errors
    /// [`FrameError::SelfDependency`].
    pub fn check(self, stream: StreamId) -> Result<Self, FrameError> {
        // [http2:5.3-self-dependency]
        if self.dependency == stream { Err(FrameError::SelfDependency) } else { Ok(self) }
    }
}

/// The priority of a HEADERS frame, and the block behind it.
fn leading_priority(flags: Flags, bytes: &[u8]) -> Result<(Option<Priority>, &[u8]), FrameError> {
    if !flags.has(Flags::PRIORITY) {
        return Ok((None, bytes));
    }
    // The padding may have taken bytes that belong to the priority.
    let (priority, block) = bytes.split_at_checked(5).ok_or(FrameError::Padding)?;
    Ok((Some(Priority::parse(priority)?), block))
}

/// The payload without the length of its padding and the padding.
fn without_padding(flags: Flags, payload: &[u8]) -> Result<&[u8], FrameError> {
    if !flags.has(Flags::PADDED) {
        return Ok(payload);
    }
    let (&padding, rest) = payload.split_first().ok_or(FrameError::Length)?;
    // [http2:6.1-padding]
    let len = rest.len().checked_sub(usize::from(padding)).ok_or(FrameError::Padding)?;
    rest.get(..len).ok_or(FrameError::Padding)
}

/// Four bytes as a number, and the rest.
fn number(bytes: &[u8]) -> Result<(u32, &[u8]), FrameError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(FrameError::Length)?;
    Ok((u32::from_be_bytes(*number), rest))
}

fn code(bytes: &[u8]) -> Result<(ErrorCode, &[u8]), FrameError> {
    number(bytes).map(|(code, rest)| (ErrorCode::new(code), rest))
}

fn increment(stream: StreamId, bytes: &[u8]) -> Result<u32, FrameError> {
    let increment = number(bytes)?.0 & StreamId::MAX.to_u32();
    match (increment, stream) {
        // [http2:6.9-zero-increment]
        (0, StreamId::CONNECTION) => Err(FrameError::Increment),
        (0, _) => Err(FrameError::StreamIncrement),
        _ => Ok(increment),
    }
}
