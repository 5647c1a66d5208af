//! One subscriber's side of the hub.

use std::rc::Rc;

use crate::subscribers::{CatchingUp, Link, Mode, Place, Stage, Subscription};
use crate::{Cursor, Hub, OnGap, Reason, Refusal, Seq, Settings, Start, SubscriberKey, Target};

/// What a new subscription begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The subscriber's cursor now. It is lower than before if the new subscription has to catch
    /// up; then [`Subscriber::pull`] is due.
    pub cursor: Cursor,
    /// Whether it is live. Then it has missed nothing, and no [`Sync`](crate::Sync) will say so.
    pub live: bool,
    /// The channel has ended with this message: behind it nothing will come.
    pub ended: Option<Seq>,
}

/// One subscriber of a hub: a stream, or a poll while it waits.
///
/// It is either *live*, and each commit names its messages to it, or *behind*, and fetches what it
/// missed from history in the order of the log. Nothing is queued for one that is behind, so a
/// stalled reader costs the same whatever it misses. Who resumes and who is slow is behind for
/// different reasons and in the same way; messages that are committed meanwhile are fetched with
/// the rest, so between replay and live there is no seam.
#[derive(Debug)]
pub struct Subscriber<'h, M> {
    pub(crate) hub: &'h mut Hub<M>,
    pub(crate) index: u32,
}

impl<M> Hub<M> {
    /// Adds a subscriber. It is live, at the head, without subscriptions.
    ///
    /// # Errors
    /// [`Refusal::Subscribers`].
    pub fn connect(&mut self) -> Result<SubscriberKey, Refusal> {
        // [hub:bound-subscribers]
        if self.subscribers.len() >= self.config.limits.subscribers_max {
            return Err(Refusal::Subscribers);
        }
        Ok(self.subscribers.add())
    }

    /// The subscriber, if it is still there.
    pub fn subscriber(&mut self, key: SubscriberKey) -> Option<Subscriber<'_, M>> {
        let index = self.subscribers.find(key)?;
        Some(Subscriber { hub: self, index })
    }

    /// Cuts one subscription at both ends.
    fn cut(&mut self, index: u32, slot: usize) {
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
        match removed.link {
            Link::Channel(channel) => self.channels.settle(channel, &self.config),
            Link::Pattern(pattern) => self.patterns.settle(pattern),
        }
        self.stats.subscriptions -= 1;
    }
}

