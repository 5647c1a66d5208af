//! Every bound on a head, in one place.

/// The most header lines a [`HeaderStorage`](crate::HeaderStorage) has room for.
pub const HEADERS_MAX: usize = 128;

/// The bounds on one request or response head. All sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The whole head, from its first byte to the end of the empty line. Over it: 431.
    ///
    /// Default 8 KiB, as common servers and proxies grant: enough for a token and some cookies. It also
    /// bounds the memory that a connection without a finished head takes.
    pub head_bytes_max: usize,
    /// Header lines in the head, at most [`HEADERS_MAX`] whatever stands here. Over it: 431.
    ///
    /// Default 64: browsers behind two proxies send about 30.
    pub headers_max: usize,
    /// One line of the head without its CRLF. Over it: 414 for the request line, 431 for others.
    ///
    /// Default 8000: the request line that RFC 9112 §3 asks every recipient to support.
    pub line_bytes_max: usize,
    /// The request-target. Over it: 414.
    ///
    /// Default 8000: no tighter than the line it stands in.
    pub target_bytes_max: usize,
}

impl Limits {
    /// The defaults as a constant.
    pub const DEFAULT: Self = Self {
        head_bytes_max: 8 * 1024,
        headers_max: 64,
        line_bytes_max: 8000,
        target_bytes_max: 8000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
