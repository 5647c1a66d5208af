//! The resume table, row by row.

use crate::support::{self, *};
use sockeye_hub::{
    Budget, Check, Cursor, Epoch, Flow, Item, Limits, OnGap, Progress, Reason, Run, Seq, Start,
    Target,
};

/// `a` has lost 1 and 2 and kept 3, 4 and 6; `b` has 5.
fn busy_and_quiet(on_gap: OnGap) -> TestHub {
    let mut settings = settings();
    settings.on_gap = on_gap;
    let mut hub = hub_with(settings, Limits::default());
    for channel in ["a", "a", "a", "a", "b", "a"] {
        publish(&mut hub, channel);
    }
    hub
}

fn resume(on_gap: OnGap, targets: &[&str], start: Start) -> String {
    let mut hub = busy_and_quiet(on_gap);
    hub.advance(0);
    let key = connect(&mut hub, targets, start);
    pull_all(&mut hub, key)
}

/// [hub:resume-complete]
#[test]
fn at_or_above_the_floor_everything_is_replayed_in_the_logs_order() {
    assert_eq!(resume(OnGap::Nothing, &["a"], after(3)), "4 6 sync");
    assert_eq!(resume(OnGap::Nothing, &["a"], after(2)), "3 4 6 sync", "the floor itself");
    assert_eq!(resume(OnGap::Nothing, &["b", "a"], after(2)), "3 4 5 6 sync");
    assert_eq!(resume(OnGap::Nothing, &["*"], after(3)), "4 5 6 sync");
}

#[test]
fn a_quiet_channel_has_no_gap_because_others_were_busy() {
    assert_eq!(resume(OnGap::Nothing, &["b"], after(0)), "5 sync");
    assert_eq!(resume(OnGap::Nothing, &["never"], after(0)), "sync");
}

/// [hub:resume-trimmed] [hub:gap-policy]
#[test]
fn below_the_floor_there_is_a_gap_and_then_what_the_namespace_says() {
    let gap = |policy| resume(policy, &["a", "b"], after(1));
    assert_eq!(gap(OnGap::Nothing), "trimmed a(1,6] 5 sync with 1");
    assert_eq!(gap(OnGap::Tail), "trimmed a(1,2] 3 4 5 6 sync with 1");
    assert_eq!(gap(OnGap::Latest), "trimmed a(1,5] 5 6 sync with 1");
    let gap = |policy| resume(policy, &["*"], after(1));
    assert_eq!(gap(OnGap::Nothing), "trimmed a(1,6] 5 sync with 1");
    assert_eq!(gap(OnGap::Latest), "trimmed a(1,5] 5 6 sync with 1");
}

/// [hub:resume-epoch] [hub:resume-ahead] [hub:cursor-garbage] [hub:gap-policy]
#[test]
fn a_cursor_that_is_not_of_this_log_is_a_gap() {
    let foreign = Start::After(Cursor::new(Epoch(9), Seq(3)));
    for (start, reason) in
        [(foreign, "epoch"), (after(7), "ahead"), (Start::Unreadable, "unreadable")]
    {
        let gap = |policy| resume(policy, &["a"], start);
        assert_eq!(gap(OnGap::Nothing), format!("{reason} a(0,6] sync with 1"));
        assert_eq!(gap(OnGap::Tail), format!("{reason} a(0,6] 3 4 6 sync with 1"));
        assert_eq!(gap(OnGap::Latest), format!("{reason} a(0,6] 6 sync with 1"));
        let gap = |policy| resume(policy, &["*"], start);
        assert_eq!(gap(OnGap::Latest), format!("{reason} *(0,6] 5 6 sync with 1"));
    }
}

/// [hub:resume-forked] [hub:cursor-check]
#[test]
fn a_cursor_of_a_lost_run_is_a_gap_for_its_client_alone() {
    let [first, second] = [7, 9].map(Check::new);
    let mut hub = hub();
    hub.begin_run(first);
    for _ in 0..3 {
        publish(&mut hub, "a");
    }
    let seen = hub.position();
    assert_eq!((seen.seq, seen.check), (Seq(3), first));

    // The log is put back to its second message, and goes on in another run.
    let mut hub = support::hub();
    hub.add_run(Run { first: Seq(1), check: first });
    hub.add_run(Run { first: Seq(3), check: second });
    for _ in 0..2 {
        hub.apply(hub.position().seq.next(), message("a", "m"), 0, |_, _| Flow::Full).unwrap();
    }
    let resumed = |hub: &mut TestHub, cursor| {
        let key = connect(hub, &["a"], Start::After(cursor));
        pull_all(hub, key)
    };
    assert_eq!(resumed(&mut hub, seen), "ahead a(0,2] 1 2 sync with 1");
    for _ in 0..2 {
        publish(&mut hub, "a");
    }
    assert_eq!(resumed(&mut hub, seen), "forked a(0,4] 2 3 4 sync with 1");
    assert_eq!(resumed(&mut hub, Cursor::new(EPOCH, Seq(3))), "4 sync", "no check");
    for seq in [1, 2, 3] {
        let cursor = hub.at(Seq(seq));
        assert_eq!(cursor.check, if seq < 3 { first } else { second });
        assert_eq!(hub.fault(Start::After(cursor)), None);
        assert!(!resumed(&mut hub, cursor).contains("gap"));
    }
    assert_eq!(gaps(&hub, Reason::Forked), 1);
}

