//! The record of the log.

/// A message in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its position, above that of the record before. Positions may have holes (void positions).
    pub seq: u64,
    /// When it was admitted, in the caller's milliseconds. Its age counts from here.
    pub time_ms: u64,
    /// Its kind, a code of the caller.
    pub kind: u8,
    /// Its channel.
    pub channel: String,
    /// The publisher's idempotency key.
    pub key: Option<String>,
    /// The body, opaque to the log.
    pub body: Vec<u8>,
}

impl Record {
    /// The bytes that a record counts as, besides its channel, key and body.
    pub const OVERHEAD_BYTES: u64 = 64;

    /// The bytes that it counts as.
    pub const fn bytes(&self) -> u64 {
        let key = match &self.key {
            Some(key) => key.len(),
            None => 0,
        };
        (self.channel.len() + key + self.body.len()) as u64 + Self::OVERHEAD_BYTES
    }

    /// The checksum over the record, the epoch, and the position of the record before. A missing
    /// record breaks the chain; a record of another epoch does not fit.
    pub(crate) fn checksum(&self, epoch: u64, previous: u64) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for number in [epoch, previous, self.seq, self.time_ms, u64::from(self.kind)] {
            hasher.update(&number.to_le_bytes());
        }
        // The lengths come first, so that bytes cannot move from one field to the next unseen.
        let key = self.key.as_deref();
        let key_len = key.map_or(u64::MAX, |key| key.len() as u64);
        hasher.update(&(self.channel.len() as u64).to_le_bytes());
        hasher.update(&key_len.to_le_bytes());
        hasher.update(self.channel.as_bytes());
        hasher.update(key.unwrap_or_default().as_bytes());
        hasher.update(&self.body);
        hasher.finalize()
    }
}
