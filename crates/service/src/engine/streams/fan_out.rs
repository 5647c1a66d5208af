//! Fan-out: new entries of the log go to the live sessions of their channel.
//!
//! An entry waits for those that follow it in its channel, and all of them are delivered together. The wait ends
//! within the turn: with an entry of another channel, or before anything else is done with a session that
//! has subscriptions.

use std::rc::Rc;

use sockeye_auth::UnixTime;
use sockeye_hub::{Cursor, Entry, Flow, Kind, Offered, SubscriberKey};

use crate::engine::access::Standing;
use crate::engine::counters::DeliveryLag;
use crate::engine::reload::Judging;
use crate::engine::session::Sessions;
use crate::engine::work::Work;
use crate::engine::{
    Access, Body, Burst, Delivery, Dialect, Engine, NotSent, Outlet, Principal, Recipient, Task,
    units,
};

/// Delivers entries to live sessions. It borrows the parts of the engine that a delivery needs
/// while the hub, which calls it, is borrowed too.
struct FanOut<'d, D: Dialect, O> {
    sessions: &'d mut Sessions<D>,
    work: &'d mut Work,
    lag: &'d mut DeliveryLag,
    /// The log's time, in milliseconds.
    now_ms: u64,
    /// Entries whose age was noted.
    noted: usize,
    /// The next delivery is to be noted: ages are left, or the end of the channel.
    is_noting: bool,
    /// The last entry ends its channel.
    has_end: bool,
    forms: D::BurstForms,
    ended: Ended,
    access: &'d Access,
    anybody: &'d Principal,
    judging: &'d Judging,
    is_judging: bool,
    calendar: UnixTime,
    queue_bytes_max: usize,
    out: &'d mut O,
}

/// The end of a channel, and the sessions that have got it.
#[derive(Debug, Default)]
struct Ended {
    channel: Option<(Rc<str>, Cursor)>,
    sessions: Vec<SubscriberKey>,
}

impl<D: Dialect, O: Outlet<D>> FanOut<'_, D, O> {
    /// Hands entries to a session whose cursors carry the proof of a ticket.
    #[cold]
    fn deliver_proved(
        &mut self,
        key: SubscriberKey,
        entries: &[Rc<Entry<Body<D::Forms>>>],
    ) -> Result<(), (usize, NotSent)> {
        let session = self.sessions.of_subscriber(key).ok_or((0, NotSent::Gone))?;
        let to = Recipient::of_session(session, self.access, self.calendar);
        for (sent, entry) in entries.iter().enumerate() {
            let one = self.out.proved_entry(&to, entry, self.queue_bytes_max);
            one.map_err(|why| (sent, why))?;
        }
        Ok(())
    }

    /// Hands new entries of the log to one live session, as far as its stream has room.
    ///
    /// [service:slow-readers] A stream without room gets nothing, and keeps only its cursor.
    fn deliver(&mut self, key: SubscriberKey, entries: &[Rc<Entry<Body<D::Forms>>>]) -> Offered {
        let none = |flow| Offered { taken: 0, flow };
        let Some(session) = self.sessions.of_subscriber(key) else { return none(Flow::Full) };
        // [service:expiry] An expired session gets nothing more, not even in the turn that ends
        // its stream.
        if session.expires && session.principal.has_ended(self.calendar) {
            return none(Flow::Full);
        }
        // [service:revoked] Nor does one that a reload is about to end.
        if self.is_judging && self.judging.walk.is_ahead(key.index()) {
            let rules = (self.access, self.anybody, self.calendar);
            if self.judging.standing(session, rules) != Standing::Same {
                return none(Flow::Full);
            }
        }
        if session.delivery.fetches() {
            // It fetches everything at the end of this turn or of a later one.
            self.work.add_for(&session.principal, Task::Answer(key));
            return none(Flow::Fetches);
        }
        let (stream, delivery) = (session.stream, session.delivery);
        let sent = match (delivery.carries_proof() && session.principal.has_ticket(), entries) {
            (true, _) => self.deliver_proved(key, entries),
            (false, [entry]) => {
                let one = self.out.entry(stream, delivery, entry, self.queue_bytes_max);
                one.map_err(|why| (0, why))
            }
            (false, _) => {
                let burst = Burst { entries, forms: &self.forms };
                self.out.burst(stream, delivery, &burst, self.queue_bytes_max)
            }
        };
        match sent {
            Ok(()) => {
                if self.is_noting {
                    self.note_taken(key, entries);
                    self.is_noting = self.has_end;
                }
                Offered { taken: entries.len(), flow: Flow::Taken }
            }
            Err((taken, why)) => {
                self.note_taken(key, &entries[..taken]);
                if why == NotSent::Full {
                    self.note_full(key, stream);
                }
                Offered { taken, flow: Flow::Full }
            }
        }
    }

    /// Notes that a stream has no room.
    #[cold]
    fn note_full(&mut self, key: SubscriberKey, stream: D::Stream) {
        self.out.notify_drained(stream);
        if let Some(session) = self.sessions.of_subscriber_mut(key) {
            session.lags = true;
        }
    }

    /// Notes the first entries of a burst, which a session has taken.
    #[cold]
    fn note_taken(&mut self, key: SubscriberKey, entries: &[Rc<Entry<Body<D::Forms>>>]) {
        for entry in entries.iter().skip(self.noted) {
            self.lag.note(self.now_ms.saturating_sub(entry.time_ms));
            self.noted += 1;
        }
        // Nothing follows the end of a channel.
        if let Some(last) = entries.last().filter(|last| last.kind == Kind::End) {
            self.ended.channel.get_or_insert_with(|| (Rc::clone(&last.channel), last.position));
            self.ended.sessions.push(key);
        }
    }
}

