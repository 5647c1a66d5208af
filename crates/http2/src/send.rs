//! Frames out: heads, the heads of DATA frames, trailers, resets.

use alloc::vec::Vec;

use sockeye_http::{Method, Status};

use crate::connection::Going;
use crate::field_block::{RequestLine, write_status};
use crate::frame::{Flags, Frame, FrameHead, FrameKind, HEAD_BYTES, PAYLOAD_BYTES_MAX};
use crate::life::{Action, Input, State, step};
use crate::streams::Stream;
use crate::{Connection, ErrorCode, FieldBlock, Flood, Role, StreamId, UsageError};

/// Whether a frame is our last on its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndStream {
    /// More follows.
    No,
    /// Nothing follows.
    Yes,
}

impl EndStream {
    const fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }

    const fn headers(self) -> Input {
        match self {
            Self::No => Input::SendHeaders,
            Self::Yes => Input::SendHeadersEnd,
        }
    }

    const fn data(self) -> Input {
        match self {
            Self::No => Input::SendData,
            Self::Yes => Input::SendDataEnd,
        }
    }
}

/// The head of a DATA frame that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHead {
    /// The bytes of content that belong right behind it. Without any, and without an end, nothing was written.
    pub len: usize,
    /// It ends our direction of the stream.
    pub is_end: bool,
    /// The windows allow nothing more.
    pub is_shut: bool,
}

/// The content of a frame, in bytes.
const FRAME_BYTES_MAX: usize = PAYLOAD_BYTES_MAX as usize;

/// The updates that one DATA frame of ours allows, and one more for each KiB of it: a gateway whose buffer wraps
/// gives a frame back in two parts, on both levels, and one with small buffers in more.
const UPDATES_PER_FRAME: u32 = 4;

impl Connection {
    /// Opens a stream and sends a request. Client only.
    ///
    /// # Errors
    /// [`UsageError::Role`], [`UsageError::GoingAway`], [`UsageError::TooManyStreams`],
    /// [`UsageError::StreamIdsExhausted`], [`UsageError::Target`] and [`UsageError::ConnectProtocol`].
    pub fn request(
        &mut self,
        line: &RequestLine<'_>,
        fields: &FieldBlock,
        end: EndStream,
        out: &mut Vec<u8>,
    ) -> Result<StreamId, UsageError> {
        if self.role == Role::Server {
            return Err(UsageError::Role);
        }
        // [http2:6.8-no-stream-after-goaway]
        if self.failed || self.going != Going::Not || self.peer.last.is_some() {
            return Err(UsageError::GoingAway);
        }
        line.check()?;
        // [http2:8441.3-client-waits]
        if line.protocol.is_some() && !self.peer.connect_protocol {
            return Err(UsageError::ConnectProtocol);
        }
        // [http2:5.1.2-peer-limit]
        if u32::try_from(self.streams.len()).is_ok_and(|len| len >= self.peer.streams_max) {
            return Err(UsageError::TooManyStreams);
        }
        let id = self.next_id().ok_or(UsageError::StreamIdsExhausted)?;
        let input = if end.is_yes() { Input::SendRequestEnd } else { Input::SendRequest };
        let (state, _) = step(State::Unopened, input);
        let mut stream = Stream::new(id, state);
        stream.sent_head = true;
        stream.is_tunnel = line.method == Method::CONNECT;
        stream.is_head = line.method == Method::HEAD;
        self.streams.open(stream);
        self.write_block(id, end, out, |block| {
            line.write(block);
            block.extend_from_slice(fields.as_bytes());
        });
        Ok(id)
    }

    /// The stream that a client opens next.
    fn next_id(&self) -> Option<StreamId> {
        let last = self.streams.last();
        // [http2:5.1.1-ids-increase]
        let next = match last.to_u32() {
            0 => 1,
            last => last.checked_add(2)?,
        };
        (next <= StreamId::MAX.to_u32()).then_some(StreamId::new(next))
    }

    /// Sends the head of a response. Any number of interim ones (1xx, without [`EndStream::Yes`]) may go
    /// before the final one. Server only.
    ///
    /// # Errors
    /// [`UsageError::Role`], [`UsageError::StreamClosed`], [`UsageError::HeadOrder`] and
    /// [`UsageError::Status`].
    pub fn respond(
        &mut self,
        stream: StreamId,
        status: Status,
        fields: &FieldBlock,
        end: EndStream,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        if self.role == Role::Client {
            return Err(UsageError::Role);
        }
        // [http2:8.6-never-101]
        let is_interim = status.is_informational();
        if status == Status::SWITCHING_PROTOCOLS || (is_interim && end.is_yes()) {
            return Err(UsageError::Status);
        }
        self.check_send(stream, end.headers())?;
        let sent_head = self.streams.find_mut(stream).map(|stream| &mut stream.sent_head);
        match sent_head {
            Some(true) => return Err(UsageError::HeadOrder),
            Some(sent_head) => *sent_head = !is_interim,
            None => return Err(UsageError::StreamClosed),
        }
        self.transition(stream, end.headers());
        self.write_block(stream, end, out, |block| {
            write_status(status, block);
            block.extend_from_slice(fields.as_bytes());
        });
        Ok(())
    }

