//! Tokens, and the whitespace between them (RFC 9110 §5.6.2, §5.6.3).

use sockeye_http::grammar::is_tchar;

/// `text` as a token: one or more token characters, hence ASCII.
pub(crate) fn token(text: &[u8]) -> Option<&str> {
    let is_token = !text.is_empty() && text.iter().copied().all(is_tchar);
    is_token.then(|| core::str::from_utf8(text).ok()).flatten()
}

/// Whether `byte` is optional whitespace: a space or a tab.
pub(crate) const fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_some_tchars() {
        assert_eq!(token(b""), None);
        assert_eq!(token(b"soap"), Some("soap"));
        assert_eq!(token(b"so ap"), None);
    }
}
