//! Bytes in: the machine that cuts them into frames, wherever they are split.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::frame::{Flags, Frame, FrameHead, FrameKind, HEAD_BYTES};
use crate::heads::Block;
use crate::life::{Action, Input, step};
use crate::malformed::Malformed;
use crate::streams::UNKNOWN_LENGTH;
use crate::{
    Connection, ConnectionError, Event, FieldReader, Fields, Flood, PREFACE, Role, StreamError,
    StreamId,
};

/// The input of a connection that is not handled yet: never more than a partial frame and a partial
/// field block.
#[derive(Debug)]
pub(crate) struct Incoming {
    phase: Phase,
    /// The partial head of a frame.
    head: [u8; HEAD_BYTES],
    /// The partial payload of a frame that is no DATA frame.
    payload: Vec<u8>,
    /// The field block whose END_HEADERS has not come.
    pub(crate) block: Option<Box<Block>>,
}

/// The next bytes of the input.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The preface; so many bytes of it came.
    Preface { have: usize },
    /// The head of a frame; so many bytes of it came.
    Head { have: usize },
    /// The payload of a frame that is handled when it is complete.
    Payload(FrameHead),
    /// The length of a DATA frame's padding.
    PadLength(FrameHead),
    /// Content.
    Data { stream: StreamId, left: u32, padding: u32, end_stream: bool },
    /// Bytes without meaning.
    Skip { left: u32 },
}

/// The result of a step of the machine.
enum Progress<'b> {
    /// More input is needed.
    Starved,
    /// Another step follows.
    Next,
    /// An event.
    Event(Event<'b>),
}

impl From<Option<Event<'static>>> for Progress<'_> {
    fn from(event: Option<Event<'static>>) -> Self {
        event.map_or(Self::Next, Progress::Event)
    }
}

impl Incoming {
    pub(crate) const fn new(role: Role) -> Self {
        let phase = match role {
            Role::Client => Phase::Head { have: 0 },
            Role::Server => Phase::Preface { have: 0 },
        };
        Self { phase, head: [0; HEAD_BYTES], payload: Vec::new(), block: None }
    }

    pub(crate) const fn is_mid_frame(&self) -> bool {
        let is_between = matches!(self.phase, Phase::Head { have: 0 } | Phase::Skip { left: 0 });
        self.block.is_some() || !is_between
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let block = self.block.as_ref().map_or(0, |block| block.memory_bytes());
        self.payload.capacity().saturating_add(block)
    }
}

/// Takes up to `len` bytes off the input.
fn take<'b>(input: &mut &'b mut [u8], len: u32) -> &'b mut [u8] {
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(input.len());
    input.split_off_mut(..len).unwrap_or_default()
}

impl Connection {
    /// Reads the peer's bytes up to the next event; `None` when all of them are read.
    ///
    /// Replies are appended to `out` in the same call. However the bytes are split into calls, the events
    /// are the same, but that content comes in other pieces. Once the connection failed, all input is
    /// dropped.
    ///
    /// # Errors
    /// The rule that the peer broke, once. The GOAWAY frame is in the output.
    pub fn receive<'b, F: Fields>(
        &mut self,
        input: &mut &'b mut [u8],
        reader: &mut FieldReader<F>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, ConnectionError> {
        while !self.failed {
            match self.advance(input, reader, out) {
                Ok(Progress::Starved) => return Ok(None),
                Ok(Progress::Next) => {}
                Ok(Progress::Event(event)) => return Ok(Some(event)),
                Err(error) => {
                    self.fail(error, out);
                    *input = &mut [];
                    return Err(error);
                }
            }
        }
        *input = &mut [];
        Ok(None)
    }

