//! The state of subscribers and of their subscriptions.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::few::Few;
use crate::holders::Holder;
use crate::tombstones::Stamp;
use crate::{Fetch, Reason, Seq, Span};

/// Identifies a subscriber. The key of a removed subscriber is never valid again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberKey {
    index: u32,
    generation: u32,
}

impl SubscriberKey {
    /// A small number that no other present subscriber has. It can index tables beside the hub.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// The position up to which a subscriber has everything, or that it is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadPosition(Seq);

impl ReadPosition {
    /// Live: the subscriber is at the head, and each new message is delivered to it. No message has
    /// this number, so a position is one word.
    pub(crate) const LIVE: Self = Self(Seq(u64::MAX));

    /// Behind: the subscriber has everything up to `seq`, and pulls the rest.
    pub(crate) fn behind(seq: Seq) -> Self {
        debug_assert!(seq != Self::LIVE.0, "no log is that long");
        Self(seq)
    }

    /// The position of a subscriber that is behind; `None` if it is live.
    pub(crate) fn seq(self) -> Option<Seq> {
        Some(self.0).filter(|_| self != Self::LIVE)
    }
}

/// The state of one subscriber.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) key: SubscriberKey,
    pub(crate) position: ReadPosition,
    /// While it is live: it has every message up to here that it wants. Set by a fan-out that may come to it
    /// twice, because patterns match the channel or because others are under way, and before such a fan-out
    /// may meet it: when it subscribes, and when it has caught up.
    pub(crate) named: Seq,
    pub(crate) subscriptions: Few<Subscription>,
    /// Present only while it catches up, so that it costs a live subscriber one word.
    catch_up: Option<Box<CatchUp>>,
}

/// The bookkeeping of one catch-up.
#[derive(Debug, Default)]
pub(crate) struct CatchUp {
    /// Gaps that were declared and reach beyond the subscriber's position, by channel.
    pub(crate) declared: BTreeMap<Rc<str>, Span>,
    pub(crate) tally: Tally,
    /// The messages that it needs from the archive next.
    pub(crate) fetch: Option<Fetch>,
}

/// The totals of one catch-up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) gaps: u32,
    pub(crate) replayed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Channel(u32),
    Pattern(u32),
}

/// One subscription, with the parts of the log that it wants and that it has had.
///
/// ```text
///  had_after            complete_after             had_through
/// ─────┼──────────────────────┼─────────────────────────┼──────────────────────────► log
///      │ had what history     │ had everything          │ owed, if it is after
///      │ still held           │                         │ wanted_after
/// ```
///
/// "Had" means delivered, or a gap declared. Where two subscriptions match the same channel,
/// neither gets what the other has had.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) link: Link,
    /// The index in the channel's or pattern's list of members.
    pub(crate) member: u32,
    /// It has had messages after this, up to `had_through`.
    pub(crate) had_after: Seq,
    /// Between `had_after` and this it has had only what history still held when it was added.
    /// After this it has had everything.
    pub(crate) complete_after: Seq,
    pub(crate) had_through: Seq,
    /// It wants messages after this.
    pub(crate) wanted_after: Seq,
    /// When it was added, in the hub's own order of drops.
    pub(crate) added_at: Stamp,
    pub(crate) stage: Stage,
    pub(crate) mode: Mode,
    /// Why its start cursor was invalid, until that gap is declared. The gap ends at
    /// `complete_after`.
    pub(crate) fault: Option<Reason>,
    /// The client knows that the channel has ended, so nothing more is expected.
    pub(crate) finished: bool,
    /// The part of the horizon that was declared to it.
    pub(crate) horizon_told: Seq,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No pull has looked at it yet.
    Fresh,
    /// A pull has looked at it. It has not caught up yet.
    Resuming,
    /// It was live at least once, so a loss after this is an overrun.
    Steady,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is owed everything after `had_after`.
    Exact,
    /// It is not owed messages that were dropped before it was added.
    Lenient,
    /// As `Lenient`. Of the messages up to `complete_after`, it is owed only the newest of each
    /// channel, as long as no newer one follows.
    Newest,
}

impl State {
    /// The cursor: every subscription has had everything up to here.
    pub(crate) fn cursor(&self, head: Seq) -> Seq {
        self.position.seq().unwrap_or(head)
    }

    /// The totals of this catch-up so far.
    pub(crate) fn tally(&self) -> Tally {
        self.catch_up.as_ref().map_or_else(Tally::default, |it| it.tally)
    }

