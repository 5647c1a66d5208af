//! The offers of this node that it has not read back.

use std::collections::VecDeque;
use std::sync::Arc;

use sockeye_hub::Kind;
use sockeye_service::sequencing::{Batch, Offer, Origin, Statement, TicketRecord};

use crate::engine::{Engine, Full};
use crate::entry::{self, Body, Entry, FIRST_VERSION, Payload, Witness};

/// Entries of one append, and their bytes. The last entry may exceed it.
const BATCH_ENTRIES: usize = 512;
const BATCH_BYTES: usize = 1024 * 1024;

/// The offers that this node has to find in the log, in the order of their tickets.
///
/// An offer stays until it is read back. When appends were dropped, all of them are appended again, under the
/// same tickets: readers take each ticket once.
pub(super) struct Outbox {
    node: u64,
    unread: VecDeque<Unread>,
    /// The first of these were appended.
    sent: usize,
    /// The ticket of the next offer.
    next: u64,
    /// The tickets below this one were appended at least once.
    tried: u64,
}

struct Unread {
    ticket: u64,
    time_ms: u64,
    wish: Wish,
    origin: Origin,
}

/// What a service wants to have in the log.
pub(super) enum Wish {
    Offer(Offer),
    Disconnect(Box<str>),
    /// A ticket is issued in this epoch.
    Issue(TicketRecord, u64),
    /// The ticket with this hash is redeemed.
    Redeem([u8; 32]),
    /// Members of streams are told.
    Present(Batch),
}

impl Wish {
    /// That of a statement in an epoch.
    pub(super) fn of(statement: Statement, epoch: u64) -> Self {
        match statement {
            Statement::Disconnect(user) => Self::Disconnect(user),
            Statement::Issue(record) => Self::Issue(record, epoch),
            Statement::Redeem(hash) => Self::Redeem(hash),
            Statement::Present(batch) => Self::Present(batch),
        }
    }

    /// The first version that has its entry.
    pub(super) const fn version(&self) -> u8 {
        match self {
            Self::Offer(_) => FIRST_VERSION,
            Self::Disconnect(_) => 2,
            Self::Issue(..) | Self::Redeem(_) => 3,
            Self::Present(_) => 4,
        }
    }
}

impl Outbox {
    pub(super) const fn new(node: u64) -> Self {
        Self { node, unread: VecDeque::new(), sent: 0, next: 1, tried: 1 }
    }

    /// Takes an offer.
    pub(super) fn push(&mut self, wish: Wish, origin: Origin, time_ms: u64) {
        let ticket = self.next;
        self.next += 1;
        self.unread.push_back(Unread { ticket, time_ms, wish, origin });
    }

    /// The offers that were not read back.
    pub(super) fn len(&self) -> usize {
        self.unread.len()
    }

    /// The ticket of the oldest of these, or of the next offer.
    pub(super) fn first_ticket(&self) -> u64 {
        self.unread.front().map_or(self.next, |unread| unread.ticket)
    }

    /// Whether some were not appended.
    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.unread.len()
    }

    /// Appends all of them again.
    pub(super) const fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The offer with this ticket was read back: where it came from. `None` if it is not the oldest one.
    pub(super) fn settle(&mut self, ticket: u64) -> Option<Origin> {
        self.unread.front().filter(|first| first.ticket == ticket)?;
        let unread = self.unread.pop_front()?;
        self.sent = self.sent.saturating_sub(1);
        Some(unread.origin)
    }

    /// All origins, of offers that nobody will settle.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Origin> + '_ {
        self.sent = 0;
        self.unread.drain(..).map(|unread| unread.origin)
    }

    /// The origins of offers that were appended, and whose outcome cannot be known: all that the log has taken, or
    /// all of them if it does not know this node any more. `next` is the ticket that it takes next.
    pub(super) fn give_up_below(&mut self, next: Option<u64>) -> impl Iterator<Item = Origin> + '_ {
        let below = next.unwrap_or(self.tried);
        let lost = self.unread.partition_point(|unread| unread.ticket < below);
        self.sent = self.sent.saturating_sub(lost);
        self.unread.drain(..lost).map(|unread| unread.origin)
    }

    /// Appends what was not appended, as far as the engine takes it.
    pub(super) fn flush(&mut self, engine: &mut dyn Engine, fence: u64, witness: Witness) {
        while self.has_unsent() {
            let batch = self.batch(witness);
            match engine.append(fence, &batch) {
                Ok(()) => {
                    self.sent += batch.len();
                    self.tried = self.tried.max(self.first_ticket() + self.sent as u64);
                }
                Err(Full) => return,
            }
        }
    }

    fn batch(&self, witness: Witness) -> Vec<Arc<[u8]>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for unread in self.unread.range(self.sent..) {
            if batch.len() == BATCH_ENTRIES || bytes > BATCH_BYTES {
                break;
            }
            let witness = batch.is_empty().then_some(witness);
            let entry = unread.encode(self.node, witness);
            bytes += entry.len();
            batch.push(entry);
        }
        batch
    }
}

impl Unread {
    fn encode(&self, node: u64, witness: Option<Witness>) -> Arc<[u8]> {
        let (ticket, time_ms) = (self.ticket, self.time_ms);
        let body = match &self.wish {
            Wish::Offer(offer) => Body::Offer(entry::Offer {
                node,
                ticket,
                time_ms,
                channel: &offer.channel,
                payload: Payload::of(&offer.payload),
                ends: offer.kind == Kind::End,
                key: offer.key.as_deref(),
                expect: offer.expect.map(|seq| seq.0),
            }),
            Wish::Disconnect(user) => {
                Body::Disconnect(entry::Disconnect { node, ticket, time_ms, user })
            }
            Wish::Issue(record, epoch) => Body::Issue(entry::Issue {
                node,
                ticket,
                time_ms,
                epoch: *epoch,
                hash: &record.hash,
                life_ms: record.life_ms,
                holder: record.holder.as_ref().map_or(&[], |holder| holder),
                tickets_max: record.tickets_max,
                per_holder_max: record.per_holder_max,
            }),
            Wish::Redeem(hash) => Body::Redeem(entry::Redeem { node, ticket, time_ms, hash }),
            Wish::Present(batch) => {
                Body::Present(entry::Present::of(batch, (node, ticket, time_ms)))
            }
        };
        debug_assert_eq!(body.version(), self.wish.version());
        Entry { witness, body }.encode()
    }
}