impl<D: Dialect> Engine<D> {
    /// Delivers the entries that wait for others of their channel. Call it at the end of each turn, and
    /// before any other call for a session that has subscriptions.
    #[inline]
    pub fn deliver_burst(&mut self, out: &mut impl Outlet<D>) {
        if self.hub.has_burst() {
            self.deliver_now(out);
        }
    }

    /// Delivers the entries that wait before something is written to a stream, which may be one of their
    /// recipients. [service:message-first]
    #[inline]
    pub(crate) fn deliver_burst_before(&mut self, stream: D::Stream, out: &mut impl Outlet<D>) {
        if !self.hub.has_burst() {
            return;
        }
        let session = self.sessions.of_stream(stream);
        if session.is_some_and(|session| self.hub.has_subscriptions(session.subscriber)) {
            self.deliver_now(out);
        }
    }

    /// Counts a committed entry, and delivers it if it does not wait. `reached`: the number of its
    /// subscribers, if it waits. Returns that number.
    #[inline]
    pub(crate) fn deliver(&mut self, reached: Option<usize>, out: &mut impl Outlet<D>) -> u64 {
        let reached = match reached {
            Some(reached) => reached,
            None => self.deliver_now(out),
        };
        let reached = reached as u64;
        out.spend(units::PUBLICATION + reached * units::DELIVERY);
        self.count_steps(out);
        reached
    }

    /// Delivers the burst. Returns the number of its subscribers.
    fn deliver_now<O: Outlet<D>>(&mut self, out: &mut O) -> usize {
        let Self { hub, sessions, work, access, anybody, judging, limits, .. } = self;
        let mut fan_out = FanOut {
            sessions,
            work,
            lag: &mut self.counters.delivery,
            now_ms: self.log_time.ms,
            noted: 0,
            is_noting: true,
            has_end: hub.burst_has_end(),
            forms: D::BurstForms::default(),
            ended: Ended::default(),
            access,
            anybody,
            is_judging: !judging.walk.is_over(),
            judging,
            calendar: self.calendar,
            queue_bytes_max: limits.queue_bytes_max,
            out: &mut *out,
        };
        let reached = hub.deliver_burst(|key, entries| fan_out.deliver(key, entries));
        let Ended { channel, sessions } = fan_out.ended;
        if let Some((channel, at)) = channel {
            for subscriber in sessions {
                self.end_one(subscriber, &channel, at, out);
            }
        }
        reached
    }
}
