//! What is kept of each channel, and who is refused when there is no room.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::{Dir, limits, open, open_by, records};
use sockeye_log::{Error, Limits, Policy, Record, Refused, Rule, Store, WhenFull, Writer};

fn message(seq: u64, channel: &str, bytes: usize) -> Record {
    let (channel, body) = (channel.to_owned(), vec![b'x'; bytes]);
    Record { seq, time_ms: seq * 10, kind: Record::MESSAGE, channel, key: None, body }
}

fn small() -> Limits {
    let mut limits = limits();
    (limits.bytes_max, limits.batch_bytes_max) = (100_000, 50_000);
    (limits.record_bytes_max, limits.channels_max) = (10_000, 100);
    limits
}

fn rule(when_full: WhenFull) -> Rule {
    let mut rule = Rule::default();
    (rule.keep_ms, rule.when_full) = (Rule::FOREVER, when_full);
    rule
}

/// Two namespaces of their own, and the rest.
fn spaces(a: Rule, b: Rule) -> Policy {
    let named = vec![("a".to_owned(), a), ("b".to_owned(), b)];
    Policy { rule: rule(WhenFull::Refuse), named }
}

fn kept(store: &Store) -> BTreeMap<String, Vec<u64>> {
    let mut kept: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records(store) {
        kept.entry(record.channel).or_default().push(record.seq);
    }
    kept
}

/// Fills channels of a namespace until it is refused. Returns what was taken.
fn fill(store: &mut Store, channel: &str) -> Vec<u64> {
    let mut taken = Vec::new();
    for _ in 0..200 {
        let seq = store.head() + 1;
        match store.append(&[message(seq, channel, 1_000)]) {
            Ok(seq) => taken.push(seq),
            Err(error) => {
                assert_eq!(error, Error::Full);
                return taken;
            }
        }
    }
    taken
}

/// [log:no-room]
#[test]
fn a_namespace_that_is_full_takes_nothing_of_another() {
    let dir = Dir::new("shares");
    let policy = spaces(rule(WhenFull::Refuse), rule(WhenFull::Refuse));
    let (mut store, _) = open_by(dir.path(), small(), 1, policy).unwrap();
    // Half of all is reserved in three parts, and half is for whoever comes.
    let a = fill(&mut store, "a:1");
    assert!((60..63).contains(&a.len()), "{}", a.len());
    assert_eq!(fill(&mut store, "a:2"), [0; 0]);
    let b = fill(&mut store, "b:1");
    let rest = fill(&mut store, "c:1");
    assert!((15..17).contains(&b.len()) && (15..17).contains(&rest.len()));
    let expected = [("a:1", a), ("b:1", b), ("c:1", rest)];
    let expected = expected.map(|(channel, seqs)| (channel.to_owned(), seqs));
    assert_eq!(kept(&store), BTreeMap::from(expected));
}

/// [log:no-room]
#[test]
fn a_namespace_that_is_trimmed_loses_its_oldest_and_nobody_else_any() {
    let dir = Dir::new("trim");
    let policy = spaces(rule(WhenFull::Trim), rule(WhenFull::Refuse));
    let (mut store, _) = open_by(dir.path(), small(), 1, policy).unwrap();
    let b = fill(&mut store, "b:1");
    let mut a = Vec::new();
    for at in 0..150 {
        let seq = store.head() + 1;
        assert_eq!(store.append(&[message(seq, &format!("a:{}", at % 3), 1_000)]), Ok(seq));
        a.push(seq);
    }
    let mut kept = kept(&store);
    assert_eq!(kept.remove("b:1"), Some(b));
    let mut newest: Vec<u64> = kept.into_values().flatten().collect();
    newest.sort_unstable();
    assert!((14..17).contains(&newest.len()), "{}", newest.len());
    assert_eq!(newest, a[a.len() - newest.len()..]);
}