    fn advance<'b, F: Fields>(
        &mut self,
        input: &mut &'b mut [u8],
        reader: &mut FieldReader<F>,
        out: &mut Vec<u8>,
    ) -> Result<Progress<'b>, ConnectionError> {
        match self.incoming.phase {
            Phase::Preface { have } => self.read_preface(have, input),
            Phase::Head { have } => self.read_head(have, input, out),
            Phase::Payload(head) => self.read_payload(head, input, reader, out),
            Phase::PadLength(head) => {
                let &mut [padding] = take(input, 1) else { return Ok(Progress::Starved) };
                // The length itself is a byte of the payload.
                let left = head.len.saturating_sub(1).checked_sub(u32::from(padding));
                let len = left.ok_or(crate::frame::FrameError::Padding)?;
                self.begin_content(head, len, u32::from(padding), out)
            }
            Phase::Data { .. } => Ok(self.read_data(input)),
            Phase::Skip { left } => {
                let skipped = u32::try_from(take(input, left).len()).unwrap_or(left);
                let left = left.saturating_sub(skipped);
                self.incoming.phase =
                    if left == 0 { Phase::Head { have: 0 } } else { Phase::Skip { left } };
                Ok(if left == 0 { Progress::Next } else { Progress::Starved })
            }
        }
    }

    fn read_preface<'b>(
        &mut self,
        have: usize,
        input: &mut &'b mut [u8],
    ) -> Result<Progress<'b>, ConnectionError> {
        let rest = PREFACE.get(have..).unwrap_or_default();
        let part = take(input, u32::try_from(rest.len()).unwrap_or(0));
        // [http2:3.4-preface-checked]
        if !rest.starts_with(part) {
            return Err(ConnectionError::Preface);
        }
        let have = have.saturating_add(part.len());
        let is_whole = have == PREFACE.len();
        self.incoming.phase =
            if is_whole { Phase::Head { have: 0 } } else { Phase::Preface { have } };
        Ok(if is_whole { Progress::Next } else { Progress::Starved })
    }

    fn read_head<'b>(
        &mut self,
        have: usize,
        input: &mut &'b mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Progress<'b>, ConnectionError> {
        let missing = HEAD_BYTES.saturating_sub(have);
        let part = take(input, u32::try_from(missing).unwrap_or(0));
        let slots = self.incoming.head.iter_mut().skip(have);
        slots.zip(part.iter()).for_each(|(slot, byte)| *slot = *byte);
        if part.len() < missing {
            self.incoming.phase = Phase::Head { have: have.saturating_add(part.len()) };
            return Ok(Progress::Starved);
        }
        let head = FrameHead::parse(self.incoming.head);
        self.frames = self.frames.wrapping_add(1);
        self.incoming.phase = Phase::Payload(head);
        self.begin_frame(head, out)
    }

    /// Checks all that a head says of its frame.
    fn begin_frame<'b>(
        &mut self,
        head: FrameHead,
        out: &mut Vec<u8>,
    ) -> Result<Progress<'b>, ConnectionError> {
        // [http2:3.4-first-frame]
        let is_settings = head.kind == FrameKind::Settings && !head.flags.has(Flags::ACK);
        if !self.peer.is_known && !is_settings {
            return Err(ConnectionError::FirstFrame);
        }
        if let Some(block) = &self.incoming.block
            && (head.kind != FrameKind::Continuation || head.stream != block.stream)
        {
            // [http2:4.3-block-contiguous]
            return Err(ConnectionError::BlockInterrupted);
        }
        let checked = head.check();
        if let Err(error) = checked {
            if !error.is_of_stream() {
                return Err(error.into());
            }
            self.incoming.phase = Phase::Skip { left: head.len };
            return Ok(self.fault_of_frame(head.stream, error, out)?.into());
        }
        match head.kind {
            FrameKind::Data => self.begin_data(head, out),
            FrameKind::Unknown(_) => {
                self.buckets.add(Flood::Priorities, &self.config.limits)?;
                self.incoming.phase = Phase::Skip { left: head.len };
                Ok(Progress::Next)
            }
            FrameKind::Continuation if self.incoming.block.is_none() => {
                // [http2:6.10-continuation-placed]
                Err(ConnectionError::ContinuationMisplaced)
            }
            FrameKind::Headers
            | FrameKind::Priority
            | FrameKind::RstStream
            | FrameKind::Settings
            | FrameKind::PushPromise
            | FrameKind::Ping
            | FrameKind::Goaway
            | FrameKind::WindowUpdate
            | FrameKind::Continuation => Ok(Progress::Next),
        }
    }

    /// Counts a DATA frame, whatever becomes of it, and looks its stream up.
    fn begin_data<'b>(
        &mut self,
        head: FrameHead,
        out: &mut Vec<u8>,
    ) -> Result<Progress<'b>, ConnectionError> {
        let FrameHead { len, flags, stream, .. } = head;
        let end_stream = flags.has(Flags::END_STREAM);
        let state = self.streams.state(stream, self.role);
        let action = step(state, data_input(end_stream)).1;
        if let Action::Fail(error) = action {
            return Err(error);
        }
        self.count_content(len, out)?;
        self.incoming.phase = Phase::Skip { left: len };
        match action {
            Action::Deliver => {}
            Action::Discard => {
                self.buckets.add(Flood::LateFrames, &self.config.limits)?;
                return Ok(Progress::Next);
            }
            Action::Reset => {
                return Ok(Progress::Event(self.fault(stream, StreamError::Ended, out)?));
            }
            Action::Ignore | Action::Fail(_) | Action::Send | Action::Refuse => {
                return Ok(Progress::Next);
            }
        }
        if let Err(error) = self.count_stream_content(stream, len) {
            return Ok(Progress::Event(self.fault(stream, error, out)?));
        }
        if flags.has(Flags::PADDED) {
            self.incoming.phase = Phase::PadLength(head);
            return Ok(Progress::Next);
        }
        self.begin_content(head, len, 0, out)
    }

    /// Compares the content of a DATA frame, whose length is known now, with what the head promised.
    fn begin_content<'b>(
        &mut self,
        head: FrameHead,
        len: u32,
        padding: u32,
        out: &mut Vec<u8>,
    ) -> Result<Progress<'b>, ConnectionError> {
        let (stream, end_stream) = (head.stream, head.flags.has(Flags::END_STREAM));
        self.incoming.phase = Phase::Skip { left: len.saturating_add(padding) };
        if len == 0 && !end_stream {
            self.buckets.add(Flood::EmptyData, &self.config.limits)?;
        }
        if let Err(malformed) = self.count_length(stream, len, end_stream) {
            let error = StreamError::Malformed(malformed);
            return Ok(Progress::Event(self.fault(stream, error, out)?));
        }
        let overhead = head.len.saturating_sub(len);
        if overhead > 0 {
            // [http2:6.9.1-padding-credit]
            self.consumed(stream, usize::try_from(overhead).unwrap_or(0), out);
        }
        if len > 0 || end_stream {
            self.incoming.phase = Phase::Data { stream, left: len, padding, end_stream };
        }
        Ok(Progress::Next)
    }

    fn count_length(&mut self, id: StreamId, len: u32, end_stream: bool) -> Result<(), Malformed> {
        let Some(stream) = self.streams.find_mut(id) else { return Ok(()) };
        // [http2:8.1-head-first]
        if !stream.received_head {
            return Err(Malformed::ContentEarly);
        }
        if stream.content_left == UNKNOWN_LENGTH {
            return Ok(());
        }
        // [http2:8.1.1-content-length]
        let left = stream.content_left.checked_sub(u64::from(len));
        let left = left.filter(|left| !end_stream || *left == 0);
        stream.content_left = left.ok_or(Malformed::ContentLengthMismatch)?;
        Ok(())
    }

    /// Hands out content as it comes.
    fn read_data<'b>(&mut self, input: &mut &'b mut [u8]) -> Progress<'b> {
        let Phase::Data { stream, left, padding, end_stream } = self.incoming.phase else {
            return Progress::Next;
        };
        // The application may have reset the stream since.
        if !self.has_stream(stream) {
            self.incoming.phase = Phase::Skip { left: left.saturating_add(padding) };
            return Progress::Next;
        }
        let data = take(input, left);
        if data.is_empty() && left > 0 {
            return Progress::Starved;
        }
        let left = left.saturating_sub(u32::try_from(data.len()).unwrap_or(left));
        if left > 0 {
            self.incoming.phase = Phase::Data { stream, left, padding, end_stream };
            return Progress::Event(Event::Data { stream, data, end_stream: false });
        }
        self.incoming.phase = Phase::Skip { left: padding };
        if end_stream {
            self.transition(stream, Input::ReceiveDataEnd);
        }
        Progress::Event(Event::Data { stream, data, end_stream })
    }

    /// Collects a payload, unless the input has it whole, and handles it.
    fn read_payload<'b, F: Fields>(
        &mut self,
        head: FrameHead,
        input: &mut &'b mut [u8],
        reader: &mut FieldReader<F>,
        out: &mut Vec<u8>,
    ) -> Result<Progress<'b>, ConnectionError> {
        let have = u32::try_from(self.incoming.payload.len()).unwrap_or(u32::MAX);
        let part = take(input, head.len.saturating_sub(have));
        if have == 0 && u32::try_from(part.len()) == Ok(head.len) {
            self.incoming.phase = Phase::Head { have: 0 };
            return self.handle(head, part, reader, out).map(Progress::from);
        }
        self.incoming.payload.extend_from_slice(part);
        if u32::try_from(self.incoming.payload.len()) != Ok(head.len) {
            return Ok(Progress::Starved);
        }
        self.incoming.phase = Phase::Head { have: 0 };
        let payload = core::mem::take(&mut self.incoming.payload);
        self.handle(head, &payload, reader, out).map(Progress::from)
    }

    /// Handles a complete frame that is no DATA frame.
    fn handle<F: Fields>(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        reader: &mut FieldReader<F>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let frame = match Frame::parse(head, payload) {
            Ok(frame) => frame,
            Err(error) if error.is_of_stream() => {
                return self.fault_of_frame(head.stream, error, out);
            }
            Err(error) => return Err(error.into()),
        };
        match frame {
            Frame::Headers { stream, end_stream, end_headers, priority, block } => {
                let depends = priority.is_some_and(|it| it.check(stream).is_err());
                let begun = Block::begin(stream, end_stream, depends);
                self.on_headers(begun, block, end_headers, reader, out)
            }
            Frame::Continuation { end_headers, block, .. } => {
                self.on_continuation(block, end_headers, reader, out)
            }
            Frame::Priority { stream, .. } => self.on_priority(stream),
            Frame::RstStream { stream, code } => self.on_rst_stream(stream, code),
            Frame::Settings(settings) => self.on_settings(settings, out),
            Frame::SettingsAck => self.on_settings_ack(),
            Frame::PushPromise { stream, .. } => self.on_push_promise(stream),
            Frame::Ping { ack, payload } => self.on_ping(ack, payload, out),
            Frame::Goaway { last, code, .. } => self.on_goaway(last, code),
            Frame::WindowUpdate { stream, increment } => {
                self.on_window_update(stream, increment, out)
            }
            Frame::Data { .. } | Frame::Unknown(_) => Ok(None),
        }
    }
}

/// The input of the table for a DATA frame.
const fn data_input(end_stream: bool) -> Input {
    if end_stream { Input::ReceiveDataEnd } else { Input::ReceiveData }
}
