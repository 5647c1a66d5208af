//! Fan-out: new entries of the log go to the live sessions of their channel.
//!
//! An entry waits for those that follow it in its channel, and all of them are delivered together. The wait ends
//! within the turn: with an entry of another channel, or before anything else is done with a session that
//! has subscriptions.
//!
//! If too many sessions are subscribed, none of them gets the entries at once: [`Task::FanOut`] goes through
//! them, some in a step. One that is looked at before its turn gets them then.

use std::rc::Rc;

use sockeye_auth::UnixTime;
use sockeye_hub::{Cursor, Deliver, Entry, Flow, Hub, Kind, Offered, Seq, Step, SubscriberKey};

use crate::engine::access::Standing;
use crate::engine::counters::DeliveryLag;
use crate::engine::reload::Judging;
use crate::engine::session::Sessions;
use crate::engine::work::{EVERYBODY, Work};
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
    burst: BurstSpan,
    /// The age of this entry was noted, and that of those before it.
    noted: Seq,
    /// The next delivery is to be noted: ages are left, or the end of a channel.
    is_noting: bool,
    /// An entry ends its channel.
    has_end: bool,
    forms: &'d D::BurstForms,
    /// Sessions that have got the end of a channel.
    ended: Vec<Ended>,
    access: &'d Access,
    anybody: &'d Principal,
    judging: &'d Judging,
    is_judging: bool,
    calendar: UnixTime,
    queue_bytes_max: usize,
    out: &'d mut O,
}

/// The entries that go out in one call of the hub. It may hand others to a session before.
#[derive(Clone, Copy, Debug, Default)]
struct BurstSpan {
    first: Seq,
    newest: Seq,
    len: usize,
}

impl BurstSpan {
    fn new<M>(entries: &[Rc<Entry<M>>]) -> Self {
        let seq = |entry: Option<&Rc<Entry<M>>>| entry.map_or(Seq::ZERO, |entry| entry.seq());
        Self { first: seq(entries.first()), newest: seq(entries.last()), len: entries.len() }
    }

    fn is<M>(self, entries: &[Rc<Entry<M>>]) -> bool {
        entries.len() == self.len && entries.last().is_some_and(|it| it.seq() == self.newest)
    }
}

/// A session that has got the end of a channel.
#[derive(Debug)]
struct Ended {
    session: SubscriberKey,
    channel: Rc<str>,
    at: Cursor,
}

/// The encodings of the bursts whose fan-out is under way, by the position of their newest entry.
#[derive(Debug)]
pub(crate) struct KeptForms<D: Dialect>(Vec<(Cursor, D::BurstForms)>);

