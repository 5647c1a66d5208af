//! Lists of subscribers, linked in both directions, so that either end is removed in O(1).

use crate::few::Few;

/// A subscriber's end of a subscription: the `slot`-th subscription of that subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) subscriber: u32,
    pub(crate) slot: u32,
}

/// The subscriptions of one channel or pattern, a dense list for fan-out.
#[derive(Debug, Default)]
pub(crate) struct Members(Few<Member>);

impl Members {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[Member] {
        &self.0
    }

    /// Adds a member and returns its index.
    pub(crate) fn add(&mut self, member: Member) -> u32 {
        self.0.push(member);
        u32::try_from(self.0.len() - 1).expect("subscribers are bounded")
    }

    /// Removes the member at `index`, and returns the one that has moved to that index, if any.
    pub(crate) fn remove(&mut self, index: u32) -> Option<Member> {
        self.0.swap_remove(index as usize);
        self.0.get(index as usize).copied()
    }

    /// Notes that the subscription of the member at `index` is now its subscriber's `slot`-th.
    pub(crate) fn moved(&mut self, index: u32, slot: u32) {
        self.0[index as usize].slot = slot;
    }
}
