//! Other settings while it runs.

use sockeye_hub::{Config, SubscriberKey};
use sockeye_server::Context;

use crate::access::{Access, Standing};
use crate::namespaces::Namespaces;
use crate::session::Form;
use crate::wire::CloseReason;
use crate::{Limits, Service};

/// What other settings meant for the streams that were open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Ended because what they came by is not good any more.
    pub revoked: usize,
    /// Sent away to come back at once, because they may do other things now.
    pub moved: usize,
}

impl Service {
    /// Other settings from now on: who may do what, what channels keep, bounds.
    ///
    /// A stream whose key is gone, or whose token's key is, ends with 4303; one whose rights are
    /// others now ends with 4200 and gets them when it comes back, and so does one that received by
    /// what a namespace gives, if namespaces let others receive now. Tickets that are outstanding and
    /// sessions that they began go on. Bounds other than history's hold for what comes. Where it is
    /// not kept any more who is there, that is forgotten, and watchers are told nothing more; where
    /// it is kept from now on, it is of who comes.
    pub fn reload(
        &mut self,
        access: Access,
        namespaces: Namespaces,
        hub: Config,
        limits: Limits,
        context: &mut Context<'_>,
    ) -> Reloaded {
        self.look_at_the_clock(context);
        self.limits = limits;
        let others = namespaces.give_others(&self.namespaces);
        self.namespaces = namespaces;
        self.forget_presence();
        self.hub.reconfigure(hub, self.now_ms);
        let former = core::mem::replace(&mut self.access, Access::Open);
        self.access = access.succeed(former);
        self.anybody = self.access.anybody();
        self.look_at_everybody(others, context)
    }

    /// `others`: namespaces let others receive now.
    fn look_at_everybody(&mut self, others: bool, context: &mut Context<'_>) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let everybody = self.sessions.iter();
        let standings: Vec<(SubscriberKey, Standing)> = everybody
            .map(|session| {
                let standing = self.access.standing(&session.who, &self.anybody, self.now_ms);
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
                Standing::Changed => (&mut reloaded.moved, CloseReason::Reconnect),
                // [service:revoked]
                Standing::Revoked => (&mut reloaded.revoked, CloseReason::Revoked),
            };
            *count += usize::from(self.send_away(subscriber, reason, context));
        }
        reloaded
    }

    /// Whether there was somebody to send away.
    fn send_away(
        &mut self,
        subscriber: SubscriberKey,
        reason: CloseReason,
        context: &mut Context<'_>,
    ) -> bool {
        let (cursor, anybody) = (self.cursor_of(subscriber), self.anybody.clone());
        let Some(session) = self.sessions.of_subscriber_mut(subscriber) else { return false };
        match session.form {
            // It has nothing yet, and says next who it is.
            Form::Greeting => {
                session.who = anybody.where_is(&session.who);
                false
            }
            // What it asks next is looked at anew.
            Form::Poll => {
                self.answer_late(subscriber, context);
                true
            }
            Form::Events(_) | Form::Commands | Form::Bare => {
                let Some(session) = self.sessions.of_subscriber(subscriber) else { return false };
                // All of them at once: they are not to come back so.
                let retry = Some(self.retry_ms(session.stream));
                let retry = retry.filter(|_| reason != CloseReason::Revoked);
                self.line(session, context).goaway(reason, retry, cursor);
                true
            }
        }
    }
}