    /// The gap that was declared in a channel and reaches beyond the position.
    pub(crate) fn declared_gap(&self, name: &str) -> Option<Span> {
        self.catch_up.as_ref()?.declared.get(name).copied()
    }

    /// The number of channels with such a gap.
    pub(crate) fn declared_gaps(&self) -> usize {
        self.catch_up.as_ref().map_or(0, |it| it.declared.len())
    }

    /// The bookkeeping of this catch-up, created if there is none.
    pub(crate) fn catch_up_mut(&mut self) -> &mut CatchUp {
        self.catch_up.get_or_insert_default()
    }

    /// The bookkeeping of this catch-up, if there is any.
    pub(crate) fn catch_up(&mut self) -> Option<&mut CatchUp> {
        self.catch_up.as_deref_mut()
    }

    /// The messages that it needs from the archive next.
    pub(crate) fn fetch(&self) -> Option<Fetch> {
        self.catch_up.as_ref()?.fetch
    }

    /// Adds a pull to the totals, and notes that it has looked at every subscription.
    pub(crate) fn note_pulled(&mut self, replayed: u64) {
        self.catch_up_mut().tally.replayed += replayed;
        for subscription in self.subscriptions.iter_mut() {
            if subscription.stage == Stage::Fresh {
                subscription.stage = Stage::Resuming;
            }
        }
    }

    pub(crate) fn slot_of(&self, link: Link) -> Option<usize> {
        self.subscriptions.iter().position(|it| it.link == link)
    }

    /// Moves back to `seq` for a new subscription. The others do not get again what they have had.
    pub(crate) fn rewind(&mut self, seq: Seq, head: Seq) {
        let cursor = self.cursor(head);
        if seq >= cursor {
            return;
        }
        for subscription in self.subscriptions.iter_mut() {
            subscription.had_through = subscription.had_through.max(cursor);
            subscription.wanted_after = subscription.wanted_after.max(cursor);
        }
        self.position = ReadPosition::behind(seq);
    }

    /// Makes the subscriber live once it has caught up with the head.
    pub(crate) fn become_live(&mut self, head: Seq) {
        self.position = ReadPosition::LIVE;
        self.named = head;
        self.catch_up = None;
        for subscription in self.subscriptions.iter_mut() {
            subscription.stage = Stage::Steady;
            subscription.mode = Mode::Exact;
        }
    }
}

/// All subscribers, in a slab.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    slots: Vec<Result<State, u32>>,
    free: Vec<u32>,
    /// The holder whose quotas each slot's subscriber counts against.
    holders: Vec<Holder>,
}

impl Subscribers {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Adds a live subscriber.
    pub(crate) fn add(&mut self) -> SubscriberKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Err(0));
            self.holders.push(Holder::UNCOUNTED);
            u32::try_from(self.slots.len() - 1).expect("subscribers are bounded")
        });
        let slot = &mut self.slots[index as usize];
        let generation = slot.as_ref().err().copied().unwrap_or_default();
        let key = SubscriberKey { index, generation };
        *slot = Ok(State {
            key,
            position: ReadPosition::LIVE,
            named: Seq::ZERO,
            subscriptions: Few::None,
            catch_up: None,
        });
        key
    }

    pub(crate) fn remove(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let Ok(subscriber) = slot else { return };
        // A slot whose generations are used up is not used again.
        let next = subscriber.key.generation.checked_add(1);
        *slot = Err(next.unwrap_or(u32::MAX));
        self.holders[index as usize] = Holder::UNCOUNTED;
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

    pub(crate) fn holder(&self, index: u32) -> Holder {
        self.holders[index as usize]
    }

    pub(crate) fn set_holder(&mut self, index: u32, holder: Holder) {
        self.holders[index as usize] = holder;
    }

    pub(crate) fn iter_with_holders(&self) -> impl Iterator<Item = (&State, Holder)> {
        let slots = self.slots.iter().zip(&self.holders);
        slots.filter_map(|(slot, holder)| slot.as_ref().ok().map(|state| (state, *holder)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut State> {
        self.slots.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each idle stream has both, so each byte is paid a hundred thousand times.
    #[test]
    fn a_subscriber_with_one_subscription_is_small() {
        assert_eq!(size_of::<Result<State, u32>>(), 96);
        assert_eq!(size_of::<Subscription>(), 64);
    }
}