/// Nobody has to publish for it. [log:no-room] [log:rules]
#[test]
fn a_namespace_whose_share_shrinks_loses_its_oldest_at_once() {
    let dir = Dir::new("shrinks");
    let mut wide = rule(WhenFull::Trim);
    wide.share_bytes = Some(80_000);
    let policy = |a| spaces(a, rule(WhenFull::Refuse));
    let (mut store, _) = open_by(dir.path(), small(), 1, policy(wide)).unwrap();
    let b = fill(&mut store, "b:1");
    let mut a = Vec::new();
    for at in 0..70 {
        let seq = store.head() + 1;
        a.push(store.append(&[message(seq, &format!("a:{}", at % 3), 1_000)]).unwrap());
    }
    let mut narrow = rule(WhenFull::Trim);
    narrow.share_bytes = Some(30_000);
    let control = store.control();
    let writer = Writer::spawn(store, Box::new(|| {})).unwrap();
    control.reconfigure(&policy(narrow), &small()).unwrap();
    let has_too_much = || control.uses().into_iter().any(|it| it.bytes > it.bytes_max);
    let start = Instant::now();
    while has_too_much() {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", control.uses());
        std::thread::yield_now();
    }
    let (store, _) = writer.close();
    let mut kept = kept(&store);
    assert_eq!(kept.remove("b:1"), Some(b));
    let mut newest: Vec<u64> = kept.into_values().flatten().collect();
    newest.sort_unstable();
    assert!((50..65).contains(&newest.len()), "{}", newest.len());
    assert_eq!(newest, a[a.len() - newest.len()..]);
}

/// [log:no-room]
#[test]
fn a_share_that_is_asked_for_is_had() {
    let dir = Dir::new("asked");
    let mut a = rule(WhenFull::Refuse);
    a.share_bytes = Some(80_000);
    let (mut store, _) =
        open_by(dir.path(), small(), 1, spaces(a, rule(WhenFull::Refuse))).unwrap();
    let b = fill(&mut store, "b:1").len();
    assert!((12..15).contains(&b), "a quarter and a half of what is left: {b}");
    let a = fill(&mut store, "a:1").len();
    assert!((73..76).contains(&a), "{a}");
    drop(store);
    let mut greedy = rule(WhenFull::Refuse);
    greedy.share_bytes = Some(60_000);
    let refused = open_by(dir.path(), small(), 1, spaces(greedy, greedy)).map(|(_, it)| it);
    assert_eq!(refused, Err(Error::Limits));
}

/// The refusal comes before the position. [log:no-room]
#[test]
fn a_writer_knows_what_has_room() {
    let dir = Dir::new("writer-room");
    let mut limits = small();
    (limits.channels_max, limits.keys_max) = (4, 2);
    let policy = Policy { rule: rule(WhenFull::Refuse), named: Vec::new() };
    let (store, _) = open_by(dir.path(), limits, 1, policy).unwrap();
    let mut writer = Writer::spawn(store, Box::new(|| {})).unwrap();
    for seq in 1..=4 {
        writer.push(message(seq, &format!("a:{seq}"), 100)).unwrap();
    }
    assert_eq!(writer.room("a:5", None, 100), Err(Refused::Channels));
    assert_eq!(writer.room("a:4", None, 100), Ok(()));
    for seq in 5..=6 {
        let key = Some(format!("key-{seq}"));
        writer.push(Record { key, ..message(seq, "a:1", 100) }).unwrap();
    }
    assert_eq!(writer.room("a:1", Some("key-7"), 100), Err(Refused::Keys));
    let mut seq = 7;
    while writer.room("a:1", None, 5_000).is_ok() {
        writer.push(message(seq, "a:1", 5_000)).unwrap();
        seq += 1;
    }
    assert_eq!(writer.room("a:1", None, 5_000), Err(Refused::Full));
    assert_eq!(writer.push(message(seq, "a:1", 5_000)), Err(Refused::Full));
    let (store, _) = writer.close();
    assert!(store.totals().bytes <= limits.bytes_max && store.totals().bytes > 90_000);
}

/// [log:keep]
#[test]
fn each_channel_keeps_what_its_rule_says() {
    let dir = Dir::new("keep");
    let (mut a, mut b) = (rule(WhenFull::Refuse), rule(WhenFull::Refuse));
    (a.keep_messages, b.keep_bytes) = (10, 5_000);
    let (mut store, _) = open_by(dir.path(), limits(), 1, spaces(a, b)).unwrap();
    for round in 0..100 {
        let batch: Vec<_> = ["a:1", "a:2", "b:1", "c:1"]
            .iter()
            .zip(round * 4 + 1..)
            .map(|(channel, seq)| message(seq, channel, 100))
            .collect();
        store.append(&batch).unwrap();
    }
    let count = |channel: &str, kept: &BTreeMap<String, Vec<u64>>| kept[channel].len();
    let some = kept(&store);
    assert!((10..=20).contains(&count("a:1", &some)), "{some:?}");
    assert_eq!(count("c:1", &some), 100);
    // What a rule does not keep goes when there is time.
    while store.expire(0).unwrap() > 0 {}
    let some = kept(&store);
    assert_eq!((count("a:1", &some), count("a:2", &some)), (10, 10));
    assert_eq!(count("b:1", &some), 5_000 / (100 + 64 + 3));
    assert_eq!((count("c:1", &some), some["a:1"].last()), (100, Some(&397)));
}

