//! The log between the services of a process, without services around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye_hub::{Config, Epoch, Kind, Refusal, Seq};
use sockeye_server::Time;
use sockeye_service::sequencing::{
    Backbone, Full, LoopBackbone, LoopBackboneLimits, Member, Offer, Outcome, Sequencer, Ticket,
    Verdict,
};
use sockeye_service::wire::{Data, Level, Payload};

fn offer(text: &str) -> Offer {
    let payload = Payload::new(Data::text(text));
    Offer { channel: "a".into(), payload, kind: Kind::Message, key: None, expect: None }
}

fn backbone(entries_max: usize, bytes_max: usize) -> (Arc<LoopBackbone>, Sequencer, [Member; 2]) {
    let backbone = LoopBackbone::new(2, LoopBackboneLimits { entries_max, bytes_max });
    let members = [backbone.member(0), backbone.member(1)];
    (backbone, Sequencer::new(Epoch(7), Config::default()), members)
}

/// What a member hears: places and its own tickets; refusals by their ticket.
fn heard(member: &mut Member) -> Vec<(u64, Option<Ticket>)> {
    let outcomes = std::iter::from_fn(|| member.next());
    let outcomes = outcomes.map(|outcome| match outcome {
        Outcome::Entry(settled, ticket) => {
            assert_eq!(settled.level, Level::Accepted);
            (settled.position.seq.0, ticket)
        }
        Outcome::Answer(ticket, _) => (0, Some(ticket)),
        other => panic!("{other:?}"),
    });
    outcomes.collect()
}

#[test]
fn all_hear_the_same_and_each_its_own_tickets() {
    let (backbone, mut sequencer, [mut one, mut other]) = backbone(100, 1 << 20);
    one.append(11, offer("1")).unwrap();
    other.append(21, offer("2")).unwrap();
    one.append(12, offer("3")).unwrap();
    assert!(one.next().is_none(), "nobody has given out a place");
    backbone.step(&mut sequencer, 5);
    assert_eq!(heard(&mut one), [(1, Some(11)), (2, None), (3, Some(12))]);
    assert_eq!(heard(&mut other), [(1, None), (2, Some(21)), (3, None)]);
    assert_eq!(backbone.entries(), 0);
}

#[test]
fn a_refusal_is_for_whoever_asked_and_in_order() {
    let (backbone, mut sequencer, [mut one, mut other]) = backbone(100, 1 << 20);
    one.append(1, Offer { key: Some("k".into()), ..offer("1") }).unwrap();
    other.append(1, Offer { key: Some("k".into()), ..offer("1") }).unwrap();
    other.append(2, Offer { expect: Some(Seq(9)), ..offer("2") }).unwrap();
    backbone.step(&mut sequencer, 5);
    assert!(matches!(other.next(), Some(Outcome::Entry(_, None))));
    let Some(Outcome::Answer(1, Verdict::Duplicate(position, _))) = other.next() else {
        panic!("a duplicate, behind what it is one of")
    };
    assert_eq!(position.seq, Seq(1));
    let refused = Verdict::Refused(Refusal::Unexpected { last: Seq(1) });
    assert!(matches!(other.next(), Some(Outcome::Answer(2, verdict)) if verdict == refused));
    assert!(other.next().is_none());
    assert_eq!(heard(&mut one), [(1, Some(1))]);
}

/// [service:bound-backbone]
#[test]
fn whoever_does_not_hear_holds_back_publications_and_nothing_else() {
    let (backbone, mut sequencer, [mut one, mut other]) = backbone(3, 1 << 20);
    for ticket in 0..3 {
        one.append(ticket, offer("x")).unwrap();
    }
    // Also before anybody has looked at them: what is handed over is bounded, too.
    assert_eq!(one.append(3, offer("x")), Err(Full));
    backbone.step(&mut sequencer, 5);
    assert_eq!(heard(&mut one).len(), 3);
    assert_eq!(one.append(3, offer("x")), Err(Full), "the other has not heard");
    assert_eq!(other.append(0, offer("x")), Err(Full));
    assert_eq!(heard(&mut other).len(), 3);
    one.append(3, offer("x")).unwrap();
    backbone.step(&mut sequencer, 5);
    assert_eq!(heard(&mut one), [(4, Some(3))]);
    // One that has gone holds back nobody.
    assert_eq!(backbone.entries(), 1);
    drop(other);
    assert_eq!(backbone.entries(), 0);
    for ticket in 4..7 {
        one.append(ticket, offer("x")).unwrap();
        backbone.step(&mut sequencer, 5);
    }
    assert_eq!(heard(&mut one).len(), 3);
}

