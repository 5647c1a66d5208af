//! Shares of namespaces: what is never forgotten, what is declared forgotten, and what a flood
//! evicts.

use crate::support::*;
use sockeye_hub::{
    Admission, Config, Entry, Hub, Kind, Limits, Publication, Refusal, Seq, Settings, Start,
};

/// Two namespaces of their own, `chat` and `open`, besides all others.
fn shared(set: impl FnOnce(&mut Limits)) -> TestHub {
    let mut limits = Limits::default();
    set(&mut limits);
    Hub::new(EPOCH, config(limits, &["chat", "open"]))
}

fn config(limits: Limits, namespaces: &[&str]) -> Config {
    let named = |it: &&str| ((*it).to_owned(), settings());
    Config { limits, settings: settings(), namespaces: namespaces.iter().map(named).collect() }
}

fn flood(hub: &mut TestHub, namespace: &str, channels: usize) {
    for number in 0..channels {
        publish(hub, &format!("{namespace}:{number}"));
    }
}

fn end(channel: &str) -> Publication<'_, &'static str> {
    Publication { kind: Kind::End, ..message(channel, "end") }
}

fn expecting(channel: &str, seq: u64) -> Publication<'_, &'static str> {
    Publication { expect: Some(Seq(seq)), ..message(channel, "m") }
}

fn keyed<'a>(channel: &'a str, key: &'a str) -> Publication<'a, &'static str> {
    Publication { key: Some(key), ..message(channel, "m") }
}

/// [hub:ended] [hub:tombstone]
#[test]
fn an_ended_channel_stays_so_however_many_come_after_it() {
    let mut hub = hub_with(settings(), {
        let mut limits = Limits::default();
        (limits.channels_max, limits.tombstones_max) = (2, 2);
        limits
    });
    assert_eq!(try_publish(&mut hub, end("done")), Ok(1));
    flood(&mut hub, "x", 20);
    assert_eq!((hub.stats().channels, hub.stats().tombstones), (2, 2));
    assert_eq!(try_publish(&mut hub, message("done", "m")), Err(Refusal::Ended { at: Seq(1) }));
    assert!(hub.channel(name("done")).ended);
    assert_eq!(hub.stats().endings, 1);
    // A record in between takes nothing from it.
    let key = connect(&mut hub, &["done"], Start::Now);
    hub.subscriber(key).expect("it is connected").disconnect();
    assert_eq!(try_publish(&mut hub, end("done")), Err(Refusal::Ended { at: Seq(1) }));
    assert_eq!(hub.stats().endings, 1);
}

/// [hub:forgotten]
#[test]
fn a_condition_on_what_is_forgotten_is_refused_and_not_guessed() {
    let mut hub = hub_with(settings(), {
        let mut limits = Limits::default();
        (limits.channels_max, limits.tombstones_max) = (2, 2);
        limits
    });
    assert_eq!(try_publish(&mut hub, expecting("once", 0)), Ok(1));
    flood(&mut hub, "x", 3);
    assert_eq!(
        try_publish(&mut hub, expecting("once", 0)),
        Err(Refusal::Unexpected { last: Seq(1) })
    );
    assert_eq!(try_publish(&mut hub, expecting("new", 0)), Ok(5));
    flood(&mut hub, "y", 2);
    assert_eq!(hub.channel(name("once")).last, None);
    let through = hub.channel(name("once")).floor;
    for seq in [0, 1, 2] {
        let refused = Err(Refusal::Forgotten { through });
        assert_eq!(try_publish(&mut hub, expecting("once", seq)), refused);
    }
    let last = publish(&mut hub, "once");
    assert!(try_publish(&mut hub, expecting("once", last)).is_ok(), "known again");
}

/// [hub:shares] [hub:forgotten]
#[test]
fn what_one_namespace_forgets_no_other_does() {
    let mut hub = shared(|it| (it.channels_max, it.tombstones_max) = (3, 6));
    assert_eq!(try_publish(&mut hub, expecting("chat:1", 0)), Ok(1));
    flood(&mut hub, "open", 50);
    let refused = Err(Refusal::Unexpected { last: Seq(1) });
    assert_eq!(try_publish(&mut hub, expecting("chat:1", 0)), refused);
    assert!(matches!(
        try_publish(&mut hub, expecting("open:0", 0)),
        Err(Refusal::Forgotten { .. })
    ));
    assert!(try_publish(&mut hub, expecting("chat:2", 0)).is_ok(), "nothing is forgotten here");
    // Settings that are read again change nothing of that.
    let limits = hub.config().limits.clone();
    hub.reconfigure(config(limits, &["chat", "open"]), 0);
    assert!(try_publish(&mut hub, expecting("chat:3", 0)).is_ok());
}

