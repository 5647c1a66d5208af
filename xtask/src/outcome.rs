//! What a check comes to.

use std::error::Error;
use std::process::ExitCode;

/// The result of what may be impossible to do at all: a file or program is missing, say.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Whether to name also what is worth knowing and not wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notes {
    Hide,
    Show,
}

/// A check that was made.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// What is worth knowing either way.
    pub(crate) remarks: Vec<String>,
    /// What is wrong.
    pub(crate) problems: Vec<String>,
    /// What was counted; a number comes first.
    pub(crate) summary: String,
}

impl Check {
    /// Prints the check of this name; its closing line comes last.
    pub(crate) fn report(mut self, name: &str) -> ExitCode {
        if self.summary.starts_with("0 ") {
            self.problems.push("nothing was checked".to_owned());
        }
        self.remarks.iter().for_each(|remark| println!("{name}: {remark}"));
        self.problems.iter().for_each(|problem| println!("{name}: error: {problem}"));
        if self.problems.is_empty() {
            println!("{name}: {}", self.summary);
            return ExitCode::SUCCESS;
        }
        println!("{name}: {}, {} errors", self.summary, self.problems.len());
        ExitCode::FAILURE
    }
}
