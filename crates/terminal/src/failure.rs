//! The error with which a command fails, and the line that it prints for the user.

use std::io::Write as _;

/// Prints a line for the user on standard error, after `sockeye: `.
pub fn notice(text: core::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "sockeye: {text}");
}

/// The error with which the program ends: one line for the user.
#[derive(Debug)]
pub struct Failure(pub String);

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Turns an error into a [`Failure`] that also says what was being done.
pub trait OrFail<T> {
    /// Puts `doing` before the error: `cannot read key.pem: permission denied`.
    fn or_fail(self, doing: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: core::fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, doing: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{}: {error}", doing())))
    }
}
