//! The calls of one subscriber: subscribe, unsubscribe, disconnect.

use std::rc::Rc;

use crate::subscribers::{CatchUp, Link, Mode, ReadPosition, Stage, Subscription};
use crate::{
    Cursor, Holder, Hub, OnGap, Reason, Refusal, Seq, Settings, Start, SubscriberKey, Target,
};

/// The state of a new subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The subscriber's cursor. It is lower than before if the new subscription starts below it.
    pub cursor: Cursor,
    /// Whether the subscriber is live. A live subscriber has missed nothing, and no
    /// [`Sync`](crate::Sync) follows. Otherwise [`Subscriber::pull`] is due.
    pub live: bool,
    /// The message that ended the channel, if one did. Nothing will follow it.
    pub ended: Option<Seq>,
}

/// One subscriber of a hub: a stream, or a poll while it waits.
///
/// A commit delivers its message to each *live* subscriber. A subscriber that is *behind* pulls
/// the messages from history, in the order of the log. Nothing is queued for it, so a stalled
/// reader costs the same however much it misses. A resume and a slow reader are behind in the same
/// way. Messages that are committed meanwhile are pulled with the rest, so there is no seam between
/// replay and live.
#[derive(Debug)]
pub struct Subscriber<'h, M> {
    pub(crate) hub: &'h mut Hub<M>,
    pub(crate) index: u32,
}

impl<M> Hub<M> {
    /// Adds a subscriber. It is live and has no subscriptions.
    ///
    /// # Errors
    /// [`Refusal::Subscribers`] if the hub is full.
    pub fn connect(&mut self) -> Result<SubscriberKey, Refusal> {
        // [hub:bound-subscribers]
        if self.subscribers.len() >= self.config.limits.subscribers_max {
            return Err(Refusal::Subscribers);
        }
        Ok(self.subscribers.add())
    }

    /// The subscriber, if it has not disconnected.
    ///
    /// # Panics
    /// In debug builds, if the subscriber has subscriptions while a burst waits: it may be in the middle
    /// of the burst.
    pub fn subscriber(&mut self, key: SubscriberKey) -> Option<Subscriber<'_, M>> {
        let index = self.subscribers.find(key)?;
        debug_assert!(
            self.burst.is_empty() || self.subscribers.at(index).subscriptions.is_empty(),
            "the burst is delivered first"
        );
        Some(Subscriber { hub: self, index })
    }

    /// Whether a subscriber has subscriptions.
    pub fn has_subscriptions(&self, key: SubscriberKey) -> bool {
        let index = self.subscribers.find(key);
        index.is_some_and(|index| !self.subscribers.at(index).subscriptions.is_empty())
    }

    /// Why a start is not a position of this log; `None` if it is one. A subscription from a start
    /// with a fault begins with a gap.
    pub fn fault(&self, start: Start) -> Option<Reason> {
        match start {
            Start::Now | Start::Earliest => None,
            // [hub:resume-epoch]
            Start::After(cursor) if cursor.epoch != self.epoch => Some(Reason::Epoch),
            // [hub:resume-ahead]
            Start::After(cursor) if cursor.seq > self.head => Some(Reason::Ahead),
            // [hub:resume-forked]
            Start::After(cursor) if !self.agrees(cursor) => Some(Reason::Forked),
            Start::After(_) => None,
            Start::Unreadable => Some(Reason::Unreadable),
        }
    }

    /// Removes one subscription, at the subscriber and at the channel or pattern.
    fn unlink(&mut self, index: u32, slot: usize) {
        let state = self.subscribers.at_mut(index);
        let removed = state.subscriptions.swap_remove(slot);
        if let Some(moved) = state.subscriptions.get(slot).map(|it| (it.link, it.member)) {
            let slot = u32::try_from(slot).expect("subscriptions are bounded");
            match moved {
                (Link::Channel(channel), member) => {
                    self.channels.record_mut(channel).members.moved(member, slot);
                }
                (Link::Pattern(pattern), member) => {
                    self.patterns.members_mut(pattern).moved(member, slot);
                }
            }
        }
        let moved = match removed.link {
            Link::Channel(channel) => {
                self.channels.record_mut(channel).members.remove(removed.member)
            }
            Link::Pattern(pattern) => self.patterns.members_mut(pattern).remove(removed.member),
        };
        if let Some(moved) = moved {
            let state = self.subscribers.at_mut(moved.subscriber);
            state.subscriptions[moved.slot as usize].member = removed.member;
        }
        self.release(removed.link, self.subscribers.holder(index));
        match removed.link {
            Link::Channel(channel) => self.channels.settle(channel, &self.config),
            Link::Pattern(pattern) => self.patterns.settle(pattern),
        }
        self.stats.subscriptions -= 1;
    }
}

