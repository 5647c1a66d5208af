//! Counts and prints the checks of a run.

use std::fmt::Display;

#[derive(Default)]
pub(crate) struct Checks {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Checks {
    /// Records whether a condition holds.
    pub(crate) fn that(&mut self, holds: bool, what: impl Display) {
        let word = if holds { "ok  " } else { "FAIL" };
        *(if holds { &mut self.passed } else { &mut self.failed }) += 1;
        println!("  {word}  {what}");
    }

    /// Records whether two values are equal, and prints them if not.
    pub(crate) fn same<T: Copy + PartialEq + Display>(&mut self, what: &str, found: T, wanted: T) {
        if found == wanted {
            self.that(true, format_args!("{what}: {found}"));
        } else {
            self.that(false, format_args!("{what}: {found}, wanted {wanted}"));
        }
    }
}
