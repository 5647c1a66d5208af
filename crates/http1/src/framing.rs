//! Decides how a body is delimited (RFC 9112 §6). Request smuggling exploits lax versions of these rules.

use sockeye_http::Headers;

use crate::{Error, Version};

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// No body: neither `Content-Length` nor `Transfer-Encoding`.
    None,
    /// This many bytes; 0 for `Content-Length: 0`.
    Length(u64),
    /// The chunked coding: see [`chunked::Decoder`](crate::chunked::Decoder).
    Chunked,
}

/// How the body of a response is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// No body. After 101, or 2xx to CONNECT, the next bytes belong to the other protocol.
    None,
    /// This many bytes.
    Length(u64),
    /// The chunked coding: see [`chunked::Decoder`](crate::chunked::Decoder).
    Chunked,
    /// Everything until the peer closes.
    UntilClose,
}

/// Decides the framing of a request, and checks that it is unambiguous.
pub(crate) fn of_request(headers: Headers<'_, '_>, version: Version) -> Result<BodyFraming, Error> {
    if is_chunked(headers, version)? {
        return Ok(BodyFraming::Chunked);
    }
    Ok(content_length(headers)?.map_or(BodyFraming::None, BodyFraming::Length))
}

/// Decides the framing of a response that may have a body.
pub(crate) fn of_response(
    headers: Headers<'_, '_>,
    version: Version,
) -> Result<ResponseFraming, Error> {
    if is_chunked(headers, version)? {
        return Ok(ResponseFraming::Chunked);
    }
    Ok(content_length(headers)?.map_or(ResponseFraming::UntilClose, ResponseFraming::Length))
}

/// Returns whether the body is chunked; every other `Transfer-Encoding` is an error.
fn is_chunked(headers: Headers<'_, '_>, version: Version) -> Result<bool, Error> {
    if !headers.contains("Transfer-Encoding") {
        return Ok(false);
    }
    let mut codings = headers.elements("Transfer-Encoding");
    let Some(first) = codings.next() else { return Ok(false) };
    // [rfc9112:6.1-not-in-http10]
    if version == Version::Http10 {
        return Err(Error::TransferEncoding);
    }
    // [rfc9112:6.1-not-both]
    if headers.contains("Content-Length") {
        return Err(Error::FramingConflict);
    }
    let mut last = first;
    let mut under = 0_usize;
    for coding in codings {
        // [rfc9112:6.1-chunked-once]
        if last.is_empty() || last.eq_ignore_ascii_case(b"chunked") {
            return Err(Error::TransferEncoding);
        }
        last = coding;
        under = under.saturating_add(1);
    }
    // [rfc9112:6.3-chunked-last]
    if !last.eq_ignore_ascii_case(b"chunked") {
        return Err(Error::TransferEncoding);
    }
    // [rfc9112:6.1-unknown-coding]
    if under == 0 { Ok(true) } else { Err(Error::TransferCoding) }
}

/// Returns the value of `Content-Length`.
///
/// Deviation: a list of equal values, or equal values on several lines, is refused, although
/// RFC 9112 §6.3 lets a recipient collapse them: no honest peer sends them.
fn content_length(headers: Headers<'_, '_>) -> Result<Option<u64>, Error> {
    // [rfc9112:6.3-content-length-once]
    let value = headers.single_bytes("Content-Length").map_err(|_| Error::ContentLength)?;
    let Some(value) = value else { return Ok(None) };
    // [rfc9112:6.2-content-length-digits]
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Error::ContentLength);
    }
    let digits = core::str::from_utf8(value).map_err(|_| Error::ContentLength)?;
    // [rfc9110:8.6-content-length-overflow]
    digits.parse().map(Some).map_err(|_| Error::ContentLengthTooBig)
}
