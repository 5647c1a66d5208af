//! The budget of a turn, as an application sees it.

use super::Context;

impl Context<'_> {
    /// Counts `units` of work that the application does, against the budget of the turn and the share of the
    /// connection that is served. [`Limits::turn_units_max`](crate::Limits::turn_units_max) says what
    /// a unit is.
    #[inline]
    pub fn spend(&mut self, units: u64) {
        // Units of a whole program's life fit into the counter.
        self.core.budget.spend(units.min(u64::from(u32::MAX)));
    }

    /// Units of work that the loop has spent since the start.
    #[inline]
    pub fn units_spent(&self) -> u64 {
        self.core.budget.spent()
    }

    /// Bills the units that were spent since `before`, an earlier [`Context::units_spent`], to nobody: it was
    /// not for the connection that is visited, or the application's task, that the work was done. The turn has spent them
    /// all the same.
    #[inline]
    pub fn bill_nobody(&mut self, before: u64) {
        self.core.budget.bill_nobody(before);
    }

    /// Bills units to the connection that is visited, or to the application's task, that are spent in later turns: the
    /// work was done for it, and goes on without it.
    #[inline]
    pub fn bill(&mut self, units: u64) {
        self.core.budget.bill(units);
    }

    /// Units of work that somebody pays for: those spent without those billed to nobody, and those that were billed
    /// ahead.
    #[inline]
    pub fn units_billed(&self) -> u64 {
        self.core.budget.billed()
    }

    /// Units of work that this part of the turn has in all.
    #[inline]
    pub fn part_units(&self) -> u64 {
        self.core.budget.part()
    }

    /// Units of work that are left in this part of the turn. [`App::on_turn`](crate::App::on_turn)
    /// stops its own work when there are none, and asks for another turn by
    /// [`Context::come_back`].
    #[inline]
    pub fn units_left(&self) -> u64 {
        self.core.budget.left()
    }

    /// Whether this turn has a quarter of its budget, because connections and work of the application wait for
    /// each other. See [`Limits::turn_units_max`](crate::Limits::turn_units_max).
    pub fn is_short_turn(&self) -> bool {
        self.core.budget.is_short()
    }

    /// Has the next turn wait for nothing, because work of the application is left.
    #[inline]
    pub fn come_back(&mut self) {
        self.core.comes_back = true;
    }
}
