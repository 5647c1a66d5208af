//! Bursts: consecutive messages of one channel that its subscribers are offered together.
//!
//! ```text
//! commit_later  a:1   waits ─┐
//! commit_later  a:2   waits ─┼─► deliver_burst: one walk over the subscribers of `a`
//! commit_later  a:3   waits ─┘
//! commit_later  b:1   another channel: the burst is delivered before
//! ```
//!
//! While a burst waits, the position of a live subscriber is behind the head in truth. So the burst is
//! delivered before anything else is done with a subscriber of any channel.

use std::mem;
use std::rc::Rc;

use crate::entry::Draft;
use crate::{ChannelName, Cursor, Entry, Flow, Hub, Kind, Misuse, Publication, Seq, SubscriberKey};

/// With fewer subscribers, a message is delivered at once: to put encodings together costs more than the
/// look-ups that it saves.
const SUBSCRIBERS_MIN: usize = 4;

/// A subscriber's answer to a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Messages that it took, from the first on.
    pub taken: usize,
    /// [`Flow::Taken`] if it took all of them, otherwise its answer to the next one.
    pub flow: Flow,
}

impl Offered {
    /// The answers to messages one by one, which are asked for up to the first that is not taken.
    pub fn of_each(flows: impl IntoIterator<Item = Flow>) -> Self {
        let mut taken = 0;
        for flow in flows {
            if flow != Flow::Taken {
                return Self { taken, flow };
            }
            taken += 1;
        }
        Self { taken, flow: Flow::Taken }
    }
}

/// Delivers messages to subscribers.
///
/// [`Hub::deliver_burst`] takes a closure. A type with this trait may have the code of the usual delivery inlined
/// into the walk, and that of the others once beside it.
pub trait Deliver<M> {
    /// Offers messages of one channel to a live subscriber.
    fn offer(&mut self, key: SubscriberKey, entries: &[Rc<Entry<M>>]) -> Offered;

    /// The same where fan-outs are under way.
    fn offer_beside(&mut self, key: SubscriberKey, entries: &[Rc<Entry<M>>]) -> Offered {
        self.offer(key, entries)
    }

    /// A fan-out has ended. `taken`: those of its messages that some subscriber has taken.
    fn fan_out_ended(&mut self, taken: &[Rc<Entry<M>>]) {
        let _ = taken;
    }
}

/// Delivers by a closure.
pub(crate) struct By<F>(pub(crate) F);

impl<M, F: FnMut(SubscriberKey, &[Rc<Entry<M>>]) -> Offered> Deliver<M> for By<F> {
    #[inline]
    fn offer(&mut self, key: SubscriberKey, entries: &[Rc<Entry<M>>]) -> Offered {
        (self.0)(key, entries)
    }
}

/// Messages that wait for their delivery.
#[derive(Debug)]
pub(crate) struct Burst<M> {
    channel: u32,
    entries: Vec<Rc<Entry<M>>>,
    bytes: usize,
}

impl<M> Default for Burst<M> {
    fn default() -> Self {
        Self { channel: 0, entries: Vec::new(), bytes: 0 }
    }
}

impl<M> Burst<M> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<M> Hub<M> {
    /// Whether a burst waits for its delivery.
    #[inline]
    pub fn has_burst(&self) -> bool {
        !self.burst.is_empty()
    }

    /// The messages of the burst that waits.
    pub fn burst(&self) -> &[Rc<Entry<M>>] {
        &self.burst.entries
    }

    /// Whether the burst, or a fan-out that is under way, has the last message of its channel.
    pub fn has_end_under_way(&self) -> bool {
        let last = self.burst.entries.last();
        last.is_some_and(|last| last.kind == Kind::End) || self.fan_outs.has_end()
    }

    /// Whether the oldest pending message can join the burst that waits, if one does.
    #[inline]
    pub fn next_continues_burst(&self) -> bool {
        self.burst.is_empty() || self.next_channel() == Some(self.burst.channel)
    }

    /// Whether a message of this channel can join the burst that waits, if one does.
    pub fn continues_burst(&self, channel: ChannelName<'_>) -> bool {
        self.burst.entries.first().is_none_or(|first| *first.channel == *channel.as_str())
    }

