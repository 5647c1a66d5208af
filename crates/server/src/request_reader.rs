//! The requests of one HTTP/1.1 connection as they arrive: the head, then the body.

mod body;

use sockeye_http::Status;
use sockeye_http1::{Body, BodyFraming, Error, HeadEnd, RequestHead, Response, ScannedHead};
use sockeye_http2::{Sniffed, sniff};
use sockeye_reactor::Time;

use crate::cause::Deadline;
use crate::limits::Limits;
use crate::peer::Peer;
use body::Pending;

pub(crate) use body::whole_body;

/// Bytes that one read of requests brings at the most, besides the rest of a body. A client that sends
/// requests and reads no answers makes the server keep so many.
const READ_BYTES_MAX: usize = 16 * 1024;

/// The state between two requests, or inside one.
pub(crate) struct RequestReader {
    /// Bytes received: the head in progress, or what follows the present request.
    input: Vec<u8>,
    /// How many bytes at the front of `input` are used. They are removed once a read and not once a
    /// request: otherwise the cost of many small requests in one packet would grow with their square.
    used: usize,
    head_end: HeadEnd,
    /// The present request, if its head is complete and its body is not.
    pending: Option<Box<Pending>>,
    /// When the present request's first byte came; the time of accepting for the first one.
    started: Time,
    first: bool,
    /// TLS has not agreed on HTTP/2, so its preface is none.
    is_http1: bool,
    /// `input` holds bytes that were not parsed yet.
    unseen: bool,
    /// The proxy whose connection it is, if its requests come from clients that it names.
    pub(crate) proxy: Option<Peer>,
}

impl RequestReader {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            input: Vec::new(),
            used: 0,
            head_end: HeadEnd::new(),
            pending: None,
            started: now,
            first: true,
            is_http1: false,
            unseen: false,
            proxy: None,
        }
    }

    /// Whether the connection is kept between two requests. A connection without any request yet is
    /// not: its first one may be on its way.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_idle() && !self.first
    }

    /// Whether the first bytes tell the version of HTTP: no request has come yet, and TLS has not decided it.
    pub(crate) const fn may_be_http2(&self) -> bool {
        self.first && !self.is_http1
    }

    /// TLS has agreed on HTTP/1.1, or on nothing.
    pub(crate) const fn expect_http1(&mut self) {
        self.is_http1 = true;
    }

    /// The version of HTTP that the first bytes speak.
    pub(crate) fn sniff(&self) -> Sniffed {
        sniff(&self.input[self.used..])
    }

    /// Whether no request is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.used == self.input.len() && self.is_in_head()
    }

    /// Whether the next request's head is awaited, and no body.
    pub(crate) const fn is_in_head(&self) -> bool {
        self.pending.is_none()
    }

    /// Lends out the bytes that were received, and how many of them are used.
    pub(crate) fn take_input(&mut self) -> (Vec<u8>, usize) {
        (core::mem::take(&mut self.input), core::mem::take(&mut self.used))
    }

    /// Takes back what [`RequestReader::take_input`] lent, with so many bytes used.
    pub(crate) fn put_back(&mut self, input: Vec<u8>, used: usize) {
        (self.input, self.used) = (input, used);
    }

    /// The head of the request whose body is in progress.
    pub(crate) fn head(&self) -> Option<&[u8]> {
        self.pending.as_ref().map(|pending| &*pending.head)
    }

    /// Whether pipelined requests wait here. They are served in order. [rfc9112:9.3.2-in-order]
    pub(crate) fn has_leftover(&self) -> bool {
        self.unseen && self.used < self.input.len()
    }

    /// The clocks start afresh: the peer was not read from, or was busy taking earlier answers.
    pub(crate) fn restart(&mut self, now: Time) {
        self.started = now;
        if let Some(pending) = &mut self.pending {
            pending.since = now;
        }
    }

    /// Bytes that are here and not used.
    pub(crate) fn waiting(&self) -> usize {
        self.input.len() - self.used
    }

    /// How many bytes the next read may bring.
    pub(crate) fn read_bytes_max(&self) -> usize {
        let body = self.pending.as_ref().map_or(0, |pending| pending.missing());
        READ_BYTES_MAX.saturating_add(body)
    }

    /// Takes in bytes for later.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        self.input.drain(..core::mem::take(&mut self.used));
        self.input.extend_from_slice(bytes);
    }

    /// The present request is answered: the bytes behind it come next.
    pub(crate) fn go_on(&mut self, now: Time) {
        (self.started, self.unseen) = (now, true);
    }

    pub(crate) fn deadline(&self, heard: Time, limits: &Limits) -> (Time, Deadline) {
        match &self.pending {
            Some(pending) => (pending.since + limits.body_ms, Deadline::Body),
            None if self.first || !self.is_idle() => {
                (self.started + limits.head_ms, Deadline::Head)
            }
            None => (heard + limits.keep_alive_ms, Deadline::KeepAlive),
        }
    }

    /// Takes in what was read, if anything was.
    pub(crate) fn take_in(&mut self, bytes: &[u8], now: Time) {
        if self.is_idle() && !self.first {
            self.started = now;
        }
        if !bytes.is_empty() {
            self.keep(bytes);
        }
        self.unseen = false;
    }

    /// The next request's head, once it is complete.
    pub(crate) fn find_head<'b>(
        &mut self,
        bytes: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<ScannedHead<'b>>, Error> {
        let found = self.head_end.find_request(bytes, &limits.http)?;
        if found.is_some() {
            (self.head_end, self.first) = (HeadEnd::new(), false);
        }
        Ok(found)
    }

    /// Waits for a body whose head is here. `alone` says that no byte of the body has come with it.
    pub(crate) fn expect_body(
        &mut self,
        (head, bytes): (&RequestHead<'_, '_>, &[u8]),
        alone: bool,
        (now, limits): (Time, &Limits),
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let too_long =
            matches!(head.body(), BodyFraming::Length(len) if len > limits.body_bytes_max as u64);
        // RFC 9110 §10.1.1: a client that waits is told to go on, unless its body is here already.
        // A body that is too long is refused below instead.
        // [rfc9110:10.1.1-continue] [rfc9110:10.1.1-final-instead]
        if head.expect_continue() && alone && !too_long {
            Response::new(Status::CONTINUE).write(Body::Empty, out);
        }
        self.pending = Some(Box::new(Pending::new(bytes, head.body(), now)));
        // [rfc9110:15.5.14-content-too-large]
        if too_long { Err(Error::ContentLengthTooBig) } else { Ok(()) }
    }

    /// Takes the present request off, once its body is complete.
    pub(crate) fn take_body(&mut self, limits: &Limits) -> Result<Option<Box<Pending>>, Error> {
        let Some(pending) = &mut self.pending else { return Ok(None) };
        let mut input = &self.input[self.used..];
        let complete = pending.take(&mut input, limits.body_bytes_max)?;
        self.used = self.input.len() - input.len();
        Ok(if complete { self.pending.take() } else { None })
    }
}
