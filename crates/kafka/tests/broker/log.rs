//! The topic of a stand-in.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

/// The offset of `last offset delta` in a batch.
const DELTA: usize = 23;

/// A topic: batches as they came, and its settings.
pub(crate) struct Log {
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
    pub(crate) copies: usize,
    pub(crate) settings: BTreeMap<String, String>,
    batches: Vec<(i64, Bytes)>,
    pub(crate) start: i64,
    /// The offset of the next batch.
    pub(crate) end: i64,
    /// The high watermark, if it is not the end.
    pub(crate) high: Option<i64>,
}

impl Log {
    pub(crate) fn new(id: u128, partitions: i32, settings: BTreeMap<String, String>) -> Self {
        Self {
            id: Uuid::from_u128(id),
            partitions,
            copies: 1,
            settings,
            batches: Vec::new(),
            start: 0,
            end: 0,
            high: None,
        }
    }

    pub(crate) fn high(&self) -> i64 {
        self.high.unwrap_or(self.end)
    }

    /// Appends a batch. Its first offset.
    pub(crate) fn append(&mut self, batch: &Bytes) -> i64 {
        let mut batch = BytesMut::from(&batch[..]);
        let base = self.end;
        batch[..8].copy_from_slice(&base.to_be_bytes());
        let delta = batch[DELTA..DELTA + 4].try_into().expect("four bytes");
        self.end += i64::from(i32::from_be_bytes(delta)) + 1;
        self.batches.push((base, batch.freeze()));
        base
    }

    /// The batches from the one on that has an offset, below the high watermark: the first one, and more within a bound.
    pub(crate) fn read(&self, from: i64, bytes_max: usize) -> Bytes {
        let mut read = BytesMut::new();
        let ends = self.batches.iter().skip(1).map(|(base, _)| *base).chain([self.end]);
        for ((base, batch), end) in self.batches.iter().zip(ends) {
            let is_wanted = end > from && *base < self.high();
            if is_wanted && (read.is_empty() || read.len() + batch.len() <= bytes_max) {
                read.extend_from_slice(batch);
            }
        }
        read.freeze()
    }

    /// Forgets all from an offset on, as a replica does that lacks it.
    pub(crate) fn lose(&mut self, from: i64) {
        self.batches.retain(|(base, _)| *base < from);
        self.end = from;
    }
}
