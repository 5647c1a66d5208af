//! The header of a frame: its fields, the rules of its first two bytes, its lengths (RFC 6455 §5.2).

use core::{fmt, ops};

use crate::{Error, InlineBytes, MaskKey, Rules};

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const CONTROL_PAYLOAD_LEN_MAX: usize = 125;
/// The longest header: two bytes, a 64-bit length, a masking key.
const HEADER_LEN_MAX: usize = 14;

const FIN: u8 = 0x80;
const MASK: u8 = 0x80;
const RSV: u8 = 0x70;
const OPCODE: u8 = 0x0F;
/// The opcode bits that are clear in both Text and Binary.
const NOT_DATA: u8 = 0x0C;
/// The seven-bit length value that announces a 16-bit length.
const LEN_IN_16_BITS: u8 = 126;
/// The seven-bit length value that announces a 64-bit length.
const LEN_IN_64_BITS: u8 = 127;

/// Which end of the connection *we* are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We sent the opening handshake: our frames are masked, the peer's are not.
    Client,
    /// We answered it: the peer's frames are masked, ours are not.
    Server,
}

/// The type of a frame (RFC 6455 §5.2, §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation = 0x0,
    /// The first fragment of a text message.
    Text = 0x1,
    /// The first fragment of a binary message.
    Binary = 0x2,
    /// The last frame an endpoint sends.
    Close = 0x8,
    /// A frame that a Pong answers.
    Ping = 0x9,
    /// The answer to a Ping, or an unasked heartbeat.
    Pong = 0xA,
}

impl Opcode {
    /// Whether this is Close, Ping or Pong: never fragmented, at most 125 bytes (RFC 6455 §5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        match self {
            Self::Continuation | Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }

    const fn decode(byte: u8) -> Result<Self, Error> {
        match byte & OPCODE {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            // [rfc6455:5.2-opcode-unknown]
            _ => Err(Error::UnknownOpcode),
        }
    }
}

/// A set of reserved bits (RFC 6455 §5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rsv(u8);

impl Rsv {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// The first bit: "compressed" under permessage-deflate (RFC 7692 §6).
    pub const RSV1: Self = Self(0x40);
    /// The second bit; no registered extension uses it.
    pub const RSV2: Self = Self(0x20);
    /// The third bit; no registered extension uses it.
    pub const RSV3: Self = Self(0x10);

    /// Whether every bit of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn decode(byte: u8) -> Self {
        Self(byte & RSV)
    }
}

impl ops::BitOr for Rsv {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Rsv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rsv({:03b})", self.0 >> 4)
    }
}

/// The part of a frame before its payload (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Whether this is the message's last fragment.
    pub fin: bool,
    /// The reserved bits that are set.
    pub rsv: Rsv,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The key, if the payload is masked.
    pub mask: Option<MaskKey>,
    /// The payload's length in bytes, below 2⁶³.
    pub payload_len: u64,
}

impl Header {
    /// Reads a header from the front of `bytes`: the header and its own length in bytes, or
    /// `None` while a longer input is needed.
    ///
    /// Only what holds for every connection is checked here. Reserved bits, the direction of
    /// masking and limits depend on [`Rules`], which [`Decoder`](crate::Decoder) applies.
    ///
    /// # Errors
    ///
    /// An unknown opcode, a fragmented or overlong control frame, a length that is not minimal
    /// or exceeds 63 bits: each as soon as the byte is there in which it shows.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        Self::decode_under(bytes, None)
    }

    /// [`Header::decode`] with the rules of a connection applied byte by byte. It reports the first
    /// violation on the wire, wherever the input was cut.
    #[inline]
    pub(crate) fn decode_under(
        bytes: &[u8],
        rules: Option<&Rules>,
    ) -> Result<Option<(Self, usize)>, Error> {
        let Some((&first, after_first)) = bytes.split_first() else {
            return Ok(None);
        };
        let (fin, rsv, opcode) = decode_first(first, rules)?;
        let Some((&second, after_second)) = after_first.split_first() else {
            return Ok(None);
        };
        let (masked, len) = decode_second(second, opcode, rules)?;
        let Some((payload_len, after_len)) = decode_len(len, after_second)? else {
            return Ok(None);
        };
        if let Some(rules) = rules {
            rules.check_len(payload_len, opcode)?;
        }
        let Some((mask, after_header)) = decode_mask(masked, after_len) else {
            return Ok(None);
        };
        let header = Self { fin, rsv, opcode, mask, payload_len };
        Ok(Some((header, bytes.len().saturating_sub(after_header.len()))))
    }

    /// The header of an unfragmented data frame below 64 KiB without reserved bits that breaks no
    /// rule, and its own length in bytes; `None` for all else, right or wrong:
    /// [`Header::decode_under`] judges it.
    ///
    /// Nearly every frame is of this kind. This path does not have to find the rule that was broken
    /// first, which is most of the work.
    #[inline(always)]
    pub(crate) fn decode_usual(bytes: &[u8], rules: &Rules) -> Option<(Self, usize)> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        if !is_usual([first, second], rules.role) {
            return None;
        }
        let opcode = match first & OPCODE {
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            _ => return None,
        };
        let (payload_len, rest, len) = match second & !MASK {
            LEN_IN_16_BITS => {
                let (len, rest) = rest.split_first_chunk()?;
                (u16::from_be_bytes(*len), rest, 4_usize)
            }
            LEN_IN_64_BITS => return None,
            len => (u16::from(len), rest, 2),
        };
        let is_minimal = len == 2 || payload_len >= u16::from(LEN_IN_16_BITS);
        let payload_len = u64::from(payload_len);
        if !is_minimal || rules.check_len(payload_len, opcode).is_err() {
            return None;
        }
        let (mask, len) = match rules.role {
            Role::Server => (Some(MaskKey::new(*rest.first_chunk()?)), len.saturating_add(4)),
            Role::Client => (None, len),
        };
        Some((Self { fin: true, rsv: Rsv::NONE, opcode, mask, payload_len }, len))
    }

    /// Writes the header with the length in its shortest form (RFC 6455 §5.2).
    ///
    /// Writes the fields unchecked. The caller ensures that a control frame is short and whole, and
    /// that a client masks.
    #[must_use]
    #[inline]
    pub fn encode(&self) -> HeaderBytes {
        let fin = if self.fin { FIN } else { 0 };
        let mask = if self.mask.is_some() { MASK } else { 0 };
        let first = fin | self.rsv.0 | self.opcode as u8;
        // [rfc6455:5.2-length-minimal-sent]
        if let Some(len) = u8::try_from(self.payload_len).ok().filter(|len| *len < LEN_IN_16_BITS) {
            encode_fields([first, mask | len], [], self.mask)
        } else if let Ok(len) = u16::try_from(self.payload_len) {
            encode_fields([first, mask | LEN_IN_16_BITS], len.to_be_bytes(), self.mask)
        } else {
            encode_fields([first, mask | LEN_IN_64_BITS], self.payload_len.to_be_bytes(), self.mask)
        }
    }
}

