//! New rules for a log that is at work.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::{Dir, limits, open_by};
use sockeye_log::{Control, Outcome, Policy, Record, Refused, Rule, Store, Writer};

/// How long anything may take before a test gives it up.
const PATIENCE: Duration = Duration::from_secs(30);

const CHANNELS: u64 = 3_000;

fn message(seq: u64, channel: &str) -> Record {
    let (channel, body) = (channel.to_owned(), vec![b'x'; 50]);
    Record { seq, time_ms: seq, kind: Record::MESSAGE, channel, key: None, body }
}

fn rule(keep_messages: u64) -> Rule {
    let mut rule = Rule::default();
    (rule.keep_messages, rule.keep_ms) = (keep_messages, Rule::FOREVER);
    rule
}

/// Two namespaces of their own, and the rest.
fn policy(rest: u64, named: &[(&str, u64)]) -> Policy {
    let named = named.iter().map(|(name, keep)| ((*name).to_owned(), rule(*keep)));
    Policy { rule: rule(rest), named: named.collect() }
}

/// How many records the channels of each namespace have: the least and the most.
fn kept(store: &Store) -> BTreeMap<String, (u64, u64)> {
    let mut kept: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    store.channels(|channel| {
        let namespace = channel.name.split(':').next().unwrap().to_owned();
        let of_it = kept.entry(namespace).or_insert((u64::MAX, 0));
        *of_it = (of_it.0.min(channel.records), of_it.1.max(channel.records));
    });
    kept
}

fn named(of: [(&str, (u64, u64)); 3]) -> BTreeMap<String, (u64, u64)> {
    of.map(|(name, figures)| (name.to_owned(), figures)).into()
}

fn names() -> impl Iterator<Item = String> {
    ["a", "b", "c"].iter().cycle().zip(0..CHANNELS).map(|(name, at)| format!("{name}:{at}"))
}

/// Writes three messages to each channel.
fn fill(writer: &mut Writer, woken: &mpsc::Receiver<()>, mut seq: u64) -> u64 {
    for _ in 0..3 {
        for name in names() {
            seq += 1;
            writer.push(message(seq, &name)).unwrap();
            if seq.is_multiple_of(1_000) {
                wait(writer, woken, seq);
            }
        }
    }
    wait(writer, woken, seq);
    seq
}

fn wait(writer: &mut Writer, woken: &mpsc::Receiver<()>, seq: u64) {
    let mut done = writer.counts().pending == 0;
    while !done {
        woken.recv().unwrap();
        while let Some(outcome) = writer.poll() {
            let Outcome::Durable { through } = outcome else { panic!("{outcome:?}") };
            done |= through == seq;
        }
    }
}

fn spawn(store: Store) -> (Writer, mpsc::Receiver<()>) {
    let (wake, woken) = mpsc::channel();
    let writer = Writer::spawn(store, Box::new(move || wake.send(()).unwrap_or_default()));
    (writer.unwrap(), woken)
}

/// Waits until no more than so many records are kept.
fn until_kept(control: &Control, records: u64) {
    let start = Instant::now();
    while control.totals().records > records {
        assert!(start.elapsed() < PATIENCE, "{:?}", control.totals());
        std::thread::yield_now();
    }
}

/// [log:rules]
#[test]
fn rules_that_change_at_work_are_followed_by_every_channel() {
    let dir = Dir::new("rules");
    let (store, _) = open_by(dir.path(), limits(), 1, policy(9, &[("b", 9)])).unwrap();
    let control = store.control();
    let (mut writer, woken) = spawn(store);
    let head = fill(&mut writer, &woken, 0);
    // `b` loses its rule, `a` gets one, and the rest keeps less.
    control.reconfigure(&policy(1, &[("a", 2)]), &limits()).unwrap();
    until_kept(&control, 4 * CHANNELS / 3);
    let (store, _) = writer.close();
    assert_eq!(kept(&store), named([("a", (2, 2)), ("b", (1, 1)), ("c", (1, 1))]));
    let uses: Vec<_> =
        store.uses().into_iter().map(|it| (it.namespace, it.channels, it.records)).collect();
    let third = CHANNELS / 3;
    let expected = [(None, 2 * third, 2 * third), (Some("a".to_owned()), third, 2 * third)];
    assert_eq!(uses, expected);
    // Wider rules keep what comes, while it comes.
    let (mut writer, woken) = spawn(store);
    control.reconfigure(&policy(4, &[("c", 3), ("a", 5)]), &limits()).unwrap();
    let head = fill(&mut writer, &woken, head);
    writer.expire(head);
    until_kept(&control, 4 * CHANNELS);
    let (store, _) = writer.close();
    assert_eq!(kept(&store), named([("a", (5, 5)), ("b", (4, 4)), ("c", (3, 3))]));
    // A restart by the same rules finds it so.
    let (totals, uses) = (store.totals(), store.uses());
    drop(store);
    let rules = policy(4, &[("c", 3), ("a", 5)]);
    let (store, _) = open_by(dir.path(), limits(), 1, rules).unwrap();
    assert_eq!((store.totals(), store.uses()), (totals, uses));
}

/// Idle channels above the new bound go, and nothing else. [log:rules] [log:channels]
#[test]
fn fewer_channels_are_remembered() {
    let dir = Dir::new("fewer");
    let (mut store, _) = open_by(dir.path(), limits(), 1, policy(9, &[])).unwrap();
    let all: Vec<Record> = (1..).zip(names()).map(|(seq, name)| message(seq, &name)).collect();
    let seq = CHANNELS;
    for batch in all.chunks(1_000) {
        store.append(batch).unwrap();
    }
    store.append(&[Record { kind: Record::END, ..message(seq + 1, "end") }]).unwrap();
    let mut few = limits();
    few.channels_max = 10;
    // All of them have a record, which is promised.
    store.reconfigure(&policy(9, &[]), &few).unwrap();
    while store.expire(seq).unwrap() > 0 {}
    assert_eq!(store.totals().channels, CHANNELS + 1);
    store.reconfigure(&policy(0, &[]), &few).unwrap();
    while store.expire(seq).unwrap() > 0 {}
    assert_eq!((store.totals().channels, store.totals().records), (10, 0));
    let mut ended = Vec::new();
    store.channels(|channel| ended.extend(channel.ended));
    assert_eq!(ended, [seq + 1]);
}

/// The rules may change between the question for room and the record: its position is given out.
/// [log:rules]
#[test]
fn a_record_that_has_its_position_is_queued_whatever_the_rules_say_now() {
    let dir = Dir::new("assigned");
    let (store, _) = open_by(dir.path(), limits(), 1, policy(9, &[])).unwrap();
    let control = store.control();
    let (mut writer, woken) = spawn(store);
    assert_eq!(writer.room("c", None, 50), Ok(()));
    let mut all = policy(9, &[("a", 9)]);
    all.named[0].1.share_bytes = Some(limits().bytes_max);
    control.reconfigure(&all, &limits()).unwrap();
    assert_eq!(writer.push(message(1, "c")), Err(Refused::Full));
    assert_eq!(writer.push_assigned(message(1, "c")), Ok(()));
    wait(&mut writer, &woken, 1);
    // Its bytes count, and it goes by the rules as any other.
    assert_eq!(control.totals().records, 1);
    assert_eq!(writer.push_assigned(message(1, "c")), Err(Refused::Order));
}
