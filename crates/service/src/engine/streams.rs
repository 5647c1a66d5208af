//! Open streams: connecting, subscribing, delivering, ending.

mod catching_up;

pub(crate) use self::catching_up::Items;

use std::rc::Rc;

use sockeye_auth::UnixTime;
use sockeye_hub::{Committed, Cursor, Entry, Flow, Hub, Kind, Seq, Start, SubscriberKey, Target};
use sockeye_server::Time;

use crate::engine::access::Standing;
use crate::engine::reload::Judging;
use crate::engine::session::Sessions;
use crate::engine::work::Work;
use crate::engine::{
    Access, Body, Delivery, Dialect, End, Engine, NOWHERE, NotSent, Notice, Outlet, Principal,
    Recipient, Refusal, Session, Task, Watch, units,
};

/// Sessions that end in one go: a calendar that jumps may end all of them.
const ENDS_MAX: usize = 256;

/// The result of a subscription.
#[derive(Debug, Default)]
pub struct Taken<'t> {
    /// The targets that are subscribed now.
    pub targets: Vec<&'t str>,
    /// Those among them that had ended before, and whose end no later message or gap tells.
    pub ended: Vec<&'t str>,
    /// Those among them that had ended at or before the client's cursor. The client may have been
    /// told, or have subscribed others at that time.
    pub known: Vec<&'t str>,
}

/// Delivers an entry to live sessions. It borrows the parts of the engine that a delivery needs
/// while the hub, which calls it, is borrowed too.
pub(crate) struct FanOut<'d, D: Dialect, O> {
    pub(crate) sessions: &'d mut Sessions<D>,
    pub(crate) work: &'d mut Work,
    /// Sessions that have got the end of the channel.
    pub(crate) ended: Vec<SubscriberKey>,
    pub(crate) access: &'d Access,
    pub(crate) anybody: &'d Principal,
    pub(crate) judging: &'d Judging,
    pub(crate) calendar: UnixTime,
    pub(crate) queue_bytes_max: usize,
    pub(crate) out: &'d mut O,
}

impl<D: Dialect, O: Outlet<D>> FanOut<'_, D, O> {
    /// Hands an entry to a session whose cursors carry the proof of a ticket.
    #[cold]
    fn deliver_proved(
        &mut self,
        key: SubscriberKey,
        entry: &Entry<Body<D::Forms>>,
    ) -> Result<(), NotSent> {
        let session = self.sessions.of_subscriber(key).ok_or(NotSent::Gone)?;
        let to = Recipient::of_session(session, self.access, self.calendar);
        self.out.proved_entry(&to, entry, self.queue_bytes_max)
    }

    /// Hands a new entry of the log to one live session, if its stream has room.
    ///
    /// [service:slow-readers] A stream without room gets nothing, and keeps only its cursor.
    pub(crate) fn deliver(
        &mut self,
        key: SubscriberKey,
        entry: &Rc<Entry<Body<D::Forms>>>,
    ) -> Flow {
        let Some(session) = self.sessions.of_subscriber(key) else { return Flow::Full };
        // [service:expiry] An expired session gets nothing more, not even in the turn that ends
        // its stream.
        if session.expires && session.principal.has_ended(self.calendar) {
            return Flow::Full;
        }
        // [service:revoked] Nor does one that a reload is about to end.
        if self.judging.walk.is_ahead(key.index()) {
            let rules = (self.access, self.anybody, self.calendar);
            if self.judging.standing(session, rules) != Standing::Same {
                return Flow::Full;
            }
        }
        if session.delivery.fetches() {
            // It fetches everything at the end of this turn or of a later one.
            self.work.add_for(&session.principal, Task::Answer(key));
            return Flow::Fetches;
        }
        let (stream, delivery) = (session.stream, session.delivery);
        let sent = match delivery.carries_proof() && session.principal.has_ticket() {
            true => self.deliver_proved(key, entry),
            false => self.out.entry(stream, delivery, entry, self.queue_bytes_max),
        };
        match sent {
            Ok(()) => {}
            Err(NotSent::Full) => {
                self.out.notify_drained(stream);
                if let Some(session) = self.sessions.of_subscriber_mut(key) {
                    session.lags = true;
                }
                return Flow::Full;
            }
            Err(NotSent::Gone) => return Flow::Full,
        }
        if entry.kind == Kind::End {
            self.ended.push(key);
        }
        Flow::Taken
    }
}

