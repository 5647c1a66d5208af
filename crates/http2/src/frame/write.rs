//! Writing frames.

use alloc::vec::Vec;

use super::{Flags, Frame, FrameHead, FrameKind, HEAD_BYTES, Priority};
use crate::StreamId;

impl FrameHead {
    /// Returns the nine bytes. A length over 24 bits is cut.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let ([_, a, b, c], [w, x, y, z]) =
            (self.len.to_be_bytes(), self.stream.to_u32().to_be_bytes());
        [a, b, c, self.kind.to_u8(), self.flags.0, w, x, y, z]
    }

    /// Appends the nine bytes.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}

impl Frame<'_> {
    /// Returns the head that [`write`](Self::write) appends.
    #[must_use]
    pub fn head(&self) -> FrameHead {
        let (kind, flags, stream, len) = match *self {
            Self::Data { stream, end_stream, data } => {
                (FrameKind::Data, end(end_stream), stream, data.len())
            }
            Self::Headers { stream, end_stream, end_headers, priority, block } => {
                let flags = end(end_stream)
                    .with(Flags::END_HEADERS, end_headers)
                    .with(Flags::PRIORITY, priority.is_some());
                let len = block.len().saturating_add(if priority.is_some() { 5 } else { 0 });
                (FrameKind::Headers, flags, stream, len)
            }
            Self::Priority { stream, .. } => (FrameKind::Priority, Flags::NONE, stream, 5),
            Self::RstStream { stream, .. } => (FrameKind::RstStream, Flags::NONE, stream, 4),
            Self::Settings(settings) => {
                (FrameKind::Settings, Flags::NONE, StreamId::CONNECTION, settings.as_bytes().len())
            }
            Self::SettingsAck => (FrameKind::Settings, Flags::ACK, StreamId::CONNECTION, 0),
            Self::PushPromise { stream, end_headers, block, .. } => {
                let flags = Flags::NONE.with(Flags::END_HEADERS, end_headers);
                (FrameKind::PushPromise, flags, stream, block.len().saturating_add(4))
            }
            Self::Ping { ack, .. } => {
                (FrameKind::Ping, Flags::NONE.with(Flags::ACK, ack), StreamId::CONNECTION, 8)
            }
            Self::Goaway { debug, .. } => {
                let len = debug.len().saturating_add(8);
                (FrameKind::Goaway, Flags::NONE, StreamId::CONNECTION, len)
            }
            Self::WindowUpdate { stream, .. } => (FrameKind::WindowUpdate, Flags::NONE, stream, 4),
            Self::Continuation { stream, end_headers, block } => {
                let flags = Flags::NONE.with(Flags::END_HEADERS, end_headers);
                (FrameKind::Continuation, flags, stream, block.len())
            }
            Self::Unknown(head) => return FrameHead { len: 0, ..head },
        };
        FrameHead { len: u32::try_from(len).unwrap_or(u32::MAX), kind, flags, stream }
    }

    /// Appends the frame, without padding. A frame of an unknown type gets no payload.
    ///
    /// The caller keeps the payload within what the peer accepts.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.head().write(out);
        match *self {
            Self::Data { data, .. } => out.extend_from_slice(data),
            Self::Headers { priority, block, .. } => {
                out.extend(priority.into_iter().flat_map(Priority::to_bytes));
                out.extend_from_slice(block);
            }
            Self::Priority { priority, .. } => out.extend_from_slice(&priority.to_bytes()),
            Self::RstStream { code, .. } => out.extend_from_slice(&code.to_u32().to_be_bytes()),
            Self::Settings(settings) => out.extend_from_slice(settings.as_bytes()),
            Self::SettingsAck | Self::Unknown(_) => {}
            Self::PushPromise { promised, block, .. } => {
                out.extend_from_slice(&promised.to_u32().to_be_bytes());
                out.extend_from_slice(block);
            }
            Self::Ping { payload, .. } => out.extend_from_slice(&payload),
            Self::Goaway { last, code, debug } => {
                out.extend_from_slice(&last.to_u32().to_be_bytes());
                out.extend_from_slice(&code.to_u32().to_be_bytes());
                out.extend_from_slice(debug);
            }
            Self::WindowUpdate { increment, .. } => {
                out.extend_from_slice(&increment.to_be_bytes());
            }
            Self::Continuation { block, .. } => out.extend_from_slice(block),
        }
    }
}

impl Priority {
    const fn to_bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.dependency.to_u32().to_be_bytes();
        [if self.exclusive { a | 0x80 } else { a }, b, c, d, self.weight]
    }
}

const fn end(end_stream: bool) -> Flags {
    Flags::NONE.with(Flags::END_STREAM, end_stream)
}
