//! Tickets that one node issues, and that are redeemed once at any node.

use sockeye_backbone::entry::{Body, Entry};
use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::node::{NodeSettings, Objection, Stop};
use sockeye_service::sequencing::{
    NoRoom, Outcome, SequencerEvent, Statement, TicketRecord, Verdict,
};

use crate::node::{Machine, receipts, settings};

fn record(ticket: u8) -> TicketRecord {
    TicketRecord {
        hash: [ticket; 32],
        holder: None,
        life_ms: 1_000,
        tickets_max: 100,
        per_holder_max: 100,
    }
}

fn redeem(ticket: u8) -> Statement {
    Statement::Redeem([ticket; 32])
}

/// The verdicts among the events.
fn verdicts(events: &[SequencerEvent]) -> Vec<Verdict> {
    let verdicts = events.iter().filter_map(|event| match event {
        Outcome::Answer(_, verdict) => Some(*verdict),
        _ => None,
    });
    verdicts.collect()
}

impl Machine {
    /// Declares something, and gives the verdict once the log has it.
    fn ask(&mut self, statement: Statement, now_ms: u64) -> Verdict {
        let mut events = self.declare(statement, now_ms);
        events.extend(self.settle(now_ms));
        let verdicts = verdicts(&events);
        assert_eq!(verdicts.len(), 1, "{events:?}");
        verdicts[0]
    }

    fn issue(&mut self, ticket: u8, now_ms: u64) -> Verdict {
        self.ask(Statement::Issue(record(ticket)), now_ms)
    }

    fn redeem(&mut self, ticket: u8, now_ms: u64) -> Verdict {
        self.ask(redeem(ticket), now_ms)
    }
}

/// Two nodes that are ready.
fn pair(log: &MemoryLog) -> [Machine; 2] {
    let mut machines = [1, 2].map(|number| Machine::new(log, number));
    machines.iter_mut().for_each(|it| drop(it.settle(1_000)));
    machines
}

#[test]
fn a_ticket_of_one_node_is_redeemed_once_at_any() {
    let log = MemoryLog::default();
    let [mut one, mut other] = pair(&log);
    assert_eq!(one.issue(7, 1_000), Verdict::Taken);
    // Both have it on its way at the same time.
    assert_eq!(verdicts(&one.declare(redeem(7), 1_000)), []);
    assert_eq!(verdicts(&other.declare(redeem(7), 1_000)), []);
    assert_eq!(verdicts(&other.settle(1_000)), [Verdict::Taken], "its entry is the first one");
    assert_eq!(verdicts(&one.settle(1_000)), [Verdict::TicketUsed]);
    for machine in [&mut one, &mut other] {
        assert_eq!(machine.redeem(7, 1_000), Verdict::TicketUsed);
        assert_eq!(machine.redeem(8, 1_000), Verdict::TicketUsed, "nobody has issued it");
    }
    one.settle(1_000);
    assert_eq!(one.node.digest(), other.node.digest());
}

#[test]
fn a_ticket_expires_by_the_time_of_the_log() {
    let log = MemoryLog::default();
    let [mut one, mut other] = pair(&log);
    assert_eq!(one.issue(1, 2_000), Verdict::Taken);
    assert_eq!(one.issue(2, 2_000), Verdict::Taken);
    assert_eq!(other.redeem(1, 2_999), Verdict::Taken);
    assert_eq!(other.redeem(2, 3_000), Verdict::TicketUsed);
    // The clock of a node is an hour behind that of the log.
    assert_eq!(one.issue(3, 3_600_000), Verdict::Taken);
    assert_eq!(other.redeem(3, 4_000), Verdict::Taken);
    // And an hour ahead.
    assert_eq!(one.issue(4, 5_000), Verdict::Taken);
    assert_eq!(other.redeem(4, 7_200_000), Verdict::TicketUsed);
}

