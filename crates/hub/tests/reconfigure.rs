//! Settings that change while the hub runs.

use crate::support::name as channel;
use crate::support::*;
use sockeye_hub::{
    Budget, Config, Flow, OnGap, OnOverrun, PatternUse, Seq, Settings, Start, Target,
};

fn config(settings: Settings, namespaces: Vec<(String, Settings)>) -> Config {
    Config { limits: sockeye_hub::Limits::default(), settings, namespaces }
}

/// [hub:reconfigure]
#[test]
fn tighter_bounds_hold_at_once_and_what_is_missed_is_declared() {
    let mut hub = hub();
    let slow = connect(&mut hub, &["a"], Start::Now);
    for channel in ["a", "a", "a", "b:x", "b:x"] {
        hub.publish(message(channel, "m"), 0, |_, _| Flow::Full).expect("it is taken");
    }
    let mut one = settings();
    (one.history_messages_max, one.on_overrun) = (1, OnOverrun::Gap);
    // A namespace gets settings of its own, and with them a longer history than before.
    hub.reconfigure(config(one, vec![("b".to_owned(), settings())]), 0);
    let (a, b) = (hub.channel(name("a")), hub.channel(name("b:x")));
    assert_eq!((a.messages, a.floor), (1, Seq(2)));
    assert_eq!((b.messages, b.floor), (2, Seq::ZERO), "its own are as long as before");
    assert_eq!(hub.stats().history_messages, 3);
    assert_eq!(pull_all(&mut hub, slow), "trimmed a(0,2] 3 sync with 1");
    let back = connect(&mut hub, &["a", "b:x"], after(1));
    assert_eq!(pull_all(&mut hub, back), "trimmed a(1,2] 3 4 5 sync with 1");
    // From now on, too.
    publish(&mut hub, "a");
    assert_eq!(hub.channel(name("a")).messages, 1);
}

/// [hub:reconfigure]
#[test]
fn a_shorter_time_and_a_longer_one_move_what_is_kept() {
    let mut hub = hub();
    publish(&mut hub, "a");
    assert_eq!(hub.next_deadline(), Some(100));
    let mut longer = settings();
    longer.history_ms = 500;
    hub.reconfigure(config(longer, Vec::new()), 50);
    hub.advance(499);
    assert_eq!(hub.channel(name("a")).messages, 1, "kept beyond the former time");
    let mut shorter = settings();
    shorter.history_ms = 300;
    hub.reconfigure(config(shorter, Vec::new()), 499);
    assert_eq!(hub.channel(name("a")).messages, 0);
    assert_eq!(hub.channel(name("a")).floor, Seq(1), "and known to have been there");
    assert_eq!(hub.next_deadline(), None);
}

/// [hub:reconfigure]
#[test]
fn bounds_of_the_whole_hub_and_settings_of_what_comes() {
    let mut hub = hub();
    for channel in ["a", "b", "c"] {
        publish(&mut hub, channel);
    }
    let bytes = hub.stats().history_bytes;
    let pattern = connect(&mut hub, &["*"], Start::Now);
    let mut fewer = config(settings(), Vec::new());
    fewer.settings.patterns = PatternUse::Refused;
    fewer.settings.on_gap = OnGap::Nothing;
    fewer.limits.history_bytes_max = usize::try_from(bytes).expect("few") / 3;
    fewer.limits.channels_max = 2;
    hub.reconfigure(fewer, 0);
    let stats = hub.stats();
    assert_eq!((stats.history_messages, stats.evicted_messages), (1, 2));
    assert!(stats.channels <= 2, "{stats:?}");
    assert!(subscribe(&mut hub, pattern, ">", Start::Now).is_err());
    let mut named = 0;
    let deliver = |_, _: &_| {
        named += 1;
        Flow::Taken
    };
    hub.publish(message("c", "m"), 0, deliver).expect("it is taken");
    assert_eq!(named, 1, "who is subscribed stays so");
}

/// [hub:bound-drops] [hub:reconfigure]
#[test]
fn new_bounds_are_applied_in_steps() {
    let mut limits = sockeye_hub::Limits::default();
    limits.drops_per_call_max = 10;
    let mut hub = hub_with(settings(), limits.clone());
    for at in 0..300 {
        publish(&mut hub, &format!("a:{}", at % 100));
    }
    let same = hub.config().clone();
    hub.reconfigure(same, 0);
    assert!(!hub.is_overdue() && hub.stats().history_messages == 300);
    let mut one = config(settings(), vec![("b".to_owned(), settings())]);
    (one.settings.history_messages_max, one.limits) = (1, limits);
    one.limits.channels_max = 90;
    hub.reconfigure(one, 0);
    let (mut calls, mut before) = (0, 300);
    while hub.is_overdue() {
        let now = hub.stats().history_messages;
        assert!(before - now <= 10 && calls < 100, "{before} to {now}");
        (calls, before) = (calls + 1, now);
        hub.advance(0);
    }
    let stats = hub.stats();
    assert_eq!((stats.history_messages, stats.channels, stats.tombstones), (90, 90, 10));
    assert!(calls > 30, "{calls}");
    assert_eq!(hub.next_deadline(), Some(100));
}

