//! Tickets: each is issued at one node, and redeemed at any, once.

use std::collections::HashMap;

use sockeye_service::sequencing::{Origin, Statement, TicketRecord, Verdict};

/// How long a ticket may wait.
const LIFE_MS: u64 = 2_000;

/// A request to a node about a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Issue,
    Redeem,
}

/// The hash of a ticket.
fn hash(ticket: usize) -> [u8; 32] {
    let mut hash = [0xab; 32];
    hash[..8].copy_from_slice(&(ticket as u64).to_be_bytes());
    hash
}

pub(super) fn statement(act: Act, ticket: usize) -> Statement {
    let hash = hash(ticket);
    match act {
        Act::Redeem => Statement::Redeem(hash),
        Act::Issue => Statement::Issue(TicketRecord {
            hash,
            holder: Some([if ticket.is_multiple_of(2) { 1 } else { 2 }; 16]),
            life_ms: LIFE_MS,
            tickets_max: 3,
            per_holder_max: 2,
        }),
    }
}

/// The tickets that a station waits for, by the number of the order.
#[derive(Debug, Default)]
pub(super) struct Waiting(HashMap<u64, (Act, usize)>);

impl Waiting {
    pub(super) fn add(&mut self, order: u64, act: Act, ticket: usize) {
        self.0.insert(order, (act, ticket));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes an answer of a node, after so many forks; false if it is that to something else.
    pub(super) fn take(
        &mut self,
        (node, origin, verdict): (u64, Origin, Verdict),
        (tickets, forks): (&mut Tickets, u64),
    ) -> bool {
        let Some((act, ticket)) = self.0.remove(&origin.ticket) else { return false };
        match (act, verdict) {
            (Act::Issue, Verdict::Taken) => tickets.issued.push(ticket),
            (Act::Redeem, Verdict::Taken) => tickets.redeem(ticket, node, forks),
            (Act::Issue, Verdict::TicketsFull) => tickets.full += 1,
            (Act::Redeem, Verdict::TicketUsed) => tickets.refused += 1,
            (
                Act::Issue | Act::Redeem,
                Verdict::NoRoom(_) | Verdict::NotKept | Verdict::Failed | Verdict::OldNodes,
            ) => {}
            (act, verdict) => panic!("{act:?} of {ticket} is answered by {verdict:?}"),
        }
        true
    }
}

/// The verdicts of all nodes on tickets.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    /// The ticket that is issued next.
    pub(super) next: usize,
    /// Those that somebody has.
    pub(super) issued: Vec<usize>,
    /// The nodes that have redeemed each.
    redeemed: HashMap<usize, Vec<u64>>,
    pub(super) refused: u64,
    pub(super) full: u64,
}

impl Tickets {
    /// A ticket is redeemed again only if the log has lost the first time, or a node has not noticed yet that what it had
    /// read is lost.
    fn redeem(&mut self, ticket: usize, node: u64, forks: u64) {
        assert!(self.issued.contains(&ticket), "{ticket} is redeemed, and nobody has it");
        let by = self.redeemed.entry(ticket).or_default();
        by.push(node);
        assert!(by.len() == 1 || forks > 0, "{ticket} is redeemed by all of these nodes: {by:?}");
    }

    /// How often tickets were redeemed.
    pub(super) fn redeemed(&self) -> u64 {
        self.redeemed.values().map(|by| by.len() as u64).sum()
    }

    /// Tickets that were redeemed again, because the log had lost the first time.
    pub(super) fn again(&self) -> u64 {
        self.redeemed.values().map(|by| by.len() as u64 - 1).sum()
    }

    /// Whether this one was redeemed.
    pub(super) fn times(&self, ticket: usize) -> usize {
        self.redeemed.get(&ticket).map_or(0, Vec::len)
    }
}
