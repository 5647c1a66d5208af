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

/// Writes a value as one line of JSON that a program reads and a terminal may show. It escapes the characters that
/// JSON allows and terminals obey; the value stays the same.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    if !json.chars().any(is_odd) {
        return Ok(json);
    }
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            // These stand outside of strings only: a raw value keeps its white space.
            '\n' | '\r' => out.push(' '),
            '\t' => out.push('\t'),
            letter if is_odd(letter) => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    Ok(out)
}

/// Whether a character is a control, changes the direction of text, or separates lines.
fn is_odd(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn no_text_moves_the_cursor_of_a_terminal() {
        assert_eq!(plain("grüß 7 \"x\" \\"), "grüß 7 \"x\" \\");
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{9b}d\\u{202e}");
    }

    #[test]
    fn json_does_neither_and_stays_what_it_is() {
        let text = "grüß\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\n";
        let line = json(&text).expect("JSON");
        assert_eq!(line, r#""grüß\u001b[2J\u009b2J\u007f\u202e\n""#);
        assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), text);
        let raw = RawValue::from_string("{\"a\":\r\n\t[1,\"\u{85}\"]}".to_owned()).expect("JSON");
        assert_eq!(json(&raw).expect("JSON"), "{\"a\":  \t[1,\"\\u0085\"]}");
    }
}
