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
        self.map_err(|error| Failure(format!("{}: {}", doing(), words(&error.to_string()))))
    }
}

/// An error without the number that `std::io` puts behind the system's words.
fn words(error: &str) -> &str {
    let number = error.strip_suffix(')').and_then(|it| it.rsplit_once(" (os error "));
    number.map_or(error, |(words, _)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_words_and_no_number() {
        let missing: Result<(), _> = Err(std::io::Error::from_raw_os_error(2));
        let failure = missing.or_fail(|| "cannot read x".to_owned()).expect_err("it is one");
        assert_eq!(failure.to_string(), "cannot read x: No such file or directory");
        let other: Result<(), _> = Err("a (b)");
        assert_eq!(
            other.or_fail(|| "c".to_owned()).expect_err("it is one").to_string(),
            "c: a (b)"
        );
    }
}
