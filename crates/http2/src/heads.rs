//! Field blocks: joined, decoded, judged (RFC 9113 §4.3, §8).

use alloc::boxed::Box;
use alloc::vec::Vec;

use sockeye_hpack as hpack;
use sockeye_http::Status;

use crate::frame::FrameError;
use crate::judge::{Judge, Message, Verdict};
use crate::life::{Action, Input, State, step};
use crate::malformed::Malformed;
use crate::streams::{Stream, UNKNOWN_LENGTH};
use crate::{
    Connection, ConnectionError, ErrorCode, Event, FieldReader, Fields, Flood, Role, StreamError,
    StreamId,
};

type Handled = Result<Option<Event<'static>>, ConnectionError>;

/// A field block under way.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) stream: StreamId,
    end_stream: bool,
    /// The priority of its HEADERS frame names its own stream.
    depends_on_itself: bool,
    continuations: u32,
    /// The fragments so far.
    bytes: Vec<u8>,
}

/// The outcome of decoding a block.
enum Decoded {
    /// In order.
    Fields(Verdict),
    /// Decoded, but over a limit of the message.
    TooLarge,
    /// Breaks a rule.
    Malformed(Malformed),
}

impl Block {
    pub(crate) const fn begin(stream: StreamId, end_stream: bool, depends_on_itself: bool) -> Self {
        Self { stream, end_stream, depends_on_itself, continuations: 0, bytes: Vec::new() }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.bytes.capacity())
    }

    const fn input(&self) -> Input {
        if self.end_stream { Input::ReceiveHeadersEnd } else { Input::ReceiveHeaders }
    }
}

impl Connection {
    pub(crate) fn on_headers<F: Fields>(
        &mut self,
        block: Block,
        fragment: &[u8],
        end_headers: bool,
        reader: &mut FieldReader<F>,
        out: &mut Vec<u8>,
    ) -> Handled {
        let state = self.streams.state(block.stream, self.role);
        if let Action::Fail(error) = step(state, block.input()).1 {
            return Err(error);
        }
        if end_headers {
            return self.end_block(&block, fragment, reader, out);
        }
        self.incoming.block = Some(Box::new(block));
        self.join(fragment)
    }

    pub(crate) fn on_continuation<F: Fields>(
        &mut self,
        fragment: &[u8],
        end_headers: bool,
        reader: &mut FieldReader<F>,
        out: &mut Vec<u8>,
    ) -> Handled {
        let max = self.config.limits.continuations_max;
        if let Some(block) = &mut self.incoming.block {
            // [http2:10.5-continuations]
            block.continuations = block.continuations.saturating_add(1);
            if block.continuations > max {
                return Err(ConnectionError::TooManyContinuations);
            }
        }
        self.join(fragment)?;
        match self.incoming.block.take_if(|_| end_headers) {
            Some(block) => self.end_block(&block, &block.bytes, reader, out),
            None => Ok(None),
        }
    }

    fn join(&mut self, fragment: &[u8]) -> Handled {
        let max = self.config.limits.fields.block_bytes_max;
        if let Some(block) = &mut self.incoming.block {
            // [http2:10.5-block-bytes]
            if block.bytes.len().saturating_add(fragment.len()) > max {
                return Err(ConnectionError::FieldBlock(hpack::Error::BlockTooLong));
            }
            block.bytes.extend_from_slice(fragment);
        }
        Ok(None)
    }

    /// Decodes a whole block, judges it, and carries out what the table says.
    fn end_block<F: Fields>(
        &mut self,
        block: &Block,
        bytes: &[u8],
        reader: &mut FieldReader<F>,
        out: &mut Vec<u8>,
    ) -> Handled {
        let stream = block.stream;
        let state = self.streams.state(stream, self.role);
        let (_, action) = step(state, block.input());
        if let Action::Fail(error) = action {
            return Err(error);
        }
        let message = self.message(stream);
        // [http2:4.3-every-block-decoded]
        let decoded = self.decode(stream, message, bytes, reader)?;
        match action {
            Action::Deliver if state == State::Idle => self.open_stream(block, &decoded, out),
            Action::Deliver if message == Message::Trailers => {
                self.end_by_trailers(block, &decoded, out)
            }
            Action::Deliver => self.take_response(block, &decoded, out),
            Action::Reset => self.fault(stream, StreamError::Ended, out).map(Some),
            Action::Discard | Action::Ignore | Action::Fail(_) | Action::Send | Action::Refuse => {
                self.buckets.add(Flood::LateFrames, &self.config.limits).map(|()| None)
            }
        }
    }

    /// The kind of message that the next block of a stream has to be.
    fn message(&self, stream: StreamId) -> Message {
        match (self.streams.find(stream), self.role) {
            (None, Role::Server) => Message::Request(self.config.connect_protocol),
            (Some(Stream { received_head: true, .. }), _) => Message::Trailers,
            (Some(_) | None, _) => Message::Response,
        }
    }

    fn decode<F: Fields>(
        &mut self,
        stream: StreamId,
        message: Message,
        bytes: &[u8],
        reader: &mut FieldReader<F>,
    ) -> Result<Decoded, ConnectionError> {
        let FieldReader { fields, scratch } = reader;
        fields.begin(stream);
        let mut judge = Judge::new(message);
        let result = self.decoder.decode(bytes, scratch, |field| {
            if judge.field(field.name, field.value) {
                fields.field(field);
            }
        });
        match result {
            Ok(()) => Ok(judge.verdict().map_or_else(Decoded::Malformed, Decoded::Fields)),
            Err(error) => match error.kind() {
                // [http2:10.5-field-limits]
                hpack::ErrorKind::Message => Ok(Decoded::TooLarge),
                // [http2:4.3-compression-error]
                hpack::ErrorKind::Compression | hpack::ErrorKind::Excess => {
                    Err(ConnectionError::FieldBlock(error))
                }
            },
        }
    }

