//! Names and values that a program writes cannot hold what would end a line.

use sockeye_http::{HeaderName, HeaderValue, UsageError};

/// Proves [rfc9110:5.1-name-is-token] and [rfc9110:5.5-no-injection].
#[test]
fn a_line_cannot_be_ended_from_within() {
    for byte in 0..=255_u8 {
        let bytes = [b'a', byte, b'b'];
        let allowed = byte == b'\t' || byte >= 32 && byte != 127;
        assert_eq!(HeaderValue::from_bytes(&bytes).is_ok(), allowed, "{byte:#x}");
        if let Ok(name) = core::str::from_utf8(&bytes) {
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(HeaderName::new(name).is_ok(), token, "{byte:#x}");
        }
    }
    for value in [" a", "a ", "\ta", "a\t", " "] {
        assert_eq!(HeaderValue::new(value), Err(UsageError::HeaderValue));
    }
    assert_eq!(HeaderName::new(""), Err(UsageError::HeaderName));
    assert!(HeaderValue::new("").is_ok());
}

#[test]
fn what_the_writers_add_cannot_be_set() {
    for name in [
        "connection",
        "Content-Length",
        "DATE",
        "Host",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "transfer-Encoding",
        "Upgrade",
    ] {
        assert_eq!(HeaderName::new(name), Err(UsageError::HeaderReserved));
    }
    for name in ["Connections", "Content-Type", "Content-Lengt", "Dat"] {
        assert!(HeaderName::new(name).is_ok());
    }
}
