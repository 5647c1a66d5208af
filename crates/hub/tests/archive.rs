//! History beyond memory, row by row. The model plays with an archive, too.

use std::rc::Rc;

use crate::support::*;
use sockeye_hub::{
    Archived, Fetch, Fetched, Kind, Limits, OnGap, Progress, Seq, Start, SubscriberKey,
};

/// A hub with an archive and the messages 1 to 6 of `a`, of which memory has the last three.
fn archived(on_gap: OnGap) -> TestHub {
    let mut settings = settings();
    settings.on_gap = on_gap;
    let mut hub = hub_with(settings, Limits::default());
    hub.attach_archive();
    for _ in 0..6 {
        publish(&mut hub, "a");
    }
    hub
}

fn wants(hub: &mut TestHub, key: SubscriberKey) -> Fetch {
    match pull(hub, key, ALL) {
        (Progress::Fetch(fetch), words) if words.is_empty() => fetch,
        other => panic!("{other:?}"),
    }
}

/// Hands in the messages `from..=through` of `a`; `floor` is what the archive has dropped.
fn take(hub: &mut TestHub, key: SubscriberKey, fetch: Fetch, page: (u64, u64, u64)) -> String {
    let (from, through, floor) = page;
    let entries = (from..=through).map(|seq| {
        let (seq, channel) = (Seq(seq), Rc::from("a"));
        Archived { seq, channel, time_ms: 0, kind: Kind::Message, body: "m", cost: 1 }
    });
    let missing = (floor > 0).then(|| (Rc::from("a"), Seq(floor)));
    let page = Fetched {
        fetch,
        entries: entries.collect(),
        through: Seq(through),
        missing: missing.into_iter().collect(),
        is_missing_more: false,
    };
    let mut items = Vec::new();
    let progress = hub.subscriber(key).expect("it is connected").take_page(page, &mut items);
    assert_eq!(progress, Progress::More);
    items.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// [hub:archive]
#[test]
fn what_memory_dropped_is_fetched_page_by_page() {
    let mut hub = archived(OnGap::Nothing);
    let key = connect(&mut hub, &["a"], after(1));
    let fetch = wants(&mut hub, key);
    assert_eq!((fetch.after, fetch.through), (Seq(1), Seq(3)));
    assert_eq!(take(&mut hub, key, fetch, (2, 2, 0)), "2");
    let fetch = wants(&mut hub, key);
    assert_eq!((fetch.after, fetch.through), (Seq(2), Seq(3)));
    assert_eq!(take(&mut hub, key, fetch, (3, 3, 0)), "3");
    assert_eq!(pull_all(&mut hub, key), "4 5 6 sync");
    // From memory alone nothing is asked for.
    let key = connect(&mut hub, &["a"], after(3));
    assert_eq!(pull_all(&mut hub, key), "4 5 6 sync");
}

/// [hub:archive-trimmed] [hub:gap-policy]
#[test]
fn what_the_archive_dropped_is_a_gap() {
    for (on_gap, words, rest) in [
        (OnGap::Nothing, "trimmed a(0,6]", "sync with 1"),
        (OnGap::Tail, "trimmed a(0,2] 3", "4 5 6 sync with 1"),
        (OnGap::Latest, "trimmed a(0,5]", "6 sync with 1"),
    ] {
        let mut hub = archived(on_gap);
        let key = connect(&mut hub, &["a"], after(0));
        let fetch = wants(&mut hub, key);
        assert_eq!(take(&mut hub, key, fetch, (3, 3, 2)), words);
        assert_eq!(pull_all(&mut hub, key), rest);
    }
    // A subscriber that asks for the rest is not owed it.
    let mut hub = archived(OnGap::Nothing);
    let key = connect(&mut hub, &["a"], Start::Earliest);
    let fetch = wants(&mut hub, key);
    assert_eq!(take(&mut hub, key, fetch, (3, 3, 2)), "3");
    assert_eq!(pull_all(&mut hub, key), "4 5 6 sync");
}

/// [hub:archive-stale]
#[test]
fn a_page_for_other_subscriptions_changes_nothing() {
    let mut hub = archived(OnGap::Nothing);
    let key = connect(&mut hub, &["a"], after(1));
    let stale = wants(&mut hub, key);
    subscribe(&mut hub, key, "b", after(0)).expect("there is room");
    assert_eq!(take(&mut hub, key, stale, (2, 3, 0)), "");
    assert!(wants(&mut hub, key) != stale);
}

/// [hub:archive-search]
#[test]
fn a_pattern_that_memory_cannot_search_is_fetched() {
    let mut limits = Limits::default();
    limits.pattern_steps_max = 1;
    let mut hub = hub_with(settings(), limits);
    for channel in ["a", "b", "a", "a", "a"] {
        publish(&mut hub, channel);
    }
    let key = connect(&mut hub, &["*"], after(0));
    assert_eq!(pull_all(&mut hub, key), "limit *(0,5] sync with 1");
    hub.attach_archive();
    let key = connect(&mut hub, &["*"], after(0));
    let fetch = wants(&mut hub, key);
    assert_eq!((fetch.after, fetch.through), (Seq(0), Seq(1)), "memory has the rest");
    assert_eq!(take(&mut hub, key, fetch, (1, 1, 0)), "1");
    assert_eq!(pull(&mut hub, key, ALL), (Progress::More, "2".to_owned()));
    let words = (0..3).map(|_| pull(&mut hub, key, ALL).1).collect::<Vec<_>>();
    assert_eq!(words.join(" "), "3 4 5 sync");
}

/// After a restart the messages are on disk and nothing else is.
///
/// [hub:archive] [hub:ended]
#[test]
fn channels_and_keys_are_restored_without_their_messages() {
    let mut hub = hub();
    hub.attach_archive();
    hub.restore_channel(name("a"), Seq(2), false);
    hub.restore_channel(name("b"), Seq(3), true);
    hub.restore_key(name("a"), "k", Seq(2), 50);
    hub.void(Seq(3)).expect("it is ahead");
    assert!(hub.channel(name("b")).ended && hub.stats().endings == 1);
    let again = sockeye_hub::Publication { key: Some("k"), ..message("a", "m") };
    assert_eq!(try_publish(&mut hub, again), Ok(2));
    let key = connect(&mut hub, &["a", "quiet"], after(2));
    assert_eq!(pull_all(&mut hub, key), "sync", "it has everything");
    let key = connect(&mut hub, &["a"], after(1));
    let fetch = wants(&mut hub, key);
    assert_eq!(take(&mut hub, key, fetch, (2, 2, 0)), "2");
    assert_eq!(pull_all(&mut hub, key), "sync");
}
