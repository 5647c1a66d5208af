//! What the log keeps.

/// A publication in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place. Each is above the one before; places may be left out, none comes twice.
    pub seq: u64,
    /// When it was taken, in the caller's milliseconds; its age counts from here.
    pub time_ms: u64,
    /// What it is to its channel: the caller's code.
    pub kind: u8,
    /// Its channel.
    pub channel: String,
    /// The publisher's idempotency key.
    pub key: Option<String>,
    /// The body, which is the caller's business.
    pub body: Vec<u8>,
}

impl Record {
    /// What a record is counted as besides its channel, key and body: the numbers beside them and
    /// the store's own bookkeeping.
    pub const OVERHEAD_BYTES: u64 = 64;

    /// What it is counted as.
    pub const fn bytes(&self) -> u64 {
        let key = match &self.key {
            Some(key) => key.len(),
            None => 0,
        };
        (self.channel.len() + key + self.body.len()) as u64 + Self::OVERHEAD_BYTES
    }

    /// Over everything that can be read back, the log's life, and the place of the record before:
    /// one that is missing breaks the chain, one from another life does not fit in.
    pub(crate) fn checksum(&self, epoch: u64, previous: u64) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for number in [epoch, previous, self.seq, self.time_ms, u64::from(self.kind)] {
            hasher.update(&number.to_le_bytes());
        }
        // With their lengths, so that nothing moves from one to the next unseen.
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