impl<D: Dialect> Default for KeptForms<D> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<D: Dialect> KeptForms<D> {
    /// Takes the encodings of a burst, which are empty if it has none yet.
    fn take(&mut self, newest: Cursor) -> D::BurstForms {
        let at = self.0.iter().position(|(of, _)| *of == newest);
        at.map(|at| self.0.swap_remove(at).1).unwrap_or_default()
    }
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
    #[inline(always)]
    fn deliver(
        &mut self,
        key: SubscriberKey,
        entries: &[Rc<Entry<Body<D::Forms>>>],
        is_whole: impl FnOnce(BurstSpan) -> bool,
    ) -> Offered {
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
            (false, _) if is_whole(self.burst) => {
                let burst = Burst { entries, forms: self.forms };
                self.out.burst(stream, delivery, &burst, self.queue_bytes_max)
            }
            (false, _) => self.deliver_others(stream, delivery, entries),
        };
        match sent {
            Ok(()) => {
                if self.is_noting {
                    self.note_taken(key, entries);
                    self.is_noting = self.has_end || self.noted < self.burst.newest;
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

    /// Hands entries of another burst to a stream, or not all of this one.
    #[cold]
    fn deliver_others(
        &mut self,
        stream: D::Stream,
        delivery: D::Delivery,
        entries: &[Rc<Entry<Body<D::Forms>>>],
    ) -> Result<(), (usize, NotSent)> {
        for (sent, entry) in entries.iter().enumerate() {
            let one = self.out.entry(stream, delivery, entry, self.queue_bytes_max);
            one.map_err(|why| (sent, why))?;
        }
        Ok(())
    }

    /// Notes that a stream has no room.
    #[cold]
    fn note_full(&mut self, key: SubscriberKey, stream: D::Stream) {
        self.out.notify_drained(stream);
        if let Some(session) = self.sessions.of_subscriber_mut(key) {
            session.lags = true;
        }
    }

    /// Notes entries that a session has taken.
    #[cold]
    fn note_taken(&mut self, key: SubscriberKey, entries: &[Rc<Entry<Body<D::Forms>>>]) {
        // Those of other bursts are noted when their fan-out ends.
        for entry in entries.iter().filter(|entry| entry.seq() >= self.burst.first) {
            if entry.seq() > self.noted {
                self.lag.note(self.now_ms.saturating_sub(entry.time_ms));
                self.noted = entry.seq();
            }
        }
        // Nothing follows the end of a channel.
        if let Some(last) = entries.last().filter(|last| last.kind == Kind::End) {
            let (channel, at) = (Rc::clone(&last.channel), last.position);
            self.ended.push(Ended { session: key, channel, at });
        }
    }
}

impl<D: Dialect, O: Outlet<D>> Deliver<Body<D::Forms>> for FanOut<'_, D, O> {
    #[inline(always)]
    fn offer(&mut self, key: SubscriberKey, entries: &[Rc<Entry<Body<D::Forms>>>]) -> Offered {
        self.deliver(key, entries, |_| true)
    }

    #[inline(never)]
    fn offer_beside(
        &mut self,
        key: SubscriberKey,
        entries: &[Rc<Entry<Body<D::Forms>>>],
    ) -> Offered {
        self.deliver(key, entries, |burst| burst.is(entries))
    }

    /// The age of its messages is that at the end.
    #[cold]
    fn fan_out_ended(&mut self, taken: &[Rc<Entry<Body<D::Forms>>>]) {
        for entry in taken {
            self.lag.note(self.now_ms.saturating_sub(entry.time_ms));
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

    /// Delivers the entries that wait, and what fan-outs owe to a session: whatever is done with it now comes
    /// after them. [service:message-first]
    #[inline]
    pub(crate) fn deliver_to(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        self.deliver_burst(out);
        if self.hub.has_fan_outs() {
            self.deliver_owed(key, out);
        }
    }

    /// The same before something is written to a stream, which may be one of the recipients.
    #[inline]
    pub(crate) fn deliver_before(&mut self, stream: D::Stream, out: &mut impl Outlet<D>) {
        if !self.hub.has_burst() && !self.hub.has_fan_outs() {
            return;
        }
        let Some(session) = self.sessions.of_stream(stream) else { return };
        let subscriber = session.subscriber;
        if self.hub.has_subscriptions(subscriber) {
            self.deliver_to(subscriber, out);
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
        // The steps of a fan-out spend the units of its deliveries.
        let now = if self.is_divided(reached) { 0 } else { reached as u64 };
        out.spend(units::PUBLICATION + now * units::DELIVERY);
        self.count_steps(out);
        reached as u64
    }

    /// Whether so many subscribers are too many to be reached at once.
    pub(crate) fn is_divided(&self, reached: usize) -> bool {
        reached > self.hub.config().limits.fan_out_members_max
    }

    /// Delivers the burst. Returns the number of its subscribers.
    fn deliver_now(&mut self, out: &mut impl Outlet<D>) -> usize {
        let burst = BurstSpan::new(self.hub.burst());
        let forms = D::BurstForms::default();
        let reached =
            self.fan_out((burst, &forms), out, |hub, fan_out| hub.deliver_burst_by(fan_out));
        if self.hub.has_fan_outs() {
            self.expect_fan_out(out);
        }
        reached
    }

    /// Brings a session what fan-outs have not brought it yet.
    #[cold]
    fn deliver_owed(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        let forms = D::BurstForms::default();
        self.fan_out((BurstSpan::default(), &forms), out, |hub, fan_out| {
            // Their fan-outs note the ages.
            (fan_out.noted, fan_out.is_noting) = (Seq(u64::MAX), fan_out.has_end);
            hub.deliver_owed(key, |key, entries| fan_out.offer_beside(key, entries));
            0
        });
        self.count_steps(out);
    }

    /// Takes the next step of a fan-out. [service:fan-out-steps]
    pub(crate) fn fan_out_some(&mut self, out: &mut impl Outlet<D>) {
        self.fans_out = false;
        let Some(next) = self.hub.next_fan_out() else { return };
        let Some(newest) = next.last().map(|entry| entry.position) else { return };
        let burst = BurstSpan::new(next);
        let of_step = usize::try_from(units::STEP / units::DELIVERY).unwrap_or(usize::MAX);
        let most = self.hub.config().limits.fan_out_members_max.clamp(1, of_step);
        let forms = self.kept_forms.take(newest);
        let mut step = Step::default();
        let visited = self.fan_out((burst, &forms), out, |hub, fan_out| {
            (fan_out.noted, fan_out.is_noting) = (burst.newest, fan_out.has_end);
            step = hub.fan_out_some_by(most, fan_out);
            step.visited
        });
        if !step.is_last {
            self.kept_forms.0.push((newest, forms));
        }
        out.spend(units::FAN_OUT + visited as u64 * units::DELIVERY);
        self.count_steps(out);
        let is_over = !self.hub.has_fan_outs();
        // Those of fan-outs that ended elsewhere are left: an epoch has begun, or there were too many.
        if is_over || self.kept_forms.0.len() > self.hub.config().limits.fan_outs_max {
            self.kept_forms.0.clear();
        }
        if !is_over {
            self.expect_fan_out(out);
        }
    }

    /// Has the next step of a fan-out taken behind the other work.
    fn expect_fan_out(&mut self, out: &mut impl Outlet<D>) {
        if !core::mem::replace(&mut self.fans_out, true) {
            self.work.add(EVERYBODY, Task::FanOut);
        }
        out.come_back();
    }

    /// Has the hub deliver entries, those of `burst` or others, and tells sessions the ends among them. Returns the
    /// hub's answer.
    #[inline]
    fn fan_out<O: Outlet<D>>(
        &mut self,
        (burst, forms): (BurstSpan, &D::BurstForms),
        out: &mut O,
        run: impl FnOnce(&mut Hub<Body<D::Forms>>, &mut FanOut<'_, D, O>) -> usize,
    ) -> usize {
        let Self { hub, sessions, work, access, anybody, judging, limits, .. } = self;
        let mut fan_out = FanOut {
            sessions,
            work,
            lag: &mut self.counters.delivery,
            now_ms: self.log_time.ms,
            burst,
            noted: burst.first.previous(),
            is_noting: true,
            has_end: hub.has_end_under_way(),
            forms,
            ended: Vec::new(),
            access,
            anybody,
            is_judging: !judging.walk.is_over(),
            judging,
            calendar: self.calendar,
            queue_bytes_max: limits.queue_bytes_max,
            out: &mut *out,
        };
        let reached = run(hub, &mut fan_out);
        for Ended { session, channel, at } in fan_out.ended {
            self.end_one(session, &channel, at, out);
        }
        reached
    }
}
