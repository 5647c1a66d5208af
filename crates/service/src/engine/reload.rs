//! Reload: applies new settings while the service runs.

use sockeye_hub::{Config, SubscriberKey};
use sockeye_server::Time;

use crate::engine::access::Standing;
use crate::engine::{Access, Delivery, Dialect, End, Engine, Limits, Namespaces, Outlet};

/// How many open streams a reload ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Streams that ended because their credential is no longer good.
    pub revoked: usize,
    /// Streams that were sent away to come back at once, because their rights have changed.
    pub moved: usize,
}

impl<D: Dialect> Engine<D> {
    /// Applies new settings, and ends the sessions whose rights have changed. Returns the ended
    /// sessions that fetch: their dialect answers them.
    pub(crate) fn reload(
        &mut self,
        access: Access,
        namespaces: Namespaces,
        hub: Config,
        limits: Limits,
        out: &mut impl Outlet<D>,
    ) -> (Reloaded, Vec<SubscriberKey>) {
        self.limits = limits;
        let others = namespaces.give_others(&self.namespaces);
        self.namespaces = namespaces;
        self.forget_presence();
        self.hub.reconfigure(hub, self.log_time.ms);
        let former = core::mem::replace(&mut self.access, Access::Open);
        self.access = access.succeed(former);
        self.anybody = self.access.anybody();
        self.look_at_everybody(others, out)
    }

    /// Goes on to drop what new settings leave no room for, or what has expired meanwhile.
    pub(crate) fn drop_overdue(&mut self) {
        if self.hub.is_overdue() {
            self.hub.advance(self.log_time.ms);
        }
    }

    /// When [`drop_overdue`](Self::drop_overdue) has to be called next.
    pub(crate) const fn drop_deadline(&self) -> Time {
        if self.hub.is_overdue() { Time::from_millis(0) } else { Time::NEVER }
    }

    /// Ends the sessions whose rights have changed. `others`: the namespaces' rules let other
    /// clients receive.
    fn look_at_everybody(
        &mut self,
        others: bool,
        out: &mut impl Outlet<D>,
    ) -> (Reloaded, Vec<SubscriberKey>) {
        let (mut reloaded, mut fetching) = (Reloaded::default(), Vec::new());
        let everybody = self.sessions.iter();
        let standings: Vec<(SubscriberKey, Standing)> = everybody
            .map(|session| {
                let standing =
                    self.access.standing(&session.principal, &self.anybody, self.calendar);
                // [service:rights-reload]
                let standing = match standing {
                    Standing::Same if others && session.by_rule => Standing::Changed,
                    standing => standing,
                };
                (session.subscriber, standing)
            })
            .collect();
        for (subscriber, standing) in standings {
            let (count, reason) = match standing {
                Standing::Same => continue,
                Standing::Changed => (&mut reloaded.moved, End::RightsChanged),
                // [service:revoked]
                Standing::Revoked => (&mut reloaded.revoked, End::Revoked),
            };
            let Some(session) = self.sessions.of_subscriber(subscriber) else { continue };
            let delivery = session.delivery;
            if delivery.is_unidentified() {
                // The client has received nothing yet, and identifies itself next.
                let anybody = self.anybody.clone().where_is(&session.principal);
                self.let_in(subscriber, &anybody, delivery);
                continue;
            }
            *count += 1;
            match delivery.fetches() {
                // Its next request is checked anew.
                true => fetching.push(subscriber),
                false => self.send_away(subscriber, reason, out),
            }
        }
        (reloaded, fetching)
    }

    /// Ends a session whose rights have changed.
    fn send_away(&mut self, subscriber: SubscriberKey, reason: End, out: &mut impl Outlet<D>) {
        let cursor = self.cursor_of(subscriber);
        let Some(session) = self.sessions.of_subscriber(subscriber) else { return };
        // All of them end at once. The delays spread their return.
        let retry = Some(self.retry_ms(session.stream));
        let retry = retry.filter(|_| reason != End::Revoked);
        out.end(&self.recipient(session), reason, retry, cursor);
    }
}