/// Keys and ends are kept whatever becomes of the messages. [log:keys] [log:ends]
#[test]
fn keys_and_ends_outlive_their_messages() {
    let dir = Dir::new("outlive");
    let mut rule = rule(WhenFull::Refuse);
    (rule.keep_messages, rule.keep_ms, rule.key_ms) = (1, 50, 1_000);
    let policy = || Policy { rule, named: Vec::new() };
    let (mut store, _) = open_by(dir.path(), limits(), 1, policy()).unwrap();
    for seq in 1..=40 {
        let key = Some(format!("key-{seq}"));
        store.append(&[Record { key, ..message(seq, "a:1", 100) }]).unwrap();
    }
    store.append(&[Record { kind: Record::END, ..message(41, "a:2", 0) }]).unwrap();
    while store.expire(500).unwrap() > 0 {}
    drop(store);
    let (mut store, recovered) = open_by(dir.path(), limits(), 1, policy()).unwrap();
    assert_eq!((recovered.records, recovered.channels, recovered.head), (0, 2, 41));
    let mut keys = Vec::new();
    assert_eq!(store.keys(|key| keys.push((key.key.to_owned(), key.seq, key.until_ms))), Ok(0));
    let promised = (1..=40).map(|seq| (format!("key-{seq}"), seq, seq * 10 + 1_000));
    assert!(keys.into_iter().eq(promised));
    while store.expire(1_399).unwrap() > 0 {}
    let mut left = 0;
    store.keys(|key| left = key.seq).unwrap();
    assert_eq!((left, store.totals().keys), (40, 1));
    while store.expire(1_400).unwrap() > 0 {}
    assert_eq!(store.totals().keys, 0);
    let mut ended = Vec::new();
    store.channels(|channel| ended.extend(channel.ended));
    assert_eq!(ended, [41]);
}

/// [log:channels]
#[test]
fn the_idlest_channel_is_forgotten_and_the_horizon_tells() {
    let dir = Dir::new("forget");
    let mut limits = small();
    limits.channels_max = 4;
    let mut rule = rule(WhenFull::Refuse);
    rule.keep_messages = 0;
    let policy = || Policy { rule, named: Vec::new() };
    let (mut store, _) = open_by(dir.path(), limits, 1, policy()).unwrap();
    let end = Record { kind: Record::END, ..message(1, "end", 1) };
    store.append(&[end]).unwrap();
    for seq in 2..=40 {
        store.append(&[message(seq, &format!("a:{seq}"), 10)]).unwrap();
        while store.expire(0).unwrap() > 0 {}
    }
    let names = |store: &Store| {
        let mut names = Vec::new();
        store.channels(|channel| names.push((channel.last, channel.name.to_owned())));
        names.sort();
        names
    };
    let before = names(&store);
    assert_eq!(before[0], (1, "end".to_owned()));
    assert!(before.len() <= 5 && before.last() == Some(&(40, "a:40".to_owned())), "{before:?}");
    drop(store);
    let (mut store, recovered) = open_by(dir.path(), limits, 1, policy()).unwrap();
    assert_eq!(names(&store), before);
    assert_eq!((recovered.horizon + 1, recovered.head), (before[1].0, 40));
    // A forgotten channel that comes again may have lost everything up to the horizon.
    store.append(&[message(41, "a:2", 10)]).unwrap();
    let mut floor = 0;
    store.channels(|channel| {
        floor = floor.max(if channel.name == "a:2" { channel.floor } else { 0 });
    });
    assert!(floor >= recovered.horizon);
}

/// [log:runs]
#[test]
fn each_opening_that_writes_is_a_run() {
    let dir = Dir::new("runs");
    for seq in 1..=3 {
        let (mut store, _) = open(dir.path(), limits(), 1).unwrap();
        store.append(&[message(seq, "a", 1)]).unwrap();
        // An opening that gives out no position leaves no run.
        drop(store);
        drop(open(dir.path(), limits(), 1).unwrap());
    }
    let (store, _) = open(dir.path(), limits(), 1).unwrap();
    let runs: Vec<_> = store.runs().iter().map(|run| (run.first, run.tag)).collect();
    assert_eq!(runs, [(1, 7), (2, 7), (3, 7), (4, 7)]);
}
