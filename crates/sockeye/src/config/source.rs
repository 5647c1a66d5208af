//! Finds the line of a setting in the configuration file, for error messages.

use std::path::Path;
use std::sync::Arc;

/// A file that was read, for messages about what stands in it. By default there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source(Option<Arc<(String, String)>>);

impl Source {
    pub(crate) fn new(path: &Path, text: String) -> Self {
        Self(Some(Arc::new((path.display().to_string(), text))))
    }

    /// `file: line 3: `, for what begins there.
    pub(crate) fn at(&self, offset: usize) -> String {
        match self.0.as_deref() {
            Some((path, text)) => format!("{path}: line {}: ", line(text, offset)),
            None => String::new(),
        }
    }

    /// The same for the first line that has all of these words.
    pub(crate) fn line_with(&self, words: &[&str]) -> String {
        let Some((path, text)) = self.0.as_deref() else { return String::new() };
        let has = |line: &&str| words.iter().all(|word| line.contains(word));
        match text.lines().zip(1..).find(|(line, _)| has(line)) {
            Some((_, number)) => format!("{path}: line {number}: "),
            None => format!("{path}: "),
        }
    }

    /// The same for a key of a table, as both are usually written; the table "" is the one at the top.
    /// Nothing if it is not found.
    pub(crate) fn line_of(&self, table: &str, key: &str) -> String {
        let Some((path, text)) = self.0.as_deref() else { return String::new() };
        let mut within = "";
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if let Some(header) = line.strip_prefix('[') {
                within = header.split(']').next().unwrap_or_default().trim();
            } else if within == table && key_of(line) == Some(key) {
                return format!("{path}: line {number}: ");
            }
        }
        String::new()
    }
}

impl Source {
    /// The same for the table with this header that has `number` others before it, as `[listen]` for
    /// `[[listen]]`.
    pub(crate) fn line_of_nth(&self, header: &str, number: usize) -> String {
        let Some((path, text)) = self.0.as_deref() else { return String::new() };
        let header = format!("[{header}]");
        let mut lines = text.lines().zip(1..).filter(|(line, _)| line.trim().starts_with(&header));
        match lines.nth(number) {
            Some((_, number)) => format!("{path}: line {number}: "),
            None => format!("{path}: "),
        }
    }
}

/// The bare key that a line begins with.
pub(super) fn key_of(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!key.is_empty() && key.chars().all(is_bare)).then_some(key)
}

/// The number of the line in which a byte is.
pub(crate) fn line(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1)
}