/// Whether the first two bytes have FIN, no reserved bit, Text or Binary (or 3, which is neither), and
/// the MASK bit that our role requires. One comparison of all bits.
#[inline]
fn is_usual(first_two: [u8; 2], role: Role) -> bool {
    const LOOKED_AT: u16 = u16::from_le_bytes([FIN | RSV | NOT_DATA, MASK]);
    let masked = match role {
        Role::Server => MASK,
        Role::Client => 0,
    };
    u16::from_le_bytes(first_two) & LOOKED_AT == u16::from_le_bytes([FIN, masked])
}

#[inline]
fn encode_fields<const N: usize>(
    first_two: [u8; 2],
    extended_len: [u8; N],
    mask: Option<MaskKey>,
) -> HeaderBytes {
    let mut bytes = HeaderBytes::EMPTY;
    bytes.push(first_two);
    bytes.push(extended_len);
    if let Some(key) = mask {
        bytes.push(key.to_bytes());
    }
    bytes
}

/// Checks FIN, the reserved bits and the opcode: everything in the first byte.
#[inline]
fn decode_first(byte: u8, rules: Option<&Rules>) -> Result<(bool, Rsv, Opcode), Error> {
    let opcode = Opcode::decode(byte)?;
    let rsv = Rsv::decode(byte);
    if let Some(rules) = rules {
        rules.check_rsv(rsv, opcode)?;
    }
    let fin = byte & FIN != 0;
    if opcode.is_control() && !fin {
        // [rfc6455:5.5-control-fin]
        return Err(Error::ControlFragmented);
    }
    Ok((fin, rsv, opcode))
}

/// MASK and the seven-bit length.
#[inline]
fn decode_second(byte: u8, opcode: Opcode, rules: Option<&Rules>) -> Result<(bool, u8), Error> {
    let masked = byte & MASK != 0;
    if let Some(rules) = rules {
        rules.check_mask(masked)?;
    }
    let len = byte & !MASK;
    if opcode.is_control() && usize::from(len) > CONTROL_PAYLOAD_LEN_MAX {
        // [rfc6455:5.5-control-length] Both longer forms count as longer, minimal or not.
        return Err(Error::ControlTooLong);
    }
    Ok((masked, len))
}

/// Reads the payload length in any of its three forms, and the masking key behind it.
#[inline]
fn decode_len(len: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Error> {
    let (len, len_min, rest) = match len {
        LEN_IN_16_BITS => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(*bytes)), u64::from(LEN_IN_16_BITS), rest)
        }
        LEN_IN_64_BITS => {
            if rest.first().is_some_and(|byte| byte & 0x80 != 0) {
                // [rfc6455:5.2-length-msb]
                return Err(Error::LengthOverflow);
            }
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from_be_bytes(*bytes), 1 << 16, rest)
        }
        len => (u64::from(len), 0, rest),
    };
    if len < len_min {
        // [rfc6455:5.2-length-minimal]
        return Err(Error::LengthNotMinimal);
    }
    Ok(Some((len, rest)))
}

#[inline]
fn decode_mask(masked: bool, rest: &[u8]) -> Option<(Option<MaskKey>, &[u8])> {
    if !masked {
        return Some((None, rest));
    }
    let (key, rest) = rest.split_first_chunk()?;
    Some((Some(MaskKey::new(*key)), rest))
}

/// An encoded header: at most 14 bytes, inline.
pub type HeaderBytes = InlineBytes<HEADER_LEN_MAX>;
