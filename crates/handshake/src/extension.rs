//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1, §11.3.2), read and written.

use alloc::string::String;
use core::fmt;
use sockeye_http::grammar::{is_tchar, trim_ows};

/// The extensions that one `Sec-WebSocket-Extensions` list may name.
///
/// A browser offers one. A peer that sends hundreds wants us to work, not to negotiate.
pub const EXTENSIONS_MAX: usize = 16;

/// The parameters that one extension may have. permessage-deflate, the richest, has four.
pub const PARAMS_MAX: usize = 16;

/// A list of extensions with their parameters, in order: what a client offers, or what a server
/// accepts.
///
/// ```text
/// Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12, x-own
///                           └─────name───────┘  └──────────param───────┘
///                           └───────────────Extension────────────────┘
/// ```
///
/// Inside is the list's canonical text: one space after each `;` and `,`, none elsewhere, no
/// quoting. Every name and value is a token, so that text can be written into a header as it is.
///
/// ```
/// use sockeye_handshake::Extensions;
///
/// let lines: [&[u8]; 2] = [b"permessage-deflate;server_max_window_bits=\"10\"", b"x-own"];
/// let extensions = Extensions::parse(lines)?;
/// assert_eq!(extensions.as_str(), "permessage-deflate; server_max_window_bits=10, x-own");
///
/// let first = extensions.iter().next().unwrap();
/// assert_eq!(first.name(), "permessage-deflate");
/// assert!(first.params().eq([("server_max_window_bits", Some("10"))]));
/// # Ok::<(), sockeye_handshake::ExtensionsError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Extensions {
    text: String,
}

impl Extensions {
    /// The empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: String::new() }
    }

    /// Reads the values of all `Sec-WebSocket-Extensions` lines of a head, in their order.
    ///
    /// Several lines mean the same as one line with their values joined by commas. No line at
    /// all is the empty list; lines that together name nothing are malformed. Empty list elements
    /// beside others are passed over, and whitespace may stand beside `,`, `;` and `=`: the
    /// grammar is that of RFC 2616 with its implied whitespace. Names and parameters are not
    /// interpreted, and may repeat.
    ///
    /// # Errors
    ///
    /// [`ExtensionsError::Malformed`] for text outside the grammar, and
    /// [`ExtensionsError::TooMany`] past [`EXTENSIONS_MAX`] or [`PARAMS_MAX`].
    ///
    /// # RFC
    ///
    /// RFC 6455 §9.1: a recipient must fail the connection on a malformed list. That an
    /// extension is unknown, or its parameters unsuitable, is a matter of negotiation instead.
    pub fn parse<'v>(lines: impl IntoIterator<Item = &'v [u8]>) -> Result<Self, ExtensionsError> {
        let mut list = Self::new();
        let (mut lines_seen, mut len) = (false, 0);
        for line in lines {
            lines_seen = true;
            // Its canonical text is hardly longer.
            list.text.reserve(line.len());
            list.read_line(&mut Scanner { rest: line }, &mut len)?;
        }
        // [rfc6455:9.1-at-least-one]
        if lines_seen && list.is_empty() {
            return Err(ExtensionsError::Malformed);
        }
        Ok(list)
    }

    /// Whether the list names no extension.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The extensions in the order of the list: in an offer the client's preference, in a
    /// response the order in which they apply to what is sent.
    pub fn iter(&self) -> impl Iterator<Item = Extension<'_>> + Clone {
        self.text.split(", ").filter(|text| !text.is_empty()).map(|text| Extension { text })
    }

    /// The list as a header value; the empty text if it names nothing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an extension of this name is in the list. Names are compared byte by byte.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.iter().any(|extension| extension.name() == name)
    }

    /// One line: extensions parted by commas, with empty elements anywhere.
    fn read_line(
        &mut self,
        line: &mut Scanner<'_>,
        len: &mut usize,
    ) -> Result<(), ExtensionsError> {
        loop {
            line.skip_whitespace();
            if !line.at_end() && !line.at(b',') {
                *len = bounded(*len, EXTENSIONS_MAX)?;
                self.read_extension(line)?;
                line.skip_whitespace();
            }
            // [rfc6455:9.1-grammar]: behind an extension stands a comma or the end.
            if !line.eat(b',') {
                return if line.at_end() { Ok(()) } else { Err(ExtensionsError::Malformed) };
            }
        }
    }

    /// `extension = token *( ";" param )`
    fn read_extension(&mut self, line: &mut Scanner<'_>) -> Result<(), ExtensionsError> {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        self.text.push_str(line.token()?);
        let mut len = 0;
        loop {
            line.skip_whitespace();
            if !line.eat(b';') {
                return Ok(());
            }
            len = bounded(len, PARAMS_MAX)?;
            self.text.push_str("; ");
            self.read_param(line)?;
        }
    }

    /// `param = token [ "=" ( token / quoted-string ) ]`
    fn read_param(&mut self, line: &mut Scanner<'_>) -> Result<(), ExtensionsError> {
        line.skip_whitespace();
        self.text.push_str(line.token()?);
        line.skip_whitespace();
        if !line.eat(b'=') {
            return Ok(());
        }
        line.skip_whitespace();
        self.text.push('=');
        if line.eat(b'"') {
            return line.quoted_token(&mut self.text);
        }
        self.text.push_str(line.token()?);
        Ok(())
    }
}

impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One extension of a list: a name and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extension<'e> {
    text: &'e str,
}

impl<'e> Extension<'e> {
    /// The extension's name, a token. Registered names are lower case and compared as they are.
    #[must_use]
    pub fn name(self) -> &'e str {
        self.text.split_once("; ").map_or(self.text, |(name, _)| name)
    }

    /// The parameters in order, each with its value if it has one; both are tokens, and a value
    /// that came quoted is unquoted here.
    pub fn params(self) -> impl Iterator<Item = (&'e str, Option<&'e str>)> + Clone {
        self.text.split("; ").skip(1).map(|param| match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        })
    }
}

/// What can be wrong with the text of a list of extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtensionsError {
    /// The text is outside the grammar of RFC 6455 §9.1.
    Malformed,
    /// The list exceeds [`EXTENSIONS_MAX`] or [`PARAMS_MAX`].
    TooMany,
}

impl fmt::Display for ExtensionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed list of extensions",
            Self::TooMany => "too many extensions or parameters",
        })
    }
}

impl core::error::Error for ExtensionsError {}

/// Counts one more, up to `max`.
fn bounded(len: usize, max: usize) -> Result<usize, ExtensionsError> {
    if len < max { Ok(len.saturating_add(1)) } else { Err(ExtensionsError::TooMany) }
}

/// What is left to read of one line.
struct Scanner<'v> {
    rest: &'v [u8],
}

impl<'v> Scanner<'v> {
    fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn at(&self, byte: u8) -> bool {
        self.rest.first() == Some(&byte)
    }

    /// Takes `byte` if it comes next.
    fn eat(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Drops the whitespace in front, and that at the end of the line, which means nothing either.
    fn skip_whitespace(&mut self) {
        self.rest = trim_ows(self.rest);
    }

    /// Takes the longest run of token characters.
    fn tchars(&mut self) -> &'v str {
        let len = self.rest.iter().position(|&byte| !is_tchar(byte)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        core::str::from_utf8(run).unwrap_or_default()
    }

    fn token(&mut self) -> Result<&'v str, ExtensionsError> {
        // [rfc6455:9.1-grammar]: names and plain values are tokens.
        Some(self.tchars()).filter(|run| !run.is_empty()).ok_or(ExtensionsError::Malformed)
    }

