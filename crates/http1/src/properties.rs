//! Properties that hold for every input, as plain functions that panic where one does not hold: for proptest,
//! fuzz targets and the replay of corpora.
#![allow(missing_docs, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod fuzz;

use alloc::vec::Vec;

use crate::chunked::{self, Decoder, Event};
use crate::{
    Body, BodyFraming, Error, HeadEnd, HeaderStorage, Limits, Persistence, RequestHead,
    RequestWriter, Response, ResponseFraming, ResponseHead, Version,
};
use sockeye_http::{HeaderName, HeaderValue, QueryPairs, Status, grammar};

/// Generous enough that only the rules decide, not the bounds.
const WIDE: Limits = Limits {
    head_bytes_max: usize::MAX,
    headers_max: 128,
    line_bytes_max: usize::MAX,
    target_bytes_max: usize::MAX,
};

/// Cuts bytes into pieces whose lengths are given in turn; the rest is the last piece.
fn split<'a>(mut bytes: &'a [u8], lens: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &len in lens {
        let (piece, rest) = bytes.split_at(usize::from(len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// The scanner finds the same end or error however the bytes arrive, looks at each byte a bounded
/// number of times, and repeats its answer.
pub fn head_end_is_split_independent(bytes: &[u8], lens: &[u8], limits: &Limits) {
    for start in [HeadEnd::new, HeadEnd::for_response] {
        let whole = start().find(bytes, limits);
        let mut scanner = start();
        let mut received = 0;
        let mut calls = 0;
        let mut trickled = Ok(None);
        for piece in split(bytes, lens) {
            received += piece.len();
            calls += 1;
            trickled = scanner.find(&bytes[..received], limits);
            if trickled != Ok(None) {
                break;
            }
        }
        assert_eq!(trickled, whole, "the split changed the answer");
        let tabs = bytes[..received].iter().filter(|&&byte| byte == b'\t').count();
        let lines = bytes[..received].iter().filter(|&&byte| byte == b'\r').count();
        let bound = received + 2 * (lines + tabs + calls);
        assert!(scanner.examined() <= bound, "{} examined of {received}", scanner.examined());
        assert_eq!(scanner.find(&bytes[..received], limits), whole, "the answer changed");
        if let Ok(Some(end)) = whole {
            assert!(end <= limits.head_bytes_max);
            assert_eq!(scanner.find(bytes, limits), whole, "what follows the head was looked at");
        }
    }
}

/// The scanner agrees with a slow one that is written from the rules, on the end and on whether
/// what has arrived is still possible.
pub fn head_end_matches_oracle(bytes: &[u8]) {
    let found = HeadEnd::new().find(bytes, &WIDE).map_err(|_| ());
    let found = if found == Err(()) && too_many_lines(bytes) { return } else { found };
    assert_eq!(found, head_end_oracle(bytes));
}

fn too_many_lines(bytes: &[u8]) -> bool {
    bytes.windows(2).filter(|pair| pair == b"\r\n").count() > WIDE.headers_max
}

fn head_end_oracle(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let bytes = &bytes[skipped..];
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    let head = &bytes[..end.unwrap_or(bytes.len())];
    for (at, &byte) in head.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| head[before]);
        let after = head.get(at + 1);
        let starts_first_line = before.is_none();
        let starts_line = before == Some(b'\n') || starts_first_line;
        let alone_at_front = starts_first_line && skipped == 0 && head.len() == 1;
        let fine = match byte {
            b'\r' if starts_first_line => alone_at_front,
            b'\r' => after.is_none_or(|&after| after == b'\n'),
            b'\n' => before == Some(b'\r'),
            byte if starts_line => grammar::is_tchar(byte),
            byte => grammar::is_field_byte(byte),
        };
        if !fine {
            return Err(());
        }
    }
    Ok(end.map(|end| skipped + end))
}

/// Parsing never panics, and what it accepts keeps every promise that its types make.
pub fn parsed_request_is_unambiguous(bytes: &[u8]) {
    let limits = Limits::DEFAULT;
    let mut storage = HeaderStorage::new();
    let Ok(head) = RequestHead::parse(bytes, &mut storage, &limits) else { return };
    assert_eq!(HeadEnd::new().find(bytes, &limits), Ok(Some(bytes.len())));
    // The same head in two reads: `parse` has looked at it in one go.
    let mut trickled = HeadEnd::new();
    let first = trickled.find_request(&bytes[..bytes.len() / 2], &limits);
    assert!(first.unwrap().is_none());
    let found = trickled.find_request(bytes, &limits).unwrap().unwrap();
    let mut other_storage = HeaderStorage::new();
    let other = RequestHead::of(found, &mut other_storage, &limits).unwrap();
    assert!(other.headers().iter().eq(head.headers().iter()));
    assert!(grammar::is_token(head.method().as_str().as_bytes()));
    assert!(head.path().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    let headers = head.headers();
    let hosts = headers.all("host").count();
    assert!(hosts == 1 || hosts == 0 && head.version() == Version::Http10);
    assert!(hosts == 0 || head.authority().is_some_and(|host| !host.is_empty()));
    let lengths = headers.all("Content-Length").count();
    let codings = headers.all("Transfer-Encoding").count();
    match head.body() {
        BodyFraming::None => assert_eq!((lengths, codings), (0, 0)),
        BodyFraming::Length(_) => assert_eq!((lengths, codings), (1, 0)),
        BodyFraming::Chunked => {
            assert_eq!((lengths, codings), (0, 1));
            assert_eq!(head.version(), Version::Http11);
        }
    }
    for (name, value) in headers.iter() {
        assert!(grammar::is_token(name.as_bytes()));
        assert!(HeaderValue::from_bytes(value).is_ok());
        assert!(headers.contains(name));
        let _ = (headers.single(name), headers.tokens(name).count());
    }
    let _ = (head.keep_alive(), head.connection(), head.expect_continue());
    let _ = alloc::format!("{head:?}");
    QueryPairs::new(head.query().unwrap_or_default()).for_each(drop);
}

/// Parsing a response never panics, whatever is asked of it afterwards.
pub fn parsed_response_answers(bytes: &[u8]) {
    let mut storage = HeaderStorage::new();
    let Ok(head) = ResponseHead::parse(bytes, &mut storage, &Limits::DEFAULT) else { return };
    assert_eq!(head.body("HEAD"), ResponseFraming::None);
    if head.status().is_bodiless() {
        assert_eq!(head.body("GET"), ResponseFraming::None);
    }
    let _ = (head.keep_alive(), head.reason(), head.version());
    let _ = alloc::format!("{head:?}");
}

/// Runs a decoder over pieces; returns the data, how many bytes of all it consumed, and the end.
fn decode(pieces: &[&[u8]]) -> (Vec<u8>, usize, Result<bool, Error>) {
    let mut decoder = Decoder::new(chunked::Limits::DEFAULT);
    let mut data = Vec::new();
    let mut consumed = 0;
    for &piece in pieces {
        let mut input = piece;
        loop {
            let event = decoder.next(&mut input);
            match event {
                Ok(Some(Event::Data(bytes))) => {
                    assert!(!bytes.is_empty());
                    data.extend_from_slice(bytes);
                }
                Ok(Some(Event::End)) => {
                    assert!(decoder.is_complete());
                    let left = input.len();
                    assert_eq!(decoder.next(&mut input), Ok(None));
                    assert_eq!(input.len(), left, "the next message was consumed");
                    return (data, consumed + piece.len() - left, Ok(true));
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(&mut &b"0\r\n\r\n"[..]), Err(error));
                    return (data, consumed + piece.len() - input.len(), Err(error));
                }
            }
        }
        assert!(input.is_empty(), "input was left although more is needed");
        consumed += piece.len();
    }
    (data, consumed, Ok(false))
}

/// The decoder gives the same data, place and outcome however the bytes arrive.
pub fn chunked_is_split_independent(bytes: &[u8], lens: &[u8]) {
    assert_eq!(decode(&split(bytes, lens)), decode(&[bytes]));
}

/// The decoder completes exactly those bodies, with that data and end, that a slow one completes.
pub fn chunked_matches_oracle(bytes: &[u8]) {
    let (data, consumed, outcome) = decode(&[bytes]);
    let decoded = (outcome == Ok(true)).then_some((data, consumed));
    if bytes.len() <= 4096 {
        assert_eq!(decoded, chunked_oracle(bytes));
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = (&bytes[..at], &bytes[at + 2..]);
    line.iter().all(|&byte| grammar::is_field_byte(byte)).then_some((line, rest))
}

fn are_extensions(text: &[u8]) -> bool {
    if text.is_empty() {
        return true;
    }
    let Some(extension) = text.trim_ascii_start().strip_prefix(b";") else { return false };
    let Some(rest) = after_token(extension.trim_ascii_start()) else { return false };
    let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") else {
        return are_extensions(rest);
    };
    let value = value.trim_ascii_start();
    let rest = value.strip_prefix(b"\"").map_or_else(|| after_token(value), after_quoted);
    rest.is_some_and(are_extensions)
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().take_while(|&&byte| grammar::is_tchar(byte)).count();
    (len > 0).then(|| &text[len..])
}

fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'"', rest @ ..] => Some(rest),
        [b'\\', _, rest @ ..] | [_, rest @ ..] => after_quoted(rest),
        [] => None,
    }
}