/// [service:bound-backbone]
#[test]
fn bytes_are_bounded() {
    let (backbone, mut sequencer, [mut one, other]) = backbone(100, 3_000);
    drop(other);
    one.append(1, offer(&"x".repeat(2_000))).unwrap();
    assert_eq!(one.append(2, offer("x")), Err(Full));
    backbone.step(&mut sequencer, 5);
    assert_eq!(one.append(2, offer("x")), Err(Full), "it has not been heard of");
    assert_eq!(heard(&mut one).len(), 1);
    one.append(2, offer("x")).unwrap();
}

/// [service:one-wake]
#[test]
fn one_wake_brings_all_that_there_is() {
    let (backbone, mut sequencer, [mut one, mut other]) = backbone(100, 1 << 20);
    let wakes: [Arc<AtomicUsize>; 3] = std::array::from_fn(|_| Arc::default());
    let wake = |at: usize| {
        let count = Arc::clone(&wakes[at]);
        Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
    };
    backbone.wake_worker(0, wake(0));
    backbone.wake_worker(1, wake(1));
    backbone.wake_sequencer(wake(2));
    let woken = || [0, 1, 2].map(|at| wakes[at].swap(0, Ordering::Relaxed));
    for ticket in 0..5 {
        one.append(ticket, offer("x")).unwrap();
    }
    assert_eq!(woken(), [0, 0, 1]);
    backbone.step(&mut sequencer, 5);
    assert_eq!(woken(), [1, 1, 0]);
    one.append(5, offer("x")).unwrap();
    backbone.step(&mut sequencer, 5);
    assert_eq!(woken(), [0, 0, 1], "they were woken, and have not looked yet");
    assert_eq!((heard(&mut one).len(), heard(&mut other).len()), (6, 6));
    one.append(6, offer("x")).unwrap();
    backbone.step(&mut sequencer, 5);
    assert_eq!(woken(), [1, 1, 1]);
    // What concerns one wakes nobody else.
    assert_eq!((heard(&mut one).len(), heard(&mut other).len()), (1, 1));
    other.append(1, Offer { expect: Some(Seq(99)), ..offer("x") }).unwrap();
    backbone.step(&mut sequencer, 5);
    assert_eq!(woken(), [0, 1, 1]);
}

#[test]
fn one_time_for_all() {
    let (backbone, _, [mut one, mut other]) = backbone(1, 1);
    backbone.clock().restore(1_000_000, 1_000_000);
    let look = |member: &mut Member, ms, calendar_ms| {
        let time = member.look(Time::from_millis(ms), calendar_ms);
        (time.ms, time.date_ms)
    };
    assert_eq!(look(&mut one, 500, 1_000_000), (1_000_000, 1_000_000));
    assert_eq!(look(&mut other, 600, 1_001_900), (1_000_100, 1_000_100), "a small step");
    // A jump moves the date for both, and log time for nobody.
    assert_eq!(look(&mut one, 700, 5_000_000), (1_000_200, 5_000_000));
    assert_eq!(look(&mut other, 650, 1_001_950), (1_000_150, 4_999_950), "an older reading");
    assert_eq!(look(&mut other, 800, 5_000_100), (1_000_300, 5_000_100));
    assert_eq!(look(&mut other, 900, 1_000_400), (1_000_400, 1_000_400), "and back");
    assert_eq!(backbone.clock().state().jumps, 2);
}