    /// The rest of a quoted-string behind its opening quote, unescaped, which must be a token.
    fn quoted_token(&mut self, out: &mut String) -> Result<(), ExtensionsError> {
        let start = out.len();
        loop {
            out.push_str(self.tchars());
            if self.eat(b'"') {
                break;
            }
            if !self.eat(b'\\') {
                return Err(ExtensionsError::Malformed);
            }
            let (&escaped, rest) = self.rest.split_first().ok_or(ExtensionsError::Malformed)?;
            // [rfc6455:9.1-quoted-token]: nor may an escape bring in what a token cannot hold.
            if !is_tchar(escaped) {
                return Err(ExtensionsError::Malformed);
            }
            out.push(char::from(escaped));
            self.rest = rest;
        }
        // [rfc6455:9.1-quoted-token]: the empty string is no token either.
        if out.len() == start { Err(ExtensionsError::Malformed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn canonical(lines: &[&str]) -> Result<String, ExtensionsError> {
        Extensions::parse(lines.iter().map(|line| line.as_bytes())).map(|list| list.text)
    }

    /// [rfc6455:9.1-grammar], [rfc6455:9.1-quoted-token], [rfc6455:11.3.2-lines-join]
    #[test]
    fn well_formed_lists_and_their_canonical_text() {
        let table: &[(&[&str], &str)] = &[
            (&[], ""),
            (&["foo"], "foo"),
            (&["foo", "bar; baz=2"], "foo, bar; baz=2"),
            (&["foo,bar;baz=2"], "foo, bar; baz=2"),
            (&[" ,\tfoo ,, bar ,"], "foo, bar"),
            (&["", "foo"], "foo"),
            (&["deflate-stream"], "deflate-stream"),
            (
                &["mux; max-channels=4; flow-control, deflate"],
                "mux; max-channels=4; flow-control, deflate",
            ),
            (&["private \t; a\t=\t1 ; b = \"2\" , c"], "private; a=1; b=2, c"),
            (&[r#"foo; a="b\c\!""#], "foo; a=bc!"),
            (&["foo; a; a; a=1, foo"], "foo; a; a; a=1, foo"),
        ];
        for (lines, expected) in table {
            assert_eq!(canonical(lines).as_deref(), Ok(*expected), "{lines:?}");
        }
    }

    /// [rfc6455:9.1-grammar], [rfc6455:9.1-quoted-token], [rfc6455:9.1-at-least-one]
    #[test]
    fn malformed_lists() {
        let table = [
            "",
            " ",
            ",",
            " , ,",
            ";",
            "=",
            "\"foo\"",
            "foo bar",
            "foo;",
            "foo; ;a",
            "foo;=1",
            "foo; a=",
            "foo; a=,b",
            "foo; a=1 2",
            "foo; a==1",
            "foo=1",
            "foo/1",
            "foo; a=\"",
            "foo; a=\"1",
            "foo; a=\"\"",
            "foo; a=\"1 2\"",
            "foo; a=\"1,2\"",
            "foo; a=\"1;2\"",
            "foo; a=\"\\\"\"",
            "foo; a=\"\\",
            "foo; a=\"\\ \"",
            "foo; a=\"1\"2",
            "foo; a=1\"2\"",
            "foo; a='\"'",
            "f\u{f6}",
            "foo; \u{f6}",
            "foo\u{b}",
        ];
        for text in table {
            assert_eq!(canonical(&[text]), Err(ExtensionsError::Malformed), "{text:?}");
        }
        assert_eq!(canonical(&["", " "]), Err(ExtensionsError::Malformed));
        assert_eq!(canonical(&["foo; a=\"1", "2\""]), Err(ExtensionsError::Malformed));
    }

    #[test]
    fn the_counts_are_bounded_over_all_lines() {
        let lines = ["e"; EXTENSIONS_MAX];
        assert!(canonical(&lines).is_ok());
        assert_eq!(canonical(&["e"; EXTENSIONS_MAX + 1]), Err(ExtensionsError::TooMany));
        assert!(canonical(&[&["e", &";p".repeat(PARAMS_MAX)].concat()]).is_ok());
        let long = ["e", &";p".repeat(PARAMS_MAX + 1)].concat();
        assert_eq!(canonical(&[&long]), Err(ExtensionsError::TooMany));
        assert!(canonical(&[&",".repeat(8000), "e"]).is_ok(), "empty elements count for nothing");
    }

    #[test]
    fn names_and_params_come_apart_again() {
        let list = Extensions::parse([&b"a;b=c;d,e,f;g=h"[..]]).unwrap();
        let names: Vec<_> = list.iter().map(Extension::name).collect();
        assert_eq!(names, ["a", "e", "f"]);
        let params: Vec<_> = list.iter().map(|one| one.params().collect::<Vec<_>>()).collect();
        assert_eq!(params, [&[("b", Some("c")), ("d", None)][..], &[], &[("g", Some("h"))]]);
        assert!(list.contains("f") && !list.contains("F") && !list.contains("g"));
        assert_eq!(Extensions::new().iter().count(), 0);
    }
}
