//! Parses the answers to HTTP requests on one connection.

use sockeye_client::sans_io::Exchange;
use sockeye_client::{Error, Limits};
use sockeye_http::HeaderError;
use sockeye_http1::ResponseFraming;

use super::fault::Fault;
use super::wire::{Answer, Ear, Heard};

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
    exchange: Exchange,
    body: Vec<u8>,
}

impl Answers {
    pub(super) const fn new() -> Self {
        Self { exchange: new_exchange(), body: Vec::new() }
    }

    /// Tells of each answer once it is whole.
    pub(super) fn receive(
        &mut self,
        mut input: &mut [u8],
        hear: &mut impl Ear,
    ) -> Result<(), Fault> {
        while self.exchange.take_head(&mut input)? {
            let (status, framing) =
                self.exchange.with_head(|head| (head.status().code(), head.body("POST")));
            if framing == ResponseFraming::UntilClose {
                return Err(Fault::Status(status));
            }
            let mut rest = &*input;
            while let Some(piece) = self.exchange.body(&mut rest)? {
                self.body.extend_from_slice(piece);
            }
            let used = input.len() - rest.len();
            input = &mut core::mem::take(&mut input)[used..];
            if !self.exchange.is_over() {
                return Ok(());
            }
            let (exchange, body) =
                (core::mem::replace(&mut self.exchange, new_exchange()), &self.body);
            exchange.with_head(|head| hear(Heard::Answer(Answer { status, head, body })))?;
            self.body.clear();
        }
        Ok(())
    }
}

const fn new_exchange() -> Exchange {
    Exchange::new("POST", Limits::DEFAULT)
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
                    if let Heard::Answer(answer) = what {
                        heard.push((
                            answer.status,
                            String::from_utf8_lossy(answer.body).into_owned(),
                        ));
                    }
                    Ok(())
                };
                answers.receive(&mut piece.to_vec(), &mut hear).expect("legal answers");
            }
            let expected = [(200, "abc"), (204, ""), (429, "ok"), (201, "")];
            assert_eq!(heard, expected.map(|(status, body)| (status, body.to_owned())));
        }
    }
}
