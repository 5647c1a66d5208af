//! The data message that is arriving: sequence, limits, UTF-8 (RFC 6455 §5.4, §8.1, §10.4).

use sockeye_frame::{Chunk, Header, Opcode, Rsv, Utf8Validator};

use crate::{Kind, Limits, Message, Piece, ProtocolError};

/// Counters and flags of a partial message. It holds none of its bytes.
#[derive(Debug)]
pub(crate) struct Incoming {
    bytes: u64,
    bytes_max: u64,
    fragments: u32,
    fragments_max: u32,
    overhead: u32,
    overhead_max: u32,
    /// Is between two characters whenever there is no partial text, so it needs no reset.
    utf8: Utf8Validator,
    phase: Phase,
    compressed: bool,
    /// The header of the frame under way has been checked.
    announced: bool,
}

/// The data frame that has to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first of a message.
    Idle,
    /// A continuation of a message of this kind.
    UnderWay(Kind),
}

impl Incoming {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            bytes: 0,
            bytes_max: limits.message_bytes_max,
            fragments: 0,
            fragments_max: limits.fragments_max,
            overhead: 0,
            overhead_max: limits.overhead_bytes_max,
            utf8: Utf8Validator::new(),
            phase: Phase::Idle,
            compressed: false,
            announced: false,
        }
    }

    pub(crate) const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    pub(crate) const fn is_under_way(&self) -> bool {
        match self.phase {
            Phase::Idle => false,
            Phase::UnderWay(_) => true,
        }
    }

    /// Checks the header of a data frame before its payload arrives.
    pub(crate) fn announce(&mut self, header: &Header) -> Result<(), ProtocolError> {
        if self.announced {
            return Ok(());
        }
        self.announced = true;
        match (self.phase, header.opcode) {
            (Phase::Idle, Opcode::Text) => self.start(Kind::Text, header),
            (Phase::Idle, Opcode::Binary) => self.start(Kind::Binary, header),
            // [rfc6455:5.4-continuation-needs-start]
            (Phase::Idle, Opcode::Continuation) => return Err(ProtocolError::NothingToContinue),
            (Phase::UnderWay(_), Opcode::Continuation) => return self.count(header),
            // [rfc6455:5.4-no-interleaving]
            (Phase::UnderWay(_), Opcode::Text | Opcode::Binary) => {
                return Err(ProtocolError::MessageInterrupted);
            }
            // RFC 6455 §5.4: control frames may stand between fragments and change nothing.
            // [rfc6455:5.4-control-between-fragments]
            (Phase::Idle | Phase::UnderWay(_), Opcode::Close | Opcode::Ping | Opcode::Pong) => {
                self.announced = false;
            }
        }
        Ok(())
    }

    fn start(&mut self, kind: Kind, header: &Header) {
        self.phase = Phase::UnderWay(kind);
        self.compressed = header.rsv.contains(Rsv::RSV1);
        self.bytes = header.payload_len;
        self.fragments = 1;
        self.overhead = header_len(header);
    }

    /// Counts a continuation frame against the message's limits.
    fn count(&mut self, header: &Header) -> Result<(), ProtocolError> {
        self.bytes = self.bytes.saturating_add(header.payload_len);
        self.fragments = self.fragments.saturating_add(1);
        self.overhead = self.overhead.saturating_add(header_len(header));
        if self.bytes > self.bytes_max {
            // [rfc6455:10.4-message-limit]
            Err(ProtocolError::MessageTooBig)
        } else if self.fragments > self.fragments_max {
            // Empty fragments are legal and cost the peer little: they are counted.
            // [rfc6455:10.4-fragment-limit]
            Err(ProtocolError::TooManyFragments)
        } else if self.overhead > self.overhead_max {
            // [rfc6455:10.4-overhead-limit]
            Err(ProtocolError::TooMuchOverhead)
        } else {
            Ok(())
        }
    }

    /// Whether a chunk is a whole message that needs no state: one uncompressed frame that lies in the
    /// input from end to end.
    #[inline]
    pub(crate) fn is_whole_message(&self, chunk: &Chunk<'_>) -> bool {
        let header = &chunk.header;
        let is_data = match header.opcode {
            Opcode::Text | Opcode::Binary => true,
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => false,
        };
        is_data
            && header.fin
            && header.rsv == Rsv::NONE
            && chunk.payload.len() as u64 == header.payload_len
            && self.phase == Phase::Idle
    }

    /// Takes the next chunk of a data frame.
    pub(crate) fn take<'b>(&mut self, chunk: Chunk<'b>) -> Result<Piece<'b>, ProtocolError> {
        let (chunk_first, frame_ends) = (chunk.is_first(), chunk.is_last());
        let Chunk { header, payload, offset: _ } = chunk;
        self.announce(&header)?;
        let Phase::UnderWay(kind) = self.phase else {
            // `announce` starts a message or refuses the frame.
            return Err(ProtocolError::NothingToContinue);
        };
        let first = chunk_first && header.opcode != Opcode::Continuation;
        let last = frame_ends && header.fin;
        if kind == Kind::Text && !self.compressed {
            // Fails at the first impossible byte, inside a frame if need be, but lets a frame end
            // inside a character. [rfc6455:8.1-utf8-message] [rfc6455:5.6-utf8-across-fragments]
            self.utf8.push(payload).map_err(|_| ProtocolError::InvalidUtf8)?;
            if last && !self.utf8.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        self.announced = !frame_ends;
        if last {
            self.phase = Phase::Idle;
        }
        Ok(Piece { kind, first, last, compressed: self.compressed, payload })
    }
}

/// Types the payload of a message that lies in the input as a whole.
#[inline]
pub(crate) fn message(opcode: Opcode, payload: &[u8]) -> Result<Message<'_>, ProtocolError> {
    if opcode != Opcode::Text {
        return Ok(Message::Binary(payload));
    }
    match Utf8Validator::check(payload) {
        Ok(text) => Ok(Message::Text(text)),
        // [rfc6455:8.1-utf8-message]
        Err(_) => Err(ProtocolError::InvalidUtf8),
    }
}

/// The length of a header on the wire, in bytes: there is one encoding that a decoder accepts.
fn header_len(header: &Header) -> u32 {
    u32::try_from(header.encode().len()).unwrap_or(u32::MAX)
}
