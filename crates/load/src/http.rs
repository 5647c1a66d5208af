//! Parses the answers to HTTP requests on one connection.

use sockeye_client::sans_io::Exchange;
use sockeye_client::{Error, Limits};
use sockeye_http::HeaderError;
use sockeye_http1::ResponseFraming;

use super::fault::Fault;
use super::wire::{Ear, Heard};

impl From<sockeye_http1::Error> for Fault {
    fn from(error: sockeye_http1::Error) -> Self {
        Self::Http(error.to_string())
    }
}

impl From<HeaderError> for Fault {
    fn from(error: HeaderError) -> Self {
        Self::Http(error.to_string())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Http(match error {
            Error::Http(error) => error.to_string(),
            error => error.to_string(),
        })
    }
}

/// The answers on a connection that carries requests.
pub(super) struct Answers {
    answer: Exchange,
}

impl Answers {
    pub(super) const fn new() -> Self {
        Self { answer: Exchange::new("POST", Limits::DEFAULT) }
    }

    /// Tells of each answer once it is whole.
    pub(super) fn receive(
        &mut self,
        mut input: &mut [u8],
        hear: &mut impl Ear,
    ) -> Result<(), Fault> {
        while self.answer.take_head(&mut input)? {
            let (status, framing) =
                self.answer.with_head(|head| (head.status().code(), head.body("POST")));
            if framing == ResponseFraming::UntilClose {
                return Err(Fault::Status(status));
            }
            let mut rest = &*input;
            while self.answer.body(&mut rest)?.is_some() {}
            let used = input.len() - rest.len();
            input = &mut core::mem::take(&mut input)[used..];
            if !self.answer.is_over() {
                return Ok(());
            }
            *self = Self::new();
            hear(Heard::Answer(status))?;
        }
        Ok(())
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
