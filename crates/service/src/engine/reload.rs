//! Reload: applies new settings while the service runs, in steps. Disconnections take the same steps.

use std::sync::Arc;

use sockeye_auth::UnixTime;
use sockeye_hub::{Config, SubscriberKey};
use sockeye_server::Time;

use crate::engine::access::{Account, Standing};
use crate::engine::disconnected::Disconnected;
use crate::engine::work::{EVERYBODY, Walk};
use crate::engine::{
    Access, Delivery, Dialect, End, Engine, Limits, Namespaces, Outlet, Principal, Session, Task,
    units,
};

/// How many open streams a reload ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Streams that ended because their credential is no longer good.
    pub revoked: usize,
    /// Streams that were sent away to come back at once, because their rights have changed.
    pub moved: usize,
}

/// The walk that judges all sessions by new settings, and ends those of users that were disconnected.
///
/// A session that the walk has not reached yet is judged when something is to be given to it or
/// taken from it.
#[derive(Debug, Default)]
pub(crate) struct Judging {
    pub(crate) walk: Walk,
    /// A [`Task::Judge`] is in the queue.
    pub(crate) is_queued: bool,
    /// The walk has taken the place of one that was not over.
    again: bool,
    /// Reloads so far, up to 65,535. Beyond that each change of rules concerns all sessions that came by one.
    reloads: u16,
    /// The number of the last reload whose rules of namespaces let other clients receive; zero if the walk
    /// does not look for that.
    others: u16,
    /// Whether the walk looks for changed rights: it began with a reload, or took over from a walk that did.
    is_of_reload: bool,
    /// The users whose streams the walk ends.
    disconnected: Disconnected,
    /// The presence of a namespace was switched off.
    forgets: bool,
    /// The sessions that were ended, until the figure is taken.
    figure: Option<Reloaded>,
}

impl Judging {
    /// The rights of a session, compared with those that it began with.
    #[cold]
    pub(crate) fn standing<D: Dialect>(
        &self,
        session: &Session<D>,
        (access, anybody, calendar): (&Access, &Principal, UnixTime),
    ) -> Standing {
        if let Some(user) = session.principal.user() {
            // [service:disconnect]
            if self.disconnected.concerns(user, session.subscriber) {
                return Standing::Disconnected;
            }
            if self.disconnected.concerns_everybody(session.subscriber) {
                return Standing::Changed;
            }
        }
        if !self.is_of_reload {
            return Standing::Same;
        }
        match access.standing(&session.principal, anybody, calendar) {
            // [service:rights-reload]
            Standing::Same if session.by_rule > 0 && session.by_rule <= self.others => {
                Standing::Changed
            }
            standing => standing,
        }
    }

    /// The number of the settings in force, from one.
    pub(crate) const fn settings_number(&self) -> u16 {
        self.reloads.saturating_add(1)
    }

    /// Notes that the principal of a session has come: no disconnection before that concerns it.
    pub(crate) fn note_arrival(&mut self, key: SubscriberKey, who: &Principal) {
        if let Some(user) = who.user() {
            self.disconnected.note_arrival(user, key);
        }
    }

    /// Begins a round. If no walk is under way, forgets what the last one looked for.
    fn begin(&mut self, places: usize) {
        self.again = !self.walk.is_over();
        if !self.again {
            (self.is_of_reload, self.forgets) = (false, false);
            self.disconnected = Disconnected::default();
        }
        self.walk.begin(places);
    }

    /// The next place of the walk, out of so many.
    fn next_of(&mut self, places: usize) -> Option<usize> {
        let place = self.walk.next()?;
        self.disconnected.note_visit(places);
        Some(place)
    }

    /// Ends a step of the walk. A walk that is over needs no users.
    fn end_step(&mut self) {
        if self.walk.is_over() {
            self.disconnected = Disconnected::default();
        }
    }

    /// Counts an ended session, if a reload is under way.
    fn count(&mut self, standing: Standing) {
        let Some(figure) = &mut self.figure else { return };
        match standing {
            Standing::Changed => figure.moved += 1,
            Standing::Revoked => figure.revoked += 1,
            Standing::Same | Standing::Disconnected => {}
        }
    }

