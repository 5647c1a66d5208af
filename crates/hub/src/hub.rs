//! The hub: the log's head, fan-out, and following another sequencer's log.

use std::collections::VecDeque;
use std::rc::Rc;
use std::slice;

use crate::burst::{Burst, By, Offered};
use crate::channels::Channels;
use crate::entry::Draft;
use crate::fan_out::fall_behind;
use crate::fan_outs::FanOuts;
use crate::holders::Holdings;
use crate::keys::Keys;
use crate::patterns::Patterns;
use crate::runs::Runs;
use crate::sequencer::Pending;
use crate::spaces::Spaces;
use crate::subscribers::{CatchUp, Mode, ReadPosition, Stage, State, Subscribers};
use crate::{
    ChannelName, Config, Cursor, Entry, Epoch, Misuse, Publication, Reason, Seq, Stats,
    SubscriberKey,
};

/// A subscriber's answer to the delivery of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It took the message.
    Taken,
    /// It has no room, and did not take the message. It is behind from here on: nothing more is
    /// delivered to it until it has caught up with [`Subscriber::pull`](crate::Subscriber::pull).
    Full,
    /// It pulls by itself, as a poll does. It is behind as with `Full`, but does not count as slow.
    Fetches,
}

/// A message that has just entered the log.
#[derive(Debug)]
#[non_exhaustive]
pub struct Committed<M> {
    /// The message.
    pub entry: Rc<Entry<M>>,
    /// Subscribers that took it.
    pub taken: usize,
    /// Subscribers that are behind. They find it in history, if history is long enough.
    pub behind: usize,
}

/// The whole state of one log's hub: channels, their history, subscribers.
///
/// Times are milliseconds of any one clock of the caller. The calls for one subscriber are at
/// [`subscriber`](Self::subscriber).
///
/// # Costs
/// For a channel with a record, an admission without a key looks up the channel's name once, and a
/// commit not at all; such a commit allocates the entry and nothing else. Fan-out walks dense lists
/// of subscriptions, one step for each. Each call drops a bounded number of expired messages and
/// keys.
#[derive(Debug)]
pub struct Hub<M> {
    pub(crate) config: Spaces,
    pub(crate) epoch: Epoch,
    /// The newest position of the log: a message, or a void.
    pub(crate) head: Seq,
    pub(crate) runs: Runs,
    pub(crate) channels: Channels<M>,
    pub(crate) patterns: Patterns,
    pub(crate) pattern_holdings: Holdings,
    pub(crate) subscribers: Subscribers,
    pub(crate) stats: Stats,
    pub(crate) pending: VecDeque<Pending<M>>,
    pub(crate) keys: Keys,
    /// Messages that are in the log, and that their subscribers have not been offered.
    pub(crate) burst: Burst<M>,
    /// Those of them that are offered a few subscribers at a time.
    pub(crate) fan_outs: FanOuts<M>,
    /// Memory is a cache of an archive.
    pub(crate) has_archive: bool,
    /// The last `advance`, or a message since, has dropped as much as it may.
    is_overdue: bool,
    /// The time of the last `advance`, unless it left something, or messages were added since.
    advanced_ms: Option<u64>,
    /// Steps of drops that were due.
    due: u64,
}

impl<M> Hub<M> {
    /// An empty hub, in an epoch that has not been before.
    pub fn new(epoch: Epoch, config: Config) -> Self {
        Self {
            config: Spaces::new(config),
            epoch,
            head: Seq::ZERO,
            runs: Runs::default(),
            channels: Channels::default(),
            patterns: Patterns::default(),
            pattern_holdings: Holdings::default(),
            subscribers: Subscribers::default(),
            stats: Stats::default(),
            pending: VecDeque::new(),
            keys: Keys::default(),
            burst: Burst::default(),
            fan_outs: FanOuts::default(),
            has_archive: false,
            is_overdue: false,
            advanced_ms: None,
            due: 0,
        }
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        self.config.config()
    }