    /// Sends trailers, which end our direction of the stream.
    ///
    /// # Errors
    /// [`UsageError::StreamClosed`], and [`UsageError::HeadOrder`] before a final head or on a tunnel.
    pub fn send_trailers(
        &mut self,
        stream: StreamId,
        fields: &FieldBlock,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.check_send(stream, Input::SendHeadersEnd)?;
        let in_order = |stream: &Stream| stream.sent_head && !stream.is_tunnel;
        if !self.streams.find(stream).is_some_and(in_order) {
            return Err(UsageError::HeadOrder);
        }
        self.transition(stream, Input::SendHeadersEnd);
        self.write_block(stream, EndStream::Yes, out, |block| {
            block.extend_from_slice(fields.as_bytes());
        });
        Ok(())
    }

    /// Appends the head of a frame with as much of `waiting` bytes of content as windows and frame allow. With
    /// [`EndStream::Yes`] the frame that has the last of them ends the stream. It is
    /// [`send_capacity`](Self::send_capacity) and [`write_data_head`](Self::write_data_head) in one.
    ///
    /// # Errors
    /// [`UsageError::StreamClosed`] and [`UsageError::HeadOrder`], as there.
    pub fn write_content_head(
        &mut self,
        stream: StreamId,
        waiting: usize,
        end: EndStream,
        out: &mut Vec<u8>,
    ) -> Result<ContentHead, UsageError> {
        let found = self.streams.find_mut(stream).filter(|_| !self.failed);
        let capacity = self.windows.send_capacity(found.ok_or(UsageError::StreamClosed)?);
        let len = waiting.min(capacity).min(FRAME_BYTES_MAX);
        let is_end = end.is_yes() && len == waiting;
        if len > 0 || is_end {
            let end = if is_end { EndStream::Yes } else { EndStream::No };
            self.write_data_head(stream, len, end, out)?;
        }
        Ok(ContentHead { len, is_end, is_shut: len == capacity })
    }

    /// Appends the nine bytes in front of `len` bytes of content, which the caller has to put on the wire
    /// right behind them. Nothing is copied, so content can be shared between streams.
    ///
    /// A frame has at most [`PAYLOAD_BYTES_MAX`] bytes and at most
    /// [`send_capacity`](Self::send_capacity). An empty frame needs no capacity: it ends a stream.
    ///
    /// # Errors
    /// [`UsageError::StreamClosed`], [`UsageError::HeadOrder`] before the final head, and
    /// [`UsageError::Capacity`].
    pub fn write_data_head(
        &mut self,
        stream: StreamId,
        len: usize,
        end: EndStream,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let found = self.streams.find_mut(stream).filter(|_| !self.failed);
        let found = found.ok_or(UsageError::StreamClosed)?;
        let (next, action) = step(found.state, end.data());
        if action != Action::Send {
            return Err(UsageError::StreamClosed);
        }
        // [http2:8.1-our-head-first]
        if !found.sent_head {
            return Err(UsageError::HeadOrder);
        }
        let len = u32::try_from(len).ok().filter(|len| *len <= PAYLOAD_BYTES_MAX);
        let len = len.filter(|len| self.windows.spend(found, *len)).ok_or(UsageError::Capacity)?;
        // [http2:10.5-updates-of-content]
        self.buckets.leak(Flood::WindowUpdates, UPDATES_PER_FRAME.saturating_add(len / 1024));
        if next != found.state {
            self.streams.set_state(stream, next, self.config.limits.closed_streams_max);
        }
        let flags = Flags::NONE.with(Flags::END_STREAM, end.is_yes());
        FrameHead { len, kind: FrameKind::Data, flags, stream }.write(out);
        Ok(())
    }

    /// Ends a stream at once, in both directions. Frames of the peer that are on their way are dropped.
    ///
    /// # Errors
    /// [`UsageError::StreamClosed`] if it does not live.
    pub fn reset(
        &mut self,
        stream: StreamId,
        code: ErrorCode,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.check_send(stream, Input::SendRst)?;
        self.transition(stream, Input::SendRst);
        self.resets_sent = self.resets_sent.wrapping_add(1);
        Frame::RstStream { stream, code }.write(out);
        Ok(())
    }

    fn check_send(&self, stream: StreamId, input: Input) -> Result<(), UsageError> {
        match step(self.streams.state(stream, self.role), input).1 {
            Action::Send if !self.failed => Ok(()),
            _ => Err(UsageError::StreamClosed),
        }
    }

    /// Appends a field block: one HEADERS frame, and CONTINUATION frames if it is long.
    fn write_block(
        &mut self,
        stream: StreamId,
        end: EndStream,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let at = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        self.encoder.begin(out);
        write(out);
        let start = at.saturating_add(HEAD_BYTES);
        let max = usize::try_from(PAYLOAD_BYTES_MAX).unwrap_or(usize::MAX);
        // [http2:4.2-our-frame-size]
        let rest = out.split_off(out.len().min(start.saturating_add(max)));
        let flags = Flags::NONE
            .with(Flags::END_STREAM, end.is_yes())
            .with(Flags::END_HEADERS, rest.is_empty());
        let len = u32::try_from(out.len().saturating_sub(start)).unwrap_or(PAYLOAD_BYTES_MAX);
        let head = FrameHead { len, kind: FrameKind::Headers, flags, stream };
        out.iter_mut().skip(at).zip(head.to_bytes()).for_each(|(slot, byte)| *slot = byte);
        let mut chunks = rest.chunks(max).peekable();
        while let Some(block) = chunks.next() {
            let end_headers = chunks.peek().is_none();
            Frame::Continuation { stream, end_headers, block }.write(out);
        }
    }
}
