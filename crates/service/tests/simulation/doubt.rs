//! Why a client has to be told that its cursor is none.

use crate::simulation::truth::{Position, Truth};

/// The check of a run that never was.
pub(crate) const NO_RUN: u64 = 7;

/// What is wrong with the cursor that a client has named.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doubt {
    /// It made it up. There is one reason that says so.
    Lie(&'static str),
    /// It was given out in a life that is lost, or says nothing.
    Lost {
        at: Position,
        /// How far the log was when it asked.
        settled: u64,
    },
}

impl Doubt {
    /// Whether this is the right reason of a gap.
    pub(crate) fn admits(self, reason: &str, truth: &Truth) -> bool {
        let epoch = truth.position().epoch;
        // The log may have failed since it asked.
        if reason == "epoch" && epoch != truth.epoch {
            return true;
        }
        match (self, reason) {
            (Self::Lie(right), _) => reason == right,
            (Self::Lost { at, .. }, "epoch") => at.epoch != truth.epoch,
            // The log may have reached that position since it asked.
            (Self::Lost { at, settled }, "ahead") => at.epoch == truth.epoch && at.seq > settled,
            // A position of the epoch after a failure may be given out after the next one.
            (Self::Lost { at, .. }, "forked") => {
                at.seq <= truth.settled && (truth.epoch..=epoch).contains(&at.epoch)
            }
            (Self::Lost { .. }, _) => false,
        }
    }
}
