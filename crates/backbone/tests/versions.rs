//! Nodes of two versions of the entries on one log, and what later versions have.

use sockeye_backbone::entry::{Body, Entry, FIRST_VERSION, VERSION};
use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::node::{NodeSettings, Objection, Stop};
use sockeye_service::sequencing::{Outcome, SequencerEvent, Verdict};

use crate::node::{Machine, receipts, settings};

/// A node that does what a program of the first version does.
fn old(log: &MemoryLog, number: u64) -> Machine {
    Machine::with(log, NodeSettings { version: FIRST_VERSION, ..settings(number) })
}

/// The versions of the log's entries.
fn versions(log: &MemoryLog) -> Vec<u8> {
    log.entries().iter().map(|(_, bytes)| bytes[1]).collect()
}

/// The users that were disconnected, and whether this node was asked to.
fn disconnected(events: &[SequencerEvent]) -> Vec<(String, bool)> {
    let of = events.iter().filter_map(|event| match event {
        Outcome::Disconnect(user, origin) => Some((user.to_string(), origin.is_some())),
        _ => None,
    });
    of.collect()
}

fn is_refused(events: &[SequencerEvent]) -> bool {
    matches!(events, [Outcome::Answer(_, Verdict::OldNodes)])
}

/// An upgrade, one node after the other.
#[test]
fn nodes_write_what_all_nodes_read() {
    let log = MemoryLog::default();
    let (mut first, mut second) = (old(&log, 1), old(&log, 2));
    first.settle(1_000);
    second.settle(1_000);
    // The first one is replaced.
    first.node.leave(1_100);
    let mut new = Machine::new(&log, 3);
    for now_ms in [1_100, 2_500, 4_000] {
        new.settle(now_ms);
        second.settle(now_ms);
        new.offer(now_ms);
        assert_eq!(receipts(&new.settle(now_ms)), 1);
        second.offer(now_ms);
        assert_eq!(receipts(&second.settle(now_ms)), 1);
        new.settle(now_ms);
        assert!(is_refused(&new.disconnect("ann", now_ms)), "at {now_ms}");
    }
    assert_eq!(new.node.digest().expect("it has read"), second.node.digest().expect("so has it"));
    assert!(versions(&log).iter().all(|version| *version == FIRST_VERSION));
    assert_eq!(second.node.find_objection(), None);
    // The second one is replaced, too.
    second.node.leave(4_000);
    let mut newest = Machine::new(&log, 4);
    newest.settle(4_000);
    new.settle(4_000);
    assert_eq!(new.disconnect("ann", 4_000).len(), 0, "it waits for the log");
    assert_eq!(disconnected(&new.settle(4_000)), [("ann".to_owned(), true)]);
    assert_eq!(disconnected(&newest.settle(4_000)), [("ann".to_owned(), false)]);
    assert_eq!(versions(&log).iter().filter(|version| **version == 2).count(), 1);
    // An older program stops, and says why.
    let mut late = old(&log, 5);
    late.settle(4_000);
    let stopped = Objection::Stopped(Stop::Newer(2));
    assert_eq!(late.node.find_objection(), Some(stopped));
}

#[test]
fn an_old_node_that_is_gone_is_waited_for_until_its_lease_ends() {
    let log = MemoryLog::default();
    old(&log, 1).settle(1_000);
    let mut new = Machine::new(&log, 2);
    new.settle(1_000);
    new.settle(3_999);
    assert!(is_refused(&new.disconnect("ann", 3_999)), "its lease is 3,000 long");
    new.settle(5_000);
    assert_eq!(new.disconnect("ann", 5_000).len(), 0);
    assert_eq!(disconnected(&new.settle(5_000)), [("ann".to_owned(), true)]);
}

#[test]
fn a_lease_tells_the_version_the_release_and_the_rules() {
    let log = MemoryLog::default();
    Machine::with(&log, NodeSettings { program: "0.9.0", ..settings(1) }).settle(1_000);
    let entries = log.entries();
    let leases = entries.iter().filter_map(|(_, bytes)| match Entry::decode(bytes) {
        Ok(Entry { body: Body::Node(lease), .. }) => {
            Some((lease.reads, lease.program.map(str::to_owned), lease.rules))
        }
        _ => None,
    });
    let rules = settings(1).rules.digest();
    let wanted = (Some(VERSION), Some("0.9.0".to_owned()), Some(rules));
    assert_eq!(leases.collect::<Vec<_>>(), [wanted]);
}

#[test]
fn a_disconnection_is_done_once_by_a_node_that_reads_the_log_again() {
    let log = MemoryLog::default();
    let (mut one, mut other) = (Machine::new(&log, 1), Machine::new(&log, 2));
    one.settle(1_000);
    other.settle(1_000);
    for user in ["ann", "bob"] {
        one.disconnect(user, 1_000);
        one.settle(1_000);
        assert_eq!(disconnected(&other.settle(1_000)), [(user.to_owned(), false)]);
    }
    // The last entry is lost: the nodes read all of it again.
    one.offer(1_000);
    one.settle(1_000);
    other.settle(1_000);
    log.lose_tail(log.entries().len() - 1);
    log.ask_ends();
    one.disconnect("cyd", 2_000);
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    for now_ms in [2_000, 2_500, 3_000] {
        of_one.extend(disconnected(&one.settle(now_ms)));
        of_other.extend(disconnected(&other.settle(now_ms)));
    }
    assert!(one.node.status().rejoined > 0 && other.node.status().rejoined > 0);
    assert_eq!(of_one.len() + of_other.len(), 2, "{of_one:?} {of_other:?}");
}

#[test]
fn a_node_that_may_have_missed_disconnections_says_so() {
    let log = MemoryLog::default();
    let with = |number| Machine::with(&log, NodeSettings { keep: 8, ..settings(number) });
    let (mut one, mut other) = (with(1), with(2));
    one.settle(1_000);
    other.settle(1_000);
    log.take_away(1);
    other.settle(1_000);
    one.disconnect("ann", 1_000);
    for now_ms in 1_000..1_100 {
        one.offer(now_ms);
        assert_eq!(receipts(&one.settle(now_ms)), 1);
    }
    assert!(log.entries()[0].0.number > 20, "the beginning was trimmed");
    log.restore(1);
    let events = other.settle(2_000);
    assert!(other.node.status().joined_behind > 0);
    assert_eq!(disconnected(&events), []);
    let missed = events.iter().filter(|it| matches!(it, Outcome::DisconnectsMissed)).count();
    assert_eq!(missed, 1);
    // One that has missed nothing does not.
    let mut third = with(3);
    let events = third.settle(2_000);
    assert!(third.node.status().joined_behind > 0);
    assert!(!events.iter().any(|it| matches!(it, Outcome::DisconnectsMissed)), "it had nobody");
}
