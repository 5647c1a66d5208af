//! A connection with its lanes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sockeye_http2::{
    Config, Connection, ConnectionError, EndStream, ErrorCode, Event, FieldBuffer, FieldReader,
    Limits as Http2Limits, ResetCause, StreamId, UsageError,
};

use super::lane::{Asked, Lane, LaneEnd};
use super::request::{self, Content, Unfit};
use crate::{Error, Http2Error, Limits};

/// The content of a frame.
pub(crate) const FRAME_BYTES_MAX: usize = 16 * 1024;
/// Output behind which no lane gets a turn before a write.
pub(crate) const OUT_BYTES: usize = 64 * 1024;
/// Bytes of all streams that may be on their way.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Names a lane of a [`Multiplex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneId(u32);

impl LaneId {
    /// The first lane.
    pub(crate) const FIRST: Self = Self(0);
}

/// A connection of HTTP/2 that carries machines on lanes: bytes of the server in, the machines' input out, and back.
pub struct Multiplex {
    scheme: &'static str,
    protocol: Connection,
    reader: FieldReader<FieldBuffer>,
    lanes: BTreeMap<LaneId, Lane>,
    /// The lanes by their streams.
    streams: BTreeMap<StreamId, LaneId>,
    /// Lanes with new input, a new end, or a new chance to send.
    touched: BTreeSet<LaneId>,
    /// Whether the server goes away: no further request is taken.
    is_leaving: bool,
    next: u32,
    kept_bytes_max: usize,
    /// Bytes to write, in their order.
    out: Vec<u8>,
    ticked: u64,
}

impl Multiplex {
    /// A connection that has just been made. Its preface is in the output.
    ///
    /// Its window is for content on its way: what is held counts in the windows of streams only, so machines that take
    /// nothing stop no other one. [client:shared-stall]
    pub fn new(scheme: &'static str, limits: &Limits) -> Self {
        let mut http2 = Http2Limits::DEFAULT;
        http2.window_bytes = limits.stream_window_bytes;
        http2.connection_window_bytes = CONNECTION_WINDOW_BYTES.max(limits.stream_window_bytes);
        http2.fields.fields_max = limits.head.headers_max;
        http2.fields.list_bytes_max = limits.head.head_bytes_max;
        let config = Arc::new(Config { limits: http2, ..Config::default() });
        let mut out = Vec::new();
        let protocol = Connection::client(&config, &mut out);
        Self {
            scheme,
            protocol,
            reader: FieldReader::new(FieldBuffer::new()),
            lanes: BTreeMap::new(),
            streams: BTreeMap::new(),
            touched: BTreeSet::new(),
            is_leaving: false,
            next: 0,
            kept_bytes_max: limits.out_bytes_max,
            out,
            ticked: 0,
        }
    }

    /// Adds a lane for another machine.
    pub fn open_lane(&mut self) -> LaneId {
        let id = LaneId(self.next);
        self.next += 1;
        self.lanes.insert(id, Lane::default());
        id
    }

    /// Ends a lane. If its stream still lives, the server is told.
    pub fn close_lane(&mut self, id: LaneId) {
        self.touched.remove(&id);
        let Some(asked) = self.lanes.remove(&id).and_then(|lane| lane.asked) else { return };
        self.streams.remove(&asked.stream);
        let _ = self.protocol.reset(asked.stream, ErrorCode::CANCEL, &mut self.out);
    }

    /// The input of a lane that its machine has not taken.
    pub fn input(&mut self, id: LaneId) -> &mut [u8] {
        self.lanes.get_mut(&id).map_or(&mut [], Lane::input)
    }

