//! The field of a line: its name, the start of its value, and the digits of `retry`.

/// The field that a line sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Data,
    EventType,
    Id,
    Retry,
    Comment,
    Unknown,
}

/// Bytes at the start of a line that decide its field and where its value begins: the longest
/// known name, its colon and the one space that may follow.
pub(crate) const HEAD_BYTES: usize = "event: ".len();

impl Field {
    /// Splits a line, or its first [`HEAD_BYTES`] bytes or more, into field and value.
    ///
    /// The line is not empty: a blank line has no field.
    ///
    /// Works on raw bytes: the names are ASCII, and a byte that the UTF-8 decoder would replace can
    /// neither belong to a known name nor swallow the colon after it.
    #[inline(always)]
    pub(crate) fn split(line: &[u8]) -> (Self, &[u8]) {
        // The most frequent names first. No search for a colon along a long line.
        if let Some(value) = value_of(b"data", line) {
            (Self::Data, value)
        } else if let Some(value) = value_of(b"", line) {
            // [html:9.2.6-comment] The colon comes first.
            (Self::Comment, value)
        } else if let Some(value) = value_of(b"event", line) {
            (Self::EventType, value)
        } else if let Some(value) = value_of(b"id", line) {
            (Self::Id, value)
        } else if let Some(value) = value_of(b"retry", line) {
            (Self::Retry, value)
        } else {
            // [html:9.2.6-unknown-field] Its value is ignored.
            (Self::Unknown, &[])
        }
    }
}

/// The value, if the line is a field of this name.
///
/// [html:9.2.6-field-names-exact] No case folding, no trimming.
#[inline]
fn value_of<'l>(name: &[u8], line: &'l [u8]) -> Option<&'l [u8]> {
    match line.strip_prefix(name)? {
        // [html:9.2.6-no-colon] Without a colon the whole line is the name, and the value is empty.
        [] => Some(&[]),
        [b':', value @ ..] => Some(strip_space(value)),
        [_, ..] => None,
    }
}

/// [html:9.2.6-one-space] One U+0020 after the colon is not part of the value; a second one is.
fn strip_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// The value of a `retry` line, read as it arrives. Costs no memory, however many digits come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Digits {
    #[default]
    Empty,
    Number(u64),
    Invalid,
}

impl Digits {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let number = match (*self, byte) {
                (Self::Invalid, _) => return,
                (Self::Empty, _) => 0,
                (Self::Number(number), _) => number,
            };
            // [html:9.2.6-retry-digits] ASCII digits only: no sign, no space, no other script.
            *self = match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte.saturating_sub(b'0'));
                    // [html:9.2.6-retry-clamp] Base ten; what is too big stays at the top.
                    Self::Number(number.saturating_mul(10).saturating_add(digit))
                }
                _ => Self::Invalid,
            };
        }
    }

    pub(crate) const fn finish(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Empty | Self::Invalid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [html:9.2.6-no-colon] [html:9.2.6-one-space] [html:9.2.6-comment]
    /// [html:9.2.6-field-names-exact] [html:9.2.6-unknown-field]
    #[test]
    fn splits_lines() {
        let table: &[(&str, Field, &str)] = &[
            ("data", Field::Data, ""),
            ("data:", Field::Data, ""),
            ("data: ", Field::Data, ""),
            ("data:  x ", Field::Data, " x "),
            ("data:\tx", Field::Data, "\tx"),
            ("data::", Field::Data, ":"),
            ("event: :", Field::EventType, ":"),
            ("id", Field::Id, ""),
            ("retry:1", Field::Retry, "1"),
            (": x", Field::Comment, "x"),
            (":", Field::Comment, ""),
            ("::", Field::Comment, ":"),
            ("Data: x", Field::Unknown, ""),
            (" data: x", Field::Unknown, ""),
            ("data : x", Field::Unknown, ""),
            ("dat", Field::Unknown, ""),
            ("identity: x", Field::Unknown, ""),
            ("dat: x", Field::Unknown, ""),
            ("data\0: x", Field::Unknown, ""),
            (" ", Field::Unknown, ""),
        ];
        for &(line, field, value) in table {
            assert_eq!(Field::split(line.as_bytes()), (field, value.as_bytes()), "{line:?}");
        }
    }

    /// [html:9.2.6-retry-digits] [html:9.2.6-retry-clamp]
    #[test]
    fn reads_digits() {
        let table: &[(&str, Option<u64>)] = &[
            ("", None),
            ("0", Some(0)),
            ("03000", Some(3000)),
            ("+1", None),
            ("-1", None),
            ("1x", None),
            ("1.5", None),
            (" 1", None),
            ("x1", None),
            ("\u{663}", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("99999999999999999999999999", Some(u64::MAX)),
        ];
        for &(text, expected) in table {
            let mut digits = Digits::default();
            digits.push(text.as_bytes());
            assert_eq!(digits.finish(), expected, "{text:?}");
        }
    }
}
