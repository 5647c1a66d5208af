//! The cost of searches for the channels of patterns, in steps.

use crate::support::name as channel;
use crate::support::*;
use sockeye_hub::{Flow, Limits, Pattern, Progress, Start};

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

/// Pulls until the subscriber is live. Each pull takes few steps and gets on.
fn pull_in_steps(hub: &mut TestHub, patterns: &[&str], start: Start) -> String {
    let key = connect(hub, patterns, start);
    let mut words = Vec::new();
    loop {
        let before = (hub.stats().searched, hub.subscriber(key).expect("it is there").cursor().seq);
        let (progress, more) = pull(hub, key, ALL);
        words.extend(Some(more).filter(|it| !it.is_empty()));
        let steps = hub.stats().searched - before.0;
        // To list, to find gaps, to find tombstones by time and by name, and through the log.
        let overshot = 3 + 4 * patterns.len() as u64;
        assert!(steps <= 5 * (STEPS as u64 + overshot), "{steps}");
        if progress == Progress::Live {
            return words.join(" ");
        }
        assert_eq!(progress, Progress::More);
        assert!(hub.subscriber(key).expect("it is there").cursor().seq > before.1, "it gets on");
    }
}

/// [hub:bound-search]
#[test]
fn a_search_for_gaps_ends_at_its_bound_and_says_so() {
    let mut hub = busy(STEPS);
    assert_eq!(pull_in_steps(&mut hub, &["a:*"], after(0)), "limit a:*(0,506] sync with 1");
    let deep: Vec<String> = (0..100).map(|it| format!("a:*:*:z{it}")).collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    let words = pull_in_steps(&mut hub, &deep, after(0));
    assert_eq!(words.matches("limit").count(), 100);
}

/// [hub:bound-search] What nothing was dropped of has no gap, however much there is.
#[test]
fn a_search_goes_on_where_it_stopped() {
    let mut limits = Limits::default();
    limits.pattern_steps_max = STEPS;
    let mut hub = hub_with(settings(), limits);
    for at in 0..2_000 {
        publish(&mut hub, &format!("{}:{at}", ["a", "b", "c:d", "c:d:e"][at % 4]));
    }
    publish(&mut hub, "b:alarm");
    let all = |of: fn(u64) -> bool| {
        let numbers = (1..=2_001).filter(|it| of(*it)).map(|it| it.to_string());
        numbers.chain(["sync".to_owned()]).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(pull_in_steps(&mut hub, &[">"], after(0)), all(|_| true));
    assert_eq!(pull_in_steps(&mut hub, &["a:*"], after(0)), all(|it| it % 4 == 1 && it < 2_001));
    assert_eq!(
        pull_in_steps(&mut hub, &["c:>", "c:d:*", "a:4"], after(0)),
        all(|it| it % 4 == 3 || it % 4 == 0 || it == 5)
    );
    assert_eq!(pull_in_steps(&mut hub, &["*:alarm"], after(0)), "2001 sync");
    assert_eq!(
        pull_in_steps(&mut hub, &["c:*:e:*"], after(1_900)),
        all(|it| it % 4 == 0 && it > 1_900)
    );
    assert_eq!(hub.stats().gaps_limit, 0);
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
        let steps = hub.stats().searched - before;
        assert_eq!(steps, 6 * (turn + 1), "two prefixes, a channel, a match of two segments");
        publish(&mut hub, "b:other");
    }
    assert_eq!(resume(&mut hub, &["a:*", ">"], after(526)), (String::new(), 0));
    assert_eq!(resume(&mut hub, &["a:*"], after(525)), ("sync".to_owned(), 2), "the depth of it");
}

#[test]
fn a_narrow_pattern_has_no_gap_because_others_were_busy() {
    let mut all = busy(usize::MAX);
    let (expected, steps) = resume(&mut all, &["b:*"], after(0));
    assert_eq!(
        expected,
        "trimmed b:0(0,1] trimmed b:1(0,102] trimmed b:2(0,203] 304 405 506 sync with 3"
    );
    assert!(steps < 400, "of the others, only those with a tombstone: {steps}");
    let mut hub = busy(STEPS);
    assert_eq!(pull_in_steps(&mut hub, &["b:*"], after(0)), expected);
    let words = pull_in_steps(&mut hub, &["*:1", "b:*", "a:*"], after(0));
    let expected = "limit *:1(0,506] limit a:*(0,506] ".to_owned() + &expected;
    assert_eq!(words, expected.replace("sync with 3", "sync with 5"), "nor with a wide one");
    let words = pull_in_steps(&mut hub, &["b:*", "b:>", "b:3"], after(0));
    assert_eq!(
        words, "trimmed b:0(0,1] trimmed b:1(0,102] trimmed b:2(0,203] 304 405 506 sync with 3",
        "each channel once"
    );
}

