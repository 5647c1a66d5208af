//! Requests of HTTP/2 that are not complete, or that wait for their turn, as they are kept.

use std::collections::VecDeque;

use sockeye_http2::{FieldBuffer, StreamId};
use sockeye_reactor::Time;

/// A request on a branch that cannot be served yet.
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

/// The requests of one trunk that are kept.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Each stream whose content is not complete, and when its request began. Streams are in order, so the oldest one is
    /// the first.
    streams: Vec<(StreamId, Time)>,
    /// The streams whose requests are complete and wait until the peer has taken answers, in the order of their ends.
    complete: VecDeque<StreamId>,
    /// Bytes of all of them, those of their fields included.
    bytes: usize,
    /// When their clocks last started afresh.
    restarted: Time,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            complete: VecDeque::new(),
            bytes: 0,
            restarted: Time::from_millis(0),
        }
    }
}

impl Contents {
    /// Adds the request of `stream`, which is above all others. Its content follows.
    pub(crate) fn add(&mut self, stream: StreamId, now: Time) {
        self.streams.push((stream, now));
    }

    /// The request of `stream` is complete, and waits.
    pub(crate) fn complete(&mut self, stream: StreamId) {
        self.forget_incomplete(stream);
        self.complete.push_back(stream);
    }

    /// The complete request that is next.
    pub(crate) fn next_complete(&self) -> Option<StreamId> {
        self.complete.front().copied()
    }

    /// Counts `bytes` more of them.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The youngest of several, while all together have more than `max` bytes. Complete ones come first.
    pub(crate) fn excess(&self, max: usize) -> Option<StreamId> {
        if self.bytes <= max || self.streams.len() + self.complete.len() <= 1 {
            return None;
        }
        let incomplete = self.streams.last().map(|(stream, _)| *stream);
        incomplete.or_else(|| self.complete.back().copied())
    }

    /// Takes a request off that has so many bytes.
    pub(crate) fn remove(&mut self, stream: StreamId, bytes: usize) {
        if self.forget_incomplete(stream) {
            self.bytes -= bytes;
        } else if let Some(at) = self.complete.iter().position(|it| *it == stream) {
            self.complete.remove(at);
            self.bytes -= bytes;
        }
    }

    fn forget_incomplete(&mut self, stream: StreamId) -> bool {
        let found = self.streams.binary_search_by_key(&stream, |(stream, _)| *stream);
        found.map(|at| self.streams.remove(at)).is_ok()
    }

    /// The oldest one whose content is not complete.
    pub(crate) fn first(&self) -> Option<StreamId> {
        self.streams.first().map(|(stream, _)| *stream)
    }

    /// When its clock began; `NEVER` if there is none.
    pub(crate) fn oldest(&self) -> Time {
        self.streams.first().map_or(Time::NEVER, |(_, since)| (*since).max(self.restarted))
    }

    /// Their clocks start afresh.
    pub(crate) fn restart(&mut self, now: Time) {
        self.restarted = now;
    }
}