impl<M> Subscriber<'_, M> {
    /// What to hand to the client: resuming from here repeats and misses nothing of what has been
    /// handed out so far.
    pub fn cursor(&self) -> Cursor {
        let seq = self.hub.subscribers.at(self.index).cursor(self.hub.head);
        Cursor { epoch: self.hub.epoch, seq }
    }

    /// Whether messages are named to it as they are committed.
    pub fn is_live(&self) -> bool {
        self.hub.subscribers.at(self.index).place == Place::LIVE
    }

    /// How many subscriptions it has.
    pub fn subscriptions(&self) -> usize {
        self.hub.subscribers.at(self.index).subscriptions.len()
    }

    /// Adds a subscription, also while others catch up.
    ///
    /// From [`Start::Now`] a live subscriber stays live. From anywhere else it is behind until it
    /// has pulled. What the other subscriptions had they do not get again; the cursor goes back
    /// with the new one, though, and whoever disconnects before the end resumes all from there.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    ///
    /// # Costs
    /// The channel's name is looked up; the subscriber's other subscriptions are walked through.
    pub fn subscribe(
        &mut self,
        target: Target<'_>,
        start: Start,
        now_ms: u64,
    ) -> Result<Subscribed, Refusal> {
        self.hub.advance(now_ms);
        let link = self.link(target)?;
        let fresh = self.fresh(link, start, self.settings(target));
        self.add(link, fresh);
        self.forget_told(target);
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

    /// Ends a subscription; false if there is none.
    ///
    /// What it covered is forgotten with it: who subscribes again, from an older cursor, gets
    /// again what is after that.
    pub fn unsubscribe(&mut self, target: Target<'_>) -> bool {
        let link = match target {
            Target::Channel(name) => self.hub.channels.find(name.as_str()).map(Link::Channel),
            Target::Pattern(pattern) => self.hub.patterns.find(pattern.as_str()).map(Link::Pattern),
        };
        let state = self.hub.subscribers.at(self.index);
        let slot = link.and_then(|link| state.slot_of(link));
        if let Some(slot) = slot {
            self.hub.cut(self.index, slot);
        }
        slot.is_some()
    }

    /// Notes that nothing is expected of the subscription to a channel by its name any more: the
    /// client knows that the channel has ended. To say it again changes nothing.
    pub fn finish(&mut self, channel: &str) {
        let link = self.hub.channels.find(channel).map(Link::Channel);
        let state = self.hub.subscribers.at_mut(self.index);
        if let Some(slot) = link.and_then(|link| state.slot_of(link)) {
            state.subscriptions[slot].finished = true;
        }
    }

    /// Whether nothing is expected of any of its subscriptions. A pattern is never finished.
    pub fn is_finished(&self) -> bool {
        let state = self.hub.subscribers.at(self.index);
        state.subscriptions.iter().all(|subscription| subscription.finished)
    }

    /// Removes the subscriber, in the time of its subscriptions; its cursor is good to resume.
    pub fn disconnect(self) -> Cursor {
        let cursor = self.cursor();
        for slot in (0..self.subscriptions()).rev() {
            self.hub.cut(self.index, slot);
        }
        self.hub.subscribers.remove(self.index);
        cursor
    }

    /// The record to link to, if there may be one more link to it.
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
        match (target, known) {
            (Target::Pattern(pattern), _) if !hub.config.allows_patterns(pattern.namespace()) => {
                Err(Refusal::PatternsOff)
            }
            (_, Some(link)) => Ok(link),
            (Target::Channel(name), None) => {
                let id = hub.config.id_of(name.namespace());
                if !hub.channels.may_add_bare(&hub.config)
                    || !hub.channels.make_room(id, &hub.config)
                {
                    return Err(Refusal::Channels);
                }
                Ok(Link::Channel(hub.channels.add(name.as_str(), &hub.config)))
            }
            (Target::Pattern(pattern), None) => {
                // [hub:bound-patterns]
                if hub.patterns.len() >= limits.patterns_max {
                    return Err(Refusal::Patterns);
                }
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

    /// A subscription as it starts.
    fn fresh(&self, link: Link, start: Start, settings: &Settings) -> Subscription {
        let Hub { epoch, head, .. } = *self.hub;
        let place = self.hub.subscribers.at(self.index).place;
        let fault = match start {
            Start::Now | Start::Earliest => None,
            // [hub:resume-epoch]
            Start::After(cursor) if cursor.epoch != epoch => Some(Reason::Epoch),
            // [hub:resume-ahead]
            Start::After(cursor) if cursor.seq > head => Some(Reason::Ahead),
            Start::After(_) => None,
            Start::Unreadable => Some(Reason::Unreadable),
        };
        let (start, mode) = match (start, fault) {
            // [hub:now-behind] Its cursor is what it is told: what is left since then it gets, and
            // what was dropped before it asked it is not owed.
            (Start::Now, None) => match place.seq() {
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
            start,
            whole: if mode == Mode::Exact { start } else { head },
            done: start,
            wants: start,
            since: Default::default(),
            stage: Stage::Fresh,
            mode,
            fault,
            finished: false,
            horizon: Seq::ZERO,
        }
    }

    fn add(&mut self, link: Link, mut fresh: Subscription) {
        let Self { hub, index } = self;
        fresh.since = hub.channels.next_stamp();
        let state = hub.subscribers.at_mut(*index);
        state.rewind(fresh.start, hub.head);
        if state.place == Place::LIVE && fresh.fault.is_some() {
            state.place = Place::behind(hub.head);
        }
        if state.place == Place::LIVE {
            fresh.stage = Stage::Steady;
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
        hub.stats.subscriptions += 1;
    }

    /// A gap that was declared to other subscriptions is not declared to this one: it is to be
    /// delivered after all, or declared again.
    fn forget_told(&mut self, target: Target<'_>) {
        let state = self.hub.subscribers.at_mut(self.index);
        let Some(CatchingUp { told, .. }) = state.caught_so_far() else { return };
        match target {
            Target::Channel(name) => drop(told.remove(name.as_str())),
            Target::Pattern(pattern) => {
                let stays = |name: &Rc<str>| !crate::name::matches(pattern.as_str(), name);
                told.retain(|name, _| stays(name));
            }
        }
    }
}