#[test]
fn the_bounds_of_the_issuer_hold_at_all_nodes() {
    let log = MemoryLog::default();
    let [mut one, mut other] = pair(&log);
    let of = |holder: u8, hash: u8, bounds: (u64, u64)| {
        let (tickets_max, per_holder_max) = bounds;
        let record = TicketRecord { holder: Some([holder; 16]), ..record(hash) };
        Statement::Issue(TicketRecord { tickets_max, per_holder_max, ..record })
    };
    assert_eq!(one.ask(of(1, 1, (3, 2)), 1_000), Verdict::Taken);
    assert_eq!(other.ask(of(1, 2, (3, 2)), 1_000), Verdict::Taken);
    assert_eq!(one.ask(of(1, 3, (3, 2)), 1_000), Verdict::TicketsFull, "two of one holder");
    assert_eq!(one.redeem(3, 1_000), Verdict::TicketUsed, "it was not issued");
    assert_eq!(other.ask(of(2, 4, (3, 2)), 1_000), Verdict::Taken);
    assert_eq!(one.ask(of(3, 5, (3, 2)), 1_000), Verdict::TicketsFull, "three in all");
    // Redeemed and expired tickets count no more.
    assert_eq!(one.redeem(1, 1_000), Verdict::Taken);
    assert_eq!(one.ask(of(1, 6, (3, 2)), 1_999), Verdict::Taken);
    assert_eq!(other.ask(of(1, 7, (3, 2)), 1_999), Verdict::TicketsFull);
    assert_eq!(other.ask(of(1, 7, (3, 2)), 2_000), Verdict::Taken);
    one.settle(2_000);
    other.settle(2_000);
    assert_eq!(one.node.digest(), other.node.digest());
}

/// The log may have lost that a ticket was redeemed.
#[test]
fn an_epoch_ends_its_tickets() {
    let log = MemoryLog::default();
    let [mut one, mut other] = pair(&log);
    assert_eq!(one.issue(1, 1_000), Verdict::Taken);
    assert_eq!(one.issue(2, 1_000), Verdict::Taken);
    assert_eq!(other.redeem(1, 1_000), Verdict::Taken);
    let epoch = other.node.status().epoch;
    log.lose_tail(log.entries().len() - 1);
    log.ask_ends();
    for now_ms in [1_000, 1_100, 1_200] {
        other.settle(now_ms);
        one.settle(now_ms);
    }
    assert_ne!(one.node.status().epoch, epoch);
    assert_eq!(one.redeem(1, 1_200), Verdict::TicketUsed, "it was redeemed");
    assert_eq!(one.redeem(2, 1_200), Verdict::TicketUsed, "it might have been");
    assert_eq!(one.issue(3, 1_200), Verdict::Taken);
    other.settle(1_200);
    assert_eq!(other.redeem(3, 1_200), Verdict::Taken);
}

/// An order that was given in an epoch, and is read in the next.
#[test]
fn a_ticket_whose_epoch_has_ended_on_its_way_is_not_issued() {
    let log = MemoryLog::default();
    let [mut one, mut other] = pair(&log);
    one.offer(1_000);
    one.settle(1_000);
    other.settle(1_000);
    log.take_away(0);
    assert_eq!(verdicts(&one.declare(Statement::Issue(record(1)), 1_000)), []);
    one.settle(1_000);
    log.lose_tail(log.entries().len() - 1);
    log.ask_ends();
    let ended = other.node.status().epoch;
    (0..5).for_each(|_| drop(other.settle(1_500)));
    assert_ne!(other.node.status().epoch, ended);
    log.restore(0);
    let mut events = one.settle(2_000);
    events.extend(one.settle(3_000));
    assert_eq!(verdicts(&events), [Verdict::NotKept]);
    other.settle(3_000);
    assert_eq!(other.redeem(1, 3_000), Verdict::TicketUsed);
}

