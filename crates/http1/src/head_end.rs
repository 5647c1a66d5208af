//! Finds where a head ends, in linear time however it trickles in.

use core::fmt;

use sockeye_http::grammar;

use crate::{Error, HEADERS_MAX, Limits, words};

/// Finds the end of a head in bytes that arrive in any pieces.
///
/// The scanner remembers its place, so a head that trickles in byte by byte costs as much as one
/// that comes at once. It refuses bytes that no head may hold as soon as it sees them, long before the
/// head is complete: an impossible first byte, a line end other than CRLF, control bytes, folded lines,
/// and a length or count over [`Limits`].
///
/// One scanner serves one head: the next request on the connection gets a new one.
///
/// ```text
///            line_start        scanned
///                v                v
/// GET / HTTP/1.1␍␊Host: a.example␍␊ …
/// └── checked: never read again ──┘
/// ```
///
/// # RFC
/// RFC 9112 §2.2. One empty line before a request line is ignored, as a server SHOULD; a second
/// is refused.
/// Deviation: a lone LF does not end a line, although a recipient MAY let it: peers that differ
/// in what ends a line are how requests are smuggled.
///
/// # Examples
/// ```
/// use sockeye_http1::{HeadEnd, Limits};
/// let received = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nand more";
/// let mut head_end = HeadEnd::new();
/// assert_eq!(head_end.find(&received[..10], &Limits::DEFAULT), Ok(None));
/// assert_eq!(head_end.find(received, &Limits::DEFAULT), Ok(Some(27)));
/// ```
#[derive(Clone, Debug)]
pub struct HeadEnd {
    /// Bytes of the head that are checked.
    scanned: usize,
    /// Where the line that `scanned` stands in begins.
    line_start: usize,
    /// Header lines that are complete.
    headers: usize,
    place: Place,
    #[cfg(any(test, feature = "properties"))]
    examined: usize,
}

/// A complete head of a request that one scanner has checked from its first byte to its last.
///
/// [`HeadEnd::find_request`] gives it, and [`RequestHead::of`](crate::RequestHead::of) parses it without
/// a second scan.
#[derive(Clone, Copy)]
pub struct ScannedHead<'b> {
    pub(crate) bytes: &'b [u8],
    /// How many header lines there are, never more than the limits allow.
    pub(crate) headers: usize,
}

impl ScannedHead<'_> {
    /// Returns the length of the head, its empty line included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no head is empty")]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Shows the length only: heads hold credentials.
impl fmt::Debug for ScannedHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScannedHead({} bytes)", self.len())
    }
}

/// Which line of the head comes next or is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The request line, or the one empty line that may precede it.
    RequestStart,
    /// The request line: the empty line was there.
    RequestLine,
    StatusLine,
    Headers,
}

impl HeadEnd {
    /// Makes a scanner for a request head.
    #[must_use]
    pub const fn new() -> Self {
        Self::at(Place::RequestStart)
    }

    /// Makes a scanner for a response head.
    #[must_use]
    pub const fn for_response() -> Self {
        Self::at(Place::StatusLine)
    }

    const fn at(place: Place) -> Self {
        Self {
            scanned: 0,
            line_start: 0,
            headers: 0,
            place,
            #[cfg(any(test, feature = "properties"))]
            examined: 0,
        }
    }

    /// Returns the length of the head, its empty line included, or `None` if it is not complete.
    ///
    /// `head` is everything received so far, from the same first byte in every call. A call scans only the
    /// bytes that earlier calls have not seen, and no bytes behind the head.
    ///
    /// # Errors
    /// The first fault of the head, as early as it can be known. A later call with the same
    /// bytes returns the same error.
    pub fn find(&mut self, head: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        // A head longer than this window does not end in it. [rfc9110:5.4-head-bounded]
        let window = head.get(..limits.head_bytes_max).unwrap_or(head);
        loop {
            let rest = window.get(self.scanned..).unwrap_or_default();
            if self.scanned == self.line_start {
                self.check_line_start(rest)?;
            }
            let text = text_len(rest);
            self.count_examined(text);
            self.scanned = self.scanned.saturating_add(text);
            self.check_line_len(limits)?;
            match rest.get(text..).unwrap_or_default() {
                [b'\r', b'\n', ..] => {
                    if let Some(end) = self.end_line(limits)? {
                        return Ok(Some(end));
                    }
                }
                [b'\t', ..] => self.scanned = self.scanned.saturating_add(1),
                [] | [b'\r'] if window.len() < limits.head_bytes_max => return Ok(None),
                [] | [b'\r'] => return Err(self.too_long()),
                // Neither bare CR nor bare LF ends a line. [rfc9112:2.2-crlf-only]
                [b'\r' | b'\n', ..] => return Err(Error::LineEnd),
                // [rfc9110:5.5-no-control-bytes]
                [_, ..] => return Err(Error::ControlByte),
            }
        }
    }