    /// The head of a request on a new stream.
    fn open_stream(&mut self, block: &Block, decoded: &Decoded, out: &mut Vec<u8>) -> Handled {
        let &Block { stream: id, end_stream, .. } = block;
        let limits = self.config.limits;
        self.streams.used(id);
        if self.is_beyond_last(id) {
            self.streams.remember_reset(id, limits.closed_streams_max);
            return self.buckets.add(Flood::LateFrames, &limits).map(|()| None);
        }
        let (next, _) = step(State::Idle, block.input());
        let mut stream = Stream::new(id, next);
        stream.received_head = true;
        let is_full = usize::try_from(limits.concurrent_streams_max)
            .is_ok_and(|max| self.streams.len() >= max);
        let code = match decoded {
            // [http2:5.1.2-concurrent-streams]
            _ if is_full => Some(ErrorCode::REFUSED_STREAM),
            _ if block.depends_on_itself => Some(FrameError::SelfDependency.code()),
            Decoded::Malformed(malformed) => Some(StreamError::Malformed(*malformed).code()),
            Decoded::TooLarge => None,
            Decoded::Fields(verdict) => {
                stream.is_tunnel = verdict.is_connect;
                let left = verdict.content_length.filter(|_| !verdict.is_connect);
                stream.content_left = left.unwrap_or(UNKNOWN_LENGTH);
                let is_cut = end_stream && left.is_some_and(|left| left > 0);
                let mismatch = StreamError::Malformed(Malformed::ContentLengthMismatch);
                is_cut.then_some(mismatch.code())
            }
        };
        if let Some(code) = code {
            self.streams.remember_reset(id, limits.closed_streams_max);
            return self.refuse(id, code, out).map(|()| None);
        }
        self.buckets.progress();
        self.streams.open(stream);
        Ok(Some(match decoded {
            Decoded::TooLarge => Event::HeadTooLarge { stream: id, end_stream },
            Decoded::Fields(_) | Decoded::Malformed(_) => Event::Request { stream: id, end_stream },
        }))
    }

    /// The head of a response, interim or final.
    fn take_response(&mut self, block: &Block, decoded: &Decoded, out: &mut Vec<u8>) -> Handled {
        let &Block { stream: id, end_stream, .. } = block;
        let verdict = match self.in_order(block, decoded) {
            Ok(verdict) => verdict,
            Err(error) => return self.fault(id, error, out).map(Some),
        };
        let (Some(status), Some(stream)) = (verdict.status, self.streams.find_mut(id)) else {
            return Ok(None);
        };
        if status.is_informational() {
            // [http2:8.1-interim-does-not-end]
            if end_stream {
                let error = StreamError::Malformed(Malformed::InterimEnd);
                return self.fault(id, error, out).map(Some);
            }
            self.buckets.add(Flood::EmptyData, &self.config.limits)?;
            return Ok(Some(Event::Interim { stream: id, status }));
        }
        self.buckets.progress();
        stream.received_head = true;
        stream.is_tunnel &= is_success(status);
        // [http2:8.1.1-no-content]
        let left = match verdict.content_length {
            _ if stream.is_tunnel => None,
            _ if stream.is_head || status.is_bodiless() => Some(0),
            length => length,
        };
        stream.content_left = left.unwrap_or(UNKNOWN_LENGTH);
        if end_stream && left.is_some_and(|left| left > 0) {
            let error = StreamError::Malformed(Malformed::ContentLengthMismatch);
            return self.fault(id, error, out).map(Some);
        }
        self.transition(id, block.input());
        Ok(Some(Event::Response { stream: id, status, end_stream }))
    }

    fn end_by_trailers(&mut self, block: &Block, decoded: &Decoded, out: &mut Vec<u8>) -> Handled {
        let &Block { stream: id, end_stream, .. } = block;
        let stream = self.streams.find(id);
        let is_tunnel = stream.is_some_and(|stream| stream.is_tunnel);
        let is_complete =
            stream.is_none_or(|stream| matches!(stream.content_left, 0 | UNKNOWN_LENGTH));
        let error = match self.in_order(block, decoded) {
            Err(error) => Some(error),
            // [http2:8.5-connect-data-only]
            Ok(_) if is_tunnel => Some(StreamError::Malformed(Malformed::Tunnel)),
            // [http2:8.1-trailers-end]
            Ok(_) if !end_stream => Some(StreamError::Malformed(Malformed::TrailersOpen)),
            Ok(_) if !is_complete => Some(StreamError::Malformed(Malformed::ContentLengthMismatch)),
            Ok(_) => None,
        };
        if let Some(error) = error {
            return self.fault(id, error, out).map(Some);
        }
        self.transition(id, block.input());
        Ok(Some(Event::Trailers { stream: id }))
    }

    /// The verdict on a block of a stream that lives.
    fn in_order(&self, block: &Block, decoded: &Decoded) -> Result<Verdict, StreamError> {
        if block.depends_on_itself {
            return Err(StreamError::Frame(FrameError::SelfDependency));
        }
        match decoded {
            Decoded::Fields(verdict) => Ok(*verdict),
            Decoded::TooLarge => Err(StreamError::FieldsTooLarge),
            Decoded::Malformed(malformed) => Err(StreamError::Malformed(*malformed)),
        }
    }
}

/// Whether a status is 2xx.
fn is_success(status: Status) -> bool {
    (200..300).contains(&status.code())
}
