//! Takes Rust sources apart: code and comments, the beginning of tests, the lengths of functions.

use std::ops::Range;

/// The kind of a stretch of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    /// A string or a character.
    Literal,
}

/// A source, taken apart. Both texts have the lines of the source, with everything else blanked out.
pub(crate) struct Source {
    pub(crate) code: String,
    pub(crate) comments: String,
}

/// A function and its number of lines, from `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        let spans = spans(text);
        Self { code: only(text, &spans, Kind::Code), comments: only(text, &spans, Kind::Comment) }
    }

    /// The number of lines before the tests: before the first `#[cfg(test)]` at the margin.
    pub(crate) fn lines_before_tests(&self) -> usize {
        self.code.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
    }

    /// The functions that have a body, in the order of their beginnings.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let begins_word = !self.code[..at].ends_with(is_word);
            let rest = self.code[at..].trim_start_matches("fn").trim_start();
            let name: String = rest.chars().take_while(|&it| is_word(it)).collect();
            if !begins_word || name.is_empty() {
                continue;
            }
            if let Some(len) = body_end(&self.code[at..]) {
                let line = self.code[..at].matches('\n').count() + 1;
                let lines = self.code[at..at + len].matches('\n').count() + 1;
                functions.push(Function { name, line, lines });
            }
        }
        functions
    }

    /// The lines, from 1, that call one of `macros`, before line `end`.
    pub(crate) fn calls<'m>(&self, macros: &[&'m str], end: usize) -> Vec<(usize, &'m str)> {
        let mut calls = Vec::new();
        for (index, line) in self.code.lines().enumerate().take(end) {
            let words = line.split_inclusive(|it| !is_word(it));
            let is_call =
                |name: &str| words.clone().any(|word| word.strip_suffix('!') == Some(name));
            calls.extend(macros.iter().filter(|name| is_call(name)).map(|name| (index + 1, *name)));
        }
        calls
    }
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

/// The text of one kind, everything else blanked out.
fn only(text: &str, spans: &[(Kind, Range<usize>)], kind: Kind) -> String {
    let mut out = String::with_capacity(text.len());
    for (other, range) in spans {
        let blank = |it: char| if it == '\n' || *other == kind { it } else { ' ' };
        out.extend(text[range.clone()].chars().map(blank));
    }
    out
}

/// The stretches of a source; together they are the whole of it.
fn spans(text: &str) -> Vec<(Kind, Range<usize>)> {
    let mut spans: Vec<(Kind, Range<usize>)> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (kind, len) = span(&text[at..]);
        match spans.last_mut() {
            Some((last, range)) if *last == kind => range.end += len,
            Some(_) | None => spans.push((kind, at..at + len)),
        }
        at += len;
    }
    spans
}

/// The stretch at the beginning of `text`, which is not empty.
fn span(text: &str) -> (Kind, usize) {
    if text.starts_with("//") {
        return (Kind::Comment, text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return (Kind::Comment, block_comment(text));
    }
    if let Some(len) = raw_string(text).or_else(|| quoted(text)) {
        return (Kind::Literal, len);
    }
    (Kind::Code, text.chars().next().map_or(0, char::len_utf8))
}

/// The length of a block comment, with those within it.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(offset) = text[at..].find(['/', '*']) {
        at += offset;
        let step = match text.get(at..at + 2) {
            Some("/*") => 1,
            Some("*/") => -1,
            Some(_) | None => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a raw string.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let inner = rest.trim_start_matches('#');
    let hashes = &rest[..rest.len() - inner.len()];
    let inner = inner.strip_prefix('"')?;
    let end = format!("\"{hashes}");
    let len = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(text.len() - inner.len() + len)
}

/// The length of a string or a character; `None` for a lifetime.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    let mut inner = text.char_indices().skip(1);
    if quote == '\'' {
        let mut inner = inner.clone();
        let first = inner.next()?.1;
        let second = inner.next()?.1;
        if first != '\\' && second != '\'' {
            return None;
        }
    }
    while let Some((at, it)) = inner.next() {
        if it == '\\' {
            inner.next();
        } else if it == quote {
            return Some(at + 1);
        }
    }
    Some(text.len())
}

/// Where the body of the function that begins `code` ends; `None` if it has none.
fn body_end(code: &str) -> Option<usize> {
    let mut nesting = 0;
    let mut braces = 0;
    for (at, it) in code.char_indices() {
        match it {
            '(' | '[' => nesting += 1,
            ')' | ']' => nesting -= 1,
            ';' if nesting == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' if braces == 1 => return Some(at + 1),
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