    /// As [`find`](Self::find) on a scanner of requests, and gives the head itself.
    ///
    /// A head that came in one piece is scanned once. A head that came in parts is scanned once more from
    /// its beginning: earlier calls may have been shown other bytes, and no order of calls may get an
    /// unchecked head parsed.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_request<'b>(
        &mut self,
        received: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<ScannedHead<'b>>, Error> {
        let in_one_go = self.scanned == 0 && self.place == Place::RequestStart;
        let Some(len) = self.find(received, limits)? else { return Ok(None) };
        let bytes = received.get(..len).unwrap_or(received);
        if in_one_go {
            return Ok(Some(ScannedHead { bytes, headers: self.headers }));
        }
        let mut again = Self::new();
        match again.find(bytes, limits)? {
            Some(end) if end == len => Ok(Some(ScannedHead { bytes, headers: again.headers })),
            Some(_) | None => Err(Error::HeadBoundary),
        }
    }

    /// Returns how many header lines there were, never more than the limits allow.
    pub(crate) const fn headers(&self) -> usize {
        self.headers
    }

    /// Checks the first byte of a line, if it has arrived.
    fn check_line_start(&self, rest: &[u8]) -> Result<(), Error> {
        let Some(&byte) = rest.first() else { return Ok(()) };
        match self.place {
            Place::RequestStart if byte == b'\r' || grammar::is_tchar(byte) => Ok(()),
            Place::RequestLine if grammar::is_tchar(byte) => Ok(()),
            Place::StatusLine if byte == b'H' => Ok(()),
            Place::Headers if byte == b'\r' || grammar::is_tchar(byte) => Ok(()),
            // A lone LF at the start of a line gets its own error, not that of a bad first byte.
            Place::RequestStart | Place::Headers if byte == b'\n' => Err(Error::LineEnd),
            // [rfc9112:5.2-no-obs-fold] [rfc9112:2.2-no-space-before-headers]
            Place::Headers if byte == b' ' || byte == b'\t' => Err(Error::LineFolding),
            Place::Headers => Err(Error::Header),
            // [rfc9112:2.2-first-byte]
            Place::RequestStart | Place::RequestLine | Place::StatusLine => Err(Error::FirstByte),
        }
    }

    /// Checks the length of the line so far.
    fn check_line_len(&self, limits: &Limits) -> Result<(), Error> {
        if self.scanned.saturating_sub(self.line_start) <= limits.line_bytes_max {
            return Ok(());
        }
        Err(match self.place {
            // [rfc9112:3-request-line-too-long]
            Place::RequestStart | Place::RequestLine => Error::RequestLineTooLong,
            Place::StatusLine | Place::Headers => Error::HeaderLineTooLong,
        })
    }

    /// Steps over the CRLF at `scanned`; returns the end of the head if it was the last one.
    fn end_line(&mut self, limits: &Limits) -> Result<Option<usize>, Error> {
        let empty = self.scanned == self.line_start;
        let next_line = self.scanned.saturating_add(2);
        match self.place {
            Place::Headers if empty => return Ok(Some(next_line)),
            Place::Headers => {
                // [rfc9110:5.4-headers-counted]
                self.headers = self.headers.saturating_add(1);
                if self.headers > limits.headers_max.min(HEADERS_MAX) {
                    return Err(Error::TooManyHeaders);
                }
            }
            // [rfc9112:2.2-leading-empty-line]
            Place::RequestStart if empty => self.place = Place::RequestLine,
            Place::RequestStart | Place::RequestLine | Place::StatusLine => {
                self.place = Place::Headers;
            }
        }
        self.scanned = next_line;
        self.line_start = next_line;
        Ok(None)
    }

    /// Returns the error of a head that has reached `head_bytes_max` without an end.
    const fn too_long(&self) -> Error {
        match self.place {
            Place::RequestStart | Place::RequestLine => Error::RequestLineTooLong,
            Place::StatusLine | Place::Headers => Error::HeadTooLong,
        }
    }

    /// Returns how many bytes all calls together have looked at, for the proof of linearity.
    #[cfg(any(test, feature = "properties"))]
    #[doc(hidden)]
    #[must_use]
    pub const fn examined(&self) -> usize {
        self.examined
    }

    #[cfg(any(test, feature = "properties"))]
    fn count_examined(&mut self, text: usize) {
        self.examined = self.examined.saturating_add(text).saturating_add(2);
    }

    #[cfg(not(any(test, feature = "properties")))]
    fn count_examined(&mut self, _text: usize) {}
}

impl Default for HeadEnd {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns how many bytes precede the first control byte (below 0x20, or DEL).
fn text_len(bytes: &[u8]) -> usize {
    let controls = |word: u64| {
        let below_space = word.wrapping_sub(words::eight(b' ')) & !word & words::HIGH;
        below_space | words::zeros(word ^ words::eight(0x7f))
    };
    words::len_before(bytes, controls, |byte| byte < b' ' || byte == 0x7f)
}
