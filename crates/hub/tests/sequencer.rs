//! Admission, commit and abort, and following another sequencer.

use crate::support::*;
use sockeye_hub::{
    Admission, Config, Epoch, Flow, Hub, Kind, Limits, Misuse, Publication, Refusal, Seq, Start,
};

fn keyed(key: &'static str) -> Publication<'static, &'static str> {
    Publication { key: Some(key), ..message("a", "m") }
}

fn admit(hub: &mut TestHub, publication: Publication<'_, &'static str>) -> u64 {
    match hub.admit(publication, 0) {
        Ok(Admission::Pending(position)) => position.seq.0,
        other => panic!("{other:?}"),
    }
}

fn commit(hub: &mut TestHub, seq: u64) -> Result<usize, Misuse> {
    hub.commit(at(seq), 0, |_, _| Flow::Taken).map(|committed| committed.taken)
}

/// [hub:idempotent]
#[test]
fn a_repeated_key_is_answered_with_the_first_position() {
    let mut hub = hub();
    assert_eq!(admit(&mut hub, keyed("k")), 1);
    assert_eq!(hub.admit(keyed("k"), 0), Ok(Admission::DuplicatePending(at(1))));
    assert_eq!(commit(&mut hub, 1), Ok(0));
    assert_eq!(hub.admit(keyed("k"), 0), Ok(Admission::Duplicate(at(1))));
    let elsewhere = Publication { channel: name("b"), ..keyed("k") };
    assert_eq!(admit(&mut hub, elsewhere), 2, "keys are of a channel");
    assert_eq!(commit(&mut hub, 2), Ok(0));
    let later = settings().key_ms;
    assert_eq!(hub.admit(keyed("k"), later - 1), Ok(Admission::Duplicate(at(1))));
    assert_eq!(hub.admit(keyed("k"), later), Ok(Admission::Pending(at(3))), "forgotten by age");
}

/// [hub:idempotent] [hub:bound-keys]
#[test]
fn keys_are_bounded_and_those_of_failed_messages_free() {
    let mut limits = Limits::default();
    limits.keys_max = 1;
    let mut hub = hub_with(settings(), limits);
    assert_eq!(try_publish(&mut hub, keyed("k")), Ok(1));
    assert_eq!(try_publish(&mut hub, keyed("l")), Err(Refusal::Keys));
    assert_eq!(try_publish(&mut hub, keyed("k")), Ok(1), "nothing is forgotten");
    assert_eq!(publish(&mut hub, "a"), 2, "without a key");
    hub.advance(settings().key_ms);
    assert_eq!(admit(&mut hub, keyed("m")), 3);
    assert_eq!(hub.admit(keyed("n"), 0), Err(Refusal::Keys), "a pending key counts");
    assert_eq!(hub.abort(at(3)), Ok(()));
    assert_eq!(admit(&mut hub, keyed("m")), 4);
    assert_eq!(hub.admit(keyed(""), 0), Err(Refusal::Key));
}

/// [hub:key-ages] [hub:bound-keys]
#[test]
fn a_namespace_says_how_long_its_keys_are_remembered() {
    let mut config = Config { limits: Limits::default(), settings: settings(), namespaces: vec![] };
    config.limits.keys_max = 4;
    for (namespace, key_ms) in [("short", 10), ("long", 1_000)] {
        let mut settings = settings();
        settings.key_ms = key_ms;
        config.namespaces.push((namespace.to_owned(), settings));
    }
    let mut hub: Hub<&str> = Hub::new(EPOCH, config);
    let long = || Publication { channel: name("long:1"), ..keyed("k") };
    let short = || Publication { channel: name("short:1"), ..keyed("k") };
    assert_eq!(try_publish(&mut hub, long()), Ok(1));
    assert_eq!(try_publish(&mut hub, short()), Ok(2));
    // The later one goes first, by its namespace's age.
    assert_eq!(hub.next_deadline(), Some(10));
    assert_eq!(hub.admit(short(), 9), Ok(Admission::Duplicate(at(2))));
    assert_eq!(hub.admit(short(), 10), Ok(Admission::Pending(at(3))));
    assert_eq!(hub.admit(long(), 999), Ok(Admission::Duplicate(at(1))));
    assert_eq!(commit(&mut hub, 3), Ok(0));
    assert_eq!(hub.stats().keys, 2);
    // Keys of another sequencer's messages are remembered by the same rule.
    let mut follower: Hub<&str> = Hub::new(EPOCH, hub.config().clone());
    follower.apply(Seq(1), long(), 0, |_, _| Flow::Full).expect("the next one");
    follower.apply(Seq(2), short(), 0, |_, _| Flow::Full).expect("the next one");
    follower.advance(10);
    assert_eq!(follower.stats().keys, 1);
    assert_eq!(follower.admit(long(), 999), Ok(Admission::Duplicate(at(1))));
}