/// A horizon forgets tickets, and nodes that join behind it know as much as the others.
#[test]
fn a_node_that_joins_behind_a_horizon_decides_alike() {
    let log = MemoryLog::default();
    let with = |number| Machine::with(&log, NodeSettings { keep: 16, ..settings(number) });
    let mut one = with(1);
    one.settle(1_000);
    let long = |hash| TicketRecord { life_ms: 1_000_000, ..record(hash) };
    let mut published = 0;
    for ticket in 1..=60 {
        assert_eq!(one.ask(Statement::Issue(long(ticket)), 1_000), Verdict::Taken);
        if ticket % 3 == 0 {
            assert_eq!(one.redeem(ticket, 1_000), Verdict::Taken);
            assert_eq!(one.redeem(ticket, 1_000), Verdict::TicketUsed);
        }
        one.offer(1_000);
        published += receipts(&one.settle(1_000));
    }
    assert_eq!(published, 60);
    assert!(log.entries()[0].0.number > 20, "the beginning was trimmed");
    assert_eq!(one.redeem(1, 1_000), Verdict::TicketUsed, "it is forgotten");
    let mut other = with(2);
    other.settle(1_000);
    assert!(other.node.status().joined_behind > 0);
    one.settle(1_000);
    assert_eq!(one.node.digest(), other.node.digest());
    assert_eq!(other.redeem(60, 1_000), Verdict::TicketUsed, "it was redeemed");
    assert_eq!(other.redeem(59, 1_000), Verdict::Taken);
    one.settle(1_000);
    assert_eq!(one.redeem(59, 1_000), Verdict::TicketUsed);
    other.settle(1_000);
    assert_eq!(one.node.digest(), other.node.digest());
}

#[test]
fn while_the_engine_is_away_no_ticket_is_taken_and_those_under_way_wait() {
    let log = MemoryLog::default();
    let [mut one, mut other] = pair(&log);
    let long = TicketRecord { life_ms: 10_000, ..record(1) };
    assert_eq!(one.ask(Statement::Issue(long), 1_000), Verdict::Taken);
    other.settle(1_000);
    log.take_away(1);
    // The node has not heard of it yet.
    assert_eq!(verdicts(&other.declare(redeem(1), 1_000)), []);
    assert_eq!(verdicts(&other.settle(1_000)), []);
    for statement in [redeem(1), Statement::Issue(record(2))] {
        let verdict = verdicts(&other.declare(statement, 1_000));
        assert_eq!(verdict, [Verdict::NoRoom(NoRoom::Waiting)]);
    }
    log.restore(1);
    // The last one is after the pause that follows a failed append.
    let mut events = other.settle(2_000);
    events.extend(other.settle(3_000));
    assert_eq!(verdicts(&events), [Verdict::Taken]);
    one.settle(3_000);
    assert_eq!(one.redeem(1, 3_000), Verdict::TicketUsed);
}

/// The former release reads disconnections, and no tickets.
#[test]
fn tickets_wait_for_nodes_that_cannot_read_them() {
    let log = MemoryLog::default();
    let mut old = Machine::with(&log, NodeSettings { version: 2, ..settings(1) });
    let mut new = Machine::new(&log, 2);
    old.settle(1_000);
    new.settle(1_000);
    for statement in [Statement::Issue(record(1)), redeem(1)] {
        assert_eq!(verdicts(&new.declare(statement, 1_000)), [Verdict::OldNodes]);
    }
    assert_eq!(new.disconnect("ann", 1_000).len(), 0, "the former release reads it");
    new.settle(1_000);
    old.settle(1_000);
    assert_eq!(old.node.find_objection(), None);
    let newest = |log: &MemoryLog| log.entries().iter().map(|(_, bytes)| bytes[1]).max();
    assert_eq!(newest(&log), Some(2));
    old.node.leave(1_100);
    new.settle(1_100);
    assert_eq!(new.issue(1, 1_100), Verdict::Taken);
    assert_eq!(newest(&log), Some(3));
    let is_issue = |bytes: &[u8]| matches!(Entry::decode(bytes), Ok(Entry { body: Body::Issue(it), .. }) if it.hash == [1; 32]);
    assert_eq!(log.entries().iter().filter(|(_, bytes)| is_issue(bytes)).count(), 1);
    let mut late = Machine::with(&log, NodeSettings { version: 2, ..settings(3) });
    late.settle(1_100);
    assert_eq!(late.node.find_objection(), Some(Objection::Stopped(Stop::Newer(3))));
}
