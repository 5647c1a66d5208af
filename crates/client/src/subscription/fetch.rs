//! Collects a whole HTTP answer before it is read.

use crate::exchange::{Exchange, head_lines, is_coded};
use crate::{Error, HubError, Limits, Refusal, Response};

/// A response and as much of its body as has come.
pub(crate) struct Fetch {
    exchange: Exchange,
    refusal_bytes_max: usize,
    body: Vec<u8>,
    bytes_max: usize,
    /// Whether anything of it has come.
    begun: bool,
    has_head: bool,
    /// The connection has ended, and that was the answer's end.
    cut: bool,
}

impl Fetch {
    /// The answer to a GET or POST request; both frame it alike.
    pub(crate) const fn new(limits: Limits, bytes_max: usize) -> Self {
        Self {
            exchange: Exchange::new("GET", limits),
            refusal_bytes_max: limits.refusal_bytes_max,
            body: Vec::new(),
            bytes_max,
            begun: false,
            has_head: false,
            cut: false,
        }
    }

    /// A response whose head has come.
    pub(super) fn behind(exchange: Exchange, limits: Limits) -> Self {
        let bytes_max = limits.refusal_bytes_max;
        Self { exchange, has_head: true, begun: true, ..Self::new(limits, bytes_max) }
    }

    /// Takes input; whether the whole answer is there.
    pub(crate) fn take(&mut self, input: &mut &mut [u8]) -> Result<bool, Error> {
        self.begun |= !input.is_empty();
        if !self.has_head {
            self.has_head = self.exchange.take_head(input)?;
        }
        let mut rest: &[u8] = input;
        while let Some(piece) = self.exchange.body(&mut rest)? {
            // [client:hub-bounds]
            let room = self.bytes_max - self.body.len();
            // What fits of a refusal is told, however it came.
            self.body.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() > room {
                return Err(Error::Hub(HubError::TooLarge));
            }
        }
        let left = rest.len();
        let taken = input.len() - left;
        *input = &mut core::mem::take(input)[taken..];
        Ok(self.is_whole())
    }

    fn is_whole(&self) -> bool {
        self.has_head && (self.exchange.is_over() || self.cut)
    }

    /// The connection has ended; whether the answer is whole by that.
    pub(crate) fn cut(&mut self) -> bool {
        self.cut |= self.has_head && self.exchange.at_eof() == Error::Ended;
        self.is_whole()
    }

    pub(crate) const fn has_head(&self) -> bool {
        self.has_head
    }

    pub(super) const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Status, whether the connection can be used again, and a header's value.
    pub(crate) fn head(&self) -> (u16, bool) {
        let keep_alive = !self.cut;
        self.exchange.with_head(|head| (head.status().code(), keep_alive && head.keep_alive()))
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.exchange
            .with_head(|head| head.headers().single(name).ok().flatten().map(str::to_owned))
    }

    /// Whether the body is in a coding, which nobody has asked for.
    pub(super) fn is_coded(&self) -> bool {
        self.exchange.with_head(is_coded)
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The answer itself.
    pub(crate) fn into_response(self) -> Response {
        let body = self.body;
        self.exchange.with_head(|head| Response {
            status: head.status(),
            headers: head_lines(head.headers()),
            body,
        })
    }

    /// The answer as one that was not asked for.
    pub(super) fn into_refusal(mut self) -> Refusal {
        self.body.truncate(self.refusal_bytes_max);
        let body = self.body;
        self.exchange.with_head(|head| Refusal {
            status: head.status(),
            headers: head_lines(head.headers()),
            body,
        })
    }
}
