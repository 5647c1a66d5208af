//! Counts and prints the checks of a run.

use std::fmt::Display;

use crate::subscriber::Heard;
use crate::world::Ground;

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

    /// Records whether subscribers have heard everything once, of whom `behind` have not all messages.
    pub(crate) fn everything_once(&mut self, who: &str, heard: &Heard, behind: usize) {
        self.same(&format!("{who}: lost"), heard.lost, 0);
        self.same(&format!("{who}: repeated"), heard.repeated, 0);
        self.same(&format!("{who}: gaps"), heard.gaps, 0);
        self.same(&format!("{who}: without the last message"), behind, 0);
    }

    /// Records whether the server did nothing that it must not do.
    pub(crate) fn no_faults(&mut self, ground: &Ground) {
        let (faults, total) = (&ground.faults, ground.faults_total);
        self.that(faults.is_empty(), format_args!("faults of the server: {total} {faults:?}"));
    }
}
