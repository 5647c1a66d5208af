//! Requests of HTTP/2 whose content is not complete, as they are kept.

use sockeye_http2::{FieldBuffer, StreamId};
use sockeye_reactor::Time;

/// A request on a branch whose content is not complete.
pub(crate) struct Content {
    pub(crate) fields: FieldBuffer,
    pub(crate) body: Vec<u8>,
}

impl Content {
    /// Bytes that are kept for the request.
    pub(crate) fn bytes(&self) -> usize {
        self.fields.memory_bytes() + self.body.len()
    }
}

/// The requests of one trunk whose content is not complete.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Each stream, and when its request began. Streams are in order, so the oldest one is the first.
    streams: Vec<(StreamId, Time)>,
    /// Bytes of all of them, those of their fields included.
    bytes: usize,
    /// When their clocks last started afresh.
    restarted: Time,
}

impl Default for Contents {
    fn default() -> Self {
        Self { streams: Vec::new(), bytes: 0, restarted: Time::from_millis(0) }
    }
}

impl Contents {
    /// Adds the request of `stream`, which is above all others.
    pub(crate) fn add(&mut self, stream: StreamId, now: Time) {
        self.streams.push((stream, now));
    }

    /// Counts `bytes` more of them.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The youngest of several, while all together have more than `max` bytes.
    pub(crate) fn excess(&self, max: usize) -> Option<StreamId> {
        let (stream, _) = self.streams.last()?;
        (self.bytes > max && self.streams.len() > 1).then_some(*stream)
    }

    /// Takes a request off that has so many bytes.
    pub(crate) fn remove(&mut self, stream: StreamId, bytes: usize) {
        if let Ok(at) = self.streams.binary_search_by_key(&stream, |(stream, _)| *stream) {
            self.streams.remove(at);
            self.bytes -= bytes;
        }
    }

    /// The oldest one.
    pub(crate) fn first(&self) -> Option<StreamId> {
        self.streams.first().map(|(stream, _)| *stream)
    }

    /// When the clock of the oldest one began; `NEVER` if there is none.
    pub(crate) fn oldest(&self) -> Time {
        self.streams.first().map_or(Time::NEVER, |(_, since)| (*since).max(self.restarted))
    }

    /// Their clocks start afresh.
    pub(crate) fn restart(&mut self, now: Time) {
        self.restarted = now;
    }
}
