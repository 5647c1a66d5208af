//! The framing of a body of unknown length.

use sockeye_http1::chunked;

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By chunks (RFC 9112 §7.1).
    Chunked,
    /// By nothing in the body: an HTTP/1.0 client, whose connection ends with it (RFC 9112 §6.3), or a
    /// stream of HTTP/2.
    Bare,
}

impl Framing {
    /// Appends `bytes` as a part of the body.
    pub(crate) fn write(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Chunked => chunked::encode(bytes, out),
            Self::Bare => out.extend_from_slice(bytes),
        }
    }
}
