//! The bounds, and what the hub remembers of evicted channels.

use crate::support::*;
use sockeye_hub::{Entry, Limits, Misuse, Query, Refusal, Start, SubscriberKey, Target};

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// [hub:bound-channels] [hub:tombstone]
#[test]
fn a_forgotten_channel_leaves_a_tombstone() {
    let mut hub = hub_with(settings(), limits(|it| it.channels_max = 2));
    for channel in ["a", "b", "c"] {
        publish(&mut hub, channel);
    }
    assert_eq!((hub.stats().channels, hub.stats().tombstones), (2, 1));
    let complete = connect(&mut hub, &["a"], after(1));
    assert_eq!(pull_all(&mut hub, complete), "sync", "it was the quiet one, not a gap");
    let missed = connect(&mut hub, &["a"], Start::Earliest);
    assert_eq!(pull_all(&mut hub, missed), "sync", "what is gone is not owed");
    let missed = connect(&mut hub, &["*"], after(0));
    assert_eq!(pull_all(&mut hub, missed), "trimmed a(0,1] trimmed b(0,2] 3 sync with 2");
}

/// [hub:bound-tombstones] [hub:horizon]
#[test]
fn tombstones_fold_into_one_horizon() {
    let few = limits(|it| (it.channels_max, it.tombstones_max) = (1, 1));
    let mut hub = hub_with(settings(), few);
    for channel in ["a", "b", "c"] {
        publish(&mut hub, channel);
    }
    assert_eq!((hub.stats().channels, hub.stats().tombstones), (1, 1));
    assert_eq!(hub.channel(name("never")).floor.0, 1);
    let key = connect(&mut hub, &["*"], after(0));
    assert_eq!(
        pull_all(&mut hub, key),
        "trimmed *(0,1] trimmed c(0,1] trimmed b(0,2] 3 sync with 3"
    );
    let key = connect(&mut hub, &["*"], after(1));
    assert_eq!(pull_all(&mut hub, key), "trimmed b(1,2] 3 sync with 1");
}

/// [hub:bound-channels]
#[test]
fn a_channel_in_use_is_not_forgotten() {
    let mut hub = hub_with(settings(), limits(|it| it.channels_max = 1));
    let key = connect(&mut hub, &["a"], Start::Now);
    assert_eq!(try_publish(&mut hub, message("b", "m")), Err(Refusal::Channels));
    assert_eq!(subscribe(&mut hub, key, "b", Start::Now), Err(Refusal::Channels));
    assert_eq!(publish(&mut hub, "a"), 1);
    hub.subscriber(key).expect("it is connected").disconnect();
    assert_eq!(publish(&mut hub, "b"), 2);
}

/// [hub:bound-bytes]
#[test]
fn the_least_recently_written_loses_its_oldest_message_first() {
    let bytes = 3 * (Entry::<&str>::OVERHEAD_BYTES + 1);
    let mut hub = hub_with(settings(), limits(|it| it.history_bytes_max = bytes));
    for channel in ["a", "a", "b", "b"] {
        publish(&mut hub, channel);
    }
    assert_eq!(hub.stats().evicted_messages, 1);
    assert_eq!(hub.channel(name("a")).floor.0, 1);
    assert_eq!((hub.stats().history_messages, hub.stats().history_bytes), (3, bytes as u64));
}

/// [hub:bound-age] [hub:bound-ring]
#[test]
fn messages_grow_old_by_themselves() {
    let mut hub = hub();
    for _ in 0..4 {
        publish(&mut hub, "a");
    }
    assert_eq!(hub.channel(name("a")).messages, 3);
    assert_eq!(hub.next_deadline(), Some(100));
    hub.advance(99);
    assert_eq!(hub.channel(name("a")).messages, 3);
    hub.advance(100);
    assert_eq!((hub.stats().history_messages, hub.stats().channels), (0, 0));
    assert_eq!(hub.channel(name("a")).floor.0, 4);
    assert_eq!(hub.next_deadline(), None);
}