/// [hub:bound-drops] Whoever publishes, reads or subscribes while new settings are applied takes few steps of it.
#[test]
fn new_settings_cost_other_calls_little() {
    let mut hub = hub_with(settings(), sockeye_hub::Limits::default());
    for at in 0..5_000 {
        publish(&mut hub, &format!("a:{at}"));
    }
    let mut other = hub.config().clone();
    other.namespaces.push(("a".to_owned(), settings()));
    hub.reconfigure(other, 0);
    let most = hub.config().limits.refits_beside_max as u64;
    let subscriber = hub.connect().expect("there is room");
    let mut calls = 0;
    while hub.is_overdue() && calls < 100 {
        let before = hub.dropped();
        match calls % 3 {
            0 => drop(publish(&mut hub, "a:1")),
            1 => {
                let mut subscriber = hub.subscriber(subscriber).expect("it is connected");
                let name = format!("a:{calls}");
                let target = Target::new(&name).expect("a name");
                subscriber.subscribe(target, Start::Earliest, 0).expect("there is room");
            }
            _ => {
                let mut subscriber = hub.subscriber(subscriber).expect("it is connected");
                let _ = subscriber.pull(Budget { messages: 1, bytes: 100 }, 0, &mut Vec::new());
            }
        }
        // A publication has two calls: it is admitted, and committed.
        assert!((1..=2 * most).contains(&(hub.dropped() - before)), "{calls}");
        calls += 1;
    }
    assert!(hub.is_overdue());
    while hub.is_overdue() {
        let before = hub.dropped();
        hub.advance(0);
        assert!(hub.dropped() - before <= 1_024);
        calls += 1;
    }
    assert!(calls < 130, "{calls}");
}

/// [hub:bound-drops] [hub:bound-age]
#[test]
fn what_expires_at_once_is_dropped_in_steps() {
    let mut limits = sockeye_hub::Limits::default();
    limits.drops_per_call_max = 10;
    let mut hub = hub_with(settings(), limits);
    for at in 0..100 {
        let name = format!("a:{}", at % 40);
        let key = format!("k{at}");
        let keyed = sockeye_hub::Publication { key: Some(&key), ..message(&name, "m") };
        try_publish(&mut hub, keyed).expect("it is taken");
    }
    hub.advance(400_000);
    assert_eq!((hub.stats().keys, hub.stats().history_messages), (90, 100));
    let mut calls = 1;
    while hub.is_overdue() {
        hub.advance(400_000);
        calls += 1;
    }
    let stats = hub.stats();
    assert_eq!((stats.keys, stats.history_messages, stats.channels), (0, 0, 0));
    assert!((20..40).contains(&calls), "{calls}");
    assert_eq!(hub.next_deadline(), None);
}

/// [hub:reconfigure] A channel that the steps have not reached yet is used by its new settings.
#[test]
fn new_settings_hold_at_once_for_what_is_used() {
    let mut limits = sockeye_hub::Limits::default();
    limits.drops_per_call_max = 10;
    let mut hub = hub_with(settings(), limits.clone());
    for number in 0..500 {
        publish(&mut hub, &format!("a:{number}"));
    }
    for _ in 0..3 {
        publish(&mut hub, "b:x");
    }
    let mut one = config(settings(), vec![("b".to_owned(), settings())]);
    (one.settings.history_messages_max, one.limits) = (1, limits);
    one.settings.message_bytes_max = 0;
    hub.reconfigure(one, 0);
    publish(&mut hub, "b:x");
    assert!(hub.is_overdue(), "the steps go on");
    assert_eq!(hub.channel(name("b:x")).messages, 3, "neither the former bound nor the rest's");
    assert!(try_publish(&mut hub, message("a:1", "m")).is_err(), "it is too large now");
    while hub.is_overdue() {
        hub.advance(0);
    }
    assert_eq!(hub.channel(name("b:x")).messages, 3);
}

/// One large message leaves no room for many small ones: of all channels, or of its own.
/// [hub:bound-drops] [hub:bound-bytes] [hub:bound-ring]
#[test]
fn what_one_message_displaces_is_dropped_in_steps() {
    const BYTES_MAX: usize = 60_000;
    for is_of_one_channel in [false, true] {
        let (mut limits, mut settings) = (sockeye_hub::Limits::default(), settings());
        limits.drops_per_call_max = 4;
        (settings.history_ms, settings.history_messages_max) = (u64::MAX, 1_000);
        match is_of_one_channel {
            true => settings.history_bytes_max = BYTES_MAX,
            false => limits.history_bytes_max = BYTES_MAX,
        }
        let mut hub = hub_with(settings, limits);
        let mut publish = |at: u64, cost: usize| {
            let name = if is_of_one_channel { "a".to_owned() } else { format!("a:{at}") };
            let publication = sockeye_hub::Publication::new(channel(&name), "m", cost);
            try_publish(&mut hub, publication).expect("it is taken");
            let stats = hub.stats();
            (hub.is_overdue(), stats.history_messages, stats.history_bytes > BYTES_MAX as u64)
        };
        for at in 0..100 {
            assert_eq!(publish(at, 300), (false, at + 1, false));
        }
        assert_eq!(publish(100, 50_000), (true, 97, true), "of one: {is_of_one_channel}");
        // A message since then is no reason to forget it.
        let (is_overdue, mut before, _) = publish(101, 300);
        assert!(is_overdue && before >= 98 - 3 * 4, "{before}");
        while hub.is_overdue() {
            hub.advance(0);
            let now = hub.stats().history_messages;
            assert!(now + 4 >= before && now <= before, "{before} to {now}");
            before = now;
        }
        assert!(hub.stats().history_bytes <= BYTES_MAX as u64, "{:?}", hub.stats());
        assert!(before > 2, "small ones are left");
        assert_ne!(hub.next_deadline(), Some(0));
    }
}
