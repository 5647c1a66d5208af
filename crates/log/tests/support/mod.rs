//! What the tests share: directories that go away, records that follow from their place.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sockeye_log::{Error, Limits, Options, Policy, Record, Recovered, Rule, Store};

/// A directory of its own, gone with the value.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("sockeye-log-{name}-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What is in it, file by file.
    pub(crate) fn read(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let bytes = fs::read(self.0.join(&name)).unwrap();
                (name, bytes)
            })
            .collect();
        files.sort();
        files
    }

    /// These files and nothing else.
    pub(crate) fn write(&self, files: &[(String, Vec<u8>)]) {
        for entry in fs::read_dir(&self.0).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, bytes) in files {
            fs::write(self.0.join(name), bytes).unwrap();
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.read().iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// xorshift: the same numbers for the same seed.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % bound
    }
}

/// The record at a place, bodies up to `body_max`.
pub(crate) fn record(seq: u64, body_max: u64) -> Record {
    let mut numbers = Numbers(seq.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let len = numbers.below(body_max + 1);
    Record {
        seq,
        time_ms: 1_000_000_u64.saturating_add(seq.saturating_mul(10)),
        kind: u8::from(numbers.below(50) == 0),
        channel: format!("room:{}", numbers.below(9)),
        key: (numbers.below(3) > 0).then(|| format!("key-{seq}")),
        body: (0..len).map(|_| numbers.below(256).to_le_bytes()[0]).collect(),
    }
}

pub(crate) fn batch(first: u64, last: u64, body_max: u64) -> Vec<Record> {
    (first..=last).map(|seq| record(seq, body_max)).collect()
}

/// All records, with the keys that are still kept.
pub(crate) fn records(store: &Store) -> Vec<Record> {
    let mut records = BTreeMap::new();
    store.replay(|record| drop(records.insert(record.seq, record))).unwrap();
    store
        .keys(|key| {
            if let Some(record) = records.get_mut(&key.seq) {
                assert_eq!(record.channel, key.channel);
                record.key = Some(key.key.to_owned());
            }
        })
        .unwrap();
    records.into_values().collect()
}

pub(crate) fn limits() -> Limits {
    Limits::default()
}

/// Opens the directory with these limits; everything is kept.
pub(crate) fn open(path: &Path, limits: Limits, epoch: u64) -> Result<(Store, Recovered), Error> {
    let mut rule = Rule::default();
    rule.keep_ms = Rule::FOREVER;
    rule.key_ms = Rule::FOREVER;
    open_by(path, limits, epoch, Policy { rule, named: Vec::new() })
}

/// Opens the directory with these limits and rules.
pub(crate) fn open_by(
    path: &Path,
    limits: Limits,
    epoch: u64,
    policy: Policy,
) -> Result<(Store, Recovered), Error> {
    let mut options = Options::default();
    (options.limits, options.policy) = (limits, policy);
    (options.fresh_epoch, options.tag) = (epoch, 7);
    Store::open(path, &options)
}