/// [hub:reconfigure] [hub:forgotten] What was folded is forgotten of every namespace that it may be of.
#[test]
fn what_was_folded_follows_its_namespace() {
    let mut hub = shared(|it| (it.channels_max, it.tombstones_max) = (3, 6));
    flood(&mut hub, "open", 50);
    let is_forgotten = |hub: &mut TestHub, channel: &str| {
        matches!(try_publish(hub, expecting(channel, 0)), Err(Refusal::Forgotten { .. }))
    };
    let with = |hub: &mut TestHub, namespaces: &[&str]| {
        let limits = hub.config().limits.clone();
        hub.reconfigure(config(limits, namespaces), 0);
        assert!(!hub.is_overdue());
    };
    with(&mut hub, &["open", "chat", "new"]);
    assert!(!is_forgotten(&mut hub, "new:1") && !is_forgotten(&mut hub, "chat:1"));
    with(&mut hub, &["chat", "new"]);
    // It is one of the rest now, and so the rest may have had what was folded.
    assert!(is_forgotten(&mut hub, "open:0") && is_forgotten(&mut hub, "other:1"));
    assert!(!is_forgotten(&mut hub, "new:2") && !is_forgotten(&mut hub, "chat:2"));
    with(&mut hub, &["chat", "newer"]);
    assert!(is_forgotten(&mut hub, "newer:1") && !is_forgotten(&mut hub, "chat:3"));
}

/// [hub:shares] [hub:bound-tombstones]
#[test]
fn who_has_more_than_its_share_gives_way_before_who_has_the_most() {
    let mut hub = shared(|it| (it.channels_max, it.tombstones_max) = (3, 8));
    flood(&mut hub, "chat", 5);
    hub.advance(1_000);
    assert_eq!((hub.stats().channels, hub.stats().tombstones), (0, 5));
    flood(&mut hub, "open", 50);
    let known = |it: usize| hub.channel(name(&format!("chat:{it}"))).last.is_some();
    assert!((0..5).all(known));
}

/// [hub:shares] [hub:bound-channels]
#[test]
fn a_flood_of_channels_empties_the_history_of_its_own_namespace() {
    let mut hub = shared(|it| it.channels_max = 9);
    flood(&mut hub, "chat", 3);
    flood(&mut hub, "open", 50);
    assert_eq!(hub.stats().channels, 9);
    for channel in ["chat:0", "chat:1", "chat:2"] {
        assert_eq!(hub.channel(name(channel)).messages, 1, "{channel}");
    }
    // Who has less than its share takes from who has the most.
    flood(&mut hub, "other", 3);
    assert_eq!(hub.channel(name("chat:0")).messages, 1);
    assert_eq!(hub.channel(name("open:46")).messages, 0);
    // And what is above its share goes, once there are others.
    let mut hub = shared(|it| it.channels_max = 9);
    flood(&mut hub, "chat", 9);
    flood(&mut hub, "open", 4);
    let left = |it: &usize| hub.channel(name(&format!("chat:{it}"))).messages;
    assert_eq!((0..9).map(|it| left(&it)).sum::<usize>(), 6, "three are the share of open");
    assert_eq!(hub.channel(name("open:0")).messages, 0);
}

/// [hub:shares] [hub:bound-bytes]
#[test]
fn a_flood_of_bytes_empties_the_history_of_its_own_namespace() {
    let bytes = 9 * (Entry::<&str>::OVERHEAD_BYTES + 1);
    let mut hub = shared(|it| it.history_bytes_max = bytes);
    flood(&mut hub, "chat", 3);
    flood(&mut hub, "open", 50);
    assert_eq!(hub.stats().history_bytes, bytes as u64);
    let left = |hub: &TestHub, namespace: &str| {
        let of = |it: usize| hub.channel(name(&format!("{namespace}:{it}"))).messages;
        (0..50).map(of).sum::<usize>()
    };
    assert_eq!((left(&hub, "chat"), left(&hub, "open")), (3, 6));
    // Other namespaces: what they hold is counted anew.
    let limits = hub.config().limits.clone();
    hub.reconfigure(config(limits, &["chat", "other"]), 0);
    flood(&mut hub, "other", 50);
    assert_eq!((left(&hub, "chat"), left(&hub, "open"), left(&hub, "other")), (3, 3, 3));
}

