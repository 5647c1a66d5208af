//! The byte classes of RFC 9110 §5, for the parsers of all versions. Those of RFC 3986 are in `target`.

/// A set of bytes as a table. A parser asks it about every byte of a head, so the answer is one load
/// without a branch.
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    /// The letters and digits of ASCII, and `others`.
    pub(crate) const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut rest: &mut [bool] = &mut set;
        let mut byte = 0_u8;
        while let Some((slot, tail)) = rest.split_first_mut() {
            *slot = byte.is_ascii_alphanumeric() || contains(others, byte);
            byte = byte.wrapping_add(1);
            rest = tail;
        }
        Self(set)
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    pub(crate) const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }
}

const fn contains(mut bytes: &[u8], byte: u8) -> bool {
    while let Some((&first, rest)) = bytes.split_first() {
        if first == byte {
            return true;
        }
        bytes = rest;
    }
    false
}

static TCHARS: ByteSet = ByteSet::alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// Returns whether the byte may stand in a token (RFC 9110 §5.6.2).
#[must_use]
#[inline]
pub const fn is_tchar(byte: u8) -> bool {
    TCHARS.has(byte)
}

/// Returns whether the byte may stand in a field value: HTAB, SP, VCHAR or obs-text
/// (RFC 9110 §5.5).
#[must_use]
#[inline]
pub const fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Returns whether the text is a token: not empty, tchars only.
#[must_use]
#[inline]
pub const fn is_token(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        if !is_tchar(byte) {
            return false;
        }
        rest = tail;
    }
    !text.is_empty()
}

/// Returns the bytes as text if they are a token.
#[must_use]
pub fn token(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok().filter(|text| is_token(text.as_bytes()))
}

/// Returns the bytes without optional whitespace (SP, HTAB) at both ends (RFC 9110 §5.6.3).
#[must_use]
#[inline]
pub const fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Returns whether both are the same but for the case of ASCII letters; usable in constants.
pub(crate) const fn eq_ignore_case(mut left: &[u8], mut right: &[u8]) -> bool {
    while let ([a, left_tail @ ..], [b, right_tail @ ..]) = (left, right) {
        if !a.eq_ignore_ascii_case(b) {
            return false;
        }
        left = left_tail;
        right = right_tail;
    }
    left.is_empty() && right.is_empty()
}

/// Returns the value of a hexadecimal digit.
#[must_use]
#[inline]
pub fn hex_value(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    value.to_le_bytes().first().copied()
}

#[cfg(test)]
mod tests {
    use super::{is_tchar, token};

    #[test]
    fn the_token_alphabet_is_that_of_rfc_9110() {
        let separators = b"\"(),/:;<=>?@[\\]{} \t";
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_graphic() && !separators.contains(&byte);
            assert_eq!(is_tchar(byte), expected, "{byte:#x}");
        }
    }

    #[test]
    fn a_token_is_some_tchars() {
        assert_eq!(token(b""), None);
        assert_eq!(token(b"soap"), Some("soap"));
        assert_eq!(token(b"so ap"), None);
    }
}
