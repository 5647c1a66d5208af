//! The reader of one HTTP response: its interim responses, its head, and its body in pieces.

use sockeye_http1::chunked::{Decoder, Event as Chunk};
use sockeye_http1::{HeadEnd, HeaderStorage, ResponseFraming, ResponseHead};

use crate::{Error, Limits, Refusal, headers};

/// Reads one response: skips interim responses, gives the final head whole and the body in pieces.
///
/// It leaves the input behind the response for the next reader of the same connection.
///
/// ```text
/// head ── interim: the next head ──┐
///  │ ▲─────────────────────────────┘
///  └─ final ──► body ── its end, or the connection's ──► over
/// ```
pub struct Exchange {
    method: &'static str,
    limits: Limits,
    head: Vec<u8>,
    end: HeadEnd,
    interim: u8,
    body: Body,
}

enum Body {
    /// The head has not come yet.
    Ahead,
    None,
    Length(u64),
    Chunked(Decoder),
    UntilClose,
    Over,
}

impl Exchange {
    /// The response to a request with this method.
    pub const fn new(method: &'static str, limits: Limits) -> Self {
        Self {
            method,
            limits,
            head: Vec::new(),
            end: HeadEnd::for_response(),
            interim: 0,
            body: Body::Ahead,
        }
    }

    /// Takes input until the final head is there; true once it is.
    ///
    /// # Errors
    /// The mistake of the server: no HTTP, a head over its limits, too many interim responses.
    pub fn take_head(&mut self, input: &mut &mut [u8]) -> Result<bool, Error> {
        while matches!(self.body, Body::Ahead) {
            if !self.take_one_head(input)? {
                return Ok(false);
            }
            let mut storage = HeaderStorage::new();
            let head = ResponseHead::parse(&self.head, &mut storage, &self.limits.head)?;
            let code = head.status().code();
            if (100..200).contains(&code) && code != 101 {
                if self.interim == self.limits.interim_responses_max {
                    return Err(Error::InterimResponses);
                }
                self.interim += 1;
                self.head.clear();
                self.end = HeadEnd::for_response();
                continue;
            }
            self.body = match head.body(self.method) {
                ResponseFraming::None => Body::None,
                ResponseFraming::Length(length) => Body::Length(length),
                ResponseFraming::Chunked => Body::Chunked(Decoder::new(self.limits.chunked)),
                ResponseFraming::UntilClose => Body::UntilClose,
            };
        }
        Ok(true)
    }

    /// Appends input to the head up to its end, and not a byte further.
    fn take_one_head(&mut self, input: &mut &mut [u8]) -> Result<bool, Error> {
        let held = self.head.len();
        // No more than a head may have, whatever came with it.
        let room = self.limits.head.head_bytes_max.saturating_sub(held).min(input.len());
        self.head.extend_from_slice(&input[..room]);
        let found = self.end.find(&self.head, &self.limits.head)?;
        let used = found.map_or(room, |len| len - held);
        self.head.truncate(held + used);
        *input = &mut core::mem::take(input)[used..];
        Ok(found.is_some())
    }

    /// Lends the final head to `read`.
    ///
    /// # Panics
    /// Before [`take_head`](Self::take_head) returned `true`.
    pub fn with_head<R>(&self, read: impl FnOnce(&ResponseHead<'_, '_>) -> R) -> R {
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(&self.head, &mut storage, &self.limits.head);
        read(&head.expect("the head was parsed when it was complete"))
    }

    /// The next piece of the body, behind its head. `None`: all input is taken, or the body is over.
    ///
    /// # Errors
    /// [`Error::Http`] for invalid chunks.
    pub fn body<'b>(&mut self, input: &mut &'b [u8]) -> Result<Option<&'b [u8]>, Error> {
        match &mut self.body {
            Body::Ahead | Body::Over => return Ok(None),
            Body::None | Body::Length(0) => self.body = Body::Over,
            Body::UntilClose => return Ok(take(input, usize::MAX)),
            Body::Length(rest) => {
                let piece = take(input, usize::try_from(*rest).unwrap_or(usize::MAX));
                *rest -= piece.map_or(0, <[u8]>::len) as u64;
                return Ok(piece);
            }
            Body::Chunked(decoder) => match decoder.next(input)? {
                Some(Chunk::Data(data)) => return Ok(Some(data)),
                Some(Chunk::End) => self.body = Body::Over,
                None => {}
            },
        }
        Ok(None)
    }

    /// Whether the response has come to its end by what it said of its length.
    pub const fn is_over(&self) -> bool {
        matches!(self.body, Body::Over | Body::None | Body::Length(0))
    }

    /// The error to report if the connection ends now.
    pub const fn at_eof(&self) -> Error {
        match self.body {
            Body::Over | Body::None | Body::Length(0) | Body::UntilClose => Error::Ended,
            Body::Ahead | Body::Length(_) | Body::Chunked(_) => Error::Truncated,
        }
    }

    /// Whether the final head has come.
    #[cfg(feature = "hub")]
    pub(crate) const fn has_head(&self) -> bool {
        !matches!(self.body, Body::Ahead)
    }

    /// Whether any byte has come.
    #[cfg(feature = "hub")]
    pub(crate) const fn is_begun(&self) -> bool {
        self.interim > 0 || !self.head.is_empty()
    }

    /// Makes a refusal of the response and the beginning of its body.
    pub(crate) fn refusal(&self, mut body: Vec<u8>) -> Box<Refusal> {
        body.truncate(self.limits.refusal_bytes_max);
        self.with_head(|head| {
            let headers = headers::of_head(head.headers());
            Box::new(Refusal { status: head.status(), headers, body })
        })
    }

    /// Appends the next part of a refusal's body to `kept`; true once that is all to keep.
    pub(crate) fn gather(&mut self, kept: &mut Vec<u8>, input: &mut &mut [u8]) -> bool {
        let mut rest: &[u8] = &*core::mem::take(input);
        loop {
            match self.body(&mut rest) {
                Ok(Some(piece)) => {
                    let room = self.limits.refusal_bytes_max - kept.len();
                    kept.extend_from_slice(&piece[..piece.len().min(room)]);
                }
                Ok(None) => break,
                // The refusal is worth reporting with the part of the body that came before the error.
                Err(_) => return true,
            }
        }
        self.is_over() || kept.len() == self.limits.refusal_bytes_max
    }
}

/// How long a client waits for the body of a refusal, in milliseconds. It is short, because the status says the most.
pub(crate) const REFUSAL_MS: u64 = 3_000;

/// Whether the body has a content coding. The client asks for none, and decodes none.
pub(crate) fn is_coded(head: &ResponseHead<'_, '_>) -> bool {
    let mut codings = head.headers().tokens("content-encoding");
    codings.any(|coding| !coding.eq_ignore_ascii_case("identity"))
}

/// Takes at most `max` bytes off the front; `None` if there is nothing to take.
fn take<'b>(input: &mut &'b [u8], max: usize) -> Option<&'b [u8]> {
    let (piece, rest) = input.split_at(input.len().min(max));
    *input = rest;
    if piece.is_empty() { None } else { Some(piece) }
}

#[cfg(test)]
#[path = "exchange/tests.rs"]
mod tests;
