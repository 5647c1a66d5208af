//! What a connection carries machines by: HTTP/1.1 for one, or HTTP/2 for many.

use crate::Error;
use crate::http2::{FRAME_BYTES_MAX, LaneEnd, LaneId, Multiplex, OUT_BYTES};

/// The protocol of a connection, with its bytes on the way.
pub(super) enum Carrier {
    Http1(Http1),
    Http2(Box<Multiplex>),
}

/// A connection of HTTP/1.1. It has one lane, [`LaneId::FIRST`].
#[derive(Default)]
pub(super) struct Http1 {
    input: Vec<u8>,
    taken: usize,
    out: Vec<u8>,
    /// The end of the connection, behind the input.
    end: Option<Error>,
}

impl Carrier {
    pub(super) const fn http1(&self) -> Option<&Http1> {
        match self {
            Self::Http1(http1) => Some(http1),
            Self::Http2(_) => None,
        }
    }

    pub(super) fn http2(&mut self) -> Option<&mut Multiplex> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(http2) => Some(http2),
        }
    }

    pub(super) fn open_lane(&mut self) -> LaneId {
        match self {
            Self::Http1(_) => LaneId::FIRST,
            Self::Http2(http2) => http2.open_lane(),
        }
    }

    pub(super) fn close_lane(&mut self, lane: LaneId) {
        if let Self::Http2(http2) = self {
            http2.close_lane(lane);
        }
    }

    /// The input of a lane that its machine has not taken.
    pub(super) fn input(&mut self, lane: LaneId) -> &mut [u8] {
        match self {
            Self::Http1(http1) => &mut http1.input[http1.taken..],
            Self::Http2(http2) => http2.input(lane),
        }
    }

    /// The machine has taken `len` bytes of its lane's input.
    pub(super) fn took(&mut self, lane: LaneId, len: usize) {
        match self {
            Self::Http1(http1) => http1.took(len),
            Self::Http2(http2) => http2.took(lane, len),
        }
    }

    /// The end of a lane, once all its input is taken.
    pub(super) fn take_end(&mut self, lane: LaneId) -> Option<LaneEnd> {
        match self {
            Self::Http1(http1) if http1.has_input() => None,
            Self::Http1(http1) => http1.end.take().map(LaneEnd::Lost),
            Self::Http2(http2) => http2.take_end(lane),
        }
    }

    /// Takes a part of what a machine sends; returns its length, 0 if nothing can be sent now.
    pub(super) fn send(&mut self, lane: LaneId, bytes: &[u8]) -> usize {
        match self {
            Self::Http1(http1) => http1.send(bytes),
            Self::Http2(http2) => http2.send(lane, bytes),
        }
    }

    /// Takes bytes of the server.
    pub(super) fn receive(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Http1(http1) => {
                http1.input.extend_from_slice(bytes);
                Ok(())
            }
            Self::Http2(http2) => http2.receive(bytes),
        }
    }

    /// The connection has ended.
    pub(super) fn lose(&mut self, why: &Error) {
        match self {
            Self::Http1(http1) => http1.end = Some(why.clone()),
            Self::Http2(http2) => http2.lose(why),
        }
    }

    /// The bytes to write.
    pub(super) const fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Http1(http1) => &mut http1.out,
            Self::Http2(http2) => http2.out(),
        }
    }

    /// Everything is written.
    pub(super) const fn output_sent(&mut self) {
        if let Self::Http2(http2) = self {
            http2.output_sent();
        }
    }
}

impl Http1 {
    pub(super) fn has_input(&self) -> bool {
        self.taken < self.input.len()
    }

    fn took(&mut self, len: usize) {
        self.taken += len;
        if !self.has_input() {
            self.taken = 0;
            self.input.clear();
        }
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        let len = if self.out.len() < OUT_BYTES { bytes.len().min(FRAME_BYTES_MAX) } else { 0 };
        self.out.extend_from_slice(&bytes[..len]);
        len
    }
}
