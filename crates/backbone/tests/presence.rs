//! What nodes say of the members of their streams.

use sockeye_backbone::entry::{Body, Entry, FIRST_VERSION};
use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::node::NodeSettings;
use sockeye_service::sequencing::{
    Batch, NodePresence, Outcome, RoomBatch, SequencerEvent, Statement, Verdict,
};

use crate::node::{Machine, settings};

fn batch(user: &str, begins: bool) -> Batch {
    let members = vec![(user.into(), Some(1))];
    let rooms = vec![RoomBatch { room: "room:1".into(), nameless: 2, members }];
    Batch { begins, ends: begins, rooms }
}

/// What is said of presence.
fn news(events: &[SequencerEvent]) -> Vec<NodePresence> {
    let news = events.iter().filter_map(|event| match event {
        Outcome::Presence(news) => Some(news.what.clone()),
        _ => None,
    });
    news.collect()
}

fn verdicts(events: &[SequencerEvent]) -> Vec<Verdict> {
    let verdicts = events.iter().filter_map(|event| match event {
        Outcome::Answer(_, verdict) => Some(*verdict),
        _ => None,
    });
    verdicts.collect()
}

/// Nodes that have joined one after the other, and have read all.
fn joined<const N: usize>(log: &MemoryLog) -> [Machine; N] {
    let mut number = 0;
    let mut machines = [(); N].map(|()| {
        number += 1;
        let mut machine = Machine::new(log, number);
        machine.settle(1_000);
        machine
    });
    machines.iter_mut().for_each(|it| drop(it.settle(1_000)));
    machines
}

#[test]
fn the_others_are_told_once_and_the_log_has_it() {
    let log = MemoryLog::default();
    let [mut one, mut other] = joined(&log);
    assert_eq!(verdicts(&one.declare(Statement::Present(batch("ann", false)), 1_000)), []);
    let events = one.settle(1_000);
    assert_eq!((verdicts(&events), news(&events)), (vec![Verdict::Taken], vec![]));
    assert_eq!(news(&other.settle(1_000)), [NodePresence::Said(1, batch("ann", false))]);
    assert_eq!(log.entries().last().expect("it is there").1[1], 4, "the version");
    assert_eq!(one.node.digest(), other.node.digest());
}

#[test]
fn a_node_that_comes_is_told_by_all_others_and_by_each_once() {
    let log = MemoryLog::default();
    let [mut one, mut other] = joined(&log);
    one.declare(Statement::Present(batch("ann", false)), 1_000);
    one.settle(1_000);
    other.settle(1_000);
    let mut late = Machine::new(&log, 3);
    let of_late = late.settle(1_100);
    assert_eq!(news(&of_late), [NodePresence::Repeat], "what was said before is said again");
    for machine in [&mut one, &mut other] {
        assert_eq!(news(&machine.settle(1_100)), [NodePresence::Repeat]);
    }
    one.declare(Statement::Present(batch("ann", true)), 1_200);
    one.settle(1_200);
    assert_eq!(news(&late.settle(1_200)), [NodePresence::Said(1, batch("ann", true))]);
    other.settle(1_200);
    // Its next leases ask for nothing.
    for now_ms in [2_200, 3_300, 4_400] {
        for machine in [&mut late, &mut one, &mut other] {
            assert_eq!(news(&machine.settle(now_ms)), []);
        }
        let asked = [&mut late, &mut one, &mut other].map(|it| news(&it.settle(now_ms)).len());
        assert_eq!(asked, [0; 3]);
    }
}

#[test]
fn a_node_that_leaves_says_so_and_one_that_was_killed_is_gone_with_its_lease() {
    let log = MemoryLog::default();
    let [mut one, mut other, mut third] = joined(&log);
    for machine in [&mut other, &mut third] {
        machine.declare(Statement::Present(batch("ann", false)), 1_000);
        machine.settle(1_000);
    }
    assert_eq!(news(&one.settle(1_000)).len(), 2);
    other.node.leave(1_100);
    assert_eq!(news(&one.settle(1_100)), [NodePresence::Left(2)]);
    // The third one says nothing more: its lease is 3,000 long.
    for now_ms in [2_000, 3_000] {
        assert_eq!(news(&one.settle(now_ms)), []);
    }
    let mut gone = Vec::new();
    for now_ms in [4_000, 5_000] {
        gone.extend(news(&one.settle(now_ms)));
    }
    assert_eq!(gone, [NodePresence::Gone(3)]);
    assert_eq!(news(&one.settle(9_000)), [], "once");
}

