//! Subscribers and what each is subscribed to.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::few::Few;
use crate::tombstones::Stamp;
use crate::{Reason, Seq, Span};

/// Names a subscriber. It stays unknown for good once the subscriber is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberKey {
    index: u32,
    generation: u32,
}

impl SubscriberKey {
    /// A small number that no other subscriber has at the same time; for tables beside the hub.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// Where a subscriber is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(Seq);

impl Place {
    /// At the head: each new message is named to it. No message has this number, so that a place is
    /// one word.
    pub(crate) const LIVE: Self = Self(Seq(u64::MAX));

    /// It has everything up to `seq`, and fetches the rest.
    pub(crate) fn behind(seq: Seq) -> Self {
        debug_assert!(seq != Self::LIVE.0, "no log is that long");
        Self(seq)
    }

    /// Up to where it has everything, if it is behind.
    pub(crate) fn seq(self) -> Option<Seq> {
        Some(self.0).filter(|_| self != Self::LIVE)
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) key: SubscriberKey,
    pub(crate) place: Place,
    /// The newest message that was named to it, so that two subscriptions name it once.
    pub(crate) named: Seq,
    pub(crate) subscriptions: Few<Subscription>,
    /// Only while it catches up: who is live costs one word for it.
    catching_up: Option<Box<CatchingUp>>,
}

/// What is kept of one catching-up.
#[derive(Debug, Default)]
pub(crate) struct CatchingUp {
    /// Gaps that were declared, where they reach further than the subscriber's place.
    pub(crate) told: BTreeMap<Rc<str>, Span>,
    /// What it came to so far.
    pub(crate) tally: Tally,
}

/// What one catching-up came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) gaps: u32,
    pub(crate) replayed: u64,
    /// Messages and bytes promised to new subscriptions.
    pub(crate) promised_messages: usize,
    pub(crate) promised_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Channel(u32),
    Pattern(u32),
}

/// One subscription.
///
/// It wants the messages after `wants`, and has had those after `start` up to `done`: delivered,
/// or a gap declared. Where two overlap, nobody gets what either has had.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) link: Link,
    /// Where in the channel's or pattern's list of members.
    pub(crate) member: u32,
    pub(crate) start: Seq,
    /// From here on it has had *all*; between `start` and this, what was left when it came.
    pub(crate) whole: Seq,
    pub(crate) done: Seq,
    pub(crate) wants: Seq,
    pub(crate) since: Stamp,
    pub(crate) stage: Stage,
    pub(crate) mode: Mode,
    /// What is wrong with where it was to start, not declared yet. The gap reaches up to `whole`.
    pub(crate) fault: Option<Reason>,
    /// Nothing is expected of it any more.
    pub(crate) finished: bool,
    /// How much of the horizon has been declared.
    pub(crate) horizon: Seq,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was looked up yet.
    Fresh,
    /// It was promised what it gets; the end is not reached.
    Resuming,
    /// It has been live.
    Steady,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything after `start` is owed.
    Exact,
    /// What had been dropped when it came is not owed.
    Lenient,
    /// The same, and of what stood in the log when it came, up to `whole`, only each channel's newest
    /// message, while it is that.
    Newest,
}

impl State {
    /// Everything up to here has been delivered or declared, for each subscription that stands.
    pub(crate) fn cursor(&self, head: Seq) -> Seq {
        self.place.seq().unwrap_or(head)
    }

    /// What this catching-up came to so far.
    pub(crate) fn tally(&self) -> Tally {
        self.catching_up.as_ref().map_or_else(Tally::default, |it| it.tally)
    }

    /// The gap that was declared in a channel, where it reaches further than the place.
    pub(crate) fn told(&self, name: &str) -> Option<Span> {
        self.catching_up.as_ref()?.told.get(name).copied()
    }

    /// Channels of which such a gap is known.
    pub(crate) fn told_len(&self) -> usize {
        self.catching_up.as_ref().map_or(0, |it| it.told.len())
    }

    /// What is kept of this catching-up, made if there is nothing yet.
    pub(crate) fn catching_up(&mut self) -> &mut CatchingUp {
        self.catching_up.get_or_insert_default()
    }

    /// The same, if there is something.
    pub(crate) fn caught_so_far(&mut self) -> Option<&mut CatchingUp> {
        self.catching_up.as_deref_mut()
    }

    pub(crate) fn slot_of(&self, link: Link) -> Option<usize> {
        self.subscriptions.iter().position(|it| it.link == link)
    }

    /// Goes back to `seq` for the sake of a new subscription. What the others had stays had.
    pub(crate) fn rewind(&mut self, seq: Seq, head: Seq) {
        let cursor = self.cursor(head);
        if seq >= cursor {
            return;
        }
        for subscription in self.subscriptions.iter_mut() {
            subscription.done = subscription.done.max(cursor);
            subscription.wants = subscription.wants.max(cursor);
        }
        self.place = Place::behind(seq);
    }

    /// It has caught up.
    pub(crate) fn arrive(&mut self) {
        self.place = Place::LIVE;
        self.catching_up = None;
        for subscription in self.subscriptions.iter_mut() {
            subscription.stage = Stage::Steady;
            subscription.mode = Mode::Exact;
        }
    }
}

/// All subscribers.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    slots: Vec<Result<State, u32>>,
    free: Vec<u32>,
}

impl Subscribers {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A new one at the head.
    pub(crate) fn add(&mut self) -> SubscriberKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Err(0));
            u32::try_from(self.slots.len() - 1).expect("subscribers are bounded")
        });
        let slot = &mut self.slots[index as usize];
        let generation = slot.as_ref().err().copied().unwrap_or_default();
        let key = SubscriberKey { index, generation };
        *slot = Ok(State {
            key,
            place: Place::LIVE,
            named: Seq::ZERO,
            subscriptions: Few::None,
            catching_up: None,
        });
        key
    }

    pub(crate) fn remove(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let Ok(subscriber) = slot else { return };
        // After four billion lives a slot is left alone.
        let next = subscriber.key.generation.checked_add(1);
        *slot = Err(next.unwrap_or(u32::MAX));
        if next.is_some() {
            self.free.push(index);
        }
    }

    pub(crate) fn find(&self, key: SubscriberKey) -> Option<u32> {
        let slot = self.slots.get(key.index as usize)?;
        slot.as_ref().ok().filter(|it| it.key == key).map(|_| key.index)
    }

    pub(crate) fn at(&self, index: u32) -> &State {
        self.slots[index as usize].as_ref().expect("members are subscribers")
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> &mut State {
        self.slots[index as usize].as_mut().expect("members are subscribers")
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut State> {
        self.slots.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each idle stream has these, so what they grow by is paid a hundred thousand times.
    #[test]
    fn a_subscriber_with_one_subscription_is_small() {
        assert_eq!(size_of::<Result<State, u32>>(), 96);
        assert_eq!(size_of::<Subscription>(), 64);
    }
}
