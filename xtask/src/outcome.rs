//! The result of a check.

use std::error::Error;
use std::process::ExitCode;

/// A result whose error says that a check could not be made, for example because a program is missing.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Whether to print notes on what is allowed but not aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notes {
    Hide,
    Show,
}

/// The findings of a check.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// Remarks, printed in any case.
    pub(crate) remarks: Vec<String>,
    /// Errors.
    pub(crate) problems: Vec<String>,
    /// The count, a number first.
    pub(crate) summary: String,
}

impl Check {
    /// Prints the findings under the name of the check, the closing line last.
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
