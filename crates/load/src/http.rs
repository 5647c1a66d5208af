//! Heads and bodies of answers.

use sockeye_http::HeaderError;
use sockeye_http1::{
    Error, HeadEnd, HeaderStorage, Limits, ResponseFraming, ResponseHead, chunked,
};

use super::fault::Fault;
use super::wire::{Ear, Heard};

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Http(error.to_string())
    }
}

impl From<HeaderError> for Fault {
    fn from(error: HeaderError) -> Self {
        Self::Http(error.to_string())
    }
}

/// Gathers a response's head.
#[derive(Default)]
pub(super) struct HeadReader {
    bytes: Vec<u8>,
    end: HeadEnd,
}

impl HeadReader {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), end: HeadEnd::for_response() }
    }

    /// Takes input up to the end of the head, and gives the head when it is whole. What lies behind it
    /// is left in `input`.
    pub(super) fn read(&mut self, input: &mut &mut [u8]) -> Result<Option<Vec<u8>>, Fault> {
        let taken = core::mem::take(input);
        self.bytes.extend_from_slice(taken);
        let Some(len) = self.end.find(&self.bytes, &Limits::DEFAULT)? else { return Ok(None) };
        let behind = self.bytes.len() - len;
        let used = taken.len() - behind;
        *input = &mut taken[used..];
        let mut head = core::mem::take(self).bytes;
        head.truncate(len);
        self.end = HeadEnd::for_response();
        Ok(Some(head))
    }
}

/// The answers on a connection that carries requests.
pub(super) struct Answers {
    head: HeadReader,
    body: Body,
}

enum Body {
    /// Not begun: a head is expected.
    None,
    Length(u64, u16),
    Chunked(chunked::Decoder, u16),
}

impl Answers {
    pub(super) fn new() -> Self {
        Self { head: HeadReader::new(), body: Body::None }
    }

    /// Tells of each answer once it is whole.
    pub(super) fn receive(
        &mut self,
        mut input: &mut [u8],
        hear: &mut impl Ear,
    ) -> Result<(), Fault> {
        while !input.is_empty() {
            let done = match &mut self.body {
                Body::None => {
                    let Some(head) = self.head.read(&mut input)? else { return Ok(()) };
                    self.body = begin(&head)?;
                    if let Body::Length(0, status) = self.body { Some(status) } else { None }
                }
                Body::Length(rest, status) => {
                    let len = usize::try_from(*rest).unwrap_or(usize::MAX).min(input.len());
                    *rest -= len as u64;
                    input = &mut core::mem::take(&mut input)[len..];
                    (*rest == 0).then_some(*status)
                }
                Body::Chunked(decoder, status) => {
                    let taken = core::mem::take(&mut input);
                    let mut left = &*taken;
                    let mut ended = false;
                    while let Some(event) = decoder.next(&mut left)? {
                        ended |= matches!(event, chunked::Event::End);
                    }
                    let used = taken.len() - left.len();
                    input = &mut taken[used..];
                    ended.then_some(*status)
                }
            };
            if let Some(status) = done {
                self.body = Body::None;
                hear(Heard::Answer(status))?;
            }
        }
        Ok(())
    }
}

fn begin(head: &[u8]) -> Result<Body, Fault> {
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(head, &mut storage, &Limits::DEFAULT)?;
    let status = head.status();
    if status.is_informational() {
        return Ok(Body::None);
    }
    match head.body("POST") {
        ResponseFraming::None => Ok(Body::Length(0, status.code())),
        ResponseFraming::Length(len) => Ok(Body::Length(len, status.code())),
        ResponseFraming::Chunked => {
            Ok(Body::Chunked(chunked::Decoder::new(chunked::Limits::DEFAULT), status.code()))
        }
        ResponseFraming::UntilClose => Err(Fault::Status(status.code())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_wherever_they_are_cut() {
        let wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc\
            HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 429 Slow\r\nTransfer-Encoding: chunked\r\n\r\n\
            2\r\nok\r\n0\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
        for size in 1..wire.len() {
            let (mut answers, mut heard) = (Answers::new(), Vec::new());
            for piece in wire.chunks(size) {
                let mut hear = |what: Heard<'_>| {
                    heard.push(format!("{what:?}"));
                    Ok(())
                };
                answers.receive(&mut piece.to_vec(), &mut hear).expect("legal answers");
            }
            assert_eq!(heard, ["Answer(200)", "Answer(204)", "Answer(429)", "Answer(201)"]);
        }
    }
}
