//! RESP2, the protocol of Redis, as far as a client needs it: commands out, replies in.
//!
//! ```text
//!  command   *2\r\n $4\r\nXLEN\r\n $3\r\nlog\r\n          an array of bulk strings
//!  reply     +OK\r\n   -ERR why\r\n   :12\r\n   $3\r\nabc\r\n   $-1\r\n   *2\r\n …
//! ```
//!
//! [`next`] reads one element of a reply. [`Extent`] finds where a reply ends while its bytes arrive, in linear time.

use core::fmt;

/// The bytes of a line, without a bulk string's content: statuses, errors, numbers and lengths.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// The elements that one array may announce.
pub const ARRAY_ELEMENTS_MAX: usize = 1024 * 1024;

/// An element of a reply. An array's elements follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A status, such as `OK`.
    Status(&'a str),
    /// An error, such as `NOAUTH Authentication required.`
    Error(&'a str),
    /// A number.
    Number(i64),
    /// Bytes.
    Bulk(&'a [u8]),
    /// An array of this many elements.
    Array(usize),
    /// Nothing: a bulk string or an array that does not exist.
    Nil,
}

/// A reply breaks the protocol or a bound, or is not the one that its command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespError {
    /// No type begins with this byte.
    Type(u8),
    /// A line is longer than [`LINE_BYTES_MAX`].
    LineTooLong,
    /// A line is not UTF-8.
    NotText,
    /// A number or a length is none.
    Number,
    /// An array announces more than [`ARRAY_ELEMENTS_MAX`] elements.
    ArrayTooLong,
    /// A reply is longer than its reader allows.
    TooLong,
    /// A bulk string does not end in CRLF.
    End,
    /// A reply has other elements than those of its command.
    Shape,
}

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(byte) => {
                write!(f, "a reply begins with the byte {byte:#04x}: is this Redis?")
            }
            Self::LineTooLong => {
                write!(f, "a line of a reply is longer than {LINE_BYTES_MAX} bytes")
            }
            Self::NotText => f.write_str("a line of a reply is not UTF-8"),
            Self::Number => f.write_str("a number or a length in a reply is none"),
            Self::ArrayTooLong => write!(f, "an array has more than {ARRAY_ELEMENTS_MAX} elements"),
            Self::TooLong => f.write_str("a reply is longer than allowed"),
            Self::End => f.write_str("a bulk string does not end in CRLF"),
            Self::Shape => f.write_str("a reply is not one that its command has"),
        }
    }
}

impl core::error::Error for RespError {}

/// Reads one element and removes it from `input`; `None` if more bytes are needed.
///
/// # Errors
/// As [`RespError`].
pub fn next<'a>(input: &mut &'a [u8]) -> Result<Option<Element<'a>>, RespError> {
    let Some((kind, text, rest)) = line(input)? else { return Ok(None) };
    let (element, rest) = match kind {
        b'+' => (Element::Status(utf8(text)?), rest),
        b'-' => (Element::Error(utf8(text)?), rest),
        b':' => (Element::Number(number(text)?), rest),
        b'*' => (array(number(text)?)?, rest),
        _ => match bulk(number(text)?, rest)? {
            Some(found) => found,
            None => return Ok(None),
        },
    };
    *input = rest;
    Ok(Some(element))
}

/// The type of the element that `input` begins with, its line, and what is behind it; `None` if the line's
/// end has not arrived.
type Line<'a> = Option<(u8, &'a [u8], &'a [u8])>;

fn line(input: &[u8]) -> Result<Line<'_>, RespError> {
    let Some((&kind, after)) = input.split_first() else { return Ok(None) };
    // Before the rest of the line: a peer of another protocol is named at once.
    if !matches!(kind, b'+' | b'-' | b':' | b'$' | b'*') {
        return Err(RespError::Type(kind));
    }
    let window = &after[..after.len().min(LINE_BYTES_MAX)];
    let mut from = 0;
    while let Some(at) = window[from..].iter().position(|&byte| byte == b'\r') {
        let end = from + at;
        match after.get(end + 1) {
            Some(b'\n') => return Ok(Some((kind, &after[..end], &after[end + 2..]))),
            Some(_) => from = end + 1,
            None => return Ok(None),
        }
    }
    if window.len() == LINE_BYTES_MAX { Err(RespError::LineTooLong) } else { Ok(None) }
}

fn utf8(text: &[u8]) -> Result<&str, RespError> {
    core::str::from_utf8(text).map_err(|_| RespError::NotText)
}

fn number(text: &[u8]) -> Result<i64, RespError> {
    // `parse` takes a leading `+`, which no reply has.
    let digits = utf8(text)?;
    if digits.starts_with('+') {
        return Err(RespError::Number);
    }
    digits.parse().map_err(|_| RespError::Number)
}