impl<D: Dialect> Engine<D> {
    /// Opens a session for a principal's stream; ends the stream and returns `None` if there is no room
    /// for one.
    pub fn connect(
        &mut self,
        stream: D::Stream,
        delivery: D::Delivery,
        who: Principal,
        start: Start,
        out: &mut impl Outlet<D>,
    ) -> Option<SubscriberKey> {
        let admitted = self.admit_stream(stream, &who).and_then(|()| {
            self.hub.connect().map_err(|_| {
                self.bounds.rejections.full += 1;
                (End::TryAgain, self.retry_ms(stream))
            })
        });
        match admitted {
            Ok(subscriber) => {
                let end = self.lifetime_end(stream, out.now());
                self.sessions.add(Session::new(stream, subscriber, delivery, who));
                self.set_end(subscriber, end, End::Lifetime);
                self.expect_expiry(subscriber);
                Some(subscriber)
            }
            Err((reason, retry_ms)) => {
                // Its ticket is used up by now, so the cursor that it gets needs a proof.
                let to = Recipient::of(stream, delivery, &who, &self.access, self.calendar);
                out.end(&to, reason, Some(retry_ms), self.begin_again_at(start));
                None
            }
        }
    }

    /// Runs `into`, which puts a message into the hub, and delivers it to the subscribers. Returns
    /// their number.
    pub(crate) fn deliver<O: Outlet<D>>(
        &mut self,
        out: &mut O,
        into: impl FnOnce(&mut Hub<Body<D::Forms>>, &mut FanOut<'_, D, O>) -> Committed<Body<D::Forms>>,
    ) -> u64 {
        let Self { hub, sessions, work, access, anybody, judging, limits, .. } = self;
        let (calendar, now_ms) = (self.calendar, self.log_time.ms);
        let (queue_bytes_max, ended) = (limits.queue_bytes_max, Vec::new());
        let mut delivery = FanOut {
            sessions,
            work,
            ended,
            access,
            anybody,
            judging,
            calendar,
            queue_bytes_max,
            out,
        };
        let committed = into(hub, &mut delivery);
        for subscriber in delivery.ended {
            let (channel, position) = (&committed.entry.channel, committed.entry.position);
            self.end_one(subscriber, channel, position, out);
        }
        if committed.taken > 0 {
            let age_ms = now_ms.saturating_sub(committed.entry.time_ms);
            self.counters.delivery.note(age_ms);
        }
        let reached = (committed.taken + committed.behind) as u64;
        out.spend(units::PUBLICATION + reached * units::DELIVERY);
        self.count_steps(out);
        reached
    }

    /// Notes that a stream has got a channel's end. A stream that cannot subscribe others ends with
    /// the last of its channels.
    pub(crate) fn end_one(
        &mut self,
        key: SubscriberKey,
        channel: &str,
        at: Cursor,
        out: &mut impl Outlet<D>,
    ) {
        self.mark_finished(key, channel);
        self.end_if_over(key, at, out);
    }

    fn end_if_over(&mut self, key: SubscriberKey, at: Cursor, out: &mut impl Outlet<D>) {
        let is_finished = self.hub.subscriber(key).is_none_or(|it| it.is_finished());
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        if is_finished && session.delivery.ends_with_its_channels() {
            out.end(&self.recipient(session), End::ChannelsEnded, None, at);
        }
    }

    /// The stream of a session, as a recipient.
    pub(crate) fn recipient(&self, session: &Session<D>) -> Recipient<D> {
        Recipient::of_session(session, &self.access, self.calendar)
    }

    /// Sets when a stream ends, and why.
    pub(crate) fn set_end(&mut self, subscriber: SubscriberKey, end: Time, reason: End) {
        if let Some(session) = self.sessions.of_subscriber_mut(subscriber) {
            session.ends_as = reason;
        }
        self.set_due(subscriber, end);
    }

    /// Sets when something is due for a stream.
    pub(crate) fn set_due(&mut self, subscriber: SubscriberKey, due: Time) {
        let Some(session) = self.sessions.of_subscriber_mut(subscriber) else { return };
        self.due.remove(&(session.due, subscriber));
        session.due = due;
        if due != Time::NEVER {
            self.due.insert((due, subscriber));
        }
    }

    /// Gives a stream this principal and delivery from now on.
    pub(crate) fn let_in(
        &mut self,
        subscriber: SubscriberKey,
        who: &Principal,
        delivery: D::Delivery,
    ) {
        self.forget_expiry(subscriber);
        self.sessions.let_in(subscriber, who, delivery);
        self.expect_expiry(subscriber);
    }

    /// Has a stream end when its credential expires by the calendar.
    pub(crate) fn expect_expiry(&mut self, subscriber: SubscriberKey) {
        let Some(session) = self.sessions.of_subscriber_mut(subscriber) else { return };
        session.expires = session.principal.ends() != UnixTime::NEVER;
        self.expiring.extend(session.expiry().map(|ends| (ends, subscriber)));
    }

    /// No longer has a stream end when its credential expires.
    pub(crate) fn forget_expiry(&mut self, subscriber: SubscriberKey) {
        let Some(session) = self.sessions.of_subscriber_mut(subscriber) else { return };
        if let Some(ends) = session.expiry() {
            self.expiring.remove(&(ends, subscriber));
        }
        session.expires = false;
    }

    /// Ends sessions whose end is due, some hundred at the most: the others are due in the next turn.
    /// Stops at one that fetches, which its dialect answers.
    pub fn do_what_is_due(&mut self, out: &mut impl Outlet<D>) -> Option<SubscriberKey> {
        // [service:bound-ends]
        for _ in 0..ENDS_MAX {
            let (subscriber, expired) = self.next_due(out.now())?;
            self.forget_end(subscriber);
            let cursor = self.cursor_of(subscriber);
            let Some(session) = self.sessions.of_subscriber(subscriber) else { continue };
            if session.delivery.fetches() {
                return Some(subscriber);
            }
            let reason = expired.unwrap_or(session.ends_as);
            out.end(&self.recipient(session), reason, None, cursor);
        }
        None
    }

    /// The next session whose end is due, and the end of its credential if that is the reason.
    fn next_due(&self, now: Time) -> Option<(SubscriberKey, Option<End>)> {
        if let Some((_, subscriber)) = self.expiring.first().filter(|it| it.0 <= self.calendar) {
            return Some((*subscriber, Some(End::Expired)));
        }
        let (_, subscriber) = self.due.first().filter(|(due, _)| *due <= now)?;
        Some((*subscriber, None))
    }

    /// Notes that the end of a session was said.
    fn forget_end(&mut self, subscriber: SubscriberKey) {
        self.set_due(subscriber, Time::NEVER);
        self.forget_expiry(subscriber);
    }

    /// Subscribes a stream to targets. A refused target is reported, and the others go on.
    pub fn subscribe<'t>(
        &mut self,
        key: SubscriberKey,
        who: &Principal,
        targets: &[&'t str],
        (start, watch): (Start, Watch),
        mut refused: impl FnMut(&'t str, Refusal),
    ) -> Taken<'t> {
        let mut taken = Taken::default();
        // [service:bound-address-channels]
        let holder = self.holder(who);
        self.hub.subscriber(key).expect("it was connected").count_for(holder);
        for text in targets {
            let subscribed = Target::new(text).map_err(Refusal::from).and_then(|target| {
                who.may_subscribe(target, &self.namespaces, self.calendar)?;
                if watch == Watch::Yes {
                    self.check_watch(target)?;
                }
                let mut subscriber = self.hub.subscriber(key).expect("it was connected");
                let subscribed = subscriber.subscribe(target, start, self.log_time.ms)?;
                // A poll has no session yet: its next target may be refused.
                if let Some(session) = self.sessions.of_subscriber_mut(key) {
                    session.by_rule |= !who.is_granted(target, self.calendar);
                    self.enter_presence(key, target, who, watch);
                }
                Ok(subscribed)
            });
            match subscribed {
                Ok(subscribed) => {
                    taken.targets.push(*text);
                    match self.end_is_known(start, subscribed.ended) {
                        EndIs::ToCome => {}
                        EndIs::Known => {
                            self.mark_finished(key, text);
                            taken.known.push(*text);
                        }
                        EndIs::Unsaid => {
                            self.mark_finished(key, text);
                            taken.ended.push(*text);
                        }
                    }
                }
                Err(refusal) => {
                    self.bounds.rejections.count_subscription(refusal);
                    refused(text, refusal);
                }
            }
        }
        taken
    }

    fn mark_finished(&mut self, key: SubscriberKey, channel: &str) {
        if let Some(mut subscriber) = self.hub.subscriber(key) {
            subscriber.finish(channel);
        }
    }

    /// What a client with this start knows of a channel's end.
    fn end_is_known(&self, start: Start, ended: Option<Seq>) -> EndIs {
        let Some(last) = ended else { return EndIs::ToCome };
        match start {
            Start::Now => EndIs::Unsaid,
            // A cursor above the head gets a gap, which says it.
            Start::After(cursor) if self.is_in_the_log(start) => {
                if cursor.seq >= last {
                    EndIs::Known
                } else {
                    EndIs::ToCome
                }
            }
            Start::After(_) | Start::Earliest | Start::Unreadable => EndIs::ToCome,
        }
    }

    /// Says which channels had ended before they were subscribed. [service:ended-before]
    pub(crate) fn say_ended(
        &mut self,
        key: SubscriberKey,
        taken: &Taken<'_>,
        out: &mut impl Outlet<D>,
    ) {
        let (position, cursor) = (self.hub.position(), self.cursor_of(key));
        let Some(session) = self.sessions.of_subscriber(key) else { return };
        let to = self.recipient(session);
        for channel in taken.ended.iter().chain(&taken.known) {
            // The stream's cursor: that of the channel's last entry would take the client back.
            out.notice(&to, Notice::Ended { channel, cursor });
        }
        self.end_if_over(key, position, out);
    }

    /// The cursor of a subscriber.
    pub fn cursor_of(&mut self, subscriber: SubscriberKey) -> Cursor {
        let position = self.hub.position();
        let Some(subscriber) = self.hub.subscriber(subscriber) else { return position };
        // [service:cursor-first] Its gap is still to come.
        if !self.work.pull_all.is_over() && subscriber.owes_fault() {
            return NOWHERE;
        }
        subscriber.cursor()
    }

    /// The cursor of a subscriber that is not pulled any more. Without its gap, it is none, also if a
    /// [`Task::PullAll`] has just come to it.
    pub(crate) fn last_cursor_of(&mut self, subscriber: SubscriberKey) -> Cursor {
        match self.hub.subscriber(subscriber).is_some_and(|it| it.owes_fault()) {
            true => NOWHERE,
            false => self.cursor_of(subscriber),
        }
    }

    /// The cursor of a stream's subscriber.
    pub(crate) fn cursor_of_stream(&mut self, stream: D::Stream) -> Option<Cursor> {
        let subscriber = self.sessions.of_stream(stream)?.subscriber;
        Some(self.cursor_of(subscriber))
    }

    /// [service:expiry] Ends a stream whose credential has expired, and returns whether it did.
    pub(crate) fn has_expired(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) -> bool {
        let session = self.sessions.of_subscriber(key);
        if !session.is_some_and(|it| it.principal.has_ended(self.calendar)) {
            return false;
        }
        let cursor = self.last_cursor_of(key);
        let Some(session) = self.sessions.of_subscriber(key) else { return false };
        out.end(&self.recipient(session), End::Expired, None, cursor);
        self.forget_end(key);
        true
    }

    /// Removes a subscriber that has no stream.
    pub(crate) fn leave(&mut self, subscriber: SubscriberKey) {
        self.leave_all_presence(subscriber);
        self.reading.forget(subscriber);
        if let Some(subscriber) = self.hub.subscriber(subscriber) {
            subscriber.disconnect();
        }
    }

    /// Removes a stream that has closed, with its subscriptions.
    pub fn disconnect(&mut self, stream: D::Stream) {
        let Some(session) = self.sessions.remove(stream) else { return };
        self.due.remove(&(session.due, session.subscriber));
        if let Some(ends) = session.expiry() {
            self.expiring.remove(&(ends, session.subscriber));
        }
        self.leave(session.subscriber);
    }
}

/// What a client knows of the end of a channel that it subscribes.
enum EndIs {
    /// Nothing yet: the end may come live, from history, or in a gap.
    ToCome,
    /// Everything that it was subscribed to, up to its cursor, which lies behind the end.
    Known,
    /// Nothing, and nothing that it gets from this start says it.
    Unsaid,
}
