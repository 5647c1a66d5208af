//! The key, its answer, and base64 around them (RFC 6455 §4.1, §4.2.2, §11.3.1, §11.3.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The UUID that every accept value is derived with (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a `Sec-WebSocket-Key` value: 16 bytes in padded base64.
pub(crate) const KEY_BYTES: usize = 24;

/// The `Sec-WebSocket-Accept` value that answers a `Sec-WebSocket-Key` value.
///
/// `key` is the header's text as received, without the whitespace around it; it is hashed as
/// text and not decoded. The result is ASCII.
///
/// # RFC
///
/// RFC 6455 §4.2.2 (5.4); the example of §1.3:
///
/// ```
/// let accept = sockeye_handshake::accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    // [rfc6455:4.2.2-accept-value]
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    let written = STANDARD.encode_slice(digest, &mut accept);
    debug_assert_eq!(written, Ok(28), "20 bytes are 28 characters of base64");
    accept
}

/// The `Sec-WebSocket-Key` value of a nonce.
pub(crate) fn encode_nonce(nonce: [u8; 16]) -> [u8; KEY_BYTES] {
    // [rfc6455:4.1-key-value]
    let mut key = [0; KEY_BYTES];
    let written = STANDARD.encode_slice(nonce, &mut key);
    debug_assert_eq!(written, Ok(KEY_BYTES), "16 bytes are 24 characters of base64");
    key
}

/// Whether `key` is the one canonical base64 text of some 16 bytes: 24 characters of the standard
/// alphabet, padding among them, and zero in the bits that the last of them has to spare.
pub(crate) fn is_valid(key: &[u8]) -> bool {
    // 21 characters have six bits each, and the 22nd the last two of 128.
    // [rfc6455:4.2.1-key-16-bytes]
    match key {
        [full @ .., b'A' | b'Q' | b'g' | b'w', b'=', b'='] if full.len() == 21 => {
            full.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [rfc6455:4.2.2-accept-value] and [rfc6455:4.1-key-value]: the worked example of §1.3.
    #[test]
    fn the_example_of_section_1_3() {
        let key = encode_nonce(*b"the sample nonce");
        assert_eq!(&key, b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(&accept_key(&key), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    /// [rfc6455:4.2.1-key-16-bytes]: what a decoder of base64 says of every byte at every place.
    #[test]
    fn a_key_is_what_decodes_to_16_bytes() {
        let key = encode_nonce(*b"the sample nonce");
        let mut valid_count = 0;
        for place in 0..key.len() {
            for byte in 0..=u8::MAX {
                let mut other = key;
                other[place] = byte;
                // What the decoder asks room for: 24 characters might be 18 bytes.
                let decoded = STANDARD.decode_slice(other, &mut [0; 18]);
                assert_eq!(is_valid(&other), decoded == Ok(16), "{}", other.escape_ascii());
                valid_count += usize::from(is_valid(&other));
            }
        }
        assert_eq!(valid_count, 21 * 64 + 4 + 2);
    }

    /// [rfc6455:4.2.1-key-16-bytes]
    #[test]
    fn only_canonical_base64_of_16_bytes_is_a_key() {
        for nonce in [[0; 16], [0xff; 16], *b"the sample nonce"] {
            assert!(is_valid(&encode_nonce(nonce)));
        }
        let invalid: &[&[u8]] = &[
            b"",
            b"x",
            b"dGhlIHNhbXBsZSBub25jZQ",    // no padding
            b"dGhlIHNhbXBsZSBub25jZQ=",   // half the padding
            b"dGhlIHNhbXBsZSBub25jZR==",  // the same 16 bytes, spare bits set
            b"dGhlIHNhbXBsZSBub25jZWE=",  // 17 bytes
            b"dGhlIHNhbXBsZSBub25jZWFi",  // 18 bytes
            b"dGhlIHNhbXBsZSBub25j",      // 15 bytes
            b"_-hlIHNhbXBsZSBub25jZQ==",  // the URL-safe alphabet
            b"dGhlIHNhbXBs=SBub25jZQ==",  // padding inside
            b"dGhlIHNhbXBs ZSBub25jZQ==", // a space inside
            b"dGhlIHNhbXBsZSBub25j ZQ=",
            b"dGhlIHNhbXBsZSBub25jZQ==\n",
            b"dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
            b"dGhlIHNhbXBsZSBub25j\xff\xff==",
        ];
        for key in invalid {
            assert!(!is_valid(key), "{}", key.escape_ascii());
        }
    }
}
