//! The queue of those who want to ask the archive, fair by account.

use std::collections::BTreeMap;

use sockeye_server::FairQueue;

use super::Asker;
use crate::engine::units;
use crate::engine::work::Payer;

/// Askers that wait for a place, and the places that each account has.
#[derive(Debug, Default)]
pub(super) struct Queue {
    accounts: BTreeMap<Payer, Account>,
    /// The accounts that wait. One that has all the places it may have is set aside until one is free.
    order: FairQueue<Payer, ()>,
    /// The number given out last.
    last: u64,
}

/// An account with askers or places.
#[derive(Debug, Default)]
struct Account {
    /// Those that wait, in the order of their numbers.
    waiting: BTreeMap<u64, Asker>,
    /// Questions under way, and pages that were not taken yet.
    places: usize,
    is_in_order: bool,
}

impl Queue {
    /// A number for an asker. Those with lower ones are before it.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Puts an asker in the queue.
    pub(super) fn push(&mut self, payer: Payer, number: u64, asker: Asker) {
        self.accounts.entry(payer).or_default().waiting.insert(number, asker);
        self.file(payer);
    }

    /// Takes out an asker that waits.
    pub(super) fn remove(&mut self, payer: Payer, number: u64) {
        let Some(account) = self.accounts.get_mut(&payer) else { return };
        account.waiting.remove(&number);
        if account.waiting.is_empty() && core::mem::take(&mut account.is_in_order) {
            self.order.cancel(&payer);
        }
        self.forget(payer);
    }

    /// Takes the next asker, of an account that has fewer than `own_max` places. [service:fair-archive]
    pub(super) fn pop(&mut self, own_max: usize) -> Option<(Payer, u64, Asker)> {
        loop {
            let (payer, ()) = self.order.take()?;
            let account = self.accounts.entry(payer).or_default();
            account.is_in_order = false;
            if account.places < own_max
                && let Some((number, asker)) = account.waiting.pop_first()
            {
                self.file(payer);
                self.order.done(payer, units_of(payer));
                return Some((payer, number, asker));
            }
            self.order.done(payer, 0);
            self.forget(payer);
        }
    }

    /// Gives an account a place.
    pub(super) fn occupy(&mut self, payer: Payer) {
        self.accounts.entry(payer).or_default().places += 1;
    }

    /// Takes back a place of an account.
    pub(super) fn release(&mut self, payer: Payer) {
        if let Some(account) = self.accounts.get_mut(&payer) {
            account.places -= 1;
        }
        self.file(payer);
        self.forget(payer);
    }

    /// The places that an account has.
    pub(super) fn places_of(&self, payer: Payer) -> usize {
        self.accounts.get(&payer).map_or(0, |account| account.places)
    }

    /// Whether no account is in the order.
    pub(super) const fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Puts an account in the order, if somebody of it waits.
    fn file(&mut self, payer: Payer) {
        let account = self.accounts.get_mut(&payer).filter(|it| !it.waiting.is_empty());
        let Some(account) = account else { return };
        if !core::mem::replace(&mut account.is_in_order, true) {
            self.order.add(payer, ());
        }
    }

    /// Forgets an account that has nothing.
    fn forget(&mut self, payer: Payer) {
        let account = self.accounts.get(&payer);
        if account.is_some_and(|it| it.waiting.is_empty() && it.places == 0) {
            self.accounts.remove(&payer);
        }
    }
}

/// What a question counts for its account.
fn units_of(payer: Payer) -> u64 {
    units::STEP.div_ceil(u64::from(payer.weight))
}