fn chunked_oracle(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut rest = bytes;
    let mut data = Vec::new();
    loop {
        let (size, after) = line(rest)?;
        let digits = match size.iter().position(|&byte| byte == b';') {
            Some(at) if are_extensions(&size[at..]) => size[..at].trim_ascii_end(),
            Some(_) => return None,
            None => size,
        };
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = core::str::from_utf8(digits).ok().filter(|text| is_hex && text.len() <= 16)?;
        let size = usize::from_str_radix(digits, 16).ok()?;
        rest = after;
        if size == 0 {
            break;
        }
        data.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    loop {
        let (trailer, after) = line(rest)?;
        rest = after;
        if trailer.is_empty() {
            return Some((data, bytes.len() - rest.len()));
        }
        let colon = trailer.iter().position(|&byte| byte == b':')?;
        if !grammar::is_token(&trailer[..colon]) {
            return None;
        }
    }
}

/// Decoding gives the encoded data back, whatever the chunks and however they arrive.
pub fn chunked_round_trip(data: &[u8], chunk_lens: &[u8], lens: &[u8]) {
    let mut out = Vec::new();
    for (turn, chunk) in split(data, chunk_lens).into_iter().enumerate() {
        if turn % 2 == 0 || chunk.is_empty() {
            chunked::encode(chunk, &mut out);
        } else {
            out.extend_from_slice(&chunked::ChunkHead::new(chunk.len() as u64));
            out.extend_from_slice(chunk);
            out.extend_from_slice(chunked::TAIL);
        }
    }
    out.extend_from_slice(chunked::LAST);
    let len = out.len();
    out.extend_from_slice(b"HTTP/1.1");
    assert_eq!(decode(&split(&out, lens)), (data.to_vec(), len, Ok(true)));
}

/// Any response that can be written is parsed back to what was written: no name or value, however
/// hostile, adds a line or ends the head.
pub fn response_round_trip(
    code: u16,
    headers: &[(&str, &[u8])],
    connection: Persistence,
    body: &[u8],
) {
    let Some(status) = Status::new(code) else { return };
    let headers: Vec<_> = valid(headers).collect();
    let mut response = Response::new(status).connection(connection);
    for &(name, value) in &headers {
        response = response.header(name, value);
    }
    let mut out = Vec::new();
    response.write(Body::Bytes(body), &mut out);
    let end = HeadEnd::for_response().find(&out, &WIDE).unwrap().unwrap();
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(&out[..end], &mut storage, &WIDE).unwrap();
    assert_eq!((head.status(), head.reason()), (status, status.reason()));
    assert_eq!(head.keep_alive(), connection != Persistence::Close);
    let content = if status.is_bodiless() || status == Status::RESET_CONTENT { &[] } else { body };
    assert_eq!(&out[end..], content);
    let framing = ResponseFraming::Length(content.len() as u64);
    let framing = if status.is_bodiless() { ResponseFraming::None } else { framing };
    assert_eq!(head.body("GET"), framing);
    let own = ["connection", "content-length"];
    let others = head
        .headers()
        .iter()
        .filter(|(name, _)| !own.iter().any(|own| name.eq_ignore_ascii_case(own)));
    assert!(others.eq(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))));
}

