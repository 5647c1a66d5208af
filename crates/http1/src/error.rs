//! The faults of a peer, and the status that answers each.

use core::fmt;

use sockeye_http::Status;

/// A violation by the peer. The connection cannot go on: the start of the next message is not known
/// any more, or cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The first byte cannot begin this kind of message (a TLS ClientHello, a second empty line).
    FirstByte,
    /// A CR without LF, or an LF without CR.
    LineEnd,
    /// NUL or another control byte that no part of a head may hold.
    ControlByte,
    /// A header line begins with whitespace: obsolete line folding, or space before the first.
    LineFolding,
    /// The head has more bytes than [`Limits::head_bytes_max`](crate::Limits::head_bytes_max).
    HeadTooLong,
    /// The request line is over [`Limits::line_bytes_max`](crate::Limits::line_bytes_max).
    RequestLineTooLong,
    /// The request-target is over [`Limits::target_bytes_max`](crate::Limits::target_bytes_max).
    TargetTooLong,
    /// A header line is over [`Limits::line_bytes_max`](crate::Limits::line_bytes_max).
    HeaderLineTooLong,
    /// More header lines than [`Limits::headers_max`](crate::Limits::headers_max).
    TooManyHeaders,
    /// The bytes are not exactly one head: they end before its empty line, or go on after it.
    HeadBoundary,
    /// The request line is not `method SP request-target SP HTTP-version`.
    RequestLine,
    /// The status line is not `HTTP-version SP 3DIGIT SP [ reason-phrase ]`.
    StatusLine,
    /// A request of another major version than HTTP/1, or a response of another version than 1.0
    /// and 1.1.
    Version,
    /// The request-target has a form that the method does not allow, an invalid authority, or a byte
    /// that no target may hold.
    Target,
    /// A header line is not `token ":" field-value`; also whitespace before the colon.
    Header,
    /// An HTTP/1.1 request without `Host`.
    HostMissing,
    /// More than one `Host` line.
    HostRepeated,
    /// The value of `Host` is not `uri-host [ ":" port ]`.
    HostInvalid,
    /// `Content-Length` is not one run of digits, or stands more than once.
    ContentLength,
    /// `Content-Length` does not fit 64 bits.
    ContentLengthTooBig,
    /// `Transfer-Encoding` that does not end in one `chunked`, or in an HTTP/1.0 message.
    TransferEncoding,
    /// `Transfer-Encoding` ends in `chunked`, over a coding that is not implemented.
    TransferCoding,
    /// Both `Transfer-Encoding` and `Content-Length`: an attempt at request smuggling.
    FramingConflict,
    /// `Expect` asks for something other than `100-continue`.
    Expectation,
    /// A chunk-size that is no hexadecimal number, or of more than 16 digits.
    ChunkSize,
    /// The chunk extensions are over their limit, or hold a control byte.
    ChunkExtension,
    /// The bytes after a chunk's data are not CRLF.
    ChunkEnd,
    /// A trailer line is malformed.
    Trailer,
    /// The trailer section is over its limit.
    TrailersTooLong,
}

impl Error {
    /// Returns the status that a server answers with. For a fault that only a response can have it is
    /// 502, as a gateway answers.
    #[must_use]
    pub const fn status(self) -> Status {
        self.answer().0
    }

    /// Returns the status and the text of each fault.
    const fn answer(self) -> (Status, &'static str) {
        match self {
            Self::FirstByte => (Status::BAD_REQUEST, "the first byte cannot begin a message"),
            Self::LineEnd => (Status::BAD_REQUEST, "a line does not end in CRLF"),
            Self::ControlByte => (Status::BAD_REQUEST, "a control byte in the head"),
            Self::LineFolding => (Status::BAD_REQUEST, "a header line begins with whitespace"),
            Self::HeadTooLong => (Status::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long"),
            Self::RequestLineTooLong => (Status::URI_TOO_LONG, "the request line is too long"),
            Self::TargetTooLong => (Status::URI_TOO_LONG, "the request-target is too long"),
            Self::HeaderLineTooLong => {
                (Status::REQUEST_HEADER_FIELDS_TOO_LARGE, "a header line is too long")
            }
            Self::TooManyHeaders => {
                (Status::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many header lines")
            }
            Self::HeadBoundary => (Status::BAD_REQUEST, "not exactly one head"),
            Self::RequestLine => (Status::BAD_REQUEST, "malformed request line"),
            Self::StatusLine => (Status::BAD_GATEWAY, "malformed status line"),
            Self::Version => (Status::HTTP_VERSION_NOT_SUPPORTED, "version of HTTP not supported"),
            Self::Target => (Status::BAD_REQUEST, "request-target not allowed"),
            Self::Header => (Status::BAD_REQUEST, "malformed header line"),
            Self::HostMissing => (Status::BAD_REQUEST, "no Host"),
            Self::HostRepeated => (Status::BAD_REQUEST, "more than one Host"),
            Self::HostInvalid => (Status::BAD_REQUEST, "invalid host"),
            Self::ContentLength => (Status::BAD_REQUEST, "invalid Content-Length"),
            Self::ContentLengthTooBig => (Status::CONTENT_TOO_LARGE, "Content-Length is too big"),
            Self::TransferEncoding => (Status::BAD_REQUEST, "invalid Transfer-Encoding"),
            Self::TransferCoding => (Status::NOT_IMPLEMENTED, "transfer coding not implemented"),
            Self::FramingConflict => {
                (Status::BAD_REQUEST, "both Transfer-Encoding and Content-Length")
            }
            Self::Expectation => (Status::EXPECTATION_FAILED, "unknown expectation"),
            Self::ChunkSize => (Status::BAD_REQUEST, "invalid chunk size"),
            Self::ChunkExtension => (Status::BAD_REQUEST, "invalid or too long chunk extension"),
            Self::ChunkEnd => (Status::BAD_REQUEST, "chunk data is not followed by CRLF"),
            Self::Trailer => (Status::BAD_REQUEST, "malformed trailer line"),
            Self::TrailersTooLong => {
                (Status::REQUEST_HEADER_FIELDS_TOO_LARGE, "the trailers are too long")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.answer().1)
    }
}

impl core::error::Error for Error {}