    /// The newest position of the log. A client that has just loaded its state subscribes from
    /// here.
    pub fn position(&self) -> Cursor {
        self.at(self.head)
    }

    /// The counters and gauges.
    pub fn stats(&self) -> Stats {
        Stats {
            channels: self.channels.len(),
            unwritten: self.channels.bare(),
            holders: self.channels.holdings.holders() + self.pattern_holdings.holders(),
            tombstones: self.channels.tombstones.len,
            endings: self.channels.endings(&self.config),
            patterns: self.patterns.len(),
            subscribers: self.subscribers.len(),
            history_messages: self.channels.messages,
            history_bytes: self.channels.bytes,
            pending: self.pending.len(),
            keys: self.keys.len(),
            evicted_channels: self.channels.evicted_channels,
            evicted_messages: self.channels.evicted_messages,
            ..self.stats
        }
    }

    /// Steps of all searches so far, as [`Stats::searched`].
    pub const fn searched(&self) -> u64 {
        self.stats.searched
    }

    /// Steps of all drops so far, as [`Stats::dropped`].
    pub const fn dropped(&self) -> u64 {
        self.stats.dropped
    }

    /// Offers of fan-outs that did not wait for their step so far, as [`Stats::hastened`].
    pub const fn hastened(&self) -> u64 {
        self.stats.hastened
    }

    /// The part of [`dropped`](Self::dropped) that was due, whoever made the call that dropped it: expired messages
    /// and keys, what new settings leave no room for, and what earlier messages have left over. The rest is what
    /// messages have displaced.
    pub const fn due(&self) -> u64 {
        self.due
    }

    /// Applies the next message of a log that another sequencer orders. That sequencer has judged
    /// its condition and key; the key is remembered.
    ///
    /// # Errors
    /// [`Misuse::OutOfOrder`] if it is not the next one. If it is a later one, call
    /// [`lose`](Self::lose) for the missing ones first. [`Misuse::Pending`] if messages of this hub
    /// are pending, [`Misuse::Burst`] if a burst waits.
    pub fn apply(
        &mut self,
        seq: Seq,
        publication: Publication<'_, M>,
        now_ms: u64,
        deliver: impl FnMut(SubscriberKey, &Rc<Entry<M>>) -> Flow,
    ) -> Result<Committed<M>, Misuse> {
        self.check_no_burst()?;
        let (index, draft) = self.take_in(seq, publication, now_ms)?;
        Ok(self.append(index, draft, deliver))
    }

    /// Takes in the next message of another sequencer's log: its channel's record, its key, and the rest.
    pub(crate) fn take_in(
        &mut self,
        seq: Seq,
        publication: Publication<'_, M>,
        now_ms: u64,
    ) -> Result<(u32, Draft<M>), Misuse> {
        let next = self.follow(seq)?;
        if seq != next {
            return Err(Misuse::OutOfOrder { next });
        }
        self.advance_beside(now_ms);
        let Publication { channel, body, cost, kind, key, expect: _ } = publication;
        let name = channel.as_str();
        if let Some(key) = key.filter(|key| self.keys.known(name, key).is_none()) {
            let key = self.keys.begin(name, key, seq);
            // [hub:key-ages]
            let key_ms = self.config.settings_of(channel.namespace()).key_ms;
            let until_ms = now_ms.saturating_add(key_ms);
            self.keys.commit(key, seq, until_ms);
        }
        let found = self.channels.find(name);
        let index = found.unwrap_or_else(|| self.channels.add(name, &self.config));
        self.channels.engage(index);
        Ok((index, Draft { body, cost, kind, time_ms: now_ms }))
    }

