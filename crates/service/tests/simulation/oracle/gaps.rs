//! Gaps: who may be told of them, and what they excuse.

use std::rc::Rc;

use super::{Account, Base, Ledger, covers};
use crate::simulation::said::Gap;
use crate::simulation::truth::Truth;

impl Ledger {
    /// Takes a gap down, if it is one that the client had to be told of.
    pub(super) fn declare(&mut self, gap: &Gap) {
        self.gaps_here += 1;
        let truth = Rc::clone(&self.truth);
        let truth = truth.borrow();
        if gap.ended {
            let end = gap.scope.as_deref().and_then(|it| truth.end_of(it));
            let end = end.unwrap_or_else(|| panic!("{gap:?}: it has not ended"));
            // The end is told.
            self.had.insert(truth.place(end));
        }
        let concerned = match gap.is_fault() {
            true => self.excuse(gap, &truth),
            false => self.note_missing(gap, &truth),
        };
        assert!(concerned, "{gap:?} is none of its business");
    }

    /// Nobody knows how much is missing.
    fn excuse(&mut self, gap: &Gap, truth: &Truth) -> bool {
        let is_named =
            |it: &&mut Account| gap.scope.as_ref().is_none_or(|scope| *scope == it.target);
        let mut named = 0;
        let mut is_right = gap.reason == "epoch" && truth.has_fallen();
        for account in self.accounts.iter_mut().filter(is_named) {
            is_right |= account.doubt.is_some_and(|it| it.admits(&gap.reason, truth));
            (account.base, account.doubt, account.floor) = (Base::Excused, None, None);
            self.once.retain(|(channel, _)| !covers(&account.target, channel));
            named += 1;
        }
        assert!(is_right, "{gap:?} to somebody who has lost nothing");
        // A channel that a client of ours does not want any more may be one of a pattern of its.
        let covers_it =
            |it: &Account| gap.scope.as_ref().is_some_and(|name| covers(&it.target, name));
        named > 0 || self.accounts.iter().any(covers_it)
    }

    /// It is known which messages may be missing.
    fn note_missing(&mut self, gap: &Gap, truth: &Truth) -> bool {
        let scope = gap.scope.as_ref().expect("a channel or a pattern");
        let concerned = |it: &&Account| *scope == it.target || covers(&it.target, scope);
        let (after, through) = gap.missed.expect("it is known how much");
        // More gaps than are named one by one are a gap in every pattern.
        let is_any = |it: &str| {
            gap.reason == "limit" && self.accounts.iter().any(|to| covers(&to.target, it))
        };
        let mut floors = truth.floors.iter().filter(|(_, floor)| **floor > after);
        let dropped = floors.any(|(it, _)| covers(scope, it) || is_any(it));
        let is_right = if truth.has_archive { dropped } else { !self.roomy || truth.has_dropped };
        assert!(is_right, "{gap:?}, and nothing was dropped: {:?}", truth.floors);
        let mut all = self.accounts.iter().filter(concerned).peekable();
        let is_concerned = all.peek().is_some();
        let is_of_log = |it: &Account| match it.base {
            Base::At(place) => truth.common(place).is_some(),
            Base::Now | Base::Joining | Base::Excused => false,
        };
        if all.any(is_of_log) {
            let part = after + 1..=through.min(truth.settled);
            self.missing.extend(part.map(|seq| (scope.clone(), truth.place(seq))));
        }
        is_concerned
    }
}
