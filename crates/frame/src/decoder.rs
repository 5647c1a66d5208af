//! The incremental decoder: bytes in, chunks of unmasked payload out, nothing copied.

use core::fmt;

use crate::mask::move_unmasked;
use crate::{Error, Header, HeaderBytes, Opcode, Role, Rsv, apply_mask};

/// The rules that a connection applies to its peer's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Our role. It decides whether the peer's frames must be masked.
    pub role: Role,
    /// The reserved bits that negotiated extensions claim. They are legal on Text and Binary
    /// frames only, never on a continuation or a control frame.
    pub rsv: Rsv,
    /// The longest data frame in bytes. Control frames have the protocol's own bound of 125.
    pub payload_len_max: u64,
}

impl Rules {
    #[inline]
    pub(crate) fn check_rsv(&self, rsv: Rsv, opcode: Opcode) -> Result<(), Error> {
        let claimed = match opcode {
            Opcode::Text | Opcode::Binary => self.rsv,
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => Rsv::NONE,
        };
        if claimed.contains(rsv) {
            Ok(())
        } else {
            // [rfc6455:5.2-rsv-zero]
            Err(Error::ReservedBits)
        }
    }

    #[inline]
    pub(crate) const fn check_mask(&self, masked: bool) -> Result<(), Error> {
        match (self.role, masked) {
            (Role::Server, true) | (Role::Client, false) => Ok(()),
            // [rfc6455:5.1-client-masks]
            (Role::Server, false) => Err(Error::MaskMissing),
            // [rfc6455:5.1-server-does-not-mask]
            (Role::Client, true) => Err(Error::MaskUnexpected),
        }
    }

    #[inline]
    pub(crate) const fn check_len(&self, payload_len: u64, opcode: Opcode) -> Result<(), Error> {
        if payload_len > self.payload_len_max && !opcode.is_control() {
            // [rfc6455:10.4-frame-limit]
            return Err(Error::FrameTooBig);
        }
        Ok(())
    }
}

/// A part of a frame's payload, unmasked, in the caller's own buffer.
#[derive(PartialEq, Eq)]
pub struct Chunk<'b> {
    /// The header of the frame, the same on each of its chunks.
    pub header: Header,
    /// Where in the frame's payload this chunk begins, in bytes.
    pub offset: u64,
    /// The payload bytes; empty only when the whole frame is.
    pub payload: &'b mut [u8],
}

impl Chunk<'_> {
    /// Whether the frame begins with this chunk.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.offset == 0
    }

    /// Whether the frame ends with this chunk.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.offset.saturating_add(self.payload.len() as u64) >= self.header.payload_len
    }
}

/// Omits the payload: its bytes belong in no log.
impl fmt::Debug for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("header", &self.header)
            .field("offset", &self.offset)
            .field("len", &self.payload.len())
            .finish()
    }
}

/// A frame, or the beginning of one, whose payload was moved to the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// The header of the frame.
    pub header: Header,
    /// So many bytes of payload are at the front of the input.
    pub payload_len: usize,
    /// So many bytes of the input are used up, the header among them.
    pub taken_len: usize,
}

/// Splits a peer's bytes into frames. The bytes may arrive in any pieces.
#[derive(Clone, Debug)]
pub struct Decoder {
    rules: Rules,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Boundary,
    /// The bytes of a header that has not fully arrived.
    Header(HeaderBytes),
    Payload {
        header: Header,
        offset: u64,
    },
    Failed(Error),
}