    /// Notes that the entries of another sequencer's log up to `seq` are lost to this hub. It drops
    /// all history; every subscriber is behind and has a gap. Call it, too, for a hub that starts in
    /// the middle of a log.
    ///
    /// # Errors
    /// [`Misuse::OutOfOrder`] if the head has reached `seq` already, [`Misuse::Pending`] and
    /// [`Misuse::Burst`] as for [`apply`](Self::apply).
    pub fn lose(&mut self, seq: Seq) -> Result<(), Misuse> {
        self.check_no_burst()?;
        self.follow(seq)?;
        let fan_outs = self.fan_outs.take();
        for subscriber in self.subscribers.iter_mut() {
            fall_behind(subscriber, fan_outs.owed_after(subscriber).unwrap_or(self.head));
            for subscription in subscriber.subscriptions.iter_mut() {
                // The readers were not slow, so `OnOverrun::Close` must not close them.
                if subscription.stage == Stage::Steady {
                    subscription.stage = Stage::Resuming;
                }
            }
        }
        self.head = seq;
        self.channels.reset(seq, &self.config);
        self.recount_holdings();
        Ok(())
    }

    /// Notes that the positions up to `seq` are void in another sequencer's log: no message has
    /// them or ever will. Nobody has missed anything.
    ///
    /// # Errors
    /// [`Misuse::OutOfOrder`] and [`Misuse::Pending`] as for [`lose`](Self::lose).
    pub fn void(&mut self, seq: Seq) -> Result<(), Misuse> {
        self.follow(seq)?;
        self.head = seq;
        Ok(())
    }

    /// Restores a channel of the log whose messages are not in memory: its newest message, and
    /// whether that ended it. Call it before anything else is restored of the channel.
    pub fn restore_channel(&mut self, channel: ChannelName<'_>, last: Seq, ended: bool) {
        self.channels.restore(channel.as_str(), last, ended, &self.config);
    }

    /// Restores, in an empty hub, that channels which it does not know may have had messages up to `horizon`. The head
    /// stays, and the messages that are known are [applied](Self::apply) next.
    pub fn restore_horizon(&mut self, horizon: Seq) {
        if horizon > Seq::ZERO {
            self.channels.reset(horizon, &self.config);
        }
    }

    /// Restores a channel whose messages up to `floor` are dropped; zero: none is. Its others have to be
    /// [applied](Self::apply) next, the first one before anything else is restored.
    pub fn restore_history(&mut self, channel: ChannelName<'_>, floor: Seq) {
        self.channels.restore_history(channel.as_str(), floor, &self.config);
    }

    /// Begins an epoch, because the log's history was lost or rewritten. The log starts empty, keys
    /// are forgotten, the archive is detached, and every subscriber is behind and has a gap. Pending
    /// messages are dropped; the caller has to tell their publishers that they may or may not have been
    /// kept.
    ///
    /// All positions of the epoch have the check of the newest run. A log that fails, is opened again
    /// and fails again gives the same epoch out twice: the check tells the two apart.
    ///
    /// # Errors
    /// [`Misuse::SameEpoch`] if it is not a new epoch, [`Misuse::Burst`] as for
    /// [`apply`](Self::apply).
    pub fn begin_epoch(&mut self, epoch: Epoch) -> Result<(), Misuse> {
        self.check_no_burst()?;
        if epoch == self.epoch {
            return Err(Misuse::SameEpoch);
        }
        self.enter_epoch(epoch);
        // The archive is of the epoch that has ended.
        self.has_archive = false;
        self.head = Seq::ZERO;
        self.pending.clear();
        self.keys.clear();
        // Whom they have not come to has the gap of everybody.
        drop(self.fan_outs.take());
        self.channels.clear_pending();
        self.channels.reset(Seq::ZERO, &self.config);
        self.recount_holdings();
        for subscriber in self.subscribers.iter_mut() {
            restart(subscriber);
        }
        Ok(())
    }

    /// Begins the epoch with the next number, as [`begin_epoch`](Self::begin_epoch) does.
    ///
    /// # Panics
    /// If a burst waits.
    pub fn begin_next_epoch(&mut self) -> Epoch {
        let epoch = Epoch(self.epoch.0.wrapping_add(1));
        self.begin_epoch(epoch).expect("it is another number, and no burst waits");
        epoch
    }