#[test]
fn while_nobody_can_write_no_lease_ends() {
    let log = MemoryLog::default();
    let [mut one, mut other] = joined(&log);
    other.declare(Statement::Present(batch("ann", false)), 1_000);
    other.settle(1_000);
    one.settle(1_000);
    for engine in 0..2 {
        log.take_away(engine);
    }
    for now_ms in [2_000, 3_600_000] {
        assert_eq!(news(&one.settle(now_ms)), []);
    }
    for engine in 0..2 {
        log.restore(engine);
    }
    for now_ms in [3_600_500, 3_601_000] {
        assert_eq!(news(&one.settle(now_ms)), []);
        assert_eq!(news(&other.settle(now_ms)), []);
    }
    assert_eq!(news(&one.settle(3_601_000)), []);
    // Then the other one is killed.
    let mut gone = Vec::new();
    for now_ms in (3_602_000..3_606_000).step_by(500) {
        gone.extend(news(&one.settle(now_ms)));
    }
    assert_eq!(gone, [NodePresence::Gone(2)]);
}

#[test]
fn a_node_whose_lease_has_ended_says_everything_again() {
    let log = MemoryLog::default();
    let [mut one, mut other] = joined(&log);
    other.declare(Statement::Present(batch("ann", false)), 1_000);
    other.settle(1_000);
    one.settle(1_000);
    log.take_away(1);
    let mut gone = Vec::new();
    for now_ms in (1_500..6_000).step_by(500) {
        gone.extend(news(&one.settle(now_ms)));
        other.settle(now_ms);
    }
    assert_eq!(gone, [NodePresence::Gone(2)]);
    log.restore(1);
    let mut asked = Vec::new();
    for now_ms in [6_500, 7_000, 7_500] {
        asked.extend(news(&other.settle(now_ms)));
    }
    assert_eq!(asked, [NodePresence::Repeat]);
}

#[test]
fn the_word_of_a_node_ends_for_itself_where_it_ends_for_the_others() {
    let log = MemoryLog::default();
    let [mut one, mut other] = joined(&log);
    let mut gone = Vec::new();
    // The clock of the other one stands still: it renews no lease, and what it says counts on.
    for (now_ms, says) in [(2_000, true), (3_000, false), (4_000, true)] {
        gone.extend(news(&one.settle(now_ms)));
        other.settle(1_999);
        if says {
            other.declare(Statement::Present(batch("ann", true)), 1_999);
        }
        other.settle(1_999);
        gone.extend(news(&one.settle(now_ms)));
    }
    let said = NodePresence::Said(2, batch("ann", true));
    assert_eq!(gone, [said.clone(), said]);
    gone.clear();
    for now_ms in [5_000, 6_000, 7_000, 8_000] {
        gone.extend(news(&one.settle(now_ms)));
    }
    assert_eq!(gone, [NodePresence::Gone(2)]);
    let asked = news(&other.settle(1_999));
    assert_eq!(asked, [NodePresence::Repeat], "the first one has forgotten what it said");
}

#[test]
fn a_new_epoch_has_all_nodes_say_everything_again() {
    let log = MemoryLog::default();
    let [mut one, mut other] = joined(&log);
    one.offer(1_000);
    one.settle(1_000);
    other.settle(1_000);
    log.lose_tail(log.entries().len() - 1);
    log.ask_ends();
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    for now_ms in [2_000, 2_500, 3_000] {
        of_one.extend(news(&one.settle(now_ms)));
        of_other.extend(news(&other.settle(now_ms)));
    }
    for asked in [of_one, of_other] {
        assert!(
            !asked.is_empty() && asked.iter().all(|it| *it == NodePresence::Repeat),
            "{asked:?}"
        );
    }
}

#[test]
fn nothing_is_said_while_a_node_could_not_read_it() {
    let log = MemoryLog::default();
    let before = NodeSettings { version: 3, ..settings(1) };
    let mut old = Machine::with(&log, before);
    old.settle(1_000);
    let mut new = Machine::new(&log, 2);
    new.settle(1_000);
    let said = new.declare(Statement::Present(batch("ann", false)), 1_000);
    assert_eq!(verdicts(&said), [Verdict::OldNodes]);
    old.node.leave(1_100);
    new.settle(1_100);
    assert_eq!(verdicts(&new.declare(Statement::Present(batch("ann", false)), 1_100)), []);
    assert_eq!(verdicts(&new.settle(1_100)), [Verdict::Taken]);
    let heard = |version: u8| {
        let log = MemoryLog::default();
        Machine::with(&log, NodeSettings { version, ..settings(1) }).settle(1_000);
        let entries = log.entries();
        let mut leases = entries.iter().filter_map(|(_, bytes)| match Entry::decode(bytes) {
            Ok(Entry { body: Body::Node(lease), .. }) => Some(lease.heard),
            _ => None,
        });
        leases.next().expect("a lease")
    };
    assert_eq!((heard(FIRST_VERSION), heard(3), heard(4)), (None, None, Some(1)));
}
