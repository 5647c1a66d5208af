//! Who is subscribed: links in both directions, so that each end can be cut in O(1).

use crate::few::Few;

/// The other end of a subscription: the `slot`-th one of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) subscriber: u32,
    pub(crate) slot: u32,
}

/// The subscriptions to one channel or pattern: a dense list for fan-out.
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

    /// The place of the new member.
    pub(crate) fn add(&mut self, member: Member) -> u32 {
        self.0.push(member);
        u32::try_from(self.0.len() - 1).expect("subscribers are bounded")
    }

    /// Cuts the member at `place`; the one that takes its place, if any, has to be told.
    pub(crate) fn remove(&mut self, place: u32) -> Option<Member> {
        self.0.swap_remove(place as usize);
        self.0.get(place as usize).copied()
    }

    /// The subscription of the member at `place` is now the `slot`-th of its subscriber.
    pub(crate) fn moved(&mut self, place: u32, slot: u32) {
        self.0[place as usize].slot = slot;
    }
}
