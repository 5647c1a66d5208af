//! Writes JSON, and checks JSON that is passed on as its text.

use std::fmt::Write as _;
use std::mem;

use serde_json::value::RawValue;

use super::{Code, Problem};

/// An object that is being written. Its names need no escapes.
pub(super) struct Object<'o> {
    out: &'o mut String,
    empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn new(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    fn name(&mut self, name: &str) {
        if mem::replace(&mut self.empty, false) {
            self.out.push('"');
        } else {
            self.out.push_str(",\"");
        }
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        string(value, self.out);
    }

    /// A text of the service's, which needs no escapes.
    pub(super) fn word(&mut self, name: &str, value: &str) {
        debug_assert!(!value.bytes().any(is_special));
        self.name(name);
        self.out.push('"');
        self.out.push_str(value);
        self.out.push('"');
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        number(value, self.out);
    }

    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// A value that is JSON already.
    pub(super) fn raw(&mut self, name: &str, value: &str) {
        self.name(name);
        self.out.push_str(value);
    }

    /// Items that are JSON already, with commas between them.
    pub(super) fn array(&mut self, name: &str, items: &str) {
        self.name(name);
        self.out.push('[');
        self.out.push_str(items);
        self.out.push(']');
    }

    pub(super) fn texts<'t>(&mut self, name: &str, values: impl IntoIterator<Item = &'t str>) {
        self.name(name);
        self.out.push('[');
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            string(value, self.out);
        }
        self.out.push(']');
    }

    /// Objects, each written for an item.
    pub(super) fn objects<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(T, &mut Object<'_>),
    ) {
        self.name(name);
        self.out.push('[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            let mut object = Object::new(self.out);
            write(item, &mut object);
            object.end();
        }
        self.out.push(']');
    }

    pub(super) fn object(&mut self, name: &str) -> Object<'_> {
        self.name(name);
        Object::new(self.out)
    }

    pub(super) fn end(self) {
        self.out.push('}');
    }
}

/// A whole text that is one object, with room for so many bytes.
pub(super) fn object(bytes: usize, write: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::with_capacity(bytes);
    let mut object = Object::new(&mut out);
    write(&mut object);
    object.end();
    out
}

/// Appends a JSON string.
pub(super) fn string(text: &str, out: &mut String) {
    out.reserve(text.len() + 2);
    out.push('"');
    // The whole text without an early end, so that the loop becomes vectors: mostly nothing is
    // found.
    if text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        escape(text, out);
    } else {
        out.push_str(text);
    }
    out.push('"');
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | ..=0x1F)
}

fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let (special, tail) = tail.split_at(1);
        match special {
            "\"" => out.push_str("\\\""),
            "\\" => out.push_str("\\\\"),
            "\n" => out.push_str("\\n"),
            "\r" => out.push_str("\\r"),
            "\t" => out.push_str("\\t"),
            other => {
                let code = other.bytes().next().unwrap_or_default();
                write!(out, "\\u{code:04x}").expect("a String takes all");
            }
        }
        rest = tail;
    }
    out.push_str(rest);
}

pub(super) fn number(value: u64, out: &mut String) {
    if value < 10 {
        out.push(char::from(DIGITS[(value % 10) as usize]));
        return;
    }
    let (mut digits, mut at, mut rest) = ([0_u8; 20], 20, value);
    while rest > 0 {
        at -= 1;
        digits[at] = DIGITS[(rest % 10) as usize];
        rest /= 10;
    }
    out.push_str(str::from_utf8(&digits[at..]).expect("digits are ASCII"));
}

const DIGITS: &[u8; 10] = b"0123456789";

/// Reads a whole text as one JSON value that can be passed on as it is.
pub(super) fn value<'t>(text: &'t str, depth_max: usize) -> Result<&'t str, Problem> {
    let value: &'t RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    passable(value.get(), depth_max)?;
    Ok(value.get())
}

/// Reads the text of JSON. `what` is the part of a request that it is. [service:utf8-bodies]
pub(super) fn utf8<'t>(bytes: &'t [u8], what: &str) -> Result<&'t str, Problem> {
    str::from_utf8(bytes).map_err(|_| Problem::new(Code::BadJson, format!("{what} is not UTF-8")))
}

pub(crate) fn not_json(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    Problem::new(Code::BadJson, format!("not JSON at line {line}, column {column}"))
}

/// Checks that other parsers will understand a JSON text: it is not too deep, and no string has
/// half of a surrogate pair, which stands for nothing and which many parsers refuse.
///
/// The text has to be JSON already; then quotes, backslashes and brackets are what they seem.
pub(super) fn passable(json: &str, depth_max: usize) -> Result<(), Problem> {
    let mut depth = 0_usize;
    let mut bytes = json.as_bytes();
    while let [byte, rest @ ..] = bytes {
        bytes = rest;
        match byte {
            // [service:bound-depth]
            b'[' | b'{' => {
                depth += 1;
                if depth > depth_max {
                    let message = format!("the JSON is more than {depth_max} levels deep");
                    return Err(Problem::new(Code::BadJson, message));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => bytes = after_string(rest)?,
            _ => {}
        }
    }
    Ok(())
}

/// The bytes after a string whose opening quote was read.
fn after_string(mut bytes: &[u8]) -> Result<&[u8], Problem> {
    let lone = || Problem::new(Code::BadJson, "the JSON has half of a surrogate pair in a string");
    loop {
        bytes = match bytes {
            [b'"', rest @ ..] => return Ok(rest),
            [b'\\', b'u', a, b, c, d, rest @ ..] => match (unit([*a, *b, *c, *d]), rest) {
                (0xD800..=0xDBFF, [b'\\', b'u', a, b, c, d, rest @ ..])
                    if (0xDC00..=0xDFFF).contains(&unit([*a, *b, *c, *d])) =>
                {
                    rest
                }
                // [service:json-unicode]
                (0xD800..=0xDFFF, _) => return Err(lone()),
                (_, rest) => rest,
            },
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
            [] => return Ok(bytes),
        };
    }
}

/// The content of a JSON string without escapes, which is the text between its quotes. `None` for
/// anything else. The text has to be JSON already.
pub(super) fn plain(json: &str) -> Option<&str> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    // Without an early end, so that it becomes vectors.
    let has_escapes = text.bytes().fold(false, |found, byte| found | (byte == b'\\'));
    (!has_escapes).then_some(text)
}

/// The UTF-16 unit that four hexadecimal digits mean.
fn unit(digits: [u8; 4]) -> u32 {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default();
    digits.into_iter().fold(0, |sum, byte| sum << 4 | digit(byte))
}
