//! Slow readers: full streams that catch up from history.

use crate::support::*;
use sockeye_hub::{Cursor, Epoch, Flow, Limits, OnOverrun, Progress, Seq, Start};

fn stalled(on_overrun: OnOverrun, messages: usize) -> (TestHub, sockeye_hub::SubscriberKey) {
    let mut settings = settings();
    settings.on_overrun = on_overrun;
    let mut hub = hub_with(settings, Limits::default());
    let key = connect(&mut hub, &["a"], Start::Now);
    for _ in 0..messages {
        hub.publish(message("a", "m"), 0, |_, _| Flow::Full).expect("it is taken");
    }
    (hub, key)
}

#[test]
fn a_full_stream_is_named_nothing_more_until_it_has_caught_up() {
    let (mut hub, key) = stalled(OnOverrun::Close, 1);
    let mut named = 0;
    let mut count = |_, _: &_| {
        named += 1;
        Flow::Taken
    };
    hub.publish(message("a", "m"), 0, &mut count).expect("it is taken");
    assert_eq!(pull_all(&mut hub, key), "1 2 sync", "with the one it had no room for");
    hub.publish(message("a", "m"), 0, &mut count).expect("it is taken");
    assert_eq!(named, 1);
}

/// [hub:overrun-close]
#[test]
fn overrun_by_history_the_namespace_decides() {
    let (mut hub, key) = stalled(OnOverrun::Close, 5);
    assert_eq!(pull(&mut hub, key, ALL), (Progress::Overrun(at(0)), String::new()));
    assert_eq!(hub.stats().overruns, 1);
    let (mut hub, key) = stalled(OnOverrun::Gap, 5);
    assert_eq!(pull_all(&mut hub, key), "trimmed a(0,2] 3 4 5 sync with 1");
    let (mut hub, key) = stalled(OnOverrun::Latest, 5);
    assert_eq!(pull_all(&mut hub, key), "trimmed a(0,4] 5 sync with 1");
}

/// [hub:overrun-close]
#[test]
fn who_has_resumed_is_a_reader_like_any_other() {
    let (mut hub, key) = stalled(OnOverrun::Close, 1);
    assert_eq!(pull_all(&mut hub, key), "1 sync");
    for _ in 0..5 {
        hub.publish(message("a", "m"), 0, |_, _| Flow::Full).expect("it is taken");
    }
    assert_eq!(pull(&mut hub, key, ALL), (Progress::Overrun(at(1)), String::new()));
}

/// [hub:overrun-gaps] The overrun's cursor does not cover the gap.
#[test]
fn who_is_closed_is_told_of_a_cursor_that_was_none() {
    for (start, gap) in [
        (Start::Unreadable, "unreadable b(0,5]"),
        (after(99), "ahead b(0,5]"),
        (Start::After(Cursor::new(Epoch(9), Seq(1))), "epoch b(0,5]"),
    ] {
        let (mut hub, key) = stalled(OnOverrun::Close, 5);
        subscribe(&mut hub, key, "b", start).expect("there is room");
        assert_eq!(pull(&mut hub, key, ALL), (Progress::Overrun(at(0)), gap.to_owned()));
        assert_eq!(pull(&mut hub, key, ALL), (Progress::Overrun(at(0)), String::new()), "once");
    }
}

/// [hub:now-behind]
#[test]
fn now_is_where_a_subscriber_is_and_nothing_before_it_came_is_owed() {
    // `b` has lost 2 and 3, and kept 4, 5 and 6.
    let busy = || {
        let (mut hub, key) = stalled(OnOverrun::Close, 1);
        for _ in 0..5 {
            publish(&mut hub, "b");
        }
        subscribe(&mut hub, key, "b", Start::Now).expect("there is room");
        (hub, key)
    };
    let (mut hub, key) = busy();
    assert_eq!(pull_all(&mut hub, key), "1 4 5 6 sync", "2 and 3 are nobody's loss");
    let (mut hub, key) = busy();
    publish(&mut hub, "b");
    let pulled = pull_all(&mut hub, key);
    assert_eq!(pulled, "trimmed b(0,4] 1 5 6 7 sync with 1", "4 was there when it came");
}

#[test]
fn a_channel_without_history_has_a_gap_for_who_falls_behind() {
    let mut settings = settings();
    settings.history_messages_max = 0;
    settings.on_overrun = OnOverrun::Gap;
    let mut hub = hub_with(settings, Limits::default());
    let key = connect(&mut hub, &["a"], Start::Now);
    hub.publish(message("a", "m"), 0, |_, _| Flow::Full).expect("it is taken");
    assert_eq!(pull_all(&mut hub, key), "trimmed a(0,1] sync with 1");
    let key = connect(&mut hub, &["a"], after(1));
    assert!(hub.subscriber(key).is_some_and(|it| it.is_live()), "nothing was missed");
}
