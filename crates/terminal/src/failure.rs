//! Why a command ends without success, and what it tells the person who started it.

use std::io::Write as _;

/// Tells the person who started us something on standard error.
pub fn notice(text: core::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "sockeye: {text}");
}

/// Why the program ends: one line for the person who started it.
#[derive(Debug)]
pub struct Failure(pub String);

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds to an error what was being done.
pub trait OrFail<T> {
    /// Puts `doing` before the error: `cannot read key.pem: permission denied`.
    fn or_fail(self, doing: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: core::fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, doing: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{}: {error}", doing())))
    }
}