/// A written request head parses back to its parts.
pub fn request_round_trip(
    [method, target, host]: [&str; 3],
    headers: &[(&str, &[u8])],
    body: &[u8],
) {
    let headers: Vec<_> = valid(headers).filter(|(name, _)| name.as_str() != "expect").collect();
    let Ok(mut request) = RequestWriter::new(method, target, host) else { return };
    for &(name, value) in &headers {
        request = request.header(name, value);
    }
    let mut out = Vec::new();
    request.write(Body::Bytes(body), &mut out);
    let end = HeadEnd::new().find(&out, &WIDE).unwrap().unwrap();
    let mut storage = HeaderStorage::new();
    let head = match RequestHead::parse(&out[..end], &mut storage, &WIDE) {
        Err(Error::Expectation) => return,
        head => head.unwrap(),
    };
    assert_eq!(&out[end..], body);
    assert_eq!(head.method().as_str(), method);
    let named = crate::target::parse(head.method(), target).unwrap().authority();
    assert_eq!(head.authority(), Some(named.unwrap_or(host)));
    assert_eq!(head.body(), BodyFraming::Length(body.len() as u64));
    assert_eq!(head.headers().len(), headers.len() + 2);
}

/// Those headers that can be written at all, at most as many as fit a head.
fn valid<'a>(
    headers: &[(&'a str, &'a [u8])],
) -> impl Iterator<Item = (HeaderName<'a>, HeaderValue<'a>)> {
    headers.iter().take(100).filter_map(|&(name, value)| {
        Some((HeaderName::new(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    })
}
