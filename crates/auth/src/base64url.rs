//! base64url without padding (RFC 7515 §2), in which each byte string has one spelling.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes; `None` for any other text, padding and stray bits at the end included.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        assert_eq!(decode("_-8"), Some(vec![0xff, 0xef]));
        for bad in ["_-9", "_-8=", "/+8", "_-8\n", " _-8", "_", "_-8."] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
