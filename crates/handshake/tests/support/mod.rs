//! Heads to ask about, made by changing one line of a good one.
#![allow(dead_code, reason = "each test program uses a part of it")]

use sockeye_handshake::{
    Accept, Accepted, Challenge, ClientRequest, Policy, Reject, VerifyError, decide, decide_parts,
};
use sockeye_http1::{HeaderStorage, Limits, RequestHead, ResponseHead};

/// The nonce of RFC 6455 §1.3.
pub(crate) const NONCE: [u8; 16] = *b"the sample nonce";

const REQUEST: [&str; 6] = [
    "GET /chat HTTP/1.1",
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

const RESPONSE: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// A good request in which the line that begins with `line` is replaced by `by`; if there is no
/// such line, `by` is added.
pub(crate) fn request_with(line: &str, by: &[&str]) -> Vec<u8> {
    head_with(&REQUEST, line, by)
}

/// The same for a response.
pub(crate) fn response_with(line: &str, by: &[&str]) -> Vec<u8> {
    head_with(&RESPONSE, line, by)
}

fn head_with(head: &[&str], line: &str, by: &[&str]) -> Vec<u8> {
    let at = head.iter().position(|one| one.starts_with(line)).unwrap_or(head.len());
    let behind = head.get(at + 1..).unwrap_or_default();
    let lines = [&head[..at], by, behind].concat();
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

/// Decides on the bytes of a head, which must be good HTTP: as it was parsed, and as another server would give it.
pub(crate) fn decide_on<'b>(head: &'b [u8], policy: &Policy<'_>) -> Result<Accept<'b>, Reject> {
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(head, &mut storage, &Limits::DEFAULT).expect("good HTTP");
    let decision = decide(&head, policy);
    assert_eq!(decide_parts(&head, head.version(), policy), decision);
    decision
}

/// Verifies the bytes of an answer to the key of §1.3.
pub(crate) fn verify<'b>(
    head: &'b [u8],
    request: &ClientRequest<'_>,
) -> Result<Accepted<'b>, VerifyError> {
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(head, &mut storage, &Limits::DEFAULT).expect("good HTTP");
    Challenge::new(NONCE).verify(&head, request)
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).expect("ASCII")
}