/// [hub:lenient]
#[test]
fn from_the_earliest_only_what_is_dropped_later_is_a_gap() {
    assert_eq!(resume(OnGap::Nothing, &["a", "b"], Start::Earliest), "3 4 5 6 sync");
    let mut hub = busy_and_quiet(OnGap::Tail);
    let key = connect(&mut hub, &["a"], Start::Earliest);
    publish(&mut hub, "a");
    assert_eq!(pull_all(&mut hub, key), "trimmed a(0,3] 4 6 7 sync with 1");
}

#[test]
fn from_now_there_is_nothing_to_fetch() {
    let mut hub = busy_and_quiet(OnGap::Tail);
    let key = connect(&mut hub, &["a", "*"], Start::Now);
    assert!(hub.subscriber(key).is_some_and(|it| it.is_live() && it.cursor() == at(6)));
    assert_eq!(pull(&mut hub, key, ALL), (Progress::Live, String::new()));
}

/// A resume has no limit: a long one takes more pulls.
///
/// [hub:resume-complete]
#[test]
fn a_resume_of_any_length_is_complete() {
    let mut settings = settings();
    settings.history_messages_max = 20_000;
    settings.history_bytes_max = usize::MAX;
    let mut hub = hub_with(settings, Limits::default());
    for _ in 0..20_000 {
        publish(&mut hub, "a");
    }
    let key = connect(&mut hub, &["a"], after(0));
    let budget = Budget { messages: 64, bytes: usize::MAX };
    let (mut next, mut items) = (1, Vec::new());
    while let Progress::More = hub.subscriber(key).unwrap().pull(budget, 0, &mut items) {}
    for item in items {
        match item {
            Item::Message(entry) => assert_eq!(entry.seq().0, next),
            other => assert!(matches!(other, Item::Sync(sync) if sync.gaps == 0 && next == 20_001)),
        }
        next += 1;
    }
    assert_eq!(next, 20_002);
}

/// A horizon that a subscription is excused from hides nothing that is forgotten after it came.
///
/// [hub:lenient] [hub:horizon]
#[test]
fn what_is_forgotten_below_an_old_horizon_is_declared() {
    let mut limits = Limits::default();
    (limits.channels_max, limits.tombstones_max) = (2, 0);
    let mut hub = hub_with(settings(), limits);
    let ann = connect(&mut hub, &["b:1"], Start::Now);
    for channel in ["b:1", "b:1", "a:1", "a:2"] {
        publish(&mut hub, channel);
    }
    // `a:1` is forgotten, the horizon is 3. Of the others somebody needs each.
    let _ = connect(&mut hub, &["a:2"], Start::Now);
    let bob = connect(&mut hub, &["b:*"], Start::Earliest);
    let one = Budget { messages: 1, bytes: usize::MAX };
    assert_eq!(pull(&mut hub, bob, one), (Progress::More, "1".to_owned()));
    let _ = hub.subscriber(ann).expect("it is connected").disconnect();
    publish(&mut hub, "a:3");
    assert_eq!(hub.channel(name("b:1")).last, None, "it is forgotten");
    assert_eq!(pull_all(&mut hub, bob), "trimmed b:*(1,3] sync with 1");
}

#[test]
fn messages_that_come_while_it_catches_up_are_fetched_with_the_rest() {
    let mut hub = busy_and_quiet(OnGap::Nothing);
    let key = connect(&mut hub, &["a", "b"], after(2));
    let one = Budget { messages: 1, bytes: usize::MAX };
    assert_eq!(pull(&mut hub, key, one), (Progress::More, "3".to_owned()));
    let mut named = 0;
    let committed = hub.publish(message("b", "m"), 0, |_, _| {
        named += 1;
        Flow::Taken
    });
    drop(committed);
    assert_eq!(named, 0);
    assert!(hub.subscriber(key).is_some_and(|it| it.cursor() == at(3)));
    assert_eq!(pull_all(&mut hub, key), "4 5 6 7 sync");
    assert!(hub.subscriber(key).is_some_and(|it| it.is_live() && it.cursor() == at(7)));
}