/// [hub:bound-subscribers] [hub:bound-subscriptions] [hub:bound-patterns]
#[test]
fn subscribers_and_what_they_subscribe_are_bounded() {
    let few = limits(|it| {
        (it.subscribers_max, it.subscriptions_max, it.patterns_max) = (2, 2, 1);
    });
    let mut hub = hub_with(settings(), few);
    let key = connect(&mut hub, &["a", "a:*"], Start::Now);
    assert_eq!(subscribe(&mut hub, key, "a", Start::Now), Err(Refusal::Subscribed));
    assert_eq!(subscribe(&mut hub, key, "b", Start::Now), Err(Refusal::Subscriptions));
    let other = connect(&mut hub, &["a:*"], Start::Now);
    assert_eq!(subscribe(&mut hub, other, "b:*", Start::Now), Err(Refusal::Patterns));
    assert_eq!(hub.connect(), Err(Refusal::Subscribers));
    hub.subscriber(key).expect("it is connected").disconnect();
    assert!(hub.subscriber(key).is_none());
    let next: SubscriberKey = hub.connect().expect("there is room");
    assert!(next != key && hub.subscriber(key).is_none(), "a key does not come back");
}

#[test]
fn patterns_are_for_namespaces_that_allow_them() {
    use sockeye_hub::{Config, Hub, Settings};
    let namespaces = vec![("open".to_owned(), settings())];
    let config = Config { settings: Settings::default(), namespaces, ..Config::default() };
    let mut hub = Hub::new(EPOCH, config);
    let key = hub.connect().expect("there is room");
    for (pattern, expected) in
        [("open:*", true), ("other:*", false), (">", false), ("*:x", false), ("open:>", true)]
    {
        let result = subscribe(&mut hub, key, pattern, Start::Now);
        assert_eq!(result, if expected { Ok(()) } else { Err(Refusal::PatternsOff) }, "{pattern}");
    }
}

/// [hub:bound-told]
#[test]
fn with_too_many_gaps_the_pattern_has_one() {
    let few = limits(|it| it.pattern_gaps_max = 1);
    let mut hub = hub_with(settings(), few);
    for channel in ["a", "b", "c"] {
        for _ in 0..4 {
            publish(&mut hub, channel);
        }
    }
    let key = connect(&mut hub, &["*", "c"], after(0));
    let words = pull_all(&mut hub, key);
    assert_eq!(
        words,
        "trimmed c(0,9] trimmed b(0,5] trimmed a(0,1] 2 3 4 6 7 8 10 11 12 sync with 3"
    );
    publish(&mut hub, "d");
    let key = connect(&mut hub, &["*"], after(0));
    assert_eq!(pull_all(&mut hub, key), "limit *(0,13] sync with 1");
}

#[test]
fn history_in_pages() {
    let mut hub = hub();
    for channel in ["a", "b", "a", "a", "a"] {
        publish(&mut hub, channel);
    }
    let mut page = |query, limit| {
        let mut out = Vec::new();
        let page = hub.history(name("a"), query, limit, 0, &mut out);
        assert_eq!((page.position, page.floor.0), (at(5), 1));
        (out.iter().map(|entry| entry.seq().0).collect::<Vec<_>>(), page.more)
    };
    use sockeye_hub::Seq;
    assert_eq!(page(Query::After(Seq(0)), 9), (vec![3, 4, 5], false));
    assert_eq!(page(Query::After(Seq(3)), 1), (vec![4], true));
    assert_eq!(page(Query::Before(Seq(5)), 9), (vec![3, 4], false));
    assert_eq!(page(Query::Before(Seq(5)), 1), (vec![4], true));
    assert_eq!(page(Query::Before(Seq(0)), 1), (vec![], false));
    assert_eq!(hub.changed([name("b"), name("c")]).0, 2);
    assert_eq!(hub.changed([name("b"), name("a")]).0, 5);
}

#[test]
fn unsubscribing_is_for_what_is_subscribed() {
    let mut hub = hub();
    let key = connect(&mut hub, &["a", "b", "a:*"], Start::Now);
    let target = |text| Target::new(text).expect("a valid target");
    let mut subscriber = hub.subscriber(key).expect("it is connected");
    assert!(subscriber.unsubscribe(target("a")) && !subscriber.unsubscribe(target("a")));
    assert!(subscriber.unsubscribe(target("a:*")) && !subscriber.unsubscribe(target("c:*")));
    assert_eq!(subscriber.subscriptions(), 1);
    assert_eq!((hub.stats().subscriptions, hub.stats().patterns), (1, 0));
    assert_eq!(hub.abort(at(1)), Err(Misuse::NotPending));
}
