//! Sending: the application's calls become bytes.

use alloc::vec::Vec;

use sockeye_frame::{
    CONTROL_PAYLOAD_LEN_MAX, CloseCode, CloseFrame, Header, HeaderBytes, MaskKey, Opcode, Role, Rsv,
};

use crate::close::{Action, Input};
use crate::{Compression, Connection, Kind, Message, UsageError};

/// Whether a frame ends its message (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fin {
    /// More frames of the message follow.
    More,
    /// The message ends with this frame.
    Final,
}

/// The header of a frame whose payload the caller sends.
///
/// Send [`header`](Self::header), then exactly the announced number of payload bytes after
/// [`apply_mask`](Self::apply_mask), and nothing in between.
#[must_use = "the frame has begun for the connection and has to go on the wire"]
#[derive(Clone, Copy, Debug)]
pub struct FrameStart {
    header: HeaderBytes,
    mask: Option<MaskKey>,
}

impl FrameStart {
    /// The header as it stands on the wire, at most 14 bytes.
    pub const fn header(&self) -> &HeaderBytes {
        &self.header
    }

    /// Masks a part of the payload in place; `offset` is its place in the frame's payload, in
    /// bytes. Does nothing on a server, whose frames are not masked.
    pub fn apply_mask(&self, payload: &mut [u8], offset: u64) {
        if let Some(key) = self.mask {
            sockeye_frame::apply_mask(payload, key, offset);
        }
    }
}

impl Connection {
    /// Appends a message as one frame.
    ///
    /// # Errors
    /// [`UsageError::Closed`], or [`UsageError::MessageUnderWay`] inside a fragmented message.
    #[inline]
    pub fn send(&mut self, message: Message<'_>, out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.send_whole(opcode_of(message.kind()), Rsv::NONE, message.as_bytes(), out)
    }

    /// Appends a compressed message as one frame (RFC 7692 §6.1). `deflated` is what
    /// [`MessageCodec::compress`](crate::MessageCodec::compress) wrote.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`UsageError::CompressionOff`].
    pub fn send_compressed(
        &mut self,
        kind: Kind,
        deflated: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        match self.compression {
            Compression::Off => return Err(UsageError::CompressionOff),
            Compression::PerMessageDeflate => {}
        }
        self.send_whole(opcode_of(kind), Rsv::RSV1, deflated, out)
    }

    /// Records that the caller sends a whole message itself: a frame that another connection of a
    /// server encoded. Servers do not mask, so its bytes are the same on every connection.
    ///
    /// Appends the delayed reply, if there is one. The frame has to follow it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// In debug builds, on a client: each of its frames has a mask of its own.
    pub fn admit_message(&mut self, out: &mut Vec<u8>) -> Result<(), UsageError> {
        debug_assert!(self.client.is_none(), "a client's frames are masked one by one");
        self.admit_whole(out)
    }

    /// Begins a frame of `payload_len` bytes, whose payload is sent without a buffer in between.
    ///
    /// The first frame of a message carries its kind, the following ones continue it. Control
    /// frames may go between two frames, never inside one: send the whole payload before the next
    /// call on this connection. The payload of a text message has to be UTF-8 as a whole; a
    /// frame may end inside a character.
    ///
    /// # Errors
    /// [`UsageError::Closed`], [`UsageError::KindChanged`] or [`UsageError::FrameTooLong`].
    pub fn begin(
        &mut self,
        kind: Kind,
        payload_len: u64,
        fin: Fin,
    ) -> Result<FrameStart, UsageError> {
        if payload_len > u64::MAX >> 1 {
            return Err(UsageError::FrameTooLong);
        }
        // [rfc6455:5.4-fragments-sent]
        let opcode = match self.outgoing {
            None => opcode_of(kind),
            Some(under_way) if under_way == kind => Opcode::Continuation,
            Some(_) => return Err(UsageError::KindChanged),
        };
        self.admit(Input::SendData)?;
        self.outgoing = match fin {
            Fin::More => Some(kind),
            Fin::Final => None,
        };
        let mask = self.next_mask();
        let fin = fin == Fin::Final;
        let header = Header { fin, rsv: Rsv::NONE, opcode, mask, payload_len };
        Ok(FrameStart { header: header.encode(), mask })
    }

