//! A connection that speaks HTTP/2, and carries many lines as streams.

use std::collections::VecDeque;
use std::sync::Arc;

use sockeye_http2::{
    Config, Connection as Protocol, EndStream, ErrorCode, FieldLimits, Limits, Rate, StreamId,
};
use sockeye_reactor::{Key, Outbox, Pool};
use sockeye_tls::Protocol as TlsProtocol;

use super::connection::{Connection, SocketOptions};
use super::fault::Fault;
use super::line::Line;
use super::target::Target;

/// Bytes that wait for a write before no further stream gets a turn.
const WRITE_BYTES: usize = 64 * 1024;
/// The window of each stream, in bytes, if nobody sets another: more than a server sends at a time.
pub(super) const WINDOW_BYTES: u32 = 1 << 20;
/// The window of a connection, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// The server under load is trusted with frames of every kind.
const ANY: Rate = Rate::new(u32::MAX / 2, u32::MAX / 2);

/// One connection and its streams.
pub(super) struct Trunk {
    pub(super) connection: Connection,
    pub(super) outbox: Outbox,
    pub(super) protocol: Protocol,
    /// The lines by their streams, in the order of these.
    streams: Vec<(StreamId, usize)>,
    /// Lines that wait for the server's settings.
    pub(super) waiting: Vec<usize>,
    /// Lines with something to send, each once.
    pub(super) ready: VecDeque<usize>,
    /// It is on the list of those to be flushed.
    pub(super) is_dirty: bool,
}

/// What all connections have in common; `window_bytes` is the window of each stream.
pub(super) fn config(window_bytes: u32) -> Arc<Config> {
    let mut limits = Limits::DEFAULT;
    limits.window_bytes = window_bytes;
    limits.connection_window_bytes = CONNECTION_WINDOW_BYTES;
    limits.fields = FieldLimits::DEFAULT;
    limits.control_bytes_max = 16 << 20;
    limits.closed_streams_max = 4096;
    limits.resets = ANY;
    limits.pings = ANY;
    limits.settings = ANY;
    limits.priorities = ANY;
    limits.window_updates = ANY;
    limits.empty_data = ANY;
    limits.late_frames = ANY;
    Arc::new(Config { limits, ..Config::default() })
}

impl Trunk {
    /// Starts to connect.
    pub(super) fn dial(
        target: &Target,
        offered: &'static [TlsProtocol],
        options: SocketOptions,
        key: Key,
        config: &Arc<Config>,
        pool: &mut Pool,
    ) -> Result<Self, Fault> {
        let mut outbox = Outbox::new();
        let protocol = Protocol::client(config, outbox.tail(pool));
        Ok(Self {
            connection: Connection::dial(target, offered, options, key)?,
            outbox,
            protocol,
            streams: Vec::new(),
            waiting: Vec::new(),
            ready: VecDeque::new(),
            is_dirty: false,
        })
    }

    /// Opens the stream of line `id`, and sends its request.
    pub(super) fn open(
        &mut self,
        id: usize,
        line: &mut Line,
        pool: &mut Pool,
    ) -> Result<(), Fault> {
        let stream = line.opener.request(&mut self.protocol, self.outbox.tail(pool))?;
        if let Some(place) = line.place() {
            place.stream = Some(stream);
        }
        // Streams are opened in the order of their identifiers.
        self.streams.push((stream, id));
        Ok(())
    }

    /// The line of a stream.
    pub(super) fn line(&self, stream: StreamId) -> Option<usize> {
        let at = self.streams.binary_search_by_key(&stream, |(stream, _)| *stream).ok()?;
        self.streams.get(at).map(|(_, id)| *id)
    }

    /// Forgets a stream; if it still lives, the server is told.
    pub(super) fn drop_stream(&mut self, stream: StreamId, pool: &mut Pool) {
        if let Ok(at) = self.streams.binary_search_by_key(&stream, |(stream, _)| *stream) {
            self.streams.remove(at);
        }
        let _ = self.protocol.reset(stream, ErrorCode::CANCEL, self.outbox.tail(pool));
    }

    /// All lines on it.
    pub(super) fn lines(&self) -> Vec<usize> {
        let opened = self.streams.iter().map(|(_, id)| *id);
        opened.chain(self.waiting.iter().copied()).collect()
    }

    /// The lines whose streams are gone, because the server goes away and will not process them.
    pub(super) fn gone(&self) -> Vec<(StreamId, usize)> {
        let streams = self.streams.iter().copied();
        streams.filter(|(stream, _)| !self.protocol.has_stream(*stream)).collect()
    }

    /// Lets lines take turns of a frame, and writes, until nothing is left or nothing goes. Returns the bytes that
    /// the socket took.
    pub(super) fn flush(&mut self, all: &mut [Option<Line>], pool: &mut Pool) -> usize {
        let mut sent = 0;
        loop {
            while self.outbox.len() < WRITE_BYTES
                && let Some(id) = self.ready.pop_front()
            {
                if let Some(Some(line)) = all.get_mut(id)
                    && self.send_frame(line, pool)
                {
                    self.ready.push_back(id);
                }
            }
            sent += self.connection.flush(&mut self.outbox, pool);
            if !self.outbox.is_empty() || self.connection.write_error.is_some() {
                return sent;
            }
            self.protocol.output_sent();
            if self.ready.is_empty() {
                return sent;
            }
        }
    }

    /// Sends a frame of the line's bytes; `true` if it may send another.
    fn send_frame(&mut self, line: &mut Line, pool: &mut Pool) -> bool {
        let Some(stream) = line.place().and_then(|place| place.stream) else { return false };
        let (waiting, out) = (line.outbox.len(), self.outbox.tail(pool));
        let goes_on = match self.protocol.write_content_head(stream, waiting, EndStream::No, out) {
            Ok(head) => {
                line.outbox.move_to(&mut self.outbox, head.len, pool);
                !line.outbox.is_empty() && !head.is_shut
            }
            // The stream is gone, and nobody takes what waits for it.
            Err(_) => {
                line.outbox.clear(pool);
                false
            }
        };
        // A line whose window is shut waits for the server's update.
        line.is_dirty = goes_on;
        goes_on
    }

    /// Lists a line that has something to send.
    pub(super) fn list(&mut self, id: usize, line: &mut Line) {
        if !line.is_dirty && !line.outbox.is_empty() {
            line.is_dirty = true;
            self.ready.push_back(id);
        }
    }
}
