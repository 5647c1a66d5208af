//! The runs of a log: which opening of it gave a position out.

use std::collections::VecDeque;

use crate::{Check, Cursor, Epoch, Hub, Run, Seq};

/// The newest runs of an epoch, in the order of their first positions.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: VecDeque<Run>,
    /// The first position of the newest run, and its check.
    first: Seq,
    newest: Check,
}

impl Runs {
    /// The check of a position; none if its run is not known.
    pub(crate) fn check(&self, seq: Seq) -> Check {
        if seq >= self.first {
            return self.newest;
        }
        let after = self.runs.partition_point(|run| run.first <= seq);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        run.map_or(Check::NONE, |run| run.check)
    }

    /// Adds a run. Runs that have no position before it are replaced.
    fn add(&mut self, run: Run, runs_max: usize) {
        while self.runs.back().is_some_and(|last| last.first >= run.first) {
            self.runs.pop_back();
        }
        self.runs.push_back(run);
        // [hub:bound-runs]
        while self.runs.len() > runs_max.max(1) {
            self.runs.pop_front();
        }
        (self.first, self.newest) = (run.first, run.check);
    }
}

impl<M> Hub<M> {
    /// Begins a run: the positions after the head, and after the pending messages, have its check.
    /// A log that is opened begins one with a random check before it gives out a position.
    pub fn begin_run(&mut self, check: Check) {
        let first = Seq(self.head.0 + 1 + self.pending.len() as u64);
        self.add_run(Run { first, check });
    }

    /// Adds a run of the log to the table, for positions that are restored later or were dropped. A
    /// run without a position of its own is replaced by the next one. Of more than
    /// [`Limits::runs_max`](crate::Limits::runs_max), the oldest are forgotten: cursors from before
    /// are not checked.
    pub fn add_run(&mut self, run: Run) {
        self.runs.add(run, self.config.limits.runs_max);
    }

    /// The check of the next position.
    pub fn next_check(&self) -> Check {
        self.runs.check(Seq(self.head.0 + 1 + self.pending.len() as u64))
    }

    /// The cursor of a position of this epoch.
    pub fn at(&self, seq: Seq) -> Cursor {
        Cursor { epoch: self.epoch, seq, check: self.runs.check(seq) }
    }

    /// Whether the run that gave out the cursor's position is the one that this log has there, as far
    /// as both are known. The cursor has to be of this epoch.
    pub fn agrees(&self, cursor: Cursor) -> bool {
        // [hub:resume-forked]
        let check = self.runs.check(cursor.seq);
        cursor.check == Check::NONE || check == Check::NONE || cursor.check == check
    }

    /// Enters an epoch, and forgets the runs of the one that has ended, except the newest: its
    /// check holds from the position before the first message on.
    pub(crate) fn enter_epoch(&mut self, epoch: Epoch) {
        let check = self.runs.newest;
        self.epoch = epoch;
        self.runs = Runs::default();
        // [hub:epoch-run]
        if check != Check::NONE {
            self.add_run(Run { first: Seq::ZERO, check });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [hub:bound-runs]
    #[test]
    fn each_position_has_the_check_of_its_run() {
        let mut runs = Runs::default();
        assert_eq!(runs.check(Seq(5)), Check::NONE, "no table");
        let [one, two, three, four] = [1, 2, 3, 4].map(Check::new);
        for (first, check) in [(3, one), (7, two), (7, three), (9, four)] {
            runs.add(Run { first: Seq(first), check }, 3);
        }
        let checks = [2, 3, 6, 7, 8, 9, u64::MAX].map(|seq| runs.check(Seq(seq)));
        assert_eq!(checks, [Check::NONE, one, one, three, three, four, four]);
        runs.add(Run { first: Seq(20), check: two }, 3);
        assert_eq!([6, 7, 20].map(|seq| runs.check(Seq(seq))), [Check::NONE, three, two]);
        runs.add(Run { first: Seq(1), check: one }, 3);
        assert_eq!((runs.runs.len(), runs.check(Seq(20))), (1, one), "nothing was given out");
    }
}
