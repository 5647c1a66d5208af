//! The ends of a log, which an owner is told once it has read up to them.

use crate::{LogEnds, Position};

/// The ends that a reader knows, and those that its owner has still to get.
#[derive(Debug)]
pub struct KnownEnds {
    known: LogEnds,
    /// The identity that the log had last, also if it is gone.
    identity: u64,
    /// The owner gets these once it was given all entries up to them.
    waiting: Option<LogEnds>,
}

impl KnownEnds {
    /// The ends that the owner was told when the engine came up.
    pub const fn new(known: LogEnds) -> Self {
        Self { known, identity: known.identity, waiting: None }
    }

    /// The ends that the engine told last.
    pub const fn known(&self) -> LogEnds {
        self.known
    }

    /// Whether the owner has still to get ends.
    pub const fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Drops the ends that the owner has still to get, because it reads from elsewhere.
    pub const fn drop_waiting(&mut self) {
        self.waiting = None;
    }

    /// Notes that a request has found no log.
    pub fn note_missing(&mut self) {
        self.known = LogEnds::default();
    }

    /// Notes the ends that the engine tells an owner that reads at `next`, if it reads. True if the log is gone, or is another
    /// one: the owner has to be told that the engine is [up](crate::State::Up) with these ends.
    pub fn note(&mut self, ends: LogEnds, next: Option<Position>) -> bool {
        let before = core::mem::replace(&mut self.known, ends);
        let is_gone = before.last.is_some() && ends.last.is_none();
        let is_other = ![0, ends.identity].contains(&self.identity) && ends.identity != 0;
        if ends.identity != 0 {
            self.identity = ends.identity;
        }
        let is_new = is_gone || is_other;
        // Ends that are not reached yet stay: a reader that is behind would never reach newer ones.
        let stays = !is_new && self.waiting.is_some_and(|waiting| waiting.last <= ends.last);
        if !stays {
            self.waiting = next.map(|_| ends);
        }
        is_new
    }

    /// The ends that an owner gets now, which has been given all entries before `next`.
    pub fn take_reached(&mut self, next: Option<Position>) -> Option<LogEnds> {
        self.waiting.take_if(|ends| ends.last.is_none_or(|last| Some(last) < next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(identity: u64, last: u64) -> LogEnds {
        let position = |number| (last > 0).then_some(Position::new(0, number));
        LogEnds { identity, first: position(1), last: position(last) }
    }

    fn next(number: u64) -> Option<Position> {
        Some(Position::new(0, number))
    }

    #[test]
    fn ends_are_told_once_all_entries_up_to_them_were_given() {
        let mut known = KnownEnds::new(ends(7, 3));
        assert!(!known.note(ends(7, 3), next(1)));
        assert_eq!(known.take_reached(next(3)), None);
        // Newer ones do not take the place of those that are nearer.
        assert!(!known.note(ends(7, 9), next(1)));
        assert_eq!(known.take_reached(next(4)), Some(ends(7, 3)));
        assert_eq!(known.take_reached(next(10)), None, "once");
        assert!(!known.note(ends(7, 9), None), "nobody reads");
        assert!(!known.waits());
    }

    #[test]
    fn a_lost_tail_is_told_instead_of_ends_that_are_never_reached() {
        let mut known = KnownEnds::new(ends(7, 9));
        known.note(ends(7, 9), next(1));
        known.note(ends(7, 5), next(1));
        assert_eq!(known.take_reached(next(6)), Some(ends(7, 5)));
    }

    #[test]
    fn a_log_that_is_gone_or_another_one_is_news() {
        let mut known = KnownEnds::new(ends(7, 9));
        assert!(known.note(LogEnds::default(), next(1)), "it is gone");
        assert_eq!(known.take_reached(next(1)), Some(LogEnds::default()));
        assert!(!known.note(LogEnds::default(), next(1)), "that is known");
        assert!(known.note(ends(8, 2), next(1)), "another one came");
        assert!(!known.note(ends(8, 4), next(1)));
    }
}
