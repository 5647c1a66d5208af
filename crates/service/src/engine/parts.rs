//! Parts of something that is bounded, by who pays.

use std::collections::HashMap;

use crate::engine::work::Payer;

/// What payers have of something that is bounded.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    sum: usize,
    /// Payers that have any.
    by_payer: HashMap<Payer, usize>,
}

impl Parts {
    /// Whether a payer may have more of `max`: it may while it has less than what is free. So a newcomer
    /// always finds something left.
    pub(crate) fn has_room(&self, payer: Payer, max: usize) -> bool {
        let own = self.by_payer.get(&payer).copied().unwrap_or(0);
        own < max.saturating_sub(self.sum)
    }

    pub(crate) fn add(&mut self, payer: Payer, amount: usize) {
        self.sum += amount;
        *self.by_payer.entry(payer).or_default() += amount;
    }

    pub(crate) fn remove(&mut self, payer: Payer, amount: usize) {
        self.sum -= amount;
        if let Some(own) = self.by_payer.get_mut(&payer) {
            *own -= amount;
            if *own == 0 {
                self.by_payer.remove(&payer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Parts, Payer};

    #[test]
    fn payers_that_take_all_they_get_leave_something_to_others() {
        const MAX: usize = 1 << 20;
        let payer = |id| Payer { id, weight: 1 };
        let mut parts = Parts::default();
        for _ in 0..MAX {
            for id in 0..100 {
                if parts.has_room(payer(id), MAX) {
                    parts.add(payer(id), 1_000);
                }
            }
            if (0..100).all(|id| !parts.has_room(payer(id), MAX)) {
                break;
            }
        }
        assert!(parts.sum < MAX, "{}", parts.sum);
        assert!(parts.has_room(payer(100), MAX));
        let of_each: Vec<usize> = parts.by_payer.values().copied().collect();
        assert!(of_each.iter().all(|amount| amount.abs_diff(of_each[0]) <= 1_000), "{of_each:?}");
        for (id, amount) in parts.by_payer.clone() {
            parts.remove(id, amount);
        }
        assert_eq!((parts.sum, parts.by_payer.len()), (0, 0));
    }
}
