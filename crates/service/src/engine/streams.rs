//! Open streams: connecting, subscribing, delivering, ending.

mod catching_up;
mod fan_out;

pub(crate) use self::catching_up::Items;
pub(crate) use self::fan_out::KeptForms;

use sockeye_auth::UnixTime;
use sockeye_hub::{Cursor, Seq, Start, SubscriberKey, Target};
use sockeye_server::Time;

use crate::engine::handshakes::Places;
use crate::engine::openings::Opener;
use crate::engine::{
    Delivery, Dialect, End, Engine, NOWHERE, Notice, Outlet, Principal, Recipient, Refusal,
    Session, Watch, units,
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
                let refusal = self.refuse_place(&who, Places::AllOfTried);
                (refusal.end(), self.retry_ms(stream) + refusal.wait_ms())
            })
        });
        match admitted {
            Ok(subscriber) => {
                let end = self.lifetime_end(stream, out.now());
                self.add_session(Session::new(stream, subscriber, delivery, who));
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

    /// Adds a session, which the settings in force have admitted.
    pub(crate) fn add_session(&mut self, session: Session<D>) {
        let by_rule = if session.delivery.fetches() { self.judging.settings_number() } else { 0 };
        self.judging.note_arrival(session.subscriber, &session.principal);
        self.count_for_nodes(&session.principal, true);
        self.sessions.add(Session { by_rule, ..session });
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
        self.judging.note_arrival(subscriber, who);
        if let Some(session) = self.sessions.of_subscriber(subscriber) {
            let before = session.principal.clone();
            self.count_for_nodes(&before, false);
            self.count_for_nodes(who, true);
        }
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
                    if session.by_rule == 0 && !who.is_granted(target, self.calendar) {
                        session.by_rule = self.judging.settings_number();
                    }
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
        if let Some(own) = self.waits_with(subscriber) {
            return own;
        }
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
        self.deliver_burst(out);
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
        self.openings.forget(Opener::Stream(subscriber));
        if let Some(subscriber) = self.hub.subscriber(subscriber) {
            subscriber.disconnect();
        }
    }

    /// The units that it takes to remove a stream with its subscriptions.
    pub(crate) fn units_of_end(&mut self, stream: D::Stream) -> u64 {
        let Some(session) = self.sessions.of_stream(stream) else { return 0 };
        let key = session.subscriber;
        let subscribed = self.hub.subscriber(key).map_or(0, |it| it.subscriptions());
        subscribed as u64 * units::UNLINK + self.presence.places(key) as u64 * units::TARGET
    }

    /// Removes a stream that has closed, with its subscriptions.
    pub fn disconnect(&mut self, stream: D::Stream) {
        let Some(session) = self.sessions.remove(stream) else { return };
        self.count_for_nodes(&session.principal, false);
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
    /// All that its former subscriptions gave it up to its cursor, which is at the end or after it.
    Known,
    /// Nothing, and nothing that it gets from this start says it.
    Unsaid,
}
