//! What nodes know of each other.

use sockeye_backbone::entry::{FIRST_VERSION, VERSION};
use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::node::NodeSettings;
use sockeye_service::sequencing::{LogNode, Sequence as _};

use crate::node::{Machine, receipts, settings};

fn named(log: &MemoryLog, number: u64, name: &str) -> Machine {
    let name = name.to_owned();
    Machine::with(log, NodeSettings { name, program: "0.9.0", keep: 16, ..settings(number) })
}

/// The numbers of the nodes that a machine knows.
fn numbers(machine: &Machine) -> Vec<u64> {
    machine.node.nodes().iter().map(|node| node.node).collect()
}

#[test]
fn each_node_knows_all_others_from_their_leases() {
    let log = MemoryLog::default();
    let (mut one, mut other) = (named(&log, 1, "a"), named(&log, 2, "b"));
    for now_ms in [1_000, 2_000] {
        one.settle(now_ms);
        other.settle(now_ms);
    }
    one.settle(2_000);
    let rules = Some(settings(1).rules.digest());
    for (machine, own) in [(&one, 1), (&other, 2)] {
        let nodes = machine.node.nodes();
        for (node, (number, name)) in nodes.iter().zip([(1, "a"), (2, "b")]) {
            let wanted = LogNode {
                node: number,
                name: name.into(),
                release: Some("0.9.0".into()),
                entries: VERSION,
                rules,
                head: node.head,
                lag_entries: 0,
                until_ms: 5_000,
                is_own: number == own,
            };
            assert_eq!(node, &wanted);
            assert!(node.head > 0 && node.head < machine.node.status().head, "{node:?}");
        }
        assert_eq!(nodes.len(), 2);
    }
}

#[test]
fn a_node_that_lags_says_by_how_much() {
    let log = MemoryLog::default();
    let (mut one, mut other) = (named(&log, 1, "a"), named(&log, 2, "b"));
    one.settle(1_000);
    other.settle(1_000);
    let before = other.node.status().head;
    // It writes its lease while it reads nothing.
    log.allow_reads(1, Some(0));
    for _ in 0..7 {
        one.offer(1_000);
        assert_eq!(receipts(&one.settle(1_000)), 1);
    }
    other.settle(2_000);
    one.settle(1_500);
    let nodes = one.node.nodes();
    let lagging = nodes.iter().find(|node| node.node == 2).expect("it is there");
    assert_eq!(lagging.head, before);
    assert_eq!(lagging.lag_entries, one.node.status().head - before - 1);
    assert!(lagging.lag_entries >= 7);
}

#[test]
fn nodes_that_renew_at_the_same_time_once_do_not_do_so_again() {
    let log = MemoryLog::default();
    let mut machines = [1, 2].map(|number| Machine::new(&log, number));
    let mut renewals = [vec![], vec![]];
    for machine in &mut machines {
        machine.settle(1_000);
    }
    for now_ms in 1_001..11_000 {
        for (machine, renewals) in machines.iter_mut().zip(&mut renewals) {
            machine.node.settle(now_ms, &mut Vec::new());
            let nodes = machine.node.nodes();
            let own = nodes.iter().find(|node| node.is_own).expect("it has a lease");
            if renewals.last() != Some(&own.until_ms) {
                renewals.push(own.until_ms);
            }
        }
    }
    let [one, other] = renewals;
    assert!(one.len() >= 10, "{one:?}");
    let gaps = one.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.clone().all(|gap| (876..=1_000).contains(&gap)), "{gaps:?}");
    let together: Vec<_> = one.iter().filter(|until_ms| other.contains(until_ms)).collect();
    assert_eq!(together, [&4_000], "of {} renewals", one.len());
}

#[test]
fn a_node_that_has_left_is_gone_at_once_and_one_that_was_killed_when_its_lease_ends() {
    let log = MemoryLog::default();
    let (mut one, mut other) = (named(&log, 1, "a"), named(&log, 2, "b"));
    let mut third = named(&log, 3, "c");
    for machine in [&mut one, &mut other, &mut third] {
        machine.settle(1_000);
    }
    one.settle(1_000);
    assert_eq!(numbers(&one), [1, 2, 3]);
    other.node.leave(1_100);
    one.settle(1_100);
    assert_eq!(numbers(&one), [1, 3]);
    // The third one says nothing any more; its lease is good until 4,000.
    one.settle(3_999);
    assert_eq!(numbers(&one), [1, 3]);
    one.settle(5_000);
    assert_eq!(numbers(&one), [1]);
}

#[test]
fn a_program_of_the_first_version_says_little_of_itself() {
    let log = MemoryLog::default();
    let old = NodeSettings { version: FIRST_VERSION, program: "0.1.0", ..settings(1) };
    Machine::with(&log, old).settle(1_000);
    let mut new = named(&log, 2, "b");
    new.settle(1_000);
    let nodes = new.node.nodes();
    let old = nodes.first().expect("it is there");
    assert_eq!((old.node, &old.release, old.entries, old.rules), (1, &None, FIRST_VERSION, None));
}

#[test]
fn a_node_that_joins_behind_a_horizon_knows_the_leases_that_it_has_read() {
    let log = MemoryLog::default();
    let mut one = named(&log, 1, &"long ".repeat(1_000));
    one.settle(1_000);
    for now_ms in 1_000..1_100 {
        one.offer(now_ms);
        assert_eq!(receipts(&one.settle(now_ms)), 1);
    }
    one.settle(2_200);
    assert!(log.entries()[0].0.number > 20, "the beginning was trimmed");
    let mut other = named(&log, 2, "b");
    other.settle(2_200);
    assert!(other.node.status().joined_behind > 0);
    assert_eq!(numbers(&other), [1, 2]);
    assert!(other.node.nodes().iter().all(|node| node.name.len() <= 200));
}
