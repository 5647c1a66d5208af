//! The outstanding tickets, by which each node decides who has redeemed one.
//!
//! A ticket is here from its issue on. It goes when it is redeemed, has expired by log time, or is behind the horizon.
//! A ticket of an earlier epoch is void: that epoch has ended because entries may be lost, and the redemption may be
//! one of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sockeye_service::sequencing::Verdict;

use super::{Effect, Replica, Ticket};
use crate::digest::Digest;
use crate::entry::{Issue, Redeem};

type Hash = [u8; 32];
type Holder = [u8; 16];

#[derive(Debug, Default)]
pub(super) struct Tickets {
    by_hash: BTreeMap<Hash, Outstanding>,
    by_expiry: BTreeSet<(u64, Hash)>,
    /// A holder without a ticket has no entry.
    by_holder: HashMap<Holder, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    /// The place of its issue.
    seq: u64,
    epoch: u64,
    /// The log time from which on it is void.
    expires_ms: u64,
    holder: Option<Holder>,
}

impl Replica {
    /// The bounds are those of its writer, so all nodes have the same verdict.
    pub(super) fn issue(&mut self, it: &Issue<'_>) -> Effect {
        let ticket = Ticket { node: it.node, number: it.ticket };
        if self.take(ticket, it.time_ms).is_none() {
            return self.pass(ticket);
        }
        if it.epoch != self.epoch.0 {
            return self.refuse(ticket, Verdict::NotKept);
        }
        match self.tickets.issue(it, (self.head, self.time_ms)) {
            Ok(()) => Effect::Verdict(ticket, Verdict::Taken),
            Err(verdict) => self.refuse(ticket, verdict),
        }
    }

    pub(super) fn redeem(&mut self, it: &Redeem<'_>) -> Effect {
        let ticket = Ticket { node: it.node, number: it.ticket };
        if self.take(ticket, it.time_ms).is_none() {
            return self.pass(ticket);
        }
        match self.tickets.redeem(it.hash, (self.epoch.0, self.time_ms)) {
            true => Effect::Verdict(ticket, Verdict::Taken),
            false => self.refuse(ticket, Verdict::TicketUsed),
        }
    }
}

impl Tickets {
    /// Takes a ticket, if its issuer's bounds allow it.
    ///
    /// # Errors
    /// Why it is refused.
    fn issue(&mut self, it: &Issue<'_>, (seq, now_ms): (u64, u64)) -> Result<(), Verdict> {
        self.expire(now_ms);
        let holder = Holder::try_from(it.holder).ok();
        let of_holder = holder.and_then(|holder| self.by_holder.get(&holder));
        let is_full = self.by_hash.len() as u64 >= it.tickets_max
            || of_holder.copied().unwrap_or_default() >= it.per_holder_max;
        if is_full {
            return Err(Verdict::TicketsFull);
        }
        self.take(it, (seq, now_ms));
        Ok(())
    }

    /// Takes a ticket that the bounds have allowed.
    pub(super) fn take(&mut self, it: &Issue<'_>, (seq, now_ms): (u64, u64)) {
        // Another length is no ticket that anybody could bring.
        let Ok(hash) = Hash::try_from(it.hash) else { return };
        self.remove(&hash);
        let expires_ms = now_ms.saturating_add(it.life_ms);
        let holder = Holder::try_from(it.holder).ok();
        self.by_hash.insert(hash, Outstanding { seq, epoch: it.epoch, expires_ms, holder });
        self.by_expiry.insert((expires_ms, hash));
        if let Some(holder) = holder {
            *self.by_holder.entry(holder).or_default() += 1;
        }
    }

    /// Redeems a ticket. False if it is not outstanding in this epoch at this log time; then nothing changes: a node
    /// that joins knows no more of a redemption that was refused.
    fn redeem(&mut self, hash: &[u8], (epoch, now_ms): (u64, u64)) -> bool {
        let it = Hash::try_from(hash).ok().and_then(|hash| self.by_hash.get(&hash));
        let is_good = it.is_some_and(|it| it.epoch == epoch && it.expires_ms > now_ms);
        is_good && self.remove(hash)
    }

    /// Removes a ticket. False if it is not here.
    pub(super) fn remove(&mut self, hash: &[u8]) -> bool {
        let Ok(hash) = Hash::try_from(hash) else { return false };
        let Some(it) = self.by_hash.remove(&hash) else { return false };
        self.by_expiry.remove(&(it.expires_ms, hash));
        if let Some(holder) = it.holder
            && let Some(count) = self.by_holder.get_mut(&holder)
        {
            *count -= 1;
            if *count == 0 {
                self.by_holder.remove(&holder);
            }
        }
        true
    }

    /// Forgets what was issued up to `through`.
    pub(super) fn forget(&mut self, through: u64) {
        let old = self.by_hash.iter().filter(|(_, it)| it.seq <= through);
        let old: Vec<Hash> = old.map(|(hash, _)| *hash).collect();
        for hash in old {
            self.remove(&hash);
        }
    }

    /// Adds the tickets that have not expired at a log time. Expired ones do not count: a node may have forgotten them or not.
    pub(super) fn digest(&self, digest: Digest, now_ms: u64) -> Digest {
        let good = self.by_hash.iter().filter(|(_, it)| it.expires_ms > now_ms);
        good.fold(digest, |digest, (hash, it)| {
            let digest = digest.bytes(hash).number(it.seq).number(it.epoch);
            digest.number(it.expires_ms).bytes(it.holder.as_ref().map_or(&[], |it| it))
        })
    }

    fn expire(&mut self, now_ms: u64) {
        while let Some((expires_ms, hash)) = self.by_expiry.first().copied()
            && expires_ms <= now_ms
        {
            self.remove(&hash);
        }
    }
}