    /// [Commits](Self::commit) a message and puts it into the burst. Returns the number of its
    /// subscribers, or `None` if the burst is to be delivered now.
    ///
    /// # Errors
    /// As [`commit`](Self::commit). [`Misuse::Burst`] if the burst is of another channel.
    #[inline]
    pub fn commit_later(&mut self, position: Cursor, now_ms: u64) -> Result<Option<usize>, Misuse> {
        if !self.next_continues_burst() {
            return Err(Misuse::Burst);
        }
        let (channel, draft) = self.take_pending(position, now_ms)?;
        let reached = self.append_later(channel, draft);
        self.pass_voids();
        Ok(reached)
    }

    /// [Applies](Self::apply) a message and puts it into the burst, as
    /// [`commit_later`](Self::commit_later) does.
    ///
    /// # Errors
    /// As [`apply`](Self::apply). [`Misuse::Burst`] if the burst is of another channel.
    pub fn apply_later(
        &mut self,
        seq: Seq,
        publication: Publication<'_, M>,
        now_ms: u64,
    ) -> Result<Option<usize>, Misuse> {
        if !self.continues_burst(publication.channel) {
            return Err(Misuse::Burst);
        }
        let (channel, draft) = self.take_in(seq, publication, now_ms)?;
        Ok(self.append_later(channel, draft))
    }

    /// Offers the messages of the burst to the subscribers of their channel, as if each message had been
    /// delivered when it was committed. `deliver` is called once for each live subscriber; before that, once for
    /// each [fan-out](Self::fan_out_some) that is still to come to the same subscriber. Returns the number of
    /// subscribers, those that are behind included.
    ///
    /// If they are more than [`Limits::fan_out_members_max`](crate::Limits::fan_out_members_max), none is offered
    /// anything yet: [`fan_out_some`](Self::fan_out_some) goes through them. The number is that of their
    /// subscriptions then.
    pub fn deliver_burst(
        &mut self,
        deliver: impl FnMut(SubscriberKey, &[Rc<Entry<M>>]) -> Offered,
    ) -> usize {
        self.deliver_burst_by(&mut By(deliver))
    }

    /// The same by a type of the caller's.
    #[inline]
    pub fn deliver_burst_by(&mut self, deliver: &mut impl Deliver<M>) -> usize {
        let channel = self.burst.channel;
        let mut entries = mem::take(&mut self.burst.entries);
        if entries.is_empty() {
            return 0;
        }
        if self.is_divided(channel) {
            return self.begin_fan_out(channel, entries, deliver);
        }
        let reached = self.fan_out(channel, &entries, deliver);
        // A record without members may go, and has stayed for its patterns. [hub:burst-same]
        if self.channels.record(channel).members.is_empty() {
            self.keep_bounds(channel);
        }
        entries.clear();
        self.burst = Burst { channel, entries, bytes: 0 };
        reached.taken + reached.behind
    }

    /// The channel of the burst that waits.
    pub(crate) fn burst_channel(&self) -> u32 {
        self.burst.channel
    }

    /// Appends a message to the log, and to the burst if it has subscribers. Returns `None` if it does not
    /// wait.
    #[inline(always)]
    fn append_later(&mut self, channel: u32, draft: Draft<M>) -> Option<usize> {
        let entry = self.enter(channel, draft);
        let record = self.channels.record(channel);
        let (members, by_pattern) = (record.members.len(), !record.patterns.is_empty());
        if members > 0 || !by_pattern {
            self.keep_bounds(channel);
        }
        if members == 0 && !by_pattern {
            return Some(0);
        }
        let waits = !by_pattern && members >= SUBSCRIBERS_MIN && entry.kind == Kind::Message;
        let has_room = self.put_off(channel, entry);
        (waits && has_room).then_some(members)
    }

    /// Puts a message into the burst. Returns whether another one has room.
    fn put_off(&mut self, channel: u32, entry: Rc<Entry<M>>) -> bool {
        let (limits, burst) = (&self.config.limits, &mut self.burst);
        burst.channel = channel;
        burst.bytes += entry.bytes();
        burst.entries.push(entry);
        // [hub:bound-burst]
        burst.entries.len() < limits.burst_messages_max && burst.bytes < limits.burst_bytes_max
    }
}
