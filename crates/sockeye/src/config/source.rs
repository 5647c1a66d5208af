//! Where in the file something stands.

use std::path::Path;
use std::rc::Rc;

/// A file that was read, for messages about what stands in it. By default there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source(Option<Rc<(String, String)>>);

impl Source {
    pub(crate) fn new(path: &Path, text: String) -> Self {
        Self(Some(Rc::new((path.display().to_string(), text))))
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

    /// `what` behind the file's name.
    pub(crate) fn of(&self, what: &str) -> String {
        match self.0.as_deref() {
            Some((path, _)) => format!("{path}: {what}"),
            None => what.to_owned(),
        }
    }
}

/// The number of the line in which a byte is.
pub(crate) fn line(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1)
}