/// [hub:bound-bare]
#[test]
fn subscriptions_leave_room_for_publishers() {
    let mut hub = shared(|it| it.channels_max = 6);
    let key = connect(&mut hub, &["open:a", "open:b", "open:c"], Start::Now);
    assert_eq!(subscribe(&mut hub, key, "open:d", Start::Now), Err(Refusal::Channels));
    assert_eq!(publish(&mut hub, "chat:new"), 1);
    assert!(subscribe(&mut hub, key, "chat:new", Start::Now).is_ok(), "it is there anyway");
    assert_eq!(publish(&mut hub, "open:a"), 2);
    assert!(subscribe(&mut hub, key, "open:d", Start::Now).is_ok(), "one of them is written");
    assert!(Refusal::Channels.passes() && !Refusal::Subscriptions.passes());
}

/// [hub:bound-ended]
#[test]
fn no_more_channels_end_than_can_be_remembered() {
    let mut hub = shared(|it| it.ended_max = 8);
    let ends = |hub: &mut TestHub, namespace: &str| {
        let channels = (0..9).map(|it| format!("{namespace}:{it}"));
        channels.take_while(|it| try_publish(hub, end(it)).is_ok()).count()
    };
    assert_eq!(ends(&mut hub, "open"), 4, "the half for whoever comes first");
    assert_eq!(try_publish(&mut hub, end("open:8")), Err(Refusal::Endings));
    assert!(try_publish(&mut hub, message("open:8", "m")).is_ok());
    assert_eq!(ends(&mut hub, "chat"), 1, "its part of the other half");
    assert_eq!(hub.stats().endings, 5);
    // One that waits for the log counts, and no longer if that has failed.
    let Ok(Admission::Pending(position)) = hub.admit(end("other:0"), 0) else { panic!() };
    assert_eq!(hub.admit(end("other:1"), 0), Err(Refusal::Endings));
    assert_eq!(hub.abort(position), Ok(()));
    assert!(matches!(hub.admit(end("other:1"), 0), Ok(Admission::Pending(_))));
    // Other namespaces: the same channels, counted anew.
    let limits = hub.config().limits.clone();
    hub.reconfigure(config(limits, &[]), 0);
    assert_eq!(hub.stats().endings, 6);
    hub.begin_epoch(sockeye_hub::Epoch(11)).expect("a new one");
    assert_eq!(hub.stats().endings, 0);
}

/// [hub:bound-keys] [hub:shares]
#[test]
fn a_flood_of_keys_has_those_of_others_remembered() {
    let mut hub = shared(|it| it.keys_max = 48);
    assert_eq!(try_publish(&mut hub, keyed("chat:1", "order")), Ok(1));
    let keys: Vec<String> = (0..100).map(|it| it.to_string()).collect();
    let taken = |hub: &mut TestHub, channel: &str| {
        keys.iter().take_while(|key| try_publish(hub, keyed(channel, key)).is_ok()).count()
    };
    assert_eq!(taken(&mut hub, "open:1"), 12, "a quarter for one channel");
    let others: usize = (2..20).map(|it| taken(&mut hub, &format!("open:{it}"))).sum();
    assert_eq!(others, 11, "the half for whoever comes first");
    assert_eq!(try_publish(&mut hub, keyed("open:9", "new")), Err(Refusal::Keys));
    assert!(Refusal::Keys.passes(), "it may come again");
    assert_eq!(taken(&mut hub, "other:1"), 8, "its part of the other half");
    let chat: usize = (2..9).map(|it| taken(&mut hub, &format!("chat:{it}"))).sum();
    assert_eq!((chat, hub.stats().keys), (7, 39));
    // Nothing was forgotten.
    assert_eq!(hub.admit(keyed("chat:1", "order"), 0), Ok(Admission::Duplicate(at(1))));
    assert_eq!(hub.admit(keyed("open:1", "0"), 0), Ok(Admission::Duplicate(at(2))));
    // The namespaces are others: the keys are the same.
    let limits = hub.config().limits.clone();
    let settings = || Settings::default();
    let namespaces = vec![("chat".to_owned(), settings())];
    hub.reconfigure(Config { limits, settings: settings(), namespaces }, 0);
    let repeated = hub.admit(keyed("chat:1", "order"), 0);
    assert_eq!(repeated, Ok(Admission::Duplicate(at(1))));
    // Counted anew: chat has eight of twelve, and the others, which are one now, more than theirs.
    let new = |channel| keyed(channel, "newest");
    assert!(matches!(hub.admit(new("chat:9"), 0), Ok(Admission::Pending(_))));
    assert_eq!(hub.admit(new("open:20"), 0), Err(Refusal::Keys));
}
