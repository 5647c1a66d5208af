//! The header lines of a parsed head, and look-ups in them.

use core::fmt;

use crate::{HeaderError, grammar};

/// One header line of a parsed head.
#[derive(Clone, Copy)]
pub struct HeaderLine<'b> {
    /// The name as sent: a token, as its parser has checked.
    pub name: &'b [u8],
    /// The value as sent. [`Headers`] gives it without the whitespace around it.
    pub value: &'b [u8],
}

impl<'b> HeaderLine<'b> {
    /// An empty value, with which to make the array that a parser fills.
    pub const EMPTY: Self = Self { name: b"", value: b"" };

    /// Returns the name as text, which every token is.
    fn name(&self) -> &'b str {
        core::str::from_utf8(self.name).unwrap_or_default()
    }
}

/// Shows the name only: values hold credentials.
impl fmt::Debug for HeaderLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The header lines of a parsed head, in the order they came. Names are compared without regard
/// to case (RFC 9110 §5.1).
#[derive(Clone, Copy)]
pub struct Headers<'h, 'b> {
    lines: &'h [HeaderLine<'b>],
}

impl<'h, 'b> Headers<'h, 'b> {
    /// Wraps the lines of a head, which a parser has checked.
    #[must_use]
    #[inline]
    pub const fn new(lines: &'h [HeaderLine<'b>]) -> Self {
        Self { lines }
    }

    /// Returns the number of lines.
    #[must_use]
    pub const fn len(self) -> usize {
        self.lines.len()
    }

    /// Returns whether there is no line at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.lines.is_empty()
    }

    /// Iterates over all lines as (name as sent, value without surrounding whitespace).
    pub fn iter(self) -> impl Iterator<Item = (&'b str, &'b [u8])> + 'h {
        self.lines.iter().map(|line| (line.name(), grammar::trim_ows(line.value)))
    }

    /// Iterates over all lines as [`iter`](Self::iter) does, with each name as bytes. A caller that only
    /// compares names saves the conversion to text.
    pub fn bytes(self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + 'h {
        self.lines.iter().map(|line| (line.name, grammar::trim_ows(line.value)))
    }

    /// Iterates over the values of all lines of that name.
    pub fn all<'n>(self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'h, 'b, 'n> {
        self.lines
            .iter()
            .filter(move |line| is_same(line.name, name.as_bytes()))
            .map(|line| grammar::trim_ows(line.value))
    }

    /// Returns whether a line of that name exists.
    #[must_use]
    pub fn contains(self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Returns the value of a header that may stand at most once; `None` if it is missing.
    ///
    /// # Errors
    /// [`HeaderError::Repeated`] if several lines have that name. [`HeaderError::NotAscii`] if the value
    /// is not ASCII.
    pub fn single(self, name: &str) -> Result<Option<&'b str>, HeaderError> {
        let value = self.single_bytes(name)?;
        value.map(|value| ascii(value).ok_or(HeaderError::NotAscii)).transpose()
    }

    /// As [`single`](Self::single), for a caller that checks the bytes of the value itself.
    ///
    /// # Errors
    /// [`HeaderError::Repeated`] if several lines have that name.
    pub fn single_bytes(self, name: &str) -> Result<Option<&'b [u8]>, HeaderError> {
        let mut values = self.all(name);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(HeaderError::Repeated);
        }
        Ok(Some(value))
    }

    /// Iterates over the elements of a comma-separated list over all lines of that name, without
    /// surrounding whitespace. Commas inside quoted strings do not separate. Empty elements are
    /// returned, too, so that a caller whose grammar forbids them can refuse the header. A line with an
    /// empty value is one empty element.
    ///
    /// # RFC
    /// RFC 9110 §5.3 (several lines are one list), §5.6.1 (lists), §5.6.4 (quoted strings).
    pub fn elements<'n>(self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'h, 'b, 'n> {
        // [rfc9110:5.3-lines-are-one-list]
        self.all(name).flat_map(|value| Elements { rest: Some(value) })
    }

    /// Iterates over the elements of a list as text, leaving out empty ones as RFC 9110 §5.6.1.2
    /// asks of a recipient.
    ///
    /// An element that is not ASCII is given as `"\u{FFFD}"`, which is no token: a caller
    /// that checks tokens refuses it instead of skipping it.
    pub fn tokens<'n>(self, name: &'n str) -> impl Iterator<Item = &'b str> + use<'h, 'b, 'n> {
        // [rfc9110:5.6.1-empty-elements]
        self.elements(name)
            .filter(|element| !element.is_empty())
            .map(|element| ascii(element).unwrap_or("\u{FFFD}"))
    }

    /// Returns whether an element of the list equals `token`, without regard to ASCII case. Neither a part
    /// of a longer element nor a quoted string counts.
    #[must_use]
    pub fn has_token(self, name: &str, token: &str) -> bool {
        let token = token.as_bytes();
        let mut values = self.all(name);
        values.any(|value| {
            // Most lists have one element.
            is_same(value, token)
                || Elements { rest: Some(value) }.any(|element| element.eq_ignore_ascii_case(token))
        })
    }
}

/// Shows names only: values hold credentials.
impl fmt::Debug for Headers<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines.iter().map(HeaderLine::name)).finish()
    }
}

/// The elements of one line's list.
struct Elements<'b> {
    /// The rest of the list; `None` after the last element.
    rest: Option<&'b [u8]>,
}

impl<'b> Iterator for Elements<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let rest = self.rest.take()?;
        let (element, after) = rest.split_at_checked(element_len(rest)).unwrap_or((rest, &[]));
        self.rest = after.split_first().map(|(_comma, rest)| rest);
        Some(grammar::trim_ows(element))
    }
}

/// Returns how many bytes stand before the first comma outside a quoted string.
fn element_len(list: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    list.iter()
        .position(|&byte| {
            if escaped {
                escaped = false;
                return false;
            }
            match byte {
                b'"' => quoted = !quoted,
                b'\\' => escaped = quoted,
                _ => {}
            }
            // [rfc9110:5.6.4-quoted-comma]
            byte == b',' && !quoted
        })
        .unwrap_or(list.len())
}

/// Returns whether both are the same but for the case of ASCII letters. The comparison is fastest if the
/// case matches, too: pass names in the case that browsers send.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && (left == right || left.eq_ignore_ascii_case(right))
}

/// Returns the bytes as text if they are ASCII; the parser has refused control bytes.
fn ascii(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() { core::str::from_utf8(bytes).ok() } else { None }
}