    /// The figure, once all sessions have been judged; once.
    pub(crate) fn take_figure(&mut self) -> Option<Reloaded> {
        self.figure.take_if(|_| self.walk.is_over())
    }
}

impl<D: Dialect> Engine<D> {
    /// Puts new settings in force. [`judge_some`](Self::judge_some) ends the sessions whose rights have
    /// changed, and [`Task::Drop`] drops what has no room any more.
    pub(crate) fn reload(
        &mut self,
        access: Access,
        namespaces: Namespaces,
        hub: Config,
        limits: Limits,
    ) {
        self.limits = limits;
        let judging = &mut self.judging;
        // Sessions that the former walk has not reached are still to be judged by what it looked for.
        let is_over = judging.walk.is_over();
        judging.begin(self.sessions.places());
        judging.is_of_reload = true;
        judging.reloads = judging.reloads.saturating_add(1);
        judging.others = match namespaces.give_others(&self.namespaces) {
            true => judging.reloads,
            false if is_over => 0,
            false => judging.others,
        };
        judging.forgets |= namespaces.end_presence(&self.namespaces);
        judging.figure.get_or_insert_default();
        self.namespaces = namespaces;
        self.hub.reconfigure(hub, self.log_time.ms);
        let former = core::mem::replace(&mut self.access, Access::Open);
        self.access = access.succeed(former);
        self.anybody = self.access.anybody();
    }

    /// Sees to it that the hub goes on to drop what new settings leave no room for, or what has expired
    /// meanwhile.
    pub(crate) fn begin_to_drop(&mut self) {
        if self.hub.is_overdue() && !core::mem::replace(&mut self.drops, true) {
            self.work.add(EVERYBODY, Task::Drop);
        }
    }

    /// When [`begin_to_drop`](Self::begin_to_drop) has to be called next. Every call that takes the time
    /// drops, also those behind it in a turn.
    pub(crate) const fn drop_deadline(&self) -> Time {
        // [service:drops-go-on]
        if self.hub.is_overdue() { Time::from_millis(0) } else { Time::NEVER }
    }

    /// Has the hub drop some more.
    pub(crate) fn drop_some(&mut self, out: &mut impl Outlet<D>) {
        self.drops = false;
        // [service:turn-yields]
        self.hub.advance(self.log_time.ms);
        // Billed to the task, or the others would wait until nothing is due.
        let (due, own) = self.take_steps();
        out.spend(due + own);
        self.begin_to_drop();
    }

    /// Judges the next sessions, and ends those that lost their rights or whose users were disconnected.
    /// Returns the ended sessions that fetch: their dialect answers them.
    pub(crate) fn judge_some(&mut self, out: &mut impl Outlet<D>) -> Vec<SubscriberKey> {
        let (mut fetching, mut spent) = (Vec::new(), 0);
        // [service:turn-yields]
        while spent < units::STEP {
            let Some(place) = self.judging.next_of(self.sessions.places()) else { break };
            spent += units::SESSION;
            let Some(session) = self.sessions.at(place) else { continue };
            let (key, fetches) = (session.subscriber, session.delivery.fetches());
            spent += units::TARGET;
            if self.judging.forgets {
                spent += self.forget_presence_of(key) as u64 * units::TARGET;
            }
            match self.judge(key) {
                Some(reason) => {
                    spent += units::POLL;
                    match fetches {
                        true => fetching.push(key),
                        false => self.send_away(key, reason, out),
                    }
                }
                None if self.judging.again => self.give_withheld(key, out),
                None => {}
            }
        }
        out.spend(spent);
        self.judging.end_step();
        self.go_on_judging();
        fetching
    }

    fn go_on_judging(&mut self) {
        if !self.judging.walk.is_over() && !core::mem::replace(&mut self.judging.is_queued, true) {
            self.work.add(EVERYBODY, Task::Judge);
        }
    }

