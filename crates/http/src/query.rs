//! The pairs of a query string.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::grammar::hex_value;

/// The (name, value) pairs of a query, decoded as HTML forms encode them.
///
/// Pairs are separated by `&`, a pair without `=` has an empty value, empty pieces are left out,
/// `+` is a space (send `%2B` for a plus), `%XX` is a byte, a `%` without two hexadecimal digits stays,
/// and bytes that are not UTF-8 become U+FFFD. A part without escapes costs no
/// allocation. A decoded part is never longer than its encoded form.
///
/// # Examples
/// ```
/// use sockeye_http::QueryPairs;
/// let mut pairs = QueryPairs::new("room=lobby&name=J%C3%B6rg+K.&now");
/// assert_eq!(pairs.next(), Some(("room".into(), "lobby".into())));
/// assert_eq!(pairs.next(), Some(("name".into(), "Jörg K.".into())));
/// assert_eq!(pairs.next(), Some(("now".into(), "".into())));
/// assert_eq!(pairs.next(), None);
/// ```
#[derive(Clone)]
pub struct QueryPairs<'q> {
    rest: &'q str,
}

impl<'q> QueryPairs<'q> {
    /// Iterates over a query without its `?`.
    #[must_use]
    pub const fn new(query: &'q str) -> Self {
        Self { rest: query }
    }
}

impl<'q> Iterator for QueryPairs<'q> {
    type Item = (Cow<'q, str>, Cow<'q, str>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if !pair.is_empty() {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                return Some((decode(name), decode(value)));
            }
        }
        None
    }
}

/// Shows the length only: queries hold credentials.
impl fmt::Debug for QueryPairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueryPairs({} bytes)", self.rest.len())
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'+', tail) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (hex_value(*high), hex_value(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                (None, _) | (_, None) => (b'%', tail),
            },
            (byte, tail) => (byte, tail),
        };
        decoded.push(byte);
        rest = tail;
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}
