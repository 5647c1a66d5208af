//! Incremental UTF-8 validation (RFC 6455 §8.1, RFC 3629 §4).

use core::fmt;

/// The text is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Utf8Error {
    /// The index of the first impossible byte in the slice that was pushed; the slice's length
    /// where the text ended inside a code point.
    pub index: usize,
}

impl fmt::Display for Utf8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text stops being UTF-8 at byte {}", self.index)
    }
}

impl core::error::Error for Utf8Error {}

/// Checks a text message piece by piece. A piece may end anywhere.
///
/// Three bytes of state: how many continuation bytes the current code point still lacks, and
/// the range that the next one must lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Utf8Validator {
    lacking: u8,
    low: u8,
    high: u8,
}

impl Default for Utf8Validator {
    fn default() -> Self {
        Self::new()
    }
}

impl Utf8Validator {
    const BOUNDARY: Self = Self::expecting(0, 0x80, 0xBF);
    /// The failed state: it needs a byte that does not exist.
    const FAILED: Self = Self::expecting(1, 1, 0);

    /// A validator at the start of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self::BOUNDARY
    }

    const fn expecting(lacking: u8, low: u8, high: u8) -> Self {
        Self { lacking, low, high }
    }

    /// Checks the next piece of the message.
    ///
    /// # Errors
    ///
    /// The first byte after which no continuation could make the text valid; from then on
    /// every non-empty piece fails at its first byte.
    #[inline]
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Utf8Error> {
        let mut index = 0;
        while self.lacking != 0 {
            let Some(byte) = piece.get(index) else {
                return Ok(());
            };
            self.step(*byte).ok_or(Utf8Error { index })?;
            index = index.saturating_add(1);
        }
        // The fast check takes the bulk. The rest is at most one code point, impossible or
        // unfinished: the table finds which, and where.
        index = index.saturating_add(valid_len(piece.get(index..).unwrap_or_default()));
        while let Some(byte) = piece.get(index) {
            self.step(*byte).ok_or(Utf8Error { index })?;
            index = index.saturating_add(1);
        }
        Ok(())
    }

    /// Checks that the message does not end inside a code point.
    ///
    /// # Errors
    ///
    /// The message ended inside a code point, or had failed before.
    pub const fn finish(&self) -> Result<(), Utf8Error> {
        if self.is_complete() { Ok(()) } else { Err(Utf8Error { index: 0 }) }
    }

    /// Whether the text so far is valid and ends between code points.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.lacking == 0
    }

    /// Checks a whole message that lies in one slice.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push) and [`finish`](Self::finish).
    #[inline]
    pub fn check(message: &[u8]) -> Result<&str, Utf8Error> {
        whole(message).ok_or_else(|| Self::first_error(message))
    }

    #[cold]
    fn first_error(message: &[u8]) -> Utf8Error {
        let pushed = Self::new().push(message);
        pushed.err().unwrap_or(Utf8Error { index: message.len() })
    }

    /// One byte of the table in RFC 3629 §4; `None` if it is impossible here.
    fn step(&mut self, byte: u8) -> Option<()> {
        let next = if self.lacking == 0 {
            Self::after_lead(byte)
        } else if self.low <= byte && byte <= self.high {
            Some(Self::expecting(self.lacking.saturating_sub(1), 0x80, 0xBF))
        } else {
            None
        };
        // [rfc6455:8.1-utf8-fails]
        *self = next.unwrap_or(Self::FAILED);
        next.map(|_| ())
    }

    const fn after_lead(byte: u8) -> Option<Self> {
        Some(match byte {
            0x00..=0x7F => Self::BOUNDARY,
            0xC2..=0xDF => Self::expecting(1, 0x80, 0xBF),
            0xE0 => Self::expecting(2, 0xA0, 0xBF),
            0xE1..=0xEC | 0xEE..=0xEF => Self::expecting(2, 0x80, 0xBF),
            0xED => Self::expecting(2, 0x80, 0x9F),
            0xF0 => Self::expecting(3, 0x90, 0xBF),
            0xF1..=0xF3 => Self::expecting(3, 0x80, 0xBF),
            0xF4 => Self::expecting(3, 0x80, 0x8F),
            0x80..=0xC1 | 0xF5..=0xFF => return None,
        })
    }
}

/// The length of the valid prefix of `bytes`. The next code point is impossible or unfinished.
#[cfg(not(feature = "simdutf8"))]
#[inline]
fn valid_len(bytes: &[u8]) -> usize {
    core::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len)
}

/// The same, by a fast check that does not report how far it came. It checks everything but a code
/// point that the end may cut. Text that it refuses, which ends the connection, is read again.
#[cfg(feature = "simdutf8")]
#[inline]
fn valid_len(bytes: &[u8]) -> usize {
    let body = bytes.len().saturating_sub(cut_len(bytes));
    match bytes.get(..body).and_then(whole) {
        Some(text) => text.len(),
        None => core::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len),
    }
}

/// The length of a code point that the end of `bytes` cuts, by its first byte; 0 if it cuts none.
#[cfg(feature = "simdutf8")]
fn cut_len(bytes: &[u8]) -> usize {
    let lacking = |byte: u8| match byte {
        0xC0..=0xDF => 1,
        0xE0..=0xEF => 2,
        0xF0..=0xFF => 3,
        0x00..=0xBF => 0,
    };
    let last = bytes.iter().rev().take(3).position(|&byte| byte & 0xC0 != 0x80);
    let (Some(behind), Some(len)) = (last, last.and_then(|behind| behind.checked_add(1))) else {
        return 0;
    };
    let first = bytes.len().checked_sub(len).and_then(|at| bytes.get(at));
    if first.is_some_and(|&first| lacking(first) > behind) { len } else { 0 }
}

/// The bytes as text, if all of them are valid: the only such check in this crate.
#[cfg(not(feature = "simdutf8"))]
#[inline]
fn whole(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok()
}

/// Below 64 bytes the vectors would not be full, and the standard library is as fast.
#[cfg(feature = "simdutf8")]
#[inline]
fn whole(bytes: &[u8]) -> Option<&str> {
    if bytes.len() < 64 {
        core::str::from_utf8(bytes).ok()
    } else {
        simdutf8::basic::from_utf8(bytes).ok()
    }
}
