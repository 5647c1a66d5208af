//! Escapes text that came from elsewhere, so that a terminal obeys nothing in it.

use serde::Serialize;

/// Escapes a text for a person: it cannot move the cursor of a terminal, nor end a line.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_odd(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Writes a number with its noun, as `1 message` or `2 messages`.
pub fn counted(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// Escapes a text of several lines for a person: line ends and tabs stay.
pub fn lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(plain).collect::<Vec<_>>().join("\t");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Writes a value as one line of JSON that a program reads and a terminal may show. It escapes the characters that
/// JSON allows and terminals obey; the value stays the same.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(one_line)
}

/// An object as such a line of JSON, made field by field.
pub struct JsonLine(String);

/// An object without fields.
impl Default for JsonLine {
    fn default() -> Self {
        Self("{".to_owned())
    }
}

impl JsonLine {
    /// Begins an object whose first field is its type.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        Self::default().field("type", kind)
    }

    /// Appends a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        let name = serde_json::to_string(name).expect("a text is JSON");
        let value = serde_json::to_string(value).expect("plain values are JSON");
        self.0.push_str(&format!("{name}:{value}"));
        self
    }

    /// Appends a field if it has a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&(impl Serialize + ?Sized)>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// The line, without a line end.
    pub fn end(self) -> String {
        one_line(self.0 + "}")
    }

    /// Appends the line to `out`, with its line end.
    pub fn push_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.end().as_bytes());
        out.push(b'\n');
    }
}

fn one_line(json: String) -> String {
    if !json.chars().any(is_odd) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            // These stand outside of strings only: a raw value keeps its white space.
            '\n' | '\r' => out.push(' '),
            '\t' => out.push('\t'),
            letter if is_odd(letter) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Whether a character is a control, changes the direction of text, or separates lines.
fn is_odd(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a log escapes a character: it is one that [`plain`] escapes, or is invisible. A person's text may have
/// invisible ones, because words and emoji are made with them.
pub fn is_hidden(letter: char) -> bool {
    is_odd(letter)
        || matches!(letter, '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn no_text_moves_the_cursor_of_a_terminal() {
        assert_eq!(plain("grüß 7 \"x\" \\"), "grüß 7 \"x\" \\");
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{9b}d\\u{202e}");
        assert_eq!(plain("a\u{61c}b\u{e0067}c\u{200d}d"), "a\\u{61c}b\u{e0067}c\u{200d}d");
        assert_eq!(lines("\ta\u{1b}\n\nb\u{9b}"), "\ta\\u{1b}\n\nb\\u{9b}");
    }

    #[test]
    fn json_does_neither_and_stays_what_it_is() {
        let text = "grüß\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\n";
        let line = json(&text).expect("JSON");
        assert_eq!(line, r#""grüß\u001b[2J\u009b2J\u007f\u202e\n""#);
        assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), text);
        let raw = RawValue::from_string("{\"a\":\r\n\t[1,\"\u{85}\"]}".to_owned()).expect("JSON");
        assert_eq!(json(&raw).expect("JSON"), "{\"a\":  \t[1,\"\\u0085\"]}");
        let line = JsonLine::of("a").field("b", &raw).maybe("c", None::<&str>).maybe("d", Some(&7));
        assert_eq!(line.end(), r#"{"type":"a","b":{"a":  	[1,"\u0085"]},"d":7}"#);
        assert_eq!(JsonLine::default().end(), "{}");
        assert_eq!(
            JsonLine::default().field("a\"\u{1b}", "{").field("b", &1).end(),
            r#"{"a\"\u001b":"{","b":1}"#
        );
    }
}
