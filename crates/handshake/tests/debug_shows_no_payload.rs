//! Credentials and keys never reach a log through `Debug`.

use core::fmt::Debug;

use sockeye_handshake::{Challenge, ClientRequest};
use sockeye_http::{HeaderName, HeaderValue};

const COOKIE: HeaderName<'_> = HeaderName::from_static("Cookie");
const SECRET: HeaderValue<'_> = HeaderValue::from_static("hunter2");

/// Neither the text itself nor its bytes as a derived `Debug` writes them.
fn assert_silent(value: &impl Debug) {
    let shown = format!("{value:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn a_request_shows_no_credentials() {
    assert_silent(&ClientRequest {
        subprotocols: &["chat", "bearer.hunter2"],
        headers: &[(COOKIE, SECRET)],
        ..ClientRequest::new("example.com", "/chat?token=hunter2")
    });
}

#[test]
fn a_challenge_shows_no_key() {
    // The base64 of this nonce begins with the text.
    let challenge = Challenge::new(*b"\x86\xe9\xed\x7a\xbd\x80nonce-rest");
    let mut out = Vec::new();
    challenge.write_request(&ClientRequest::new("a", "/"), &mut out).expect("a valid request");
    assert!(String::from_utf8_lossy(&out).contains("hunter2"), "{}", String::from_utf8_lossy(&out));
    assert_silent(&challenge);
}