    /// Ends the open streams of a user, in steps. [service:disconnect]
    pub(crate) fn end_user(&mut self, user: &Arc<str>, out: &mut impl Outlet<D>) {
        // A user without a stream here costs nothing. The stream may be another loop's.
        if self.sessions.counts.count(Some(&Account::User(Arc::clone(user)))).own == 0 {
            return;
        }
        self.deliver_burst(out);
        self.judging.begin(self.sessions.places());
        self.judging.disconnected.add(Arc::clone(user));
        self.go_on_judging();
        out.come_back();
    }

    /// Sends the streams of all users away to come back, in steps: disconnections may have been trimmed
    /// before this node read them.
    pub(crate) fn recall_users(&mut self, out: &mut impl Outlet<D>) {
        self.deliver_burst(out);
        self.judging.begin(self.sessions.places());
        self.judging.disconnected.add_everybody();
        self.go_on_judging();
        out.come_back();
    }

    /// Has a session that stays catch up. The settings before these ones may have withheld something.
    fn give_withheld(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) {
        let session = self.sessions.of_subscriber(key).filter(|it| !it.is_sent_away);
        let Some(session) = session else { return };
        if session.delivery.fetches() {
            return self.work.add_for(&session.principal, Task::Answer(key));
        }
        self.tell_owed(key, out);
        self.go_on_later(key, out);
    }

    /// Judges a session. Returns why it ends, if it does: once.
    fn judge(&mut self, key: SubscriberKey) -> Option<End> {
        let session = self.sessions.of_subscriber(key).filter(|it| !it.is_sent_away)?;
        let standing = self.judging.standing(session, (&self.access, &self.anybody, self.calendar));
        let delivery = session.delivery;
        if standing != Standing::Same && delivery.is_unidentified() {
            // The client has received nothing yet, and identifies itself next.
            let anybody = self.anybody.clone().where_is(&session.principal);
            self.let_in(key, &anybody, delivery);
            return None;
        }
        let reason = match standing {
            Standing::Same => return None,
            Standing::Changed => End::RightsChanged,
            // [service:revoked]
            Standing::Revoked => End::Revoked,
            Standing::Disconnected => End::Disconnected,
        };
        self.judging.count(standing);
        if let Some(session) = self.sessions.of_subscriber_mut(key) {
            session.is_sent_away = true;
        }
        Some(reason)
    }

    /// Whether the walk has still to reach a session, and will end it.
    pub(crate) fn is_to_go(&self, session: &Session<D>) -> bool {
        let rules = (&self.access, &self.anybody, self.calendar);
        self.judging.walk.is_ahead(session.subscriber.index())
            && self.judging.standing(session, rules) != Standing::Same
    }

    /// Whether a session that fetches was ended by a reload or a disconnection. It is judged now, if it was
    /// not yet.
    pub(crate) fn is_sent_away(&mut self, key: SubscriberKey) -> bool {
        if self.judging.walk.is_ahead(key.index()) {
            self.judge(key);
        }
        self.sessions.of_subscriber(key).is_some_and(|session| session.is_sent_away)
    }

    /// [service:expiry] [service:revoked] [service:disconnect] Ends a stream whose credential has expired, or
    /// that the walk ends, and returns whether it has ended.
    pub(crate) fn has_lost_rights(&mut self, key: SubscriberKey, out: &mut impl Outlet<D>) -> bool {
        if self.judging.walk.is_ahead(key.index())
            && let Some(reason) = self.judge(key)
        {
            self.send_away(key, reason, out);
        }
        let session = self.sessions.of_subscriber(key);
        session.is_some_and(|session| session.is_sent_away) || self.has_expired(key, out)
    }

    /// Ends a session that was judged.
    fn send_away(&mut self, subscriber: SubscriberKey, reason: End, out: &mut impl Outlet<D>) {
        self.deliver_burst(out);
        let cursor = self.last_cursor_of(subscriber);
        let Some(session) = self.sessions.of_subscriber(subscriber) else { return };
        // All of them end at once. The delays spread their return.
        let retry = Some(self.retry_ms(session.stream));
        let retry = retry.filter(|_| !matches!(reason, End::Revoked | End::Disconnected));
        out.end(&self.recipient(session), reason, retry, cursor);
    }
}

#[cfg(test)]
mod tests;