    /// Drops expired messages and keys, and what new settings leave no room for, at most
    /// [`Limits::drops_per_call_max`](crate::Limits::drops_per_call_max). Every other call that takes
    /// the time does so, too, but takes only
    /// [`Limits::refits_beside_max`](crate::Limits::refits_beside_max) steps for new settings. Call it at
    /// [`next_deadline`](Self::next_deadline) to free memory while the hub is idle, and again as long as
    /// [`is_overdue`](Self::is_overdue).
    pub fn advance(&mut self, now_ms: u64) {
        self.drop_some(usize::MAX, now_ms);
    }

    /// The same at the beginning of other calls. Others wait for these steps, so those for new settings are few.
    #[inline]
    pub(crate) fn advance_beside(&mut self, now_ms: u64) {
        self.drop_some(self.config.limits.refits_beside_max, now_ms);
    }

    fn drop_some(&mut self, refits_max: usize, now_ms: u64) {
        // [hub:bound-drops] Two: a step for the channel, and one for its oldest message.
        let most = self.config.limits.drops_per_call_max.max(2);
        let mut left = most;
        self.keys.expire(now_ms, &mut left);
        if self.channels.is_refitting() {
            let steps = left.min(refits_max.max(2));
            let mut steps_left = steps;
            if self.channels.refit(&self.config, &mut steps_left) {
                self.config.settle();
            }
            left -= steps - steps_left;
        }
        self.channels.expire(now_ms, &self.config, &mut left);
        if self.channels.is_over(&self.config) {
            self.channels.enforce(&self.config, &mut left);
        }
        self.stats.dropped += (most - left) as u64;
        self.due += (most - left) as u64;
        self.is_overdue = left == 0 || self.channels.is_refitting();
        self.advanced_ms = Some(now_ms).filter(|_| !self.is_overdue);
    }

    /// Advances for a commit. Between an admission and its commit nothing becomes due.
    #[inline]
    pub(crate) fn advance_to_commit(&mut self, now_ms: u64) {
        if self.advanced_ms != Some(now_ms) {
            self.advance_beside(now_ms);
        }
    }

    /// Whether the last [`advance`](Self::advance), or a message since, may have left something to
    /// drop.
    pub const fn is_overdue(&self) -> bool {
        self.is_overdue
    }

    /// When [`advance`](Self::advance) may have something to drop, in the caller's milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        let deadlines = [self.channels.next_deadline(), self.keys.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Appends one message to the log: history, fan-out, bounds.
    pub(crate) fn append(
        &mut self,
        channel: u32,
        draft: Draft<M>,
        mut deliver: impl FnMut(SubscriberKey, &Rc<Entry<M>>) -> Flow,
    ) -> Committed<M> {
        let entry = self.enter(channel, draft);
        let mut by = By(|subscriber, entries: &[Rc<Entry<M>>]| {
            Offered::of_each(entries.iter().map(|entry| deliver(subscriber, entry)))
        });
        let reached = self.fan_out(channel, slice::from_ref(&entry), &mut by);
        self.keep_bounds(channel);
        Committed { entry, taken: reached.taken, behind: reached.behind }
    }

    /// Appends one message to the log and to history.
    #[inline(always)]
    pub(crate) fn enter(&mut self, channel: u32, draft: Draft<M>) -> Rc<Entry<M>> {
        self.head = self.head.next();
        self.advanced_ms = None;
        let record = self.channels.record_mut(channel);
        let previous = Some(record.past.last).filter(|last| *last != Seq::ZERO);
        let name = Rc::clone(&record.name);
        let entry = draft.enter(self.at(self.head), name, previous);
        let fits = self.channels.push(channel, Rc::clone(&entry), &self.config);
        self.is_overdue |= !fits;
        self.look_up_patterns(channel);
        self.stats.committed += 1;
        entry
    }

