//! What has to hold, and whether it did.

use std::fmt::Display;

#[derive(Default)]
pub(crate) struct Checks {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Checks {
    /// Says whether something holds.
    pub(crate) fn that(&mut self, holds: bool, what: impl Display) {
        let word = if holds { "ok  " } else { "FAIL" };
        *(if holds { &mut self.passed } else { &mut self.failed }) += 1;
        println!("  {word}  {what}");
    }

    /// Says that two things are the same, or what they are.
    pub(crate) fn same<T: Copy + PartialEq + Display>(&mut self, what: &str, found: T, wanted: T) {
        if found == wanted {
            self.that(true, format_args!("{what}: {found}"));
        } else {
            self.that(false, format_args!("{what}: {found}, wanted {wanted}"));
        }
    }
}
