//! Quotas of holders: what one user or address may take, and what is left for the others.

use std::collections::BTreeMap;

use crate::support::*;
use proptest::prelude::*;
use sockeye_hub::{Config, Epoch, Holder, Hub, Limits, Refusal, Seq, Start, SubscriberKey, Target};

fn crowded(set: impl FnOnce(&mut Limits), namespaces: &[&str]) -> TestHub {
    let mut limits = Limits::default();
    set(&mut limits);
    let namespaces = namespaces.iter().map(|it| ((*it).to_owned(), settings())).collect();
    Hub::new(EPOCH, Config { limits, settings: settings(), namespaces })
}

fn connect_as(hub: &mut TestHub, holder: Holder) -> SubscriberKey {
    let key = hub.connect().expect("there is room");
    hub.subscriber(key).expect("it is connected").count_for(holder);
    key
}

fn disconnect(hub: &mut TestHub, key: SubscriberKey) {
    hub.subscriber(key).expect("it is connected").disconnect();
}

/// Subscribes new channels until one is refused; their number, and why.
fn flood(hub: &mut TestHub, holder: Holder, namespace: &str) -> (usize, Refusal) {
    let mut taken = 0;
    loop {
        let key = connect_as(hub, holder);
        for _ in 0..hub.config().limits.subscriptions_max {
            let channel = format!("{namespace}:{holder:?}{taken}").replace(['(', ')'], "-");
            if let Err(refusal) = subscribe(hub, key, &channel, Start::Now) {
                return (taken, refusal);
            }
            taken += 1;
        }
    }
}

/// [hub:quota-channels] [hub:claims]
#[test]
fn one_stranger_takes_its_quota_and_not_the_room_of_all() {
    let mut hub = crowded(|it| (it.channels_max, it.unwritten_per_holder_max) = (320, 32), &[]);
    let own = Refusal::OwnChannels { most: 32 };
    assert_eq!(flood(&mut hub, Holder::stranger(1), "a"), (32, own));
    assert!(own.passes() && own.to_string().contains("32 channels"), "{own}");
    // It may still be in what others have made, and in what has messages.
    let other = connect_as(&mut hub, Holder::stranger(2));
    subscribe(&mut hub, other, "b:1", Start::Now).expect("another address");
    publish(&mut hub, "b:2");
    let key = connect_as(&mut hub, Holder::stranger(1));
    assert_eq!(subscribe(&mut hub, key, "b:1", Start::Now), Err(own));
    subscribe(&mut hub, key, "b:2", Start::Now).expect("it has a message");
    // Its own channels are counted once, however many of its subscribers are in them.
    let again = format!("a:{:?}0", Holder::stranger(1)).replace(['(', ')'], "-");
    subscribe(&mut hub, key, &again, Start::Now).expect("it is in it already");
    // Several strangers leave something for those that come new, and for known clients.
    for number in 3..6 {
        assert_eq!(flood(&mut hub, Holder::stranger(number), "a"), (32, own));
    }
    assert_eq!(hub.stats().unwritten, 1 + 4 * 32, "of 160");
    assert_eq!(flood(&mut hub, Holder::stranger(6), "a"), (4, Refusal::Channels), "a little");
    let known = flood(&mut hub, Holder::known(1), "a");
    assert_eq!(known, (17, Refusal::Channels), "up to 15/16");
    assert_eq!(flood(&mut hub, Holder::UNCOUNTED, "a").0, 10, "all of it");
    assert!(subscribe(&mut hub, key, "b:2", Start::Now).is_err(), "subscribed");
    publish(&mut hub, "c:1");
}

/// A channel whose messages are known from before a restart is no channel without a message.
///
/// [hub:restored-channels] [hub:bound-bare]
#[test]
fn subscribers_of_restored_channels_take_nobodys_quota() {
    let limits = |it: &mut Limits| (it.channels_max, it.unwritten_per_holder_max) = (100, 5);
    let mut hub = crowded(limits, &["chat"]);
    for at in 1..=80 {
        hub.restore_channel(name(&format!("chat:{at}")), Seq(at), at % 2 == 0);
    }
    hub.void(Seq(80)).expect("above nothing");
    assert_eq!(flood(&mut hub, Holder::stranger(1), "a").0, 5, "its whole quota");
    let key = connect_as(&mut hub, Holder::stranger(1));
    for at in 1..=80 {
        let channel = format!("chat:{at}");
        subscribe(&mut hub, key, &channel, Start::Now).expect("its last message is known");
    }
    assert_eq!(hub.stats().unwritten, 5);
    // They are counted once no message of them is known any more.
    publish(&mut hub, "chat:1");
    hub.lose(Seq(100)).expect("above the head");
    assert_eq!(hub.stats().unwritten, 85);
    disconnect(&mut hub, key);
    assert_eq!(hub.stats().unwritten, 5);
}