/// [hub:commit-order] [hub:void]
#[test]
fn commits_are_in_order_and_a_failed_message_leaves_its_place_empty() {
    let mut hub = hub();
    let key = connect(&mut hub, &["a", "b"], Start::Now);
    for (channel, seq) in [("a", 1), ("b", 2), ("a", 3)] {
        assert_eq!(admit(&mut hub, message(channel, "m")), seq);
    }
    assert_eq!(commit(&mut hub, 2), Err(Misuse::OutOfOrder { next: Seq(1) }));
    assert_eq!(hub.abort(at(2)), Ok(()));
    assert_eq!(hub.abort(at(2)), Err(Misuse::NotPending));
    assert_eq!(hub.position(), at(0));
    assert_eq!(commit(&mut hub, 1), Ok(1));
    assert_eq!(hub.position(), at(2), "past the empty place");
    assert_eq!(commit(&mut hub, 3), Ok(1));
    assert_eq!(commit(&mut hub, 3), Err(Misuse::NotPending));
    assert!(hub.subscriber(key).is_some_and(|it| it.cursor() == at(3)));
    let resumed = connect(&mut hub, &["a", "b"], after(0));
    assert_eq!(pull_all(&mut hub, resumed), "1 3 sync", "and no gap");
}

/// [hub:expected] [hub:undecided]
#[test]
fn a_condition_holds_or_not_and_is_never_guessed() {
    let mut hub = hub();
    let expecting = |seq| Publication { expect: Some(Seq(seq)), ..message("a", "m") };
    assert_eq!(try_publish(&mut hub, expecting(1)), Err(Refusal::Unexpected { last: Seq(0) }));
    assert_eq!(try_publish(&mut hub, expecting(0)), Ok(1));
    assert_eq!(publish(&mut hub, "b"), 2);
    assert_eq!(try_publish(&mut hub, expecting(1)), Ok(3), "other channels do not matter");
    assert_eq!(admit(&mut hub, message("a", "m")), 4);
    let undecided = Err(Refusal::Undecided { pending: at(4) });
    assert_eq!(hub.admit(expecting(3), 0), undecided);
    assert_eq!(hub.abort(at(4)), Ok(()));
    assert_eq!(admit(&mut hub, expecting(3)), 5);
}

/// [hub:ended] [hub:undecided]
#[test]
fn an_ended_channel_takes_no_more_and_says_so() {
    let mut hub = hub();
    let end = || Publication { kind: Kind::End, ..message("a", "end") };
    assert_eq!(admit(&mut hub, message("a", "m")), 1);
    assert_eq!(admit(&mut hub, end()), 2);
    let undecided = Err(Refusal::Undecided { pending: at(2) });
    assert_eq!(hub.admit(message("a", "m"), 0), undecided);
    assert_eq!(hub.abort(at(2)), Ok(()));
    assert_eq!(admit(&mut hub, end()), 3, "the first end failed");
    assert_eq!(commit(&mut hub, 1), Ok(0));
    assert_eq!(commit(&mut hub, 3), Ok(0));
    assert_eq!(hub.admit(message("a", "m"), 0), Err(Refusal::Ended { at: Seq(3) }));
    let key = hub.connect().expect("there is room");
    let target = sockeye_hub::Target::Channel(name("a"));
    let mut subscriber = hub.subscriber(key).expect("it is connected");
    let subscribed = subscriber.subscribe(target, after(3), 0).expect("there is room");
    assert_eq!(subscribed.ended, Some(Seq(3)));
    let late = connect(&mut hub, &["a"], after(0));
    hub.advance(1_000);
    assert_eq!(pull_all(&mut hub, late), "trimmed a(0,3] ended sync with 1");
}

#[test]
fn another_sequencer_is_followed_without_holes() {
    let mut hub = hub();
    let take = |_, _: &_| Flow::Taken;
    assert_eq!(hub.lose(Seq(40)), Ok(()), "a start in the middle");
    let late = hub.apply(Seq(42), message("a", "m"), 0, take).map(drop);
    assert_eq!(late, Err(Misuse::OutOfOrder { next: Seq(41) }));
    assert!(hub.apply(Seq(41), message("a", "m"), 0, take).is_ok());
    let again = hub.apply(Seq(41), message("a", "m"), 0, take).map(drop);
    assert_eq!(again, Err(Misuse::OutOfOrder { next: Seq(42) }));
    assert_eq!(admit(&mut hub, message("a", "m")), 42);
    let mixed = hub.apply(Seq(42), message("a", "m"), 0, take).map(drop);
    assert_eq!(mixed, Err(Misuse::Pending));
    assert_eq!(hub.begin_epoch(EPOCH), Err(Misuse::SameEpoch));
    assert_eq!(hub.begin_epoch(Epoch(11)), Ok(()));
    assert_eq!(commit(&mut hub, 42), Err(Misuse::NotPending), "the epoch took it");
}

/// [hub:bound-pending]
#[test]
fn too_large_and_too_many_are_refused() {
    let mut limits = Limits::default();
    limits.pending_max = 1;
    let mut small = settings();
    small.message_bytes_max = 3;
    let mut hub = hub_with(small, limits);
    let refused = try_publish(&mut hub, message("a", "four"));
    assert_eq!(refused, Err(Refusal::MessageTooLarge { bytes_max: 3 }));
    assert_eq!(admit(&mut hub, message("a", "m")), 1);
    assert_eq!(hub.admit(message("a", "m"), 0), Err(Refusal::Backlog));
}
