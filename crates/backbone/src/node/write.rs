//! Writing: epochs, rules, leases, horizons and offers.

use std::sync::Arc;

use super::{Node, Notice, OnOtherRules, Phase};
use crate::engine::{Full, Trimming};
use crate::entry::{Body, Entry, Evidence, FIRST_VERSION, Lease, NewEpoch, Spans};

/// The first version in which nodes tell of the members of their streams.
const PRESENT_VERSION: u8 = 4;

impl Node {
    /// The node's log time: never before that of the log.
    pub(super) fn time_ms(&self, now_ms: u64) -> u64 {
        self.log.as_ref().map_or(now_ms, |log| log.replica.time_ms().max(now_ms))
    }

    /// Appends what is due, unless an append has failed by this node's clock just now.
    pub(super) fn write(&mut self, now_ms: u64) {
        let may_write = self.link.is_up && self.phase == Phase::Following;
        if !may_write || (now_ms < self.writes.retry_at_ms && !self.has_newer_fence()) {
            return;
        }
        self.writes.fence = self.fence();
        self.append_due(now_ms);
    }

    fn fence(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.chain.last().position.fence)
    }

    /// Whether the fence was read that had appends rejected.
    fn has_newer_fence(&self) -> bool {
        self.writes.fenced.is_some_and(|fenced| fenced < self.fence())
    }

    /// Appends what is due by the node's own clock.
    fn append_due(&mut self, now_ms: u64) {
        let identity = self.log.as_ref().map_or(0, |log| log.replica.identity());
        if ![0, self.link.identity].contains(&identity) && self.link.identity != 0 {
            // Somebody may have read what this engine has lost, and be gone.
            self.writes.raise = self.writes.raise.or(Some(Evidence::OtherIdentity));
        }
        // Whatever else was appended under the old fence would be dropped.
        if self.writes.raise.is_some() {
            return self.raise();
        }
        self.configure();
        if self.writes.resends && self.writes.resent_ms.is_none() {
            self.outbox.rewind();
            self.writes.resent_ms = self.renew(now_ms);
        } else if now_ms >= self.writes.lease_at_ms {
            self.renew(now_ms);
        }
        self.set_horizon();
        if self.has_own_rules()
            && let Some(log) = &self.log
        {
            let witness = log.chain.witness(log.replica.epoch().0);
            let fence = log.chain.last().position.fence;
            self.outbox.flush(&mut *self.engine, fence, witness);
        }
    }

    /// Says goodbye: the node's lease ends now.
    pub fn leave(&mut self, now_ms: u64) {
        let now_ms = self.time_ms(now_ms);
        self.append_lease(now_ms, now_ms);
    }

    fn raise(&mut self) {
        let (Some(evidence), false) = (self.writes.raise, self.writes.has_raised) else { return };
        let epoch = self.draw() >> 16;
        let Some(log) = &self.log else { return };
        let (ends, after) = (log.replica.epoch().0, log.replica.head());
        let (node, identity) = (self.settings.node, self.link.identity);
        let body = Body::Epoch(NewEpoch { epoch, ends, after, node, evidence, identity });
        let witness = Some(log.chain.witness(ends));
        let entry: Arc<[u8]> = Entry { witness, body }.encode();
        if self.engine.raise_fence(&entry).is_ok() {
            self.writes.has_raised = true;
            self.notices.push(Notice::EndsEpoch(evidence));
        }
    }

    fn configure(&mut self) {
        let Some(log) = &self.log else { return };
        let is_due = match (log.replica.rules(), self.settings.on_other_rules) {
            (None, _) => true,
            (Some(rules), OnOtherRules::Replace) => *rules != self.settings.rules,
            (Some(_), OnOtherRules::Refuse) => false,
        };
        if is_due && !self.writes.has_configured {
            let rules = self.settings.rules.clone();
            self.writes.has_configured = self.append(Body::Config(rules)).is_ok();
        }
    }

    /// Appends a lease, and returns its end; `None` if the engine has no room.
    fn renew(&mut self, now_ms: u64) -> Option<u64> {
        let time_ms = self.time_ms(now_ms);
        let until_ms = time_ms.saturating_add(self.settings.lease_ms);
        if !self.append_lease(time_ms, until_ms) {
            return None;
        }
        self.writes.lease_at_ms = now_ms.saturating_add(self.lease_in_ms());
        Some(until_ms)
    }

    /// Milliseconds until the next lease, other ones each time. Nodes that renewed in the same millisecond would otherwise
    /// do so for ever, and say each time that they lag by the other's lease.
    fn lease_in_ms(&mut self) -> u64 {
        let every_ms = self.settings.lease_every_ms;
        every_ms - self.draw() % (every_ms / 8).max(1)
    }

    fn append_lease(&mut self, time_ms: u64, until_ms: u64) -> bool {
        let (node, ticket) = (self.settings.node, self.outbox.first_ticket());
        let own_name = core::mem::take(&mut self.settings.name);
        let name = &*own_name;
        let identity = self.link.identity;
        // A program of the first version says no more of itself.
        let says_more = self.settings.version > FIRST_VERSION;
        let reads = says_more.then_some(self.settings.version);
        let program = says_more.then_some(self.settings.program);
        let rules = says_more.then(|| self.settings.rules.digest());
        let heard = (self.settings.version >= PRESENT_VERSION).then_some(self.presences.from());
        let lease =
            Lease { node, time_ms, until_ms, ticket, name, identity, reads, program, rules, heard };
        let appended = self.append(Body::Node(lease)).is_ok();
        self.settings.name = own_name;
        appended
    }

    /// Forgets what is behind the entries that are kept, a quarter of them at a time.
    fn set_horizon(&mut self) {
        let Some(log) = &self.log else { return };
        let (replica, keep) = (&log.replica, self.settings.keep);
        let step = (keep / 4).max(1);
        if replica.rules().is_none()
            || replica.untold() < step
            || self.writes.horizon > replica.horizons()
        {
            return;
        }
        let (mut refused, mut passed) = (Spans::default(), Spans::default());
        let horizon = replica.horizon(keep, (&mut refused, &mut passed));
        let Some(horizon) = horizon else { return };
        let count = horizon.count;
        let (fence, witness) = (log.chain.last().position.fence, self.witness());
        let entry = Entry { witness, body: Body::Horizon(horizon) }.encode();
        if self.engine.append(fence, &[entry]).is_ok() {
            self.writes.horizon = count;
        }
    }

    /// Has the engine drop what no node needs to join: twice as many entries as are kept remain before the horizon.
    /// Nodes that join have to find several horizons, also when the log has lost what is not forgotten. There are few of them
    /// behind an import, or if they came late. More entries remain then.
    pub(super) fn trim(&mut self, through: u64) {
        let Some(log) = &mut self.log else { return };
        let before = (through + 1).saturating_sub(self.settings.keep.saturating_mul(2));
        let Some(begin) = log.replica.may_begin_at(through) else { return };
        let before = before.min(begin);
        log.replica.note_trimmed(before);
        if self.engine.capabilities().trimming != Trimming::Never
            && let Some(position) = log.chain.position_of(before)
        {
            self.engine.trim(position);
        }
    }

    fn witness(&self) -> Option<crate::entry::Witness> {
        let log = self.log.as_ref()?;
        Some(log.chain.witness(log.replica.epoch().0))
    }

    fn append(&mut self, body: Body<'_>) -> Result<(), Full> {
        let Some(log) = &self.log else { return Err(Full) };
        let fence = log.chain.last().position.fence;
        let entry = Entry { witness: self.witness(), body }.encode();
        self.engine.append(fence, &[entry])
    }
}
