//! One lane: the requests of a machine, one after the other, each on a stream of its own.

use sockeye_http::{Headers, Status};
use sockeye_http1::chunked;
use sockeye_http2::{FieldBuffer, StreamId};

use super::answer::{self, Body};
use super::request::Content;
use crate::Error;

/// Bytes of input behind which memory is given back once they are taken.
const INPUT_KEPT_BYTES_MAX: usize = 64 * 1024;

/// A lane's way to its machine, and the stream that it is on.
#[derive(Default)]
pub(super) struct Lane {
    /// The request under way.
    pub(super) asked: Option<Asked>,
    /// Input for the machine, in the form of HTTP/1.1; the part before `taken` is taken.
    input: Vec<u8>,
    taken: usize,
    /// Content in the input, in bytes: the server may not send as much again before it is taken.
    owed: usize,
    /// The end, behind the input.
    pub(super) end: Option<LaneEnd>,
    /// Whether the last request has become a WebSocket.
    pub(super) was_tunnel: bool,
}

/// A request that is not answered completely.
pub(super) struct Asked {
    pub(super) stream: StreamId,
    pub(super) content: Content,
    /// Bytes of its content that are not sent.
    pub(super) left: u64,
    /// The bytes of the request so far, for a second attempt; `None` once the server has processed it, or if they are
    /// too many.
    pub(super) kept: Option<Vec<u8>>,
    body: Body,
    has_head: bool,
}

/// The end of a lane.
#[derive(Debug, PartialEq, Eq)]
pub enum LaneEnd {
    /// As that of a connection.
    Lost(Error),
    /// The server has not processed the request, of which these bytes were sent: it may be sent on another connection.
    Elsewhere(Vec<u8>),
    /// The same, but the server wants HTTP/1.1 for it.
    Http1(Vec<u8>),
}

impl Asked {
    pub(super) fn new(stream: StreamId, content: Content, head: &[u8]) -> Self {
        let left = match content {
            Content::Length(len) => len,
            Content::Tunnel(_) => 0,
        };
        let (kept, body) = (Some(head.to_vec()), Body::Plain);
        Self { stream, content, left, kept, body, has_head: false }
    }

    /// Whether a WebSocket is open on it.
    pub(super) const fn is_tunnel(&self) -> bool {
        self.has_head && matches!(self.content, Content::Tunnel(_))
    }

    /// Counts content that is sent, and keeps it as long as the whole is within `bytes_max`.
    pub(super) fn sent(&mut self, content: &[u8], bytes_max: usize) {
        self.left = self.left.saturating_sub(content.len() as u64);
        if let Some(kept) = &mut self.kept {
            if kept.len() + content.len() <= bytes_max {
                kept.extend_from_slice(content);
            } else {
                self.kept = None;
            }
        }
    }
}

impl Lane {
    /// The input that the machine has not taken.
    pub(super) fn input(&mut self) -> &mut [u8] {
        &mut self.input[self.taken..]
    }

    pub(super) fn has_input(&self) -> bool {
        self.taken < self.input.len()
    }

    /// The machine has taken `len` bytes of the input. Once it has taken all, returns the content in it, in bytes.
    pub(super) fn took(&mut self, len: usize) -> usize {
        self.taken += len;
        if self.has_input() {
            return 0;
        }
        self.taken = 0;
        self.input.clear();
        self.input.shrink_to(INPUT_KEPT_BYTES_MAX);
        core::mem::take(&mut self.owed)
    }

    /// The final head of the answer has come.
    pub(super) fn answer(&mut self, status: Status, fields: &FieldBuffer, end_stream: bool) {
        let Some(asked) = &mut self.asked else { return };
        let lines = fields.lines();
        let accept = match &asked.content {
            Content::Tunnel(accept) => Some(&accept[..]),
            Content::Length(_) => None,
        };
        let is_open = accept.is_some() && (200..300).contains(&status.code());
        let headers = Headers::new(&lines);
        asked.body = answer::write(status, headers, accept, end_stream, &mut self.input);
        (asked.kept, asked.has_head) = (None, true);
        if !is_open {
            // The request carries no content for a refused WebSocket.
            asked.content = Content::Length(0);
        }
        if end_stream {
            self.finish();
        }
    }

    /// Content of the answer has come.
    pub(super) fn content(&mut self, data: &[u8], end_stream: bool) {
        let Some(asked) = &self.asked else { return };
        match asked.body {
            Body::Plain => self.input.extend_from_slice(data),
            Body::Chunked => chunked::encode(data, &mut self.input),
        }
        self.owed += data.len();
        if end_stream {
            self.finish();
        }
    }

    /// The answer is complete. The lane is free for the next request, unless the last one was not sent completely.
    pub(super) fn finish(&mut self) {
        let Some(asked) = self.asked.take() else { return };
        if asked.body == Body::Chunked {
            self.input.extend_from_slice(b"0\r\n\r\n");
        }
        self.was_tunnel = asked.is_tunnel();
        if self.was_tunnel || asked.left > 0 {
            self.end = Some(LaneEnd::Lost(Error::Ended));
        }
    }

    /// The server has not processed the request.
    pub(super) fn refused(&mut self, why: Error, end: fn(Vec<u8>) -> LaneEnd) {
        let kept = self.asked.take().and_then(|asked| asked.kept);
        self.end = Some(kept.map_or(LaneEnd::Lost(why), end));
    }

    /// The stream is gone.
    pub(super) fn lose(&mut self, why: Error) {
        self.asked = None;
        self.end = Some(LaneEnd::Lost(why));
    }
}
