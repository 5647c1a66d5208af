//! The body of a request, which comes in one piece with its head or in parts.

use sockeye_http1::{BodyFraming, Error, chunked};
use sockeye_reactor::Time;

/// A request whose head is complete and whose body is not.
pub(crate) struct Pending {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    rest: Rest,
    pub(crate) since: Time,
}

impl Pending {
    pub(crate) fn new(head: &[u8], framing: BodyFraming, now: Time) -> Self {
        let rest = match framing {
            BodyFraming::None => Rest::Bytes(0),
            BodyFraming::Length(len) => Rest::Bytes(len),
            BodyFraming::Chunked => Rest::Chunks(chunked::Decoder::new(chunked::Limits::DEFAULT)),
        };
        Self { head: head.to_vec(), body: Vec::new(), rest, since: now }
    }

    /// Bytes of the body that have not come, if its length is known.
    pub(crate) fn missing(&self) -> usize {
        match &self.rest {
            Rest::Bytes(rest) => usize::try_from(*rest).unwrap_or(usize::MAX),
            Rest::Chunks(_) => 0,
        }
    }

    /// Takes the bytes of the body off `input`. Returns true once the body is complete. It holds no more
    /// memory than for bytes that have arrived.
    pub(crate) fn take(&mut self, input: &mut &[u8], bytes_max: usize) -> Result<bool, Error> {
        match &mut self.rest {
            Rest::Bytes(rest) => {
                let len = usize::try_from(*rest).unwrap_or(usize::MAX).min(input.len());
                let (bytes, after) = input.split_at(len);
                self.body.extend_from_slice(bytes);
                *input = after;
                *rest -= len as u64;
                Ok(*rest == 0)
            }
            Rest::Chunks(decoder) => {
                while let Some(event) = decoder.next(input)? {
                    match event {
                        chunked::Event::End => return Ok(true),
                        chunked::Event::Data(data) => {
                            if self.body.len() + data.len() > bytes_max {
                                return Err(Error::ContentLengthTooBig);
                            }
                            self.body.extend_from_slice(data);
                        }
                    }
                }
                Ok(false)
            }
        }
    }
}

/// The part of a body that is missing.
enum Rest {
    Bytes(u64),
    Chunks(chunked::Decoder),
}

/// The body of a request, if it is complete, in one piece (so not chunked) and within the bound.
pub(crate) fn whole_body(framing: BodyFraming, rest: &[u8], bytes_max: usize) -> Option<&[u8]> {
    let len = match framing {
        BodyFraming::None => 0,
        BodyFraming::Length(len) => usize::try_from(len).ok().filter(|len| *len <= bytes_max)?,
        BodyFraming::Chunked => return None,
    };
    rest.get(..len)
}