    /// Appends a Ping frame (RFC 6455 §5.5.2).
    ///
    /// # Errors
    /// [`UsageError::Closed`], or [`UsageError::ControlTooLong`] beyond 125 bytes.
    pub fn ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.send_control(Opcode::Ping, payload, out)
    }

    /// Appends a Pong frame that answers nothing: a one-way heartbeat (RFC 6455 §5.5.3). Pings are
    /// answered without this.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), UsageError> {
        self.send_control(Opcode::Pong, payload, out)
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2); `None` sends an empty Close frame.
    ///
    /// # Errors
    /// [`UsageError::Closed`], or [`UsageError::InvalidCloseCode`] if a server would send 1010,
    /// which only clients may (RFC 6455 §7.4.1).
    pub fn close(
        &mut self,
        frame: Option<CloseFrame<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        let code = frame.map(|frame| frame.code());
        // [rfc6455:7.4.1-mandatory-extension-by-client]
        if code == Some(CloseCode::MANDATORY_EXTENSION) && self.role() == Role::Server {
            return Err(UsageError::InvalidCloseCode);
        }
        self.admit(Input::SendClose)?;
        self.flush_replies(out);
        self.append_close(code, frame.map_or("", |frame| frame.reason()), out);
        Ok(())
    }

    /// Fails the connection from an outer layer (RFC 6455 §7.1.7), for instance because a
    /// message would not decompress. Appends a Close frame, unless one was sent before.
    ///
    /// A code that must not stand on the wire is replaced by 1011; a reason over 123 bytes is cut
    /// at a character. Repeated calls do nothing.
    pub fn fail(&mut self, code: CloseCode, reason: &str, out: &mut Vec<u8>) {
        match self.advance(Input::Fail) {
            Action::Send => self.append_close(Some(code), reason, out),
            Action::Discard | Action::Ignore => {}
            Action::Deliver | Action::Answer | Action::Refuse => {}
        }
        self.rare = None;
    }

    #[inline]
    fn send_whole(
        &mut self,
        opcode: Opcode,
        rsv: Rsv,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        self.admit_whole(out)?;
        self.append(opcode, rsv, payload, out);
        Ok(())
    }

    /// Looks up whether a whole message may be sent, and appends the delayed reply in front of it.
    #[inline]
    fn admit_whole(&mut self, out: &mut Vec<u8>) -> Result<(), UsageError> {
        if self.outgoing.is_some() {
            return Err(UsageError::MessageUnderWay);
        }
        self.admit(Input::SendData)?;
        self.flush_replies(out);
        Ok(())
    }

    fn send_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        // [rfc6455:5.5-application-control-length]
        if payload.len() > CONTROL_PAYLOAD_LEN_MAX {
            return Err(UsageError::ControlTooLong);
        }
        self.admit(Input::SendControl)?;
        self.flush_replies(out);
        self.append_frame(opcode, payload, out);
        Ok(())
    }

    /// Looks up in the table whether a frame may be sent.
    #[inline]
    fn admit(&mut self, input: Input) -> Result<(), UsageError> {
        match self.advance(input) {
            Action::Send => Ok(()),
            Action::Refuse
            | Action::Deliver
            | Action::Answer
            | Action::Discard
            | Action::Ignore => Err(UsageError::Closed),
        }
    }

    /// Appends a Close frame. The only place that does, so that codes which exist for
    /// applications alone cannot get on the wire. [rfc6455:7.4.1-local-codes-never-sent]
    pub(crate) fn append_close(
        &mut self,
        code: Option<CloseCode>,
        reason: &str,
        out: &mut Vec<u8>,
    ) {
        let Some(code) = code else {
            return self.append_frame(Opcode::Close, &[], out);
        };
        let code = if code.is_valid_on_wire() { code } else { CloseCode::INTERNAL_ERROR };
        let reason = truncate(reason, REASON_BYTES_MAX.min(reason.len()));
        if let Ok(frame) = CloseFrame::new(code, reason) {
            self.append_frame(Opcode::Close, &frame.encode(), out);
        }
    }

    pub(crate) fn append_frame(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        self.append(opcode, Rsv::NONE, payload, out);
    }

    #[inline]
    fn append(&mut self, opcode: Opcode, rsv: Rsv, payload: &[u8], out: &mut Vec<u8>) {
        // A slice is never longer than `isize::MAX`, so this is below 2^63.
        let payload_len = payload.len() as u64;
        let header = Header { fin: true, rsv, opcode, mask: None, payload_len };
        if self.client.is_some() {
            append_long(Header { mask: self.next_mask(), ..header }, payload, out);
        } else if payload.len() <= CONTROL_PAYLOAD_LEN_MAX {
            // The usual frame: the compiler knows that its header is two bytes.
            out.extend_from_slice(&header.encode());
            append_short(payload, out);
        } else {
            append_long(header, payload, out);
        }
    }

    /// A fresh key for each frame of a client, none for a server's. [rfc6455:5.3-fresh-mask]
    #[inline]
    fn next_mask(&mut self) -> Option<MaskKey> {
        self.client.as_mut().map(|client| client.masks.next_mask())
    }
}

/// Appends a frame of any kind.
#[inline(never)]
fn append_long(header: Header, payload: &[u8], out: &mut Vec<u8>) {
    let bytes = header.encode();
    out.reserve(bytes.len().saturating_add(payload.len()));
    out.extend_from_slice(&bytes);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = header.mask {
        sockeye_frame::apply_mask(out.get_mut(start..).unwrap_or_default(), key, 0);
    }
}

/// Appends a short payload. Copies of a known length are a few instructions; one of any length is a
/// call, which costs more than the rest of a small frame.
#[inline]
fn append_short(payload: &[u8], out: &mut Vec<u8>) {
    match payload.len() {
        8..16 => append_ends::<8>(payload, out),
        16..=32 => append_ends::<16>(payload, out),
        _ => out.extend_from_slice(payload),
    }
}

/// Appends `N` to `2 * N` bytes: the first `N`, and the last over the end of these.
#[inline]
fn append_ends<const N: usize>(payload: &[u8], out: &mut Vec<u8>) {
    if let (Some(first), Some(last)) = (payload.first_chunk::<N>(), payload.last_chunk::<N>()) {
        let end = out.len().saturating_add(payload.len());
        out.extend_from_slice(first);
        out.truncate(end.saturating_sub(N));
        out.extend_from_slice(last);
    }
}

/// Most bytes of text in a Close frame: a control frame's payload less the code.
const REASON_BYTES_MAX: usize = CONTROL_PAYLOAD_LEN_MAX - 2;

const fn opcode_of(kind: Kind) -> Opcode {
    match kind {
        Kind::Text => Opcode::Text,
        Kind::Binary => Opcode::Binary,
    }
}

/// The longest prefix of at most `len_max` bytes that ends between two characters.
fn truncate(text: &str, len_max: usize) -> &str {
    (0..=len_max).rev().find_map(|len| text.get(..len)).unwrap_or(text)
}