/// A deepest node of the index has names of any length. Those that a pattern does not match are not
/// counted among its gaps. [hub:bound-told]
#[test]
fn a_deep_pattern_has_no_gap_because_of_deeper_names() {
    let mut limits = Limits::default();
    (limits.pattern_list_max, limits.pattern_gaps_max) = (1, 1);
    let mut hub = hub_with(settings(), limits);
    for name in ["a:b:c:1:z", "a:b:c:2:z", "a:b:c:3:z", "a:b:c:x"] {
        for _ in 0..4 {
            publish(&mut hub, name);
        }
    }
    let (words, _) = resume(&mut hub, &["a:b:c:*"], after(0));
    assert_eq!(words, "trimmed a:b:c:x(0,13] 14 15 16 sync with 1");
    let (words, _) = resume(&mut hub, &["a:b:c:*:z"], after(0));
    assert_eq!(words, "limit a:b:c:*:z(0,16] sync with 1");
}

/// [hub:lenient]
#[test]
fn from_the_earliest_no_tombstone_is_looked_at() {
    let mut hub = busy(usize::MAX);
    let (words, steps) = resume(&mut hub, &["b:*"], Start::Earliest);
    assert_eq!((words.as_str(), steps), ("304 405 506 sync", 2 + 3 + 3 * 3));
    let key = connect(&mut hub, &["b:*"], Start::Earliest);
    let before = hub.stats().searched;
    for at in 0..205 {
        publish(&mut hub, &format!("c:{at}"));
    }
    let words = pull_all(&mut hub, key);
    assert_eq!(words.matches("trimmed b:").count(), 3, "dropped since it came: {words}");
    assert!(hub.stats().searched - before > 500);
}

/// Random channels of few segments, with few messages each, of which some were evicted.
fn crowd(seed: u64, limits: &Limits) -> (TestHub, Vec<String>) {
    let mut state = seed;
    let mut below = move |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % bound
    };
    let mut limits = limits.clone();
    limits.channels_max = [1_000, 40][below(2)];
    let mut hub = hub_with(settings(), limits);
    let log: Vec<String> = (0..below(300))
        .map(|_| {
            let segments = (0..1 + below(5)).map(|_| ["x", "y", "z"][below(3)]);
            segments.collect::<Vec<_>>().join(":")
        })
        .collect();
    for name in &log {
        publish(&mut hub, name);
    }
    (hub, log)
}

const PATTERNS: [&[&str]; 8] = [
    &[">"],
    &["x:*"],
    &["*:y", "x:>"],
    &["x:*:z", "y"],
    &["*:*:*:x", "z:z:z:z"],
    &["x:y:z:*:>"],
    &["*:x:>", "*:x:y", "x:x"],
    &["y:>", "*", "z:*:y:>"],
];

/// [hub:bound-search] Whatever a pull may list, and however few steps it may take, the subscriber gets
/// what a look at everything would give it.
#[test]
fn any_search_in_any_steps_finds_the_same() {
    let naive = |log: &[String], targets: &[&str], from: u64| -> String {
        let matches = |name: &str| targets.iter().any(|it| covers(it, name));
        let of = (1..).zip(log).filter(|(seq, name)| *seq > from && matches(name));
        of.map(|(seq, _)| format!("{seq} ")).collect::<String>() + "sync"
    };
    let mut limits = Limits::default();
    (limits.pattern_list_max, limits.pattern_gaps_max) = (usize::MAX, 1_000);
    for seed in 0..20 {
        let (_, log) = crowd(seed, &limits);
        for (targets, list_max) in PATTERNS.iter().zip([0, 1, 7, 40, 0, 3, 10, 100]) {
            for from in [0, log.len() as u64 / 2, log.len() as u64] {
                let mut few = limits.clone();
                few.pattern_list_max = list_max;
                let expected = resume(&mut crowd(seed, &limits).0, targets, after(from)).0;
                let (mut hub, _) = crowd(seed, &few);
                let found = resume(&mut hub, targets, after(from)).0;
                assert_eq!(found, expected, "seed {seed}, {targets:?} after {from}");
                if !expected.contains("trimmed") && from < log.len() as u64 {
                    assert_eq!(expected, naive(&log, targets, from), "seed {seed}, {targets:?}");
                }
                few.pattern_steps_max = 150;
                let (mut hub, _) = crowd(seed, &few);
                let found = pull_in_steps(&mut hub, targets, after(from));
                let is_cut = found.contains("limit");
                assert!(is_cut || found == expected, "seed {seed}, {targets:?}: {found}");
                assert!(!is_cut || expected.contains("trimmed"), "no gap without a drop: {found}");
            }
        }
    }
}

fn covers(target: &str, name: &str) -> bool {
    let pattern = Pattern::new(target);
    target == name || pattern.is_ok_and(|it| it.matches(channel(name)))
}
