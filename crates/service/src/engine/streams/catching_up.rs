//! Streams that are behind: what they missed, out of history, as far as they have room.

use sockeye_hub::{Budget, Cursor, Gap, Item, Kind, Progress, Scope, Seq, SubscriberKey};
use sockeye_server::Context;

use crate::dialect::writer::StreamWriter;
use crate::engine::Engine;
use crate::engine::NOWHERE;
use crate::engine::body::Body;
use crate::engine::session::Delivery;
use crate::wire::{self, CloseReason, Control};

/// Messages fetched from history in one go.
const PULL_MESSAGES: usize = 64;

impl Engine {
    /// Brings a stream that has just subscribed up to the head, and says so even if it missed
    /// nothing.
    pub(crate) fn catch_up(&mut self, subscriber: SubscriberKey, context: &mut Context<'_>) {
        let live = self.hub.subscriber(subscriber).is_some_and(|it| it.is_live());
        if !live {
            return self.fetch(subscriber, Full::GapsFirst, context);
        }
        let cursor = self.cursor_of(subscriber);
        let Some(session) = self.sessions.of_subscriber(subscriber) else { return };
        let mut line = self.line(session, context);
        let cursor = line.cursor(cursor);
        // Whoever is gone is reported by itself, here and below.
        let _ = line.control(&Control::Sync { cursor: &cursor, gaps: 0, replayed: 0 });
    }

    /// Gives a stream that is behind what its outbox has room for.
    pub(crate) fn pull(&mut self, key: SubscriberKey, context: &mut Context<'_>) {
        self.fetch(key, Full::Waits, context);
    }

    fn fetch(&mut self, key: SubscriberKey, mut full: Full, context: &mut Context<'_>) {
        if self.has_expired(key, context) {
            return;
        }
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        let (lags, mut line) = (session.lags, self.line(session, context));
        let position = self.hub.position();
        let mut items = core::mem::take(&mut self.items);
        loop {
            let queued = line.context.outbox_bytes(line.stream);
            let bytes = self.limits.queue_bytes_max.saturating_sub(queued);
            if bytes == 0 && full == Full::Waits {
                line.context.notify_drained(line.stream);
                break;
            }
            full = Full::Waits;
            let Some(mut subscriber) = self.hub.subscriber(key) else { break };
            let budget = Budget { messages: PULL_MESSAGES, bytes };
            let progress = subscriber.pull(budget, self.now_ms, &mut items);
            for item in items.drain(..) {
                if lags {
                    self.count_late(&item);
                }
                let replayed = self.sessions.count_replayed(key, &item, self.now_ms);
                say(&mut line, &item, replayed, self.now_ms);
                if let Some((channel, at)) = end_in(&item) {
                    self.end_one(key, channel, Cursor { seq: at, ..position }, line.context);
                }
            }
            match progress {
                Progress::Live => {
                    self.has_caught_up(key);
                    break;
                }
                Progress::More => {}
                Progress::Overrun(cursor) => {
                    line.goaway(CloseReason::SlowReader, None, cursor);
                    break;
                }
            }
        }
        self.keep_room(items);
    }

    /// What there is for a session that fetches, within a budget. `None` if there is no such session.
    pub(crate) fn fetch_items(
        &mut self,
        key: SubscriberKey,
        budget: Budget,
    ) -> (Vec<Item<Body>>, Option<Progress>) {
        let mut items = core::mem::take(&mut self.items);
        let subscriber = self.hub.subscriber(key);
        let progress = subscriber.map(|mut it| it.pull(budget, self.now_ms, &mut items));
        (items, progress)
    }

    /// Keeps the allocation of fetched items for the next pull.
    pub(crate) fn keep_room(&mut self, mut items: Vec<Item<Body>>) {
        items.clear();
        self.items = items;
    }

    /// Counts what a slow reader gets later than others.
    fn count_late(&mut self, item: &Item<Body>) {
        match item {
            Item::Message(entry) => {
                let age_ms = self.now_ms.saturating_sub(entry.time_ms);
                self.counters.delivery.note(age_ms);
            }
            Item::Gap(_) => self.counters.skipped += 1,
            Item::Sync(_) => {}
        }
    }

    /// A stream is live again, if it was not.
    fn has_caught_up(&mut self, key: SubscriberKey) {
        let Some(session) = self.sessions.of_subscriber_mut(key) else { return };
        self.counters.caught_up += u64::from(session.lags);
        session.lags = false;
    }

    /// Lets every stream catch up: a new life of the log has begun.
    pub(crate) fn pull_all(&mut self, context: &mut Context<'_>) {
        let all: Vec<(SubscriberKey, Delivery)> =
            self.sessions.iter().map(|session| (session.subscriber, session.form)).collect();
        for (subscriber, form) in all {
            match form {
                Delivery::Poll => self.answerable.push(subscriber),
                Delivery::Events(_) | Delivery::Commands | Delivery::Greeting | Delivery::Bare => {
                    self.fetch(subscriber, Full::GapsFirst, context);
                }
            }
        }
    }
}

/// What a stream gets that has no room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    /// Nothing until it has some.
    Waits,
    /// Gaps where it asked to begin, and a message at the most. Its cursor is behind them already:
    /// a pong or a goodbye would hand that out, and who comes back with it never hears of them.
    GapsFirst,
}

/// Which channel ended, and where, if this says so.
fn end_in(item: &Item<Body>) -> Option<(&str, Seq)> {
    match item {
        Item::Message(entry) => (entry.kind == Kind::End).then(|| (&*entry.channel, entry.seq())),
        Item::Gap(Gap { scope: Scope::Channel(name), missed, ended: true, .. }) => {
            Some((name, missed.through))
        }
        Item::Gap(_) | Item::Sync(_) => None,
    }
}

/// Says one thing that catching up gave.
fn say(line: &mut StreamWriter<'_, '_>, item: &Item<Body>, replayed: u64, now_ms: u64) {
    let said = match item {
        Item::Message(entry) => {
            if entry.body.payload().is_expired(entry.time_ms, now_ms) {
                return;
            }
            line.entry(entry)
        }
        Item::Gap(gap) => {
            if line.form == Delivery::Bare {
                // It has no words for a gap, and a loss is never silent.
                line.goaway(CloseReason::Reconnect, None, NOWHERE);
                return;
            }
            line.control(&Control::Gap(wire::Gap::from(gap)))
        }
        Item::Sync(sync) => {
            let cursor = line.cursor(sync.cursor);
            line.control(&Control::Sync { cursor: &cursor, gaps: sync.gaps, replayed })
        }
    };
    // Whoever is gone is reported by itself.
    let _ = said;
}
