//! The horizons that were read, and how much of the log a node needs to join with them.

use std::collections::VecDeque;

use crate::entry::Horizon;

/// The horizons that count, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Marks(VecDeque<Mark>);

/// A horizon.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Its place.
    at: u64,
    /// The newest entry that its writer had read.
    read: u64,
    through: u64,
    told_through: u64,
}

impl Marks {
    /// Takes the next horizon that counts.
    pub(super) fn push(&mut self, at: u64, horizon: &Horizon<'_>) {
        let Horizon { at: read, through, told_through, .. } = *horizon;
        self.0.push_back(Mark { at, read, through, told_through });
    }

    /// The last place at which the log may begin, so that a node can join with the horizons up to `through`; `None` if it cannot.
    ///
    /// Such a node begins at a horizon whose verdicts a later one tells. What that horizon does not forget is behind
    /// an earlier one, whose writer had read an entry that is left.
    pub(super) fn may_begin_at(&self, through: u64) -> Option<u64> {
        let of_log = || self.0.iter().rev().skip_while(|mark| mark.at > through);
        let last = of_log().next()?;
        let begin = of_log().find(|mark| mark.at <= last.told_through)?;
        let base =
            of_log().find(|mark| mark.at < begin.at && mark.told_through <= begin.through)?;
        Some(base.read.min(begin.through + 1))
    }

    /// Forgets the horizons that a node needs only if the log begins before a place.
    pub(super) fn forget(&mut self, before: u64) {
        while self.0.front().is_some_and(|mark| mark.read < before) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Horizons: their places, what their writers had read, what they know and what they tell.
    fn marks(all: &[(u64, u64, u64, u64)]) -> Marks {
        let mark = |&(at, read, through, told_through)| Mark { at, read, through, told_through };
        Marks(all.iter().map(mark).collect())
    }

    /// Each tells what the one before needs, and was written a while after that was read.
    fn row() -> Marks {
        marks(&[(10, 7, 0, 5), (20, 17, 8, 15), (30, 27, 18, 25), (40, 37, 28, 35)])
    }

    #[test]
    fn a_log_begins_before_three_horizons_of_which_each_tells_what_the_others_need() {
        for (through, wanted) in [
            (9, None),
            (29, None),
            // It begins at 20, which 30 tells of, behind 10.
            (30, Some(7)),
            (39, Some(7)),
            (40, Some(17)),
        ] {
            assert_eq!(row().may_begin_at(through), wanted, "{through}");
        }
    }

    #[test]
    fn what_was_read_is_not_what_is_told() {
        let last = |told_through| {
            marks(&[(10, 7, 0, 5), (20, 17, 8, 15), (30, 21, 18, told_through)]).may_begin_at(30)
        };
        assert_eq!((last(20), last(19)), (Some(7), None), "19 does not tell the verdict on 20");
        let base = |told_through| {
            marks(&[(10, 9, 0, told_through), (20, 17, 7, 15), (30, 27, 18, 25)]).may_begin_at(30)
        };
        assert_eq!((base(7), base(8)), (Some(8), None), "what 20 does not forget is behind 8");
    }

    #[test]
    fn horizons_are_forgotten_that_only_a_longer_log_needs() {
        for (before, wanted) in [
            (7, [Some(7), Some(17)]),
            (8, [None, Some(17)]),
            (17, [None, Some(17)]),
            (18, [None, None]),
            (100, [None, None]),
        ] {
            let mut marks = row();
            marks.forget(before);
            assert_eq!([30, 40].map(|through| marks.may_begin_at(through)), wanted, "{before}");
        }
    }

    #[test]
    fn a_horizon_far_behind_the_others_proves_nothing_alone() {
        let far = [(200, 199, 100, 198), (210, 209, 110, 208)];
        let near = [(10, 9, 0, 8), (20, 19, 8, 18), (30, 29, 18, 28)];
        let marks = marks(&[&near[..], &far].concat());
        assert_eq!(
            marks.may_begin_at(200),
            Some(19),
            "the verdict on 30 is known, and that on 200 is not"
        );
        assert_eq!(marks.may_begin_at(210), Some(29));
    }
}