/// [hub:bound-bare] [hub:shares]
#[test]
fn one_namespace_leaves_the_others_their_part() {
    let mut hub = crowded(|it| it.channels_max = 240, &["chat", "open"]);
    // Of 120, half is for whoever comes first, and 20 are for each of three.
    assert_eq!(flood(&mut hub, Holder::UNCOUNTED, "open"), (80, Refusal::Channels));
    assert_eq!(flood(&mut hub, Holder::UNCOUNTED, "chat"), (20, Refusal::Channels));
    assert_eq!(flood(&mut hub, Holder::UNCOUNTED, "other"), (20, Refusal::Channels));
    assert_eq!(hub.stats().unwritten, 120);
    // Other namespaces: they are counted anew.
    let limits = hub.config().limits.clone();
    hub.reconfigure(Config { limits, settings: settings(), namespaces: Vec::new() }, 0);
    let key = connect(&mut hub, &[], Start::Now);
    assert_eq!(subscribe(&mut hub, key, "chat:x", Start::Now), Err(Refusal::Channels));
    publish(&mut hub, "chat:Holder-0-0");
    assert_eq!(subscribe(&mut hub, key, "chat:x", Start::Now), Ok(()));
}

/// [hub:quota-patterns] [hub:bound-patterns]
#[test]
fn one_stranger_takes_its_quota_of_patterns() {
    let mut hub = crowded(|it| (it.patterns_max, it.patterns_per_holder_max) = (64, 8), &[]);
    let own = Refusal::OwnPatterns { most: 8 };
    let flood = |hub: &mut TestHub, holder: Holder, from: usize| {
        let key = connect_as(hub, holder);
        let mut patterns = (from..).map(|it| format!("a:{it}:*"));
        patterns.find_map(|it| subscribe(hub, key, &it, Start::Now).err())
    };
    assert_eq!(flood(&mut hub, Holder::stranger(1), 0), Some(own));
    assert_eq!(hub.stats().patterns, 8);
    let same = connect_as(&mut hub, Holder::stranger(1));
    assert_eq!(subscribe(&mut hub, same, "a:7:*", Start::Now), Ok(()));
    assert_eq!(subscribe(&mut hub, same, "a:9:*", Start::Now), Err(own));
    for number in 2..8 {
        flood(&mut hub, Holder::stranger(number), usize::try_from(number).expect("few") * 100);
    }
    assert_eq!(hub.stats().patterns, 52, "13/16");
    assert_eq!(flood(&mut hub, Holder::UNCOUNTED, 1_000), Some(Refusal::Patterns));
    assert_eq!(hub.stats().patterns, 64);
    assert!(own.passes() && own.to_string().contains("8 patterns"), "{own}");
}

/// [hub:quota-channels]
#[test]
fn a_subscriber_that_is_known_later_takes_its_channels_along() {
    let mut hub = crowded(|it| it.unwritten_per_holder_max = 2, &[]);
    let key = connect_as(&mut hub, Holder::stranger(1));
    for target in ["a", "b", "a:*"] {
        subscribe(&mut hub, key, target, Start::Now).expect("there is room");
    }
    assert_eq!(hub.stats().holders, 2, "of channels, and of patterns");
    hub.subscriber(key).expect("it is connected").count_for(Holder::known(1));
    let own = Refusal::OwnChannels { most: 2 };
    assert_eq!(subscribe(&mut hub, key, "c", Start::Now), Err(own));
    let other = connect_as(&mut hub, Holder::stranger(1));
    assert_eq!(subscribe(&mut hub, other, "c", Start::Now), Ok(()));
    assert_eq!(subscribe(&mut hub, other, "a", Start::Now), Ok(()));
    // The one who made a channel goes, and the other holds it.
    disconnect(&mut hub, key);
    assert_eq!(subscribe(&mut hub, other, "d", Start::Now), Err(own));
    assert_eq!(hub.stats().holders, 1);
    // A message frees it, and a new epoch binds it again.
    publish(&mut hub, "a");
    assert_eq!(subscribe(&mut hub, other, "d", Start::Now), Ok(()));
    hub.begin_epoch(Epoch(11)).expect("a new one");
    assert_eq!((hub.stats().unwritten, hub.stats().holders), (3, 1));
    assert!(hub.subscriber(other).expect("it is connected").unsubscribe(target("a")));
    assert_eq!(subscribe(&mut hub, other, "e", Start::Now), Err(own));
    disconnect(&mut hub, other);
    assert_eq!((hub.stats().unwritten, hub.stats().holders), (0, 0));
}

fn target(text: &str) -> Target<'_> {
    Target::new(text).expect("a valid target")
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Subscribe(usize, usize),
    Unsubscribe(usize, usize),
    Reconnect(usize, u64),
    Become(usize, u64),
    Publish(usize),
    Epoch,
    Rename(bool),
}

