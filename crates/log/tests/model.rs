//! Against a model that keeps everything in a vector.

use std::collections::BTreeMap;

use crate::support::{Dir, limits, open_by, record, records};
use proptest::prelude::*;
use sockeye_log::{Error, Limits, Policy, Record, Rule, Start, Store, WhenFull};

const KEEP_MS: u64 = 300;
const KEY_MS: u64 = 200;
const KEEP_MESSAGES: u64 = 6;
const KEEP_BYTES: u64 = 1_500;

#[derive(Clone, Debug)]
enum Step {
    /// So many records, with places left out before each as the numbers say.
    Append(Vec<u64>),
    Expire(u64),
    Void(u64),
    /// Change the rules, or change them back.
    Policy,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(prop_oneof![9 => Just(0_u64), 1 => 1_u64..4], 1..12).prop_map(Step::Append),
        1 => (0_u64..600).prop_map(Step::Expire),
        1 => (1_u64..4).prop_map(Step::Void),
        1 => Just(Step::Policy),
        2 => Just(Step::Reopen),
    ]
}

fn narrow() -> Limits {
    let mut limits = limits();
    (limits.bytes_max, limits.batch_bytes_max) = (12_000, 8_000);
    (limits.record_bytes_max, limits.batch_records_max) = (600, 12);
    limits
}

/// Channels of two namespaces: `room` refuses when it is full, `feed` is trimmed.
fn policy(changed: bool) -> Policy {
    let mut rule = Rule::default();
    (rule.keep_ms, rule.key_ms) = (KEEP_MS, KEY_MS);
    (rule.keep_messages, rule.keep_bytes) = (KEEP_MESSAGES, KEEP_BYTES);
    let mut feed = rule;
    (feed.keep_messages, feed.keep_bytes) = (Rule::FOREVER, Rule::FOREVER);
    (feed.when_full, feed.share_bytes) = (WhenFull::Trim, Some(2_000));
    let mut named = vec![("feed".to_owned(), feed)];
    if changed {
        let mut other = rule;
        other.share_bytes = Some(0);
        named.insert(0, ("other".to_owned(), other));
    }
    Policy { rule, named }
}

fn published(seq: u64) -> Record {
    let mut record = record(seq, 300);
    if seq.is_multiple_of(3) {
        record.channel = record.channel.replace("room", "feed");
    }
    record
}

#[derive(Default)]
struct Model {
    /// Everything that was ever kept, by channel.
    channels: BTreeMap<String, Vec<Record>>,
    /// Position and end of each key.
    keys: BTreeMap<u64, u64>,
    head: u64,
    now_ms: u64,
}

impl Model {
    fn append(&mut self, batch: Vec<Record>) {
        for record in batch {
            if record.key.is_some() {
                self.keys.insert(record.seq, record.time_ms + KEY_MS);
            }
            self.channels.entry(record.channel.clone()).or_default().push(record);
        }
    }

    /// [log:keep] [log:keys] [log:ends]
    fn compare(&self, store: &Store) {
        let mut expected = Vec::new();
        let mut seen = 0;
        store.channels(|found| {
            seen += 1;
            let all = &self.channels[found.name];
            let kept: Vec<_> = all.iter().filter(|it| it.seq > found.floor).cloned().collect();
            let bytes = kept.iter().map(Record::kept_bytes).sum();
            assert_eq!((found.records, found.bytes), (kept.len() as u64, bytes));
            assert_eq!(found.last, all.last().unwrap().seq);
            let ended = all.iter().rfind(|it| it.kind == Record::END).map(|it| it.seq);
            assert_eq!(found.ended, ended);
            self.check_kept(found.name, all, &kept);
            expected.extend(kept);
        });
        assert_eq!(seen, self.channels.len());
        expected.sort_by_key(|record| record.seq);
        for record in &mut expected {
            record.key = record.key.take().filter(|_| self.keys.contains_key(&record.seq));
        }
        assert_eq!(records(store), expected);
        let mut keys = BTreeMap::new();
        assert_eq!(store.keys(|key| keys.extend([(key.seq, key.until_ms)])), Ok(0));
        assert_eq!(keys, self.keys);
        assert_eq!(store.head(), self.head);
        let totals = store.totals();
        assert_eq!((totals.records, totals.keys), (expected.len() as u64, keys.len() as u64));
    }

    /// Whatever the rule promises is there, and not much more.
    fn check_kept(&self, name: &str, all: &[Record], kept: &[Record]) {
        if name.starts_with("feed") {
            return;
        }
        let mut bytes = 0;
        let promised = all.iter().rev().take(usize::try_from(KEEP_MESSAGES).unwrap());
        let promised = promised.take_while(|it| {
            bytes += it.kept_bytes();
            bytes <= KEEP_BYTES && it.time_ms + KEEP_MS > self.now_ms
        });
        assert!(kept.len() >= promised.count(), "{name}: {} of {}", kept.len(), all.len());
        assert!(kept.len() as u64 <= KEEP_MESSAGES + 9, "{name}: {}", kept.len());
    }
}

/// Whether a namespace would have too much with the batch.
fn is_full(store: &Store, batch: &[Record]) -> bool {
    store.uses().iter().any(|it| {
        let namespace = it.namespace.as_deref().unwrap_or("room");
        let of_it = batch.iter().filter(|record| record.channel.starts_with(namespace));
        it.bytes + of_it.map(Record::kept_bytes).sum::<u64>() > it.bytes_max
    })
}

/// [log:head] [log:no-room]
fn play(steps: Vec<Step>) {
    let dir = Dir::new("model");
    let limits = narrow();
    let mut changed = false;
    let (mut store, recovered) = open_by(dir.path(), limits, 7, policy(changed)).unwrap();
    assert_eq!((recovered.start, recovered.epoch), (Start::Fresh, 7));
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(gaps) => {
                let mut batch = Vec::new();
                for gap in gaps {
                    model.head += 1 + gap;
                    batch.push(published(model.head));
                }
                let full = is_full(&store, &batch);
                match store.append(&batch) {
                    Ok(head) => {
                        assert_eq!(head, model.head);
                        model.append(batch);
                    }
                    Err(error) => assert!(full && error == Error::Full, "{error:?}"),
                }
            }
            Step::Expire(after) => {
                model.now_ms = model.now_ms.max(published(model.head).time_ms + after);
                while store.expire(model.now_ms).unwrap() > 0 {}
                model.keys.retain(|_, until_ms| *until_ms > model.now_ms);
            }
            Step::Void(by) => {
                model.head += by;
                store.void(model.head).unwrap();
            }
            Step::Policy => {
                changed = !changed;
                store.reconfigure(&policy(changed), &limits).unwrap();
            }
            Step::Reopen => {
                let totals = store.totals();
                drop(store);
                let (again, recovered) = open_by(dir.path(), limits, 1, policy(changed)).unwrap();
                assert_eq!((recovered.start, recovered.epoch), (Start::Resumed, 7));
                assert_eq!((recovered.head, again.totals()), (model.head, totals));
                store = again;
            }
        }
        model.compare(&store);
        for used in store.uses() {
            assert!(used.bytes <= used.bytes_max, "{used:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_the_model(steps in prop::collection::vec(step(), 1..40)) {
        play(steps);
    }
}
