//! The chunked transfer coding (RFC 9112 §7.1).
//!
//! ```text
//! 1a;name=value␍␊ 26 bytes of data ␍␊ … 0␍␊ Trailer: value␍␊ ␍␊
//! └─ chunk head ─┘                     └ last ┘└── trailers ──┘
//! ```
//!
//! Sending: [`encode`] appends a chunk, [`ChunkHead`] gives the bytes to put around a payload in a
//! vectored write, [`LAST`] ends the body. Receiving: [`Decoder`].

use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use sockeye_http::grammar;

use crate::Error;

/// The bytes after a chunk's data.
pub const TAIL: &[u8] = b"\r\n";

/// The bytes that end a body without trailers.
pub const LAST: &[u8] = b"0\r\n\r\n";

/// Appends one chunk with this data. Empty data appends nothing, since an empty chunk would end
/// the body.
pub fn encode(data: &[u8], out: &mut Vec<u8>) {
    // [rfc9112:7.1-no-empty-chunk]
    if data.is_empty() {
        return;
    }
    out.extend_from_slice(&ChunkHead::new(data.len() as u64));
    out.extend_from_slice(data);
    out.extend_from_slice(TAIL);
}

/// The head of a chunk: its size and CRLF, at most 18 bytes, held inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    bytes: [u8; 18],
    start: u8,
}

impl ChunkHead {
    /// Makes the head of a chunk of that many bytes. A size of 0 makes the last chunk, which
    /// [`LAST`] holds together with the end of the trailers.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let mut bytes = *b"0000000000000000\r\n";
        let mut rest = size;
        for digit in bytes.iter_mut().take(16).rev() {
            let value = (rest % 16).to_le_bytes()[0];
            *digit = if value < 10 { b'0' } else { b'a' - 10 }.wrapping_add(value);
            rest /= 16;
        }
        let zeros = (size | 1).leading_zeros() / 4;
        Self { bytes, start: zeros.to_le_bytes()[0] }
    }
}

impl Deref for ChunkHead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..).unwrap_or_default()
    }
}

/// The bounds on the bytes of a body that are not data, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// All chunk extensions of the body together. The decoder checks their grammar and ignores their
    /// meaning, so this bounds only how many useless bytes a peer can send. Default 4 KiB.
    pub extension_bytes_max: u32,
    /// The whole trailer section without the empty line. Default 4 KiB.
    pub trailer_bytes_max: u32,
}

impl Limits {
    /// The defaults as a constant.
    pub const DEFAULT: Self = Self { extension_bytes_max: 4096, trailer_bytes_max: 4096 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A finding of a [`Decoder`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event<'b> {
    /// A piece of the body, never empty. How the peer cut its chunks is not visible.
    Data(&'b [u8]),
    /// The body is complete, its trailers checked and dropped.
    End,
}

/// Shows the data's length only.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(data) => write!(f, "Data({} bytes)", data.len()),
            Self::End => f.write_str("End"),
        }
    }
}

/// Decodes a chunked body that arrives in any pieces.
///
/// # Examples
/// ```
/// use sockeye_http1::chunked::{Decoder, Event, Limits};
/// let mut input: &[u8] = b"5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1";
/// let mut decoder = Decoder::new(Limits::DEFAULT);
/// assert_eq!(decoder.next(&mut input), Ok(Some(Event::Data(b"hello"))));
/// assert_eq!(decoder.next(&mut input), Ok(Some(Event::End)));
/// assert_eq!(input, b"GET / HTTP/1.1");
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    limits: Limits,
    extension_bytes: u32,
    trailer_bytes: u32,
}

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        size: u64,
        digits: u8,
    },
    /// Whitespace after the size, which only a `;` may follow.
    SizeSpace {
        size: u64,
    },
    Extension {
        size: u64,
        place: Extension,
    },
    SizeLf {
        size: u64,
    },
    /// Not all of the data has come.
    Data {
        rest: u64,
    },
    DataCr,
    DataLf,
    Trailer(Trailer),
    End,
    Failed(Error),
}

/// Where in the chunk extensions the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// After a `;`: a name has to come.
    NameStart,
    Name,
    /// Whitespace after a name, which only `=` or `;` may follow.
    NameSpace,
    /// After a `=`: a value has to come.
    ValueStart,
    Token,
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    QuoteEnd,
    /// Whitespace after a value, which only `;` may follow.
    ValueSpace,
}

impl Extension {
    /// Whether the line of the chunk may end here.
    const fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::QuoteEnd)
    }

    /// Takes a byte of the extensions; `None` means that the grammar has no such byte here.
    fn next(self, byte: u8) -> Option<Self> {
        // [rfc9112:7.1.1-extension-grammar]
        Some(match (self, byte) {
            (Self::Quoted, b'"') => Self::QuoteEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, byte) if grammar::is_field_byte(byte) => Self::Quoted,
            (Self::NameStart | Self::ValueStart, b' ' | b'\t') => self,
            (Self::NameStart | Self::Name, byte) if grammar::is_tchar(byte) => Self::Name,
            (Self::ValueStart | Self::Token, byte) if grammar::is_tchar(byte) => Self::Token,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::Name | Self::NameSpace, b' ' | b'\t') => Self::NameSpace,
            (Self::Name | Self::NameSpace, b'=') => Self::ValueStart,
            (Self::Token | Self::QuoteEnd | Self::ValueSpace, b' ' | b'\t') => Self::ValueSpace,
            (
                Self::Name | Self::NameSpace | Self::Token | Self::QuoteEnd | Self::ValueSpace,
                b';',
            ) => Self::NameStart,
            _ => return None,
        })
    }
}

