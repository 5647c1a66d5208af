//! Against a model that keeps everything in a vector.

use std::collections::VecDeque;

use crate::support::{Dir, limits, record, records};
use proptest::prelude::*;
use sockeye_log::{Limits, Record, Start, Store};

const AGE_MS: u64 = 300;

#[derive(Clone, Debug)]
enum Step {
    /// So many records, with places left out before each as the numbers say.
    Append(Vec<u64>),
    Expire(u64),
    Trim(u64),
    Void(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec(prop_oneof![9 => Just(0_u64), 1 => 1_u64..4], 1..12).prop_map(Step::Append),
        1 => (0_u64..600).prop_map(Step::Expire),
        1 => (0_u64..20).prop_map(Step::Trim),
        1 => (1_u64..4).prop_map(Step::Void),
        2 => Just(Step::Reopen),
    ]
}

fn narrow() -> Limits {
    let mut limits = limits();
    limits.records_max = 24;
    limits.bytes_max = 6000;
    limits.age_ms = AGE_MS;
    limits.batch_records_max = 12;
    limits.batch_bytes_max = 6000;
    limits.record_bytes_max = 600;
    limits
}

#[derive(Default)]
struct Model {
    records: VecDeque<Record>,
    head: u64,
    floor: u64,
}

impl Model {
    fn bytes(&self) -> u64 {
        self.records.iter().map(Record::bytes).sum()
    }

    fn drop_while(&mut self, goes: impl Fn(&Self) -> bool) -> u64 {
        let mut dropped = 0;
        while !self.records.is_empty() && goes(self) {
            self.floor = self.records.pop_front().unwrap().seq;
            dropped += 1;
        }
        dropped
    }

    fn compare(&self, store: &Store) {
        assert_eq!(records(store), Vec::from_iter(self.records.iter().cloned()));
        assert_eq!(store.kept(), (self.records.len() as u64, self.bytes()));
        assert_eq!(store.head(), self.head);
    }
}

/// [log:bound-kept] [log:bound-age] [log:head]
fn play(steps: Vec<Step>) {
    let dir = Dir::new("model");
    let limits = narrow();
    let (mut store, recovered) = Store::open(dir.path(), limits, 7).unwrap();
    assert_eq!((recovered.start, recovered.epoch), (Start::Fresh, 7));
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(gaps) => {
                let mut batch = Vec::new();
                for gap in gaps {
                    model.head += 1 + gap;
                    batch.push(record(model.head, 300));
                }
                assert_eq!(store.append(&batch), Ok(model.head));
                model.records.extend(batch);
                model.drop_while(|model| {
                    model.records.len() as u64 > limits.records_max
                        || model.bytes() > limits.bytes_max
                });
            }
            Step::Expire(after) => {
                let now_ms = record(model.head, 0).time_ms + after;
                let dropped = model.drop_while(|model| model.records[0].time_ms + AGE_MS <= now_ms);
                assert_eq!(store.expire(now_ms), Ok(dropped));
            }
            Step::Trim(back) => {
                let through = model.head.saturating_sub(back);
                let dropped = model.drop_while(|model| model.records[0].seq <= through);
                assert_eq!(store.trim(through), Ok(dropped));
            }
            Step::Void(by) => {
                model.head += by;
                store.void(model.head).unwrap();
            }
            Step::Reopen => {
                drop(store);
                let (again, recovered) = Store::open(dir.path(), limits, 1).unwrap();
                assert_eq!((recovered.start, recovered.epoch), (Start::Resumed, 7));
                assert_eq!((recovered.head, recovered.floor), (model.head, model.floor));
                assert_eq!((recovered.records, recovered.bytes), again.kept());
                store = again;
            }
        }
        model.compare(&store);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_the_model(steps in prop::collection::vec(step(), 1..40)) {
        play(steps);
    }
}