/// [hub:gap-policy]
#[test]
fn what_was_declared_missing_does_not_come_with_a_later_pull() {
    let mut settings = settings();
    settings.on_gap = OnGap::Nothing;
    let mut hub = hub_with(settings, Limits::default());
    for channel in ["b", "a", "a", "a", "a", "b"] {
        publish(&mut hub, channel);
    }
    for targets in [&["a", "b"][..], &["*"]] {
        let key = connect(&mut hub, targets, after(0));
        let one = Budget { messages: 1, bytes: usize::MAX };
        assert_eq!(pull(&mut hub, key, one), (Progress::More, "trimmed a(0,5] 1".to_owned()));
        assert_eq!(pull_all(&mut hub, key), "6 sync with 1");
    }
}

#[test]
fn a_gap_of_other_subscriptions_is_not_a_new_ones() {
    let mut settings = settings();
    settings.on_gap = OnGap::Nothing;
    let mut hub = hub_with(settings, Limits::default());
    for channel in ["b", "a", "a", "a", "a", "b"] {
        publish(&mut hub, channel);
    }
    let key = connect(&mut hub, &["*"], after(0));
    let one = Budget { messages: 1, bytes: usize::MAX };
    assert_eq!(pull(&mut hub, key, one), (Progress::More, "trimmed a(0,5] 1".to_owned()));
    subscribe(&mut hub, key, "a", after(3)).expect("there is room");
    assert_eq!(pull_all(&mut hub, key), "trimmed a(1,5] 6 sync with 2", "the older one's again");
    let key = connect(&mut hub, &["*"], after(0));
    assert_eq!(pull(&mut hub, key, one).0, Progress::More);
    assert!(hub.subscriber(key).expect("it is connected").unsubscribe(target("*")));
    subscribe(&mut hub, key, "a", after(3)).expect("there is room");
    assert_eq!(pull_all(&mut hub, key), "4 5 sync with 1");
}

#[test]
fn a_subscription_that_comes_later_does_not_repeat_the_others() {
    let mut hub = busy_and_quiet(OnGap::Nothing);
    let key = connect(&mut hub, &["a"], after(3));
    assert_eq!(pull_all(&mut hub, key), "4 6 sync");
    subscribe(&mut hub, key, "b", after(0)).expect("there is room");
    assert_eq!(pull_all(&mut hub, key), "5 sync");
    subscribe(&mut hub, key, "*", after(2)).expect("there is room");
    assert_eq!(pull_all(&mut hub, key), "3 sync", "only what neither had");
}

/// [hub:resume-epoch]
#[test]
fn a_new_epoch_is_told_to_everybody() {
    let mut hub = busy_and_quiet(OnGap::Tail);
    let live = connect(&mut hub, &["a"], Start::Now);
    let behind = connect(&mut hub, &["b", "*"], after(2));
    hub.begin_epoch(Epoch(11)).expect("it is new");
    assert_eq!(publish(&mut hub, "a"), 1);
    assert_eq!(pull_all(&mut hub, live), "epoch a(0,0] 1 sync with 1");
    assert_eq!(pull_all(&mut hub, behind), "epoch b(0,0] epoch *(0,0] 1 sync with 2");
}

/// [hub:epoch-run]
#[test]
fn an_epoch_that_comes_again_is_another_one() {
    let fallen = |check| {
        let mut hub = hub();
        hub.begin_run(Check::new(check));
        publish(&mut hub, "a");
        hub.begin_next_epoch();
        hub
    };
    let seen = fallen(7).position();
    assert_eq!((seen.seq, seen.check), (Seq::ZERO, Check::new(7)));
    let mut hub = fallen(9);
    let key = connect(&mut hub, &["a"], Start::After(seen));
    assert_eq!(pull_all(&mut hub, key), "forked a(0,0] sync with 1");
    assert_eq!(hub.fault(Start::After(hub.position())), None);
    publish(&mut hub, "a");
    assert_eq!(hub.position().check, Check::new(9));
}

#[test]
fn a_hole_in_the_log_is_a_gap_in_everything() {
    let mut hub = busy_and_quiet(OnGap::Tail);
    let key = connect(&mut hub, &["a", "b"], Start::Now);
    hub.lose(Seq(8)).expect("it is ahead");
    assert_eq!(pull_all(&mut hub, key), "trimmed a(6,8] trimmed b(6,8] sync with 2");
    let resumed = connect(&mut hub, &["c"], after(6));
    assert_eq!(pull_all(&mut hub, resumed), "trimmed c(6,8] sync with 1");
}

fn target(text: &str) -> Target<'_> {
    Target::new(text).expect("a valid target")
}
