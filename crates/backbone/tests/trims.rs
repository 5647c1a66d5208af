//! Trims: how far nodes trim, and how a node notices that it has not read what was trimmed.

use sockeye_backbone::entry::{Body, Entry, Evidence, NewEpoch};
use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::node::NodeSettings;
use sockeye_backbone::{Engine as _, Position};

use crate::node::{Machine, receipts, settings};

const KEEP: u64 = 16;

fn machine(log: &MemoryLog, number: u64) -> Machine {
    Machine::with(log, NodeSettings { keep: KEEP, ..settings(number) })
}

fn offer(one: &mut Machine, offers: u64) {
    for _ in 0..offers {
        one.offer(1_000);
        assert_eq!(receipts(&one.settle(1_000)), 1);
    }
}

/// Another node ends the epoch.
fn end_epoch(log: &MemoryLog, one: &mut Machine) {
    let (head, ends) = (one.node.status().head, one.node.status().epoch.0);
    let (epoch, evidence) = (ends + 1, Evidence::OtherEntries);
    let body = Body::Epoch(NewEpoch { epoch, ends, after: head, node: 9, evidence, identity: 1 });
    log.open().raise_fence(&Entry::new(body).encode()).expect("nothing waits");
    one.settle(1_000);
    assert_eq!(one.node.status().epoch.0, epoch);
}

/// The first entries of all fences.
fn fences(log: &MemoryLog) -> Vec<Position> {
    log.entries().iter().map(|(position, _)| *position).filter(|it| it.number == 1).collect()
}

/// All before the last fence is trimmed while the other node, which has the second connection, reads nothing. It notices,
/// and knows the same as the first one then.
fn trim_and_read(log: &MemoryLog, one: &mut Machine, other: &mut Machine) {
    let fences = fences(log);
    log.trim(fences[fences.len() - 1]);
    log.allow_reads(1, None);
    other.settle(1_000);
    one.settle(1_000);
    let [wanted, knows] = [&*one, &*other].map(|it| it.node.status());
    assert_eq!((knows.joined_behind, knows.is_ready), (1, true), "{knows:?}");
    assert_eq!((knows.epoch, other.node.digest()), (wanted.epoch, one.node.digest()));
    assert_eq!(log.ends().last.map(|last| last.fence), Some(fences[fences.len() - 1].fence));
}

#[test]
fn a_node_that_joins_does_not_miss_what_is_trimmed_up_to_a_fence() {
    for epochs in 1..=4 {
        let log = MemoryLog::default();
        let mut one = machine(&log, 1);
        one.settle(1_000);
        let mut other = machine(&log, 2);
        log.allow_reads(1, Some(1));
        other.settle(1_000);
        for _ in 0..epochs {
            offer(&mut one, 2);
            end_epoch(&log, &mut one);
        }
        offer(&mut one, 2 * KEEP);
        // The second entry that it reads has the number 1, too.
        trim_and_read(&log, &mut one, &mut other);
    }
}

#[test]
fn a_node_that_lags_does_not_miss_it_either() {
    let log = MemoryLog::default();
    let mut one = machine(&log, 1);
    one.settle(1_000);
    let mut other = machine(&log, 2);
    other.settle(1_000);
    log.allow_reads(1, Some(0));
    offer(&mut one, 2);
    end_epoch(&log, &mut one);
    offer(&mut one, 2 * KEEP);
    trim_and_read(&log, &mut one, &mut other);
}

#[test]
fn a_node_that_joins_begins_again_if_what_it_has_read_is_lost_before_a_fence() {
    let log = MemoryLog::default();
    let mut one = machine(&log, 1);
    one.settle(1_000);
    offer(&mut one, 5);
    let mut other = machine(&log, 2);
    log.allow_reads(1, Some(log.entries().len() - 1));
    other.settle(1_000);
    log.lose_tail(log.entries().len() - 2);
    log.set_unix_ms(5_000);
    one.settle(1_000);
    assert_eq!(fences(&log).len(), 2, "it has ended the epoch");
    log.allow_reads(1, None);
    other.settle(1_000);
    one.settle(1_000);
    assert_eq!(other.node.find_objection(), None);
    assert_eq!(other.node.digest(), one.node.digest());
}

#[test]
fn no_node_trims_what_another_one_needs_to_join() {
    for burst in [1, 20, 60, 200] {
        let log = MemoryLog::default();
        for number in 1..=8 {
            let mut one = machine(&log, number);
            one.settle(1_000);
            assert_eq!(one.node.find_objection(), None, "node {number}, bursts of {burst}");
            offer(&mut one, 8);
            // One horizon follows all of them.
            (0..burst).for_each(|_| assert!(one.offer(1_000).is_empty()));
            assert_eq!(receipts(&one.settle(1_000)), burst);
            // It ends, and nobody else knows anything.
        }
        assert!(
            burst < 20 || log.entries()[0].0.number > 1,
            "bursts of {burst}: nothing is trimmed"
        );
    }
}