const NAMES: [&str; 8] = ["a:1", "a:2", "a:3", "b:1", "b:2", "c:1", "a:*", "*:1"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..6_usize, 0..NAMES.len()).prop_map(|(who, what)| Step::Subscribe(who, what)),
        3 => (0..6_usize, 0..NAMES.len()).prop_map(|(who, what)| Step::Unsubscribe(who, what)),
        2 => (0..6_usize, 0..4_u64).prop_map(|(who, holder)| Step::Reconnect(who, holder)),
        1 => (0..6_usize, 0..4_u64).prop_map(|(who, holder)| Step::Become(who, holder)),
        2 => (0..6_usize).prop_map(Step::Publish),
        1 => Just(Step::Epoch),
        1 => any::<bool>().prop_map(Step::Rename),
    ]
}

/// Holder zero is not counted, one is known, the others are strangers.
fn holder(number: u64) -> Holder {
    match number {
        0 => Holder::UNCOUNTED,
        1 => Holder::known(1),
        _ => Holder::stranger(number),
    }
}

/// The subscribers of the model: who each counts for, and what it is in.
type Model = Vec<(SubscriberKey, u64, Vec<usize>)>;

/// By holder: its channels without a message, or its patterns.
fn held(model: &Model, written: &[bool], is_pattern: bool) -> BTreeMap<u64, Vec<usize>> {
    let mut held = BTreeMap::<u64, Vec<usize>>::new();
    for (_, number, targets) in model.iter().filter(|(_, number, _)| *number != 0) {
        for what in targets {
            let counts = if is_pattern { *what >= 6 } else { *what < 6 && !written[*what] };
            let list = held.entry(*number).or_default();
            if counts && !list.contains(what) {
                list.push(*what);
            }
        }
    }
    held.retain(|_, list| !list.is_empty());
    held
}

proptest! {
    /// [hub:quota-channels] [hub:quota-patterns] Whatever happens, what is counted is what is held,
    /// and when all have gone nothing is.
    #[test]
    fn quotas_are_exact_and_leak_nothing(steps in proptest::collection::vec(step(), 1..120)) {
        let mut hub = crowded(|it| {
            (it.channels_max, it.unwritten_per_holder_max, it.patterns_per_holder_max) = (64, 2, 1);
        }, &["a"]);
        let mut epoch = 20;
        let mut written = [false; 6];
        let mut model: Model = (0..6).map(|_| (hub.connect().expect("room"), 0, vec![])).collect();
        for step in steps {
            match step {
                Step::Subscribe(who, what) => {
                    let (key, number, targets) = model[who].clone();
                    let is_pattern = what >= 6;
                    let before = held(&model, &written, is_pattern);
                    let own = before.get(&number).cloned().unwrap_or_default();
                    let most = if is_pattern { 1 } else { 2 };
                    let counts = number != 0 && (is_pattern || !written[what]);
                    let fits = !counts || own.len() < most || own.contains(&what);
                    let taken = subscribe(&mut hub, key, NAMES[what], Start::Now);
                    prop_assert_eq!(taken.is_ok(), fits && !targets.contains(&what));
                    if taken.is_ok() {
                        model[who].2.push(what);
                    }
                }
                Step::Unsubscribe(who, what) => {
                    let mut subscriber = hub.subscriber(model[who].0).expect("connected");
                    let removed = subscriber.unsubscribe(target(NAMES[what]));
                    prop_assert_eq!(removed, model[who].2.contains(&what));
                    model[who].2.retain(|it| *it != what);
                }
                Step::Reconnect(who, number) => {
                    disconnect(&mut hub, model[who].0);
                    model[who] = (connect_as(&mut hub, holder(number)), number, Vec::new());
                }
                Step::Become(who, number) => {
                    hub.subscriber(model[who].0).expect("connected").count_for(holder(number));
                    model[who].1 = number;
                }
                Step::Publish(what) => {
                    publish(&mut hub, NAMES[what]);
                    written[what] = true;
                }
                Step::Epoch => {
                    epoch += 1;
                    hub.begin_epoch(Epoch(epoch)).expect("a new one");
                    written = [false; 6];
                }
                Step::Rename(two) => {
                    let limits = hub.config().limits.clone();
                    let names = if two { vec!["a", "b"] } else { vec!["a"] };
                    let namespaces =
                        names.into_iter().map(|it| (it.to_owned(), settings())).collect();
                    hub.reconfigure(Config { limits, settings: settings(), namespaces }, 0);
                }
            }
            let holders =
                held(&model, &written, false).len() + held(&model, &written, true).len();
            prop_assert_eq!(hub.stats().holders, holders);
            let bare = (0..6).filter(|what| {
                !written[*what] && model.iter().any(|(_, _, targets)| targets.contains(what))
            });
            prop_assert_eq!(hub.stats().unwritten, bare.count());
        }
        for (key, _, _) in model {
            disconnect(&mut hub, key);
        }
        prop_assert_eq!((hub.stats().unwritten, hub.stats().holders), (0, 0));
    }
}
