//! Prints a line a second on standard error, so that a long run does not look like a hung one.

use std::io::Write as _;

use sockeye_terminal::print;

const SECOND_NS: u64 = 1_000_000_000;

pub(super) struct Progress {
    next_at: u64,
    shows: bool,
    /// The line is written over the last one.
    in_place: bool,
    has_shown: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let in_place = print::is_able(&std::io::stderr());
        Self { next_at: SECOND_NS, shows: !quiet, in_place, has_shown: false }
    }

    pub(super) fn show(&mut self, now: u64, line: impl FnOnce() -> String) {
        if now < self.next_at {
            return;
        }
        self.next_at = now - now % SECOND_NS + SECOND_NS;
        if !self.shows {
            return;
        }
        let (seconds, line) = (now / SECOND_NS, line());
        let mut out = std::io::stderr().lock();
        // Nobody may be reading there.
        let _ = match self.in_place {
            true => write!(out, "\r{seconds:>4} s  {line}\x1b[K"),
            false => writeln!(out, "{seconds:>4} s  {line}"),
        };
        self.has_shown = true;
    }

    pub(super) const fn due(&self) -> u64 {
        if self.shows { self.next_at } else { u64::MAX }
    }

    /// Clears the line for what follows.
    pub(super) fn finish(&self) {
        if self.in_place && self.has_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
