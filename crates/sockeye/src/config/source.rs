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
    /// The same for a key of the table with this name that has `number` others before it, as `listen` for
    /// `[[listen]]`; for the table's header if the key is not found.
    pub(crate) fn line_of_nth(&self, table: &str, number: usize, key: &str) -> String {
        let Some((path, _)) = self.0.as_deref() else { return String::new() };
        match self.find_nth(table, number, key) {
            Some((line, _)) => format!("{path}: line {line}: "),
            None => format!("{path}: "),
        }
    }

    /// The value of such a key as it is written, up to the end of the line.
    pub(crate) fn text_of_nth(&self, table: &str, number: usize, key: &str) -> Option<&str> {
        let (_, line) = self.find_nth(table, number, key)?;
        let (found, value) = line.split_once('=')?;
        (found.trim() == key).then(|| value.trim())
    }

    /// The number and the text of such a line.
    fn find_nth(&self, table: &str, number: usize, key: &str) -> Option<(usize, &str)> {
        let (_, text) = self.0.as_deref()?;
        let header = format!("[[{table}]]");
        let lines = text.lines().map(str::trim).zip(1..).map(|(line, number)| (number, line));
        let mut tables = lines.clone().filter(|(_, line)| line.starts_with(&header));
        let (first, begin) = tables.nth(number)?;
        let within = lines.skip(first).take_while(|(_, line)| !line.starts_with('['));
        let mut of_key = within.filter(|(_, line)| key_of(line) == Some(key));
        Some(of_key.next().unwrap_or((first, begin)))
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