    /// Keeps the bounds after a message in this channel.
    pub(crate) fn keep_bounds(&mut self, channel: u32) {
        self.channels.settle(channel, &self.config);
        if self.channels.is_over(&self.config) {
            let most = self.config.limits.drops_per_call_max.max(1);
            let mut left = most;
            self.channels.enforce(&self.config, &mut left);
            self.stats.dropped += (most - left) as u64;
            self.is_overdue |= left == 0;
        }
    }

    /// Checks that no burst waits.
    pub(crate) fn check_no_burst(&self) -> Result<(), Misuse> {
        if self.burst.is_empty() { Ok(()) } else { Err(Misuse::Burst) }
    }

    /// Checks that `seq` is above the head, and returns the next position.
    fn follow(&self, seq: Seq) -> Result<Seq, Misuse> {
        let next = self.head.next();
        if !self.pending.is_empty() {
            return Err(Misuse::Pending);
        }
        if seq < next { Err(Misuse::OutOfOrder { next }) } else { Ok(next) }
    }
}

/// Puts a subscriber to the beginning of a new epoch, with a gap to declare.
fn restart(subscriber: &mut State) {
    subscriber.position = ReadPosition::behind(Seq::ZERO);
    subscriber.named = Seq::ZERO;
    if let Some(CatchUp { declared, fetch, .. }) = subscriber.catch_up() {
        declared.clear();
        *fetch = None;
    }
    for subscription in subscriber.subscriptions.iter_mut() {
        (subscription.had_after, subscription.had_through) = (Seq::ZERO, Seq::ZERO);
        (subscription.wanted_after, subscription.complete_after) = (Seq::ZERO, Seq::ZERO);
        subscription.horizon_told = Seq::ZERO;
        subscription.stage = Stage::Fresh;
        subscription.mode = Mode::Exact;
        // [hub:resume-epoch]
        subscription.fault = Some(Reason::Epoch);
    }
}

#[cfg(test)]
mod tests {
    use crate::{ChannelName, Config, Epoch, Flow, Hub, Misuse, Publication, Seq, Start, Target};

    #[test]
    fn who_fetches_by_itself_is_not_slow() {
        let mut hub: Hub<&str> = Hub::new(Epoch(1), Config::default());
        let room = ChannelName::new("a").unwrap();
        let subscriber = hub.connect().unwrap();
        let target = Target::Channel(room);
        hub.subscriber(subscriber).unwrap().subscribe(target, Start::Now, 0).unwrap();
        hub.publish(Publication::new(room, "1", 1), 0, |_, _| Flow::Fetches).unwrap();
        assert!(!hub.subscriber(subscriber).unwrap().is_live());
        assert_eq!(hub.stats().lagged, 0);
        let mut items = Vec::new();
        let budget = crate::Budget { messages: 9, bytes: 999 };
        let progress = hub.subscriber(subscriber).unwrap().pull(budget, 0, &mut items);
        assert_eq!((progress, items.len()), (crate::Progress::Live, 2));
    }

    /// [hub:void] Places that a followed log left empty are missed by nobody.
    #[test]
    fn void_places_of_a_followed_log() {
        let mut hub: Hub<&str> = Hub::new(Epoch(1), Config::default());
        let room = ChannelName::new("a").unwrap();
        let subscriber = hub.connect().unwrap();
        let target = Target::Channel(room);
        hub.subscriber(subscriber).unwrap().subscribe(target, Start::Now, 0).unwrap();
        hub.apply(Seq(1), Publication::new(room, "1", 1), 0, |_, _| Flow::Taken).unwrap();
        hub.void(Seq(3)).unwrap();
        assert!(hub.subscriber(subscriber).unwrap().is_live());
        assert_eq!(hub.void(Seq(3)), Err(Misuse::OutOfOrder { next: Seq(4) }));
        hub.apply(Seq(4), Publication::new(room, "4", 1), 0, |_, _| Flow::Taken).unwrap();
        assert_eq!(hub.position().seq, Seq(4));
        let state = hub.channel(room);
        assert_eq!((state.floor, state.messages), (Seq::ZERO, 2));
    }
}