impl<M> Subscriber<'_, M> {
    /// The cursor for the client. A resume from here neither repeats nor misses any message that
    /// was handed out so far.
    pub fn cursor(&self) -> Cursor {
        let state = self.hub.subscribers.at(self.index);
        let seq = self.hub.fan_outs.owed_after(state);
        self.hub.at(seq.unwrap_or_else(|| state.cursor(self.hub.head)))
    }

    /// Whether the gap of an invalid start, or of an epoch that has begun, is still to be declared.
    pub fn owes_fault(&self) -> bool {
        let state = self.hub.subscribers.at(self.index);
        state.subscriptions.iter().any(|it| it.fault.is_some())
    }

    /// Whether it is live: each message is delivered to it when it is committed, or when its fan-out comes to
    /// it.
    pub fn is_live(&self) -> bool {
        self.hub.subscribers.at(self.index).position == ReadPosition::LIVE
    }

    /// The number of its subscriptions.
    pub fn subscriptions(&self) -> usize {
        self.hub.subscribers.at(self.index).subscriptions.len()
    }

    /// Counts the channels and patterns of this subscriber, those that it is in among them, against
    /// the quotas of `holder`. A new subscriber is not counted.
    pub fn count_for(&mut self, holder: Holder) {
        let Self { hub, index } = self;
        let before = hub.subscribers.holder(*index);
        if holder == before {
            return;
        }
        hub.subscribers.set_holder(*index, holder);
        let state = hub.subscribers.at(*index);
        let links: Vec<Link> = state.subscriptions.iter().map(|it| it.link).collect();
        for link in links {
            hub.release(link, before);
            hub.hold(link, holder);
        }
    }

    /// Adds a subscription, also while others catch up.
    ///
    /// A live subscriber stays live if the new subscription starts at the head and it [is owed](Hub::deliver_owed)
    /// nothing. An earlier or invalid
    /// start puts it behind until it has pulled, and takes its cursor back to that start. The other
    /// subscriptions get no message twice. But a subscriber that disconnects before it has caught up
    /// resumes all of them from the lower cursor.
    ///
    /// # Errors
    /// [`Refusal`] says why it was not added.
    ///
    /// # Costs
    /// One lookup of the channel's name, and a walk through the subscriber's other subscriptions. For
    /// a counted subscriber of a channel without a message, two lookups of its holder. The first
    /// message of such a channel takes a step for each holder that is in it.
    pub fn subscribe(
        &mut self,
        target: Target<'_>,
        start: Start,
        now_ms: u64,
    ) -> Result<Subscribed, Refusal> {
        debug_assert!(!self.hub.has_burst(), "the burst is delivered first");
        self.hub.advance_beside(now_ms);
        let link = self.link(target)?;
        self.hub.leave_fan_outs(self.index);
        let fresh = self.fresh(link, start, self.settings(target));
        self.add(link, fresh);
        self.forget_declared_gaps(target);
        let ended = match link {
            Link::Channel(channel) => Some(self.hub.channels.record(channel).past),
            Link::Pattern(_) => None,
        };
        Ok(Subscribed {
            cursor: self.cursor(),
            live: self.is_live(),
            ended: ended.filter(|past| past.ended).map(|past| past.last),
        })
    }

    /// Removes a subscription; false if there is none.
    ///
    /// The hub forgets what the subscription has had. If the client subscribes again from an older
    /// cursor, it gets the messages after that again. A subscriber that [is owed](Hub::deliver_owed) messages is
    /// behind afterwards.
    pub fn unsubscribe(&mut self, target: Target<'_>) -> bool {
        let link = match target {
            Target::Channel(name) => self.hub.channels.find(name.as_str()).map(Link::Channel),
            Target::Pattern(pattern) => self.hub.patterns.find(pattern.as_str()).map(Link::Pattern),
        };
        let state = self.hub.subscribers.at(self.index);
        let slot = link.and_then(|link| state.slot_of(link));
        if let Some(slot) = slot {
            self.hub.leave_fan_outs(self.index);
            self.hub.unlink(self.index, slot);
        }
        slot.is_some()
    }

    /// Marks the subscription to a channel as finished: the client knows that the channel has
    /// ended. A repeat changes nothing.
    pub fn finish(&mut self, channel: &str) {
        let link = self.hub.channels.find(channel).map(Link::Channel);
        let state = self.hub.subscribers.at_mut(self.index);
        if let Some(slot) = link.and_then(|link| state.slot_of(link)) {
            state.subscriptions[slot].finished = true;
        }
    }

    /// The channels whose subscriptions are finished.
    pub fn finished(&self) -> impl Iterator<Item = &str> {
        let Self { hub, index } = self;
        let subscriptions = hub.subscribers.at(*index).subscriptions.iter();
        subscriptions.filter(|it| it.finished).filter_map(|it| match it.link {
            Link::Channel(channel) => Some(&*hub.channels.record(channel).name),
            Link::Pattern(_) => None,
        })
    }

    /// Whether all its subscriptions are finished. A pattern is never finished.
    pub fn is_finished(&self) -> bool {
        let state = self.hub.subscribers.at(self.index);
        state.subscriptions.iter().all(|subscription| subscription.finished)
    }

    /// Removes the subscriber and returns the cursor to resume from. Takes time in proportion to
    /// its subscriptions.
    pub fn disconnect(self) -> Cursor {
        let cursor = self.cursor();
        for slot in (0..self.subscriptions()).rev() {
            self.hub.unlink(self.index, slot);
        }
        self.hub.subscribers.remove(self.index);
        cursor
    }

    /// The channel or pattern to subscribe, created if it is new.
    fn link(&mut self, target: Target<'_>) -> Result<Link, Refusal> {
        let Self { hub, index } = self;
        let limits = &hub.config.limits;
        let state = hub.subscribers.at(*index);
        // [hub:bound-subscriptions]
        let full = state.subscriptions.len() >= limits.subscriptions_max;
        let known = match target {
            Target::Channel(name) => hub.channels.find(name.as_str()).map(Link::Channel),
            Target::Pattern(pattern) => hub.patterns.find(pattern.as_str()).map(Link::Pattern),
        };
        if known.is_some_and(|link| state.slot_of(link).is_some()) {
            return Err(Refusal::Subscribed);
        }
        if full {
            return Err(Refusal::Subscriptions);
        }
        match target {
            Target::Pattern(pattern) if !hub.config.allows_patterns(pattern.namespace()) => {
                Err(Refusal::PatternsOff)
            }
            _ => hub.check_quotas(target, known, hub.subscribers.holder(*index)),
        }?;
        match (target, known) {
            (_, Some(link)) => Ok(link),
            (Target::Channel(name), None) => {
                let id = hub.config.id_of(name.namespace());
                if !hub.channels.make_room(id, &hub.config) {
                    return Err(Refusal::Channels);
                }
                Ok(Link::Channel(hub.channels.add(name.as_str(), &hub.config)))
            }
            (Target::Pattern(pattern), None) => {
                Ok(Link::Pattern(hub.patterns.find_or_add(pattern.as_str())))
            }
        }
    }

    fn settings(&self, target: Target<'_>) -> &Settings {
        let config = &self.hub.config;
        match target {
            Target::Channel(name) => config.settings_of(name.namespace()),
            Target::Pattern(pattern) => {
                pattern.namespace().map_or(&config.settings, |it| config.settings_of(it))
            }
        }
    }

    /// A subscription that starts there.
    fn fresh(&self, link: Link, start: Start, settings: &Settings) -> Subscription {
        let head = self.hub.head;
        let position = self.hub.subscribers.at(self.index).position;
        let fault = self.hub.fault(start);
        let (start, mode) = match (start, fault) {
            // [hub:now-behind] A subscriber that is behind gets what history still has since its
            // cursor. It is not owed messages that were dropped before.
            (Start::Now, None) => match position.seq() {
                None => (head, Mode::Exact),
                Some(seq) => (seq, Mode::Lenient),
            },
            (Start::After(cursor), None) => (cursor.seq, Mode::Exact),
            (Start::Earliest, None) => (Seq::ZERO, Mode::Lenient),
            (_, None) => (head, Mode::Exact),
            // [hub:gap-policy]
            (_, Some(_)) => match settings.on_gap {
                OnGap::Nothing => (head, Mode::Exact),
                OnGap::Tail => (Seq::ZERO, Mode::Lenient),
                OnGap::Latest => (Seq::ZERO, Mode::Newest),
            },
        };
        Subscription {
            link,
            member: 0,
            had_after: start,
            complete_after: if mode == Mode::Exact { start } else { head },
            had_through: start,
            wanted_after: start,
            added_at: Default::default(),
            stage: Stage::Fresh,
            mode,
            fault,
            finished: false,
            horizon_told: Seq::ZERO,
        }
    }

    fn add(&mut self, link: Link, mut fresh: Subscription) {
        let Self { hub, index } = self;
        fresh.added_at = hub.channels.next_stamp();
        let state = hub.subscribers.at_mut(*index);
        state.rewind(fresh.had_after, hub.head);
        // [hub:archive-stale]
        if let Some(catch_up) = state.catch_up() {
            catch_up.fetch = None;
        }
        if state.position == ReadPosition::LIVE && fresh.fault.is_some() {
            state.position = ReadPosition::behind(hub.head);
        }
        if state.position == ReadPosition::LIVE {
            fresh.stage = Stage::Steady;
            state.named = hub.head;
        }
        let slot = u32::try_from(state.subscriptions.len()).expect("subscriptions are bounded");
        let member = crate::members::Member { subscriber: *index, slot };
        fresh.member = match link {
            Link::Channel(channel) => {
                hub.channels.engage(channel);
                hub.channels.record_mut(channel).members.add(member)
            }
            Link::Pattern(pattern) => hub.patterns.members_mut(pattern).add(member),
        };
        state.subscriptions.push(fresh);
        hub.hold(link, hub.subscribers.holder(*index));
        hub.stats.subscriptions += 1;
    }

    /// Forgets gaps that were declared to other subscriptions of the same channels: the new one has
    /// to get those messages, or a gap of its own.
    fn forget_declared_gaps(&mut self, target: Target<'_>) {
        let state = self.hub.subscribers.at_mut(self.index);
        let Some(CatchUp { declared, .. }) = state.catch_up() else { return };
        match target {
            Target::Channel(name) => drop(declared.remove(name.as_str())),
            Target::Pattern(pattern) => {
                let stays = |name: &Rc<str>| !crate::name::matches(pattern.as_str(), name);
                declared.retain(|name, _| stays(name));
            }
        }
    }
}