    /// The machine of a lane has taken `len` bytes of its input.
    pub fn took(&mut self, id: LaneId, len: usize) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let consumed = lane.took(len);
        if let Some(asked) = lane.asked.as_ref().filter(|_| consumed > 0) {
            self.protocol.consumed(asked.stream, consumed, &mut self.out);
        }
    }

    /// The end of a lane, once all its input is taken.
    pub fn take_end(&mut self, id: LaneId) -> Option<LaneEnd> {
        let lane = self.lanes.get_mut(&id).filter(|lane| !lane.has_input())?;
        lane.end.take()
    }

    /// Takes bytes that the machine of a lane sends: a head, or a frame of content. Returns how many; 0 if none can be
    /// sent now.
    pub fn send(&mut self, id: LaneId, bytes: &[u8]) -> usize {
        if self.out.len() >= OUT_BYTES {
            return 0;
        }
        let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.end.is_none()) else {
            return 0;
        };
        let Some(asked) = &mut lane.asked else { return self.ask(id, bytes) };
        let is_tunnel = asked.is_tunnel();
        let most =
            if is_tunnel { usize::MAX } else { usize::try_from(asked.left).unwrap_or(usize::MAX) };
        let capacity = self.protocol.send_capacity(asked.stream);
        let len = bytes.len().min(most).min(capacity).min(FRAME_BYTES_MAX);
        if len == 0 {
            return 0;
        }
        let is_last = !is_tunnel && len as u64 == asked.left;
        let end = if is_last { EndStream::Yes } else { EndStream::No };
        if self.protocol.write_data_head(asked.stream, len, end, &mut self.out).is_err() {
            return 0;
        }
        self.out.extend_from_slice(&bytes[..len]);
        asked.sent(&bytes[..len], self.kept_bytes_max);
        len
    }

    /// Opens a stream for the request in front of `bytes`; returns the length of its head.
    fn ask(&mut self, id: LaneId, bytes: &[u8]) -> usize {
        let Self { protocol, out, .. } = self;
        if bytes.is_empty() {
            return 0;
        }
        let asked = request::read(bytes, self.scheme, |request, len| {
            let is_tunnel = matches!(request.content, Content::Tunnel(_));
            // [http2:8441.3-client-waits]
            if is_tunnel && !protocol.is_established() {
                return Ok(None);
            }
            let is_whole = request.content == Content::Length(0);
            let end = if is_whole { EndStream::Yes } else { EndStream::No };
            let stream = protocol.request(&request.line, &request.fields, end, out)?;
            Ok::<_, UsageError>(Some((Asked::new(stream, request.content, &bytes[..len]), len)))
        });
        let end = match asked {
            Ok(Ok(Some((asked, len)))) => {
                self.streams.insert(asked.stream, id);
                if let Some(lane) = self.lanes.get_mut(&id) {
                    lane.asked = Some(asked);
                }
                return len;
            }
            // [client:http2-stream-limit]
            Ok(Ok(None) | Err(UsageError::TooManyStreams)) | Err(Unfit::Incomplete) => return 0,
            Ok(Err(UsageError::GoingAway | UsageError::StreamIdsExhausted)) => LaneEnd::Elsewhere,
            // [client:http2-websocket-fallback]
            Ok(Err(_)) | Err(Unfit::NoForm) => LaneEnd::Http1,
        };
        self.touched.insert(id);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.end = Some(end(Vec::new()));
        }
        0
    }

    /// Takes bytes of the server.
    ///
    /// # Errors
    /// [`Http2Error::Violation`], once: the connection is over, and the server is told why.
    /// [`Http2Error::NotSpoken`] if the server begins with something else.
    pub fn receive(&mut self, mut input: &mut [u8]) -> Result<(), Error> {
        loop {
            let Self { protocol, reader, out, .. } = self;
            let event = protocol.receive(&mut input, reader, out);
            let fault = |error: ConnectionError| match error {
                // With prior knowledge, which may be wrong, a server of HTTP/1.1 answers in that.
                ConnectionError::FirstFrame => Error::Http2(Http2Error::NotSpoken),
                error => Error::Http2(Http2Error::Violation(error)),
            };
            let Some(event) = event.map_err(fault)? else { return Ok(()) };
            self.hear(event);
        }
    }

    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Response { stream, status, end_stream } => {
                let Self { lanes, streams, reader, touched, .. } = self;
                if let Some(id) = streams.get(&stream) {
                    touched.insert(*id);
                    if let Some(lane) = lanes.get_mut(id) {
                        lane.answer(status, &reader.fields, end_stream);
                    }
                }
                self.look_after(stream);
            }
            Event::Data { stream, data, end_stream } => {
                match self.lane(stream) {
                    Some(lane) => lane.content(data, end_stream),
                    // Nobody is there to take it.
                    None => self.protocol.consumed(stream, data.len(), &mut self.out),
                }
                self.look_after(stream);
            }
            Event::Trailers { stream } => {
                if let Some(lane) = self.lane(stream) {
                    lane.finish();
                }
                self.look_after(stream);
            }
            Event::Reset { stream, cause } => self.reset(stream, cause),
            Event::Goaway { .. } => self.leave(),
            // Requests may go to other connections now, and WebSockets may be opened.
            Event::Settings => self.touched.extend(self.lanes.keys()),
            Event::Interim { .. }
            | Event::Writable { .. }
            | Event::Pong(_)
            | Event::Draining
            | Event::Request { .. }
            | Event::HeadTooLarge { .. } => {}
        }
    }

    /// The lane of a stream, which is touched.
    fn lane(&mut self, stream: StreamId) -> Option<&mut Lane> {
        let id = self.streams.get(&stream)?;
        self.touched.insert(*id);
        self.lanes.get_mut(id)
    }

    /// Forgets a stream whose answer is complete.
    fn look_after(&mut self, stream: StreamId) {
        let Some(lane) = self.lane(stream).filter(|lane| lane.asked.is_none()) else { return };
        let was_tunnel = lane.was_tunnel;
        self.streams.remove(&stream);
        // Our half of a WebSocket ends behind the server's. A request that is not sent completely is given up. In all
        // other cases the stream has ended, and both calls do nothing.
        if was_tunnel {
            let _ = self.protocol.write_data_head(stream, 0, EndStream::Yes, &mut self.out);
        } else {
            let _ = self.protocol.reset(stream, ErrorCode::CANCEL, &mut self.out);
        }
    }

    fn reset(&mut self, stream: StreamId, cause: ResetCause) {
        let Some(id) = self.streams.remove(&stream) else { return };
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        self.touched.insert(id);
        let why = Error::Http2(Http2Error::Reset(match cause {
            ResetCause::Peer(code) => code,
            ResetCause::Fault(error) => error.code(),
        }));
        match cause {
            // [client:http2-refused-stream]
            ResetCause::Peer(ErrorCode::REFUSED_STREAM) => lane.refused(why, LaneEnd::Elsewhere),
            ResetCause::Peer(ErrorCode::HTTP_1_1_REQUIRED) => lane.refused(why, LaneEnd::Http1),
            ResetCause::Peer(_) | ResetCause::Fault(_) => lane.lose(why),
        }
    }

    /// The server goes away: the requests that it will not process go elsewhere. [client:http2-goaway]
    fn leave(&mut self) {
        self.is_leaving = true;
        let Self { streams, lanes, protocol, touched, .. } = self;
        streams.retain(|stream, id| {
            let lives = protocol.has_stream(*stream);
            if !lives {
                touched.insert(*id);
            }
            if !lives && let Some(lane) = lanes.get_mut(id) {
                lane.refused(Error::Http2(Http2Error::Goaway), LaneEnd::Elsewhere);
            }
            lives
        });
    }

    /// The next of the lanes that have new input, a new end, or a new chance to send.
    pub(crate) fn next_touched(&mut self) -> Option<LaneId> {
        self.touched.pop_first()
    }

    /// Whether the server goes away.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Whether no request is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether a request of the lane is under way.
    pub(crate) fn has_stream(&self, id: LaneId) -> bool {
        self.lanes.get(&id).is_some_and(|lane| lane.asked.is_some())
    }

    /// The most streams that the server allows; `None` before it has said so.
    pub(crate) fn streams_max(&self) -> Option<usize> {
        let known = self.protocol.is_established().then(|| self.protocol.peer_streams_max());
        known.map(|max| usize::try_from(max).unwrap_or(usize::MAX))
    }

    /// Asks the server for a sign of life.
    pub(crate) fn ping(&mut self) {
        // A connection that has failed is about to end anyway.
        let _ = self.protocol.ping(*b"is alive", &mut self.out);
    }

    /// The connection has ended: so do all lanes that have no end yet, behind their input.
    pub(crate) fn lose(&mut self, why: &Error) {
        self.streams.clear();
        for (id, lane) in &mut self.lanes {
            self.touched.insert(*id);
            if lane.end.is_none() {
                lane.lose(why.clone());
            }
        }
    }

    /// The bytes to write; the caller drains those that it has written.
    pub const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The number of bytes to write.
    pub const fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Everything is written.
    pub const fn output_sent(&mut self) {
        self.protocol.output_sent();
    }

    /// Tells the time in milliseconds: the bounds on rates of the server's frames are by seconds.
    pub fn tell_time(&mut self, now_ms: u64) {
        let seconds = now_ms / 1000;
        let ticks = seconds.saturating_sub(self.ticked);
        if ticks > 0 {
            self.ticked = seconds;
            self.protocol.tick(u32::try_from(ticks).unwrap_or(u32::MAX));
        }
    }

    /// Ends all lanes, and says goodbye.
    pub fn part(&mut self) {
        for id in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.close_lane(id);
        }
        self.shut_down();
    }

    /// Says goodbye: no further request is sent.
    pub(crate) fn shut_down(&mut self) {
        self.protocol.shut_down(&mut self.out);
    }
}
