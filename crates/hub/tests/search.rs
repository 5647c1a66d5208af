//! The cost of searches for the channels of patterns, in steps.

use crate::support::*;
use sockeye_hub::{Flow, Limits, Progress, Start};

const STEPS: usize = 300;

/// 205 channels with a record and 301 with a tombstone: 500 are `a:…`, and of six `b:…` between them
/// three have a record.
fn busy(steps: usize) -> TestHub {
    let mut limits = Limits::default();
    (limits.channels_max, limits.pattern_steps_max) = (205, steps);
    let mut hub = hub_with(settings(), limits);
    publish(&mut hub, "b:0");
    for at in 0..500 {
        publish(&mut hub, &format!("a:{at}"));
        if at % 100 == 99 {
            publish(&mut hub, &format!("b:{}", at / 100 + 1));
        }
    }
    hub
}

/// What a resume from the beginning gives, and in how many steps.
fn resume(hub: &mut TestHub, patterns: &[&str], start: Start) -> (String, u64) {
    let before = hub.stats().searched;
    let key = connect(hub, patterns, start);
    let words = pull_all(hub, key);
    hub.subscriber(key).expect("it is connected").disconnect();
    (words, hub.stats().searched - before)
}

/// [hub:bound-search]
#[test]
fn a_search_ends_at_its_bound_and_says_so() {
    let mut hub = busy(STEPS);
    let (words, steps) = resume(&mut hub, &["a:*"], after(0));
    assert_eq!(words, "limit a:*(0,506] sync with 1");
    assert!(steps <= 2 * (STEPS as u64 + 3), "{steps}");
    let deep: Vec<String> = (0..100).map(|it| format!("a:*:*:z{it}")).collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    let (words, steps) = resume(&mut hub, &deep, after(0));
    assert_eq!(words.matches("limit").count(), 100);
    assert!(steps <= 2 * STEPS as u64 + 3 + 100 * 3, "a look each goes over it: {steps}");
}

/// A reader that is slow does not pay with every pull.
#[test]
fn a_search_costs_what_came_since_the_cursor() {
    let mut hub = busy(usize::MAX);
    let key = connect(&mut hub, &["a:*"], Start::Now);
    let before = hub.stats().searched;
    for turn in 0..10 {
        let full = |_, _: &_| Flow::Full;
        hub.publish(message("a:new", "m"), 0, full).expect("it is taken");
        assert_eq!(pull(&mut hub, key, ALL).0, Progress::Live);
        assert_eq!(hub.stats().searched - before, 3 * (turn + 1), "a channel and two segments");
    }
    assert_eq!(resume(&mut hub, &["a:*", ">"], after(516)), (String::new(), 0));
}

#[test]
fn a_narrow_pattern_has_no_gap_because_others_were_busy() {
    let mut all = busy(usize::MAX);
    let (expected, steps) = resume(&mut all, &["b:*"], after(0));
    assert_eq!(
        expected,
        "trimmed b:0(0,1] trimmed b:1(0,102] trimmed b:2(0,203] 304 405 506 sync with 3"
    );
    assert!(steps > 500, "a search by time looks at everything");
    let mut hub = busy(STEPS);
    assert_eq!(resume(&mut hub, &["b:*"], after(0)).0, expected);
    let (words, _) = resume(&mut hub, &["*:1", "b:*", "a:*"], after(0));
    let expected = "limit *:1(0,506] limit a:*(0,506] ".to_owned() + &expected;
    assert_eq!(words, expected.replace("sync with 3", "sync with 5"), "nor with a wide one");
    let (words, _) = resume(&mut hub, &["b:*", "b:>", "b:3"], after(0));
    assert_eq!(
        words, "trimmed b:0(0,1] trimmed b:1(0,102] trimmed b:2(0,203] 304 405 506 sync with 3",
        "each channel once"
    );
}

/// [hub:lenient]
#[test]
fn from_the_earliest_no_tombstone_is_looked_at() {
    let mut hub = busy(usize::MAX);
    let (words, steps) = resume(&mut hub, &["b:*"], Start::Earliest);
    assert_eq!((words.as_str(), steps), ("304 405 506 sync", 205 + 3 * 2));
    let key = connect(&mut hub, &["b:*"], Start::Earliest);
    let before = hub.stats().searched;
    for at in 0..205 {
        publish(&mut hub, &format!("c:{at}"));
    }
    let words = pull_all(&mut hub, key);
    assert_eq!(words.matches("trimmed b:").count(), 3, "dropped since it came: {words}");
    assert!(hub.stats().searched - before > 500);
}