fn array<'a>(length: i64) -> Result<Element<'a>, RespError> {
    match usize::try_from(length) {
        Ok(length) if length <= ARRAY_ELEMENTS_MAX => Ok(Element::Array(length)),
        Ok(_) => Err(RespError::ArrayTooLong),
        Err(_) if length == -1 => Ok(Element::Nil),
        Err(_) => Err(RespError::Number),
    }
}

type Found<'a> = Option<(Element<'a>, &'a [u8])>;

fn bulk(length: i64, rest: &[u8]) -> Result<Found<'_>, RespError> {
    if length == -1 {
        return Ok(Some((Element::Nil, rest)));
    }
    let length = usize::try_from(length).map_err(|_| RespError::Number)?;
    let Some((content, after)) = rest.split_at_checked(length) else { return Ok(None) };
    match after {
        [b'\r', b'\n', rest @ ..] => Ok(Some((Element::Bulk(content), rest))),
        [] | [b'\r'] => Ok(None),
        _ => Err(RespError::End),
    }
}

/// Where a reply ends, while its bytes arrive.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    bytes_max: usize,
    /// The bytes of the elements that are complete.
    complete: usize,
    /// Elements that are still to come.
    outstanding: usize,
}

impl Extent {
    /// The extent of a reply of at most `bytes_max` bytes.
    pub const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, complete: 0, outstanding: 1 }
    }

    /// Looks at all bytes of the reply that have arrived; `Some` is its length, once it is complete.
    ///
    /// # Errors
    /// As [`RespError`]; [`RespError::TooLong`] as soon as a length says so.
    pub fn look(&mut self, arrived: &[u8]) -> Result<Option<usize>, RespError> {
        let mut rest = arrived.get(self.complete..).unwrap_or_default();
        while self.outstanding > 0 {
            let before = rest.len();
            let Some(element) = next(&mut rest)? else {
                self.check_announced(rest)?;
                return Ok(None);
            };
            self.complete += before - rest.len();
            self.outstanding -= 1;
            if let Element::Array(elements) = element {
                self.outstanding += elements;
            }
            self.check(0)?;
        }
        Ok(Some(self.complete))
    }

    /// Refuses a bulk string whose announced length does not fit, before its bytes are waited for.
    fn check_announced(&self, rest: &[u8]) -> Result<(), RespError> {
        match line(rest)? {
            Some((b'$', text, _)) => self.check(usize::try_from(number(text)?).unwrap_or_default()),
            _ => Ok(()),
        }
    }

    /// Whether `bytes` more fit, with the elements that have to follow.
    fn check(&self, bytes: usize) -> Result<(), RespError> {
        // The shortest element has three bytes.
        let least = self.outstanding.saturating_mul(3).max(bytes);
        let fits = self.complete.saturating_add(least) <= self.bytes_max;
        if fits { Ok(()) } else { Err(RespError::TooLong) }
    }
}

/// The elements of a complete reply, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    rest: &'a [u8],
}

impl<'a> Reply<'a> {
    /// A reply whose extent is known.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next element.
    ///
    /// # Errors
    /// [`RespError::Shape`] behind the last one.
    pub fn element(&mut self) -> Result<Element<'a>, RespError> {
        next(&mut self.rest)?.ok_or(RespError::Shape)
    }

    /// The number of elements of the array that comes next.
    ///
    /// # Errors
    /// [`RespError::Shape`] if something else does.
    pub fn array(&mut self) -> Result<usize, RespError> {
        match self.element()? {
            Element::Array(elements) => Ok(elements),
            _ => Err(RespError::Shape),
        }
    }

    /// The bytes that come next.
    ///
    /// # Errors
    /// As for [`array`](Self::array).
    pub fn bulk(&mut self) -> Result<&'a [u8], RespError> {
        match self.element()? {
            Element::Bulk(bytes) => Ok(bytes),
            _ => Err(RespError::Shape),
        }
    }

    /// Passes over the next element, with all that is in it.
    ///
    /// # Errors
    /// As for [`element`](Self::element).
    pub fn skip(&mut self) -> Result<(), RespError> {
        let mut outstanding = 1_usize;
        while outstanding > 0 {
            outstanding -= 1;
            if let Element::Array(elements) = self.element()? {
                outstanding += elements;
            }
        }
        Ok(())
    }
}

/// Appends a command to `out`: its name, and its arguments.
pub fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    length(out, b'*', words.len());
    for word in words {
        length(out, b'$', word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// `*3\r\n` or `$12\r\n`.
fn length(out: &mut Vec<u8>, kind: u8, mut value: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).expect("a digit");
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.push(kind);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}