impl Decoder {
    /// A decoder at the start of a peer's first frame.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self { rules, state: State::Boundary }
    }

    /// Takes the next chunk off the front of `input`, or all of `input` and `None`.
    ///
    /// # Errors
    ///
    /// The first violation on the wire, with the rest of `input` discarded; every later call
    /// returns the same error.
    #[inline(always)]
    pub fn next<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Chunk<'b>>, Error> {
        match self.next_usual(input) {
            Some(frame) => Ok(Some(frame)),
            None if input.is_empty() && self.at_boundary() => Ok(None),
            None => self.next_part(input),
        }
    }

    /// Takes the next frame off the front of `input` if it is the usual one: an unfragmented data
    /// frame below 64 KiB without reserved bits that breaks no rule and lies in `input` from end to
    /// end.
    ///
    /// Returns `None` otherwise, and takes nothing. [`next`](Self::next) calls this first, and handles
    /// every other frame.
    #[inline(always)]
    pub fn next_usual<'b>(&self, input: &mut &'b mut [u8]) -> Option<Chunk<'b>> {
        if !self.at_boundary() {
            return None;
        }
        let (header, len) = Header::decode_usual(input, &self.rules)?;
        let frame_len = usize::try_from(header.payload_len).ok()?.saturating_add(len);
        let (_, payload) = input.split_off_mut(..frame_len)?.split_at_mut_checked(len)?;
        if let Some(key) = header.mask {
            apply_mask(payload, key, 0);
        }
        Some(Chunk { header, offset: 0, payload })
    }

    /// Takes a data frame at the front of `input`, or as much of it as there is: moves its payload to the front, unmasked, in one
    /// pass over the header. What is behind the frame stays where it is.
    ///
    /// Returns `None` for anything else, as a frame that breaks a rule, and takes nothing: [`next`](Self::next) handles it.
    /// It is meant for large frames whose buffer becomes the message.
    ///
    /// # Examples
    ///
    /// ```
    /// use sockeye_frame::{Decoder, Role, Rsv, Rules};
    ///
    /// let rules = Rules { role: Role::Client, rsv: Rsv::NONE, payload_len_max: 1 << 20 };
    /// let mut bytes = *b"\x82\x05Hello\x81";
    /// let front = Decoder::new(rules).next_to_front(&mut bytes).unwrap();
    /// assert_eq!((&bytes[..front.payload_len], &bytes[front.taken_len..]), (&b"Hello"[..], &b"\x81"[..]));
    /// ```
    pub fn next_to_front(&mut self, input: &mut [u8]) -> Option<Front> {
        if !self.at_boundary() {
            return None;
        }
        let (header, header_len) = Header::decode_under(input, Some(&self.rules)).ok()??;
        match header.opcode {
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {}
            Opcode::Close | Opcode::Ping | Opcode::Pong => return None,
        }
        let frame_len = header.payload_len.saturating_add(header_len as u64);
        let taken_len = usize::try_from(frame_len).map_or(input.len(), |len| len.min(input.len()));
        let payload_len = taken_len.saturating_sub(header_len);
        let taken = input.get_mut(..taken_len)?;
        match header.mask {
            Some(key) => move_unmasked(taken, header_len, key),
            None => taken.copy_within(header_len.., 0),
        }
        if (payload_len as u64) < header.payload_len {
            self.state = State::Payload { header, offset: payload_len as u64 };
        }
        Some(Front { header, payload_len, taken_len })
    }

    /// Whether the input so far ends between two frames, so that an end of the stream here
    /// truncates none.
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        matches!(self.state, State::Boundary)
    }

    /// The header of the frame whose payload is still to come, in whole or in part.
    #[must_use]
    pub const fn header(&self) -> Option<Header> {
        match self.state {
            State::Payload { header, .. } => Some(header),
            State::Boundary | State::Header(_) | State::Failed(_) => None,
        }
    }

    /// The missing bytes of a partial payload; none at a boundary or inside a header.
    #[must_use]
    pub const fn payload_missing(&self) -> u64 {
        match self.state {
            State::Payload { header, offset } => header.payload_len.saturating_sub(offset),
            State::Boundary | State::Header(_) | State::Failed(_) => 0,
        }
    }

    /// Takes the next part of a frame. Handles every case except empty input between frames.
    #[inline(never)]
    fn next_part<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Chunk<'b>>, Error> {
        let stashed = match self.state {
            State::Boundary => HeaderBytes::EMPTY,
            State::Header(stashed) => stashed,
            State::Payload { header, offset } => {
                return Ok(self.next_payload(header, offset, input));
            }
            State::Failed(error) => return Err(self.fail(error, input)),
        };
        let header = self.next_header(stashed, input)?;
        Ok(header.and_then(|header| self.next_payload(header, 0, input)))
    }

    /// Continues a header, and stashes it while it is incomplete.
    fn next_header(
        &mut self,
        stashed: HeaderBytes,
        input: &mut &mut [u8],
    ) -> Result<Option<Header>, Error> {
        let mut bytes = stashed;
        bytes.fill(input);
        match Header::decode_under(&bytes, Some(&self.rules)) {
            Ok(Some((header, len))) => {
                let _taken = input.split_off_mut(..len.saturating_sub(stashed.len()));
                Ok(Some(header))
            }
            Ok(None) => {
                *input = &mut [];
                self.state = State::Header(bytes);
                Ok(None)
            }
            Err(error) => Err(self.fail(error, input)),
        }
    }

    /// Takes the available part of a payload, which may be empty.
    fn next_payload<'b>(
        &mut self,
        header: Header,
        offset: u64,
        input: &mut &'b mut [u8],
    ) -> Option<Chunk<'b>> {
        let remaining = header.payload_len.saturating_sub(offset);
        let len = usize::try_from(remaining).map_or(input.len(), |len| len.min(input.len()));
        let payload = input.split_off_mut(..len)?;
        self.state = if len as u64 == remaining {
            State::Boundary
        } else {
            State::Payload { header, offset: offset.saturating_add(len as u64) }
        };
        if payload.is_empty() && remaining != 0 {
            return None;
        }
        if let Some(key) = header.mask {
            apply_mask(payload, key, offset);
        }
        Some(Chunk { header, offset, payload })
    }

    /// Stores the violation. Bytes behind it are never read (RFC 6455 §7.1.7).
    // [rfc6455:7.1.7-nothing-after-failure]
    #[cold]
    fn fail(&mut self, error: Error, input: &mut &mut [u8]) -> Error {
        *input = &mut [];
        self.state = State::Failed(error);
        error
    }
}
