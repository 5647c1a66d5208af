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
        match self {
            Self::FirstByte
            | Self::LineEnd
            | Self::ControlByte
            | Self::LineFolding
            | Self::HeadBoundary
            | Self::RequestLine
            | Self::Target
            | Self::Header
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::FramingConflict
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkEnd
            | Self::Trailer => Status::BAD_REQUEST,
            Self::ContentLengthTooBig => Status::CONTENT_TOO_LARGE,
            Self::RequestLineTooLong | Self::TargetTooLong => Status::URI_TOO_LONG,
            Self::Expectation => Status::EXPECTATION_FAILED,
            Self::HeadTooLong
            | Self::HeaderLineTooLong
            | Self::TooManyHeaders
            | Self::TrailersTooLong => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TransferCoding => Status::NOT_IMPLEMENTED,
            Self::StatusLine => Status::BAD_GATEWAY,
            Self::Version => Status::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::FirstByte => "the first byte cannot begin a message",
            Self::LineEnd => "a line does not end in CRLF",
            Self::ControlByte => "a control byte in the head",
            Self::LineFolding => "a header line begins with whitespace",
            Self::HeadTooLong => "the head is too long",
            Self::RequestLineTooLong => "the request line is too long",
            Self::TargetTooLong => "the request-target is too long",
            Self::HeaderLineTooLong => "a header line is too long",
            Self::TooManyHeaders => "too many header lines",
            Self::HeadBoundary => "not exactly one head",
            Self::RequestLine => "malformed request line",
            Self::StatusLine => "malformed status line",
            Self::Version => "version of HTTP not supported",
            Self::Target => "request-target not allowed",
            Self::Header => "malformed header line",
            Self::HostMissing => "no Host",
            Self::HostRepeated => "more than one Host",
            Self::HostInvalid => "invalid host",
            Self::ContentLength => "invalid Content-Length",
            Self::ContentLengthTooBig => "Content-Length is too big",
            Self::TransferEncoding => "invalid Transfer-Encoding",
            Self::TransferCoding => "transfer coding not implemented",
            Self::FramingConflict => "both Transfer-Encoding and Content-Length",
            Self::Expectation => "unknown expectation",
            Self::ChunkSize => "invalid chunk size",
            Self::ChunkExtension => "invalid or too long chunk extension",
            Self::ChunkEnd => "chunk data is not followed by CRLF",
            Self::Trailer => "malformed trailer line",
            Self::TrailersTooLong => "the trailers are too long",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Error {}
