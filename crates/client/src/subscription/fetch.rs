//! The collector of a whole HTTP answer: a poll's, a probe's, or that of a request.

use crate::exchange::{Exchange, is_coded};
use crate::{Error, HubError, Limits, Refusal};

/// A response, with the part of its body that has come.
pub(crate) struct Fetch {
    exchange: Exchange,
    body: Vec<u8>,
    bytes_max: usize,
    /// Whether the answer ended with its connection.
    cut: bool,
}

impl Fetch {
    /// The answer to a GET or POST request; both frame it alike.
    pub(crate) const fn new(limits: Limits, bytes_max: usize) -> Self {
        Self { exchange: Exchange::new("GET", limits), body: Vec::new(), bytes_max, cut: false }
    }

    /// Takes input; true once the whole answer is there.
    pub(crate) fn take(&mut self, input: &mut &mut [u8]) -> Result<bool, Error> {
        self.exchange.take_head(input)?;
        let mut rest: &[u8] = input;
        while let Some(piece) = self.exchange.body(&mut rest)? {
            // [client:hub-bounds]
            let room = self.bytes_max - self.body.len();
            // A refusal keeps the part that fits, however the body was cut into pieces.
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

    const fn is_whole(&self) -> bool {
        self.exchange.is_over() || self.cut
    }

    /// Takes the end of the connection; true if the answer is whole by it.
    pub(crate) fn cut(&mut self) -> bool {
        self.cut |= self.exchange.at_eof() == Error::Ended;
        self.is_whole()
    }

    pub(crate) const fn has_head(&self) -> bool {
        self.exchange.has_head()
    }

    pub(super) const fn is_begun(&self) -> bool {
        self.exchange.is_begun()
    }

    /// Returns the status, and whether the connection can be used again.
    pub(crate) fn head(&self) -> (u16, bool) {
        let keep_alive = !self.cut;
        self.exchange.with_head(|head| (head.status().code(), keep_alive && head.keep_alive()))
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.exchange
            .with_head(|head| head.headers().single(name).ok().flatten().map(str::to_owned))
    }

    /// Whether the body has a content coding, which the client never asks for.
    pub(super) fn is_coded(&self) -> bool {
        self.exchange.with_head(is_coded)
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The answer as a refusal.
    pub(crate) fn into_refusal(self) -> Box<Refusal> {
        self.exchange.refusal(self.body)
    }
}
