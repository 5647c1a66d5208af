//! Presence over a log that several machines share: one service of each process tells the other nodes.

use sockeye_hub::presence::Batch;
use sockeye_server::Time;

use super::Presence;
use crate::engine::publishing::Placed;
use crate::engine::{Dialect, Engine, Outlet, units};
use crate::sequencing::{PresenceNews, Statement, Ticket, Verdict};

/// The service that tells the other nodes.
const TELLER: usize = 0;

/// How long a service waits before it tells again what was refused, in milliseconds.
const RETRY_MS: u64 = 5_000;

/// What a service that tells the other nodes waits for.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// There is something to tell.
    wants: bool,
    /// From when on it may.
    rested: Time,
    /// What it has told, and has no answer to.
    ticket: Option<Ticket>,
}

impl Presence {
    /// The log is one that several machines share.
    pub(crate) fn begin_to_tell(&self) {
        self.registry.begin_to_tell();
    }

    /// Has the other nodes told.
    pub(super) fn want_to_tell(&mut self) {
        match &self.others {
            Some(all) if self.me != TELLER => all.notify(TELLER),
            Some(_) | None => self.sharing.wants = true,
        }
    }

    /// Looks whether another service wants the other nodes to be told.
    pub(super) fn look_whether_to_tell(&mut self) {
        self.sharing.wants |= self.me == TELLER && self.registry.is_due();
    }

    /// When the other nodes are to be told.
    pub(super) fn tell_deadline(&self) -> Time {
        match self.sharing.wants && self.sharing.ticket.is_none() {
            true => self.sharing.rested,
            false => Time::NEVER,
        }
    }

    fn take_batch(&mut self, bytes_max: usize) -> Option<Batch> {
        self.sharing.wants = false;
        self.registry.take_batch(bytes_max)
    }

    /// The batch that was under way is told, or was refused.
    fn settle_batch(&mut self, is_told: bool, now: Time) {
        self.sharing.ticket = None;
        self.registry.settle_batch(is_told);
        self.sharing.wants = self.registry.is_due();
        if !is_told {
            self.sharing.rested = now + RETRY_MS;
        }
    }

    /// Takes what is said of other nodes. Returns the number of changes.
    fn hear_nodes(&mut self, news: &PresenceNews, gone_ms: u64, now: Time) -> usize {
        let changes = self.change(|registry, me| registry.hear(news, gone_ms, me));
        let count = changes.len();
        for (channel, user) in changes {
            let user = user.as_ref().map(|(user, is_there)| (user, *is_there));
            self.note(&channel, user, now);
            self.sweep(&channel);
        }
        count
    }
}

impl<D: Dialect> Engine<D> {
    /// [service:presence-nodes] Tells the other nodes of the log what has changed. A batch is under way at a time.
    pub(super) fn tell_nodes(&mut self) {
        if self.presence.tell_deadline() > self.now {
            return;
        }
        // It is told when the log takes it again.
        let rested = self.now + self.limits.presence_interval_ms;
        self.presence.sharing.rested = rested;
        if self.check_log().is_err() {
            return;
        }
        let Some(batch) = self.presence.take_batch(self.limits.presence_batch_bytes) else {
            return;
        };
        // What is more than a batch follows at once.
        if batch.cost() >= self.limits.presence_batch_bytes {
            self.presence.sharing.rested = self.now;
        }
        match self.declare(Statement::Present(batch)) {
            Ok(Placed::Waiting(ticket)) => self.presence.sharing.ticket = Some(ticket),
            Ok(Placed::Settled(_)) | Err(_) => self.presence.settle_batch(false, self.now),
        }
    }

    /// Takes a verdict on what this service has told the other nodes; false if it is one on something else.
    pub(crate) fn take_told(&mut self, ticket: Ticket, verdict: Verdict) -> bool {
        if self.presence.sharing.ticket != Some(ticket) {
            return false;
        }
        self.waiting = self.waiting.saturating_sub(1);
        self.presence.settle_batch(verdict == Verdict::Taken, self.now);
        true
    }

    /// Takes what is said of the members of streams at other nodes.
    pub(crate) fn hear_nodes(&mut self, news: &PresenceNews, out: &mut impl Outlet<D>) {
        let gone_ms = self.now.as_millis().saturating_add(self.namespaces.grace_ms_max());
        let changes = self.presence.hear_nodes(news, gone_ms, self.now);
        out.spend(changes as u64 * units::TARGET);
        self.presence.look_whether_to_tell();
    }
}