/// Where in the trailer section the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trailer {
    LineStart,
    Name,
    Value,
    Lf,
    /// After the CR of the empty line that ends the body.
    LastLf,
}

impl Decoder {
    /// Makes a decoder for one body.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        let state = State::Size { size: 0, digits: 0 };
        Self { state, limits, extension_bytes: 0, trailer_bytes: 0 }
    }

    /// Returns the next piece of the body and moves `input` past it.
    ///
    /// `None` means that all input is consumed and more is needed, or that [`Event::End`] was
    /// given; then `input` is left alone, since it belongs to the next message.
    ///
    /// # Errors
    /// The fault of the coding. Every later call returns the same error.
    pub fn next<'b>(&mut self, input: &mut &'b [u8]) -> Result<Option<Event<'b>>, Error> {
        loop {
            match self.state {
                State::End => return Ok(None),
                State::Failed(error) => return Err(error),
                State::Data { rest } => return Ok(self.take_data(rest, input).map(Event::Data)),
                state => {
                    let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
                    *input = rest;
                    self.state = self.step(state, byte).unwrap_or_else(State::Failed);
                    if self.state == State::End {
                        return Ok(Some(Event::End));
                    }
                }
            }
        }
    }

    /// Returns whether the body is complete.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    fn take_data<'b>(&mut self, rest: u64, input: &mut &'b [u8]) -> Option<&'b [u8]> {
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(input.len());
        let (data, after) = input.split_at_checked(len)?;
        *input = after;
        let rest = rest.saturating_sub(data.len() as u64);
        self.state = if rest == 0 { State::DataCr } else { State::Data { rest } };
        (!data.is_empty()).then_some(data)
    }

    /// Takes a byte that is not data.
    fn step(&mut self, state: State, byte: u8) -> Result<State, Error> {
        match state {
            State::Size { size, digits } => self.step_size(size, digits, byte),
            State::SizeSpace { size } => match byte {
                b' ' | b'\t' => self.count_extension(State::SizeSpace { size }),
                b';' => {
                    self.count_extension(State::Extension { size, place: Extension::NameStart })
                }
                _ => Err(Error::ChunkSize),
            },
            State::Extension { size, place } => match place.next(byte) {
                Some(place) => self.count_extension(State::Extension { size, place }),
                None if byte == b'\r' && place.may_end() => Ok(State::SizeLf { size }),
                None => Err(Error::ChunkExtension),
            },
            State::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => Ok(State::Trailer(Trailer::LineStart)),
                (b'\n', rest) => Ok(State::Data { rest }),
                _ => Err(Error::ChunkSize),
            },
            // [rfc9112:7.1-crlf-after-data]
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size { size: 0, digits: 0 }),
            State::DataCr | State::DataLf => Err(Error::ChunkEnd),
            State::Trailer(place) => self.step_trailer(place, byte),
            // `next` returns before it takes a byte.
            State::Data { .. } | State::End | State::Failed(_) => Ok(state),
        }
    }

    fn step_size(&mut self, size: u64, digits: u8, byte: u8) -> Result<State, Error> {
        if let Some(digit) = grammar::hex_value(byte) {
            // Sixteen digits cannot overflow, and bound the zeros in front.
            // [rfc9112:7.1-chunk-size-overflow]
            if digits == 16 {
                return Err(Error::ChunkSize);
            }
            let size = size << 4 | u64::from(digit);
            return Ok(State::Size { size, digits: digits.saturating_add(1) });
        }
        match byte {
            // [rfc9112:7.1-chunk-size-digits]
            _ if digits == 0 => Err(Error::ChunkSize),
            b'\r' => Ok(State::SizeLf { size }),
            b' ' | b'\t' => self.count_extension(State::SizeSpace { size }),
            b';' => self.count_extension(State::Extension { size, place: Extension::NameStart }),
            _ => Err(Error::ChunkSize),
        }
    }

    /// Counts a byte of a chunk extension.
    fn count_extension(&mut self, next: State) -> Result<State, Error> {
        // [rfc9112:7.1.1-extensions-bounded]
        if self.extension_bytes >= self.limits.extension_bytes_max {
            return Err(Error::ChunkExtension);
        }
        self.extension_bytes = self.extension_bytes.saturating_add(1);
        Ok(next)
    }

    /// Takes a byte of the trailer section; its lines obey the rules of header lines.
    fn step_trailer(&mut self, place: Trailer, byte: u8) -> Result<State, Error> {
        let next = match place {
            Trailer::LineStart if byte == b'\r' => return Ok(State::Trailer(Trailer::LastLf)),
            Trailer::LastLf if byte == b'\n' => return Ok(State::End),
            // [rfc9112:7.1.2-trailer-valid]
            Trailer::LineStart | Trailer::Name if grammar::is_tchar(byte) => Trailer::Name,
            Trailer::Name if byte == b':' => Trailer::Value,
            Trailer::Value if grammar::is_field_byte(byte) => Trailer::Value,
            Trailer::Value if byte == b'\r' => Trailer::Lf,
            Trailer::Lf if byte == b'\n' => Trailer::LineStart,
            Trailer::LineStart | Trailer::Name | Trailer::Value | Trailer::Lf | Trailer::LastLf => {
                return Err(Error::Trailer);
            }
        };
        // [rfc9112:7.1.2-trailers-bounded]
        if self.trailer_bytes >= self.limits.trailer_bytes_max {
            return Err(Error::TrailersTooLong);
        }
        self.trailer_bytes = self.trailer_bytes.saturating_add(1);
        Ok(State::Trailer(next))
    }
}
