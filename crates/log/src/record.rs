//! The record of the log.

/// A message in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its position, above that of the record before. Positions may have holes (void positions).
    pub seq: u64,
    /// When it was admitted, in the caller's milliseconds. Its age counts from here. Times do not
    /// go back.
    pub time_ms: u64,
    /// Its kind: [`Record::MESSAGE`] or [`Record::END`].
    pub kind: u8,
    /// Its channel.
    pub channel: String,
    /// The publisher's idempotency key.
    pub key: Option<String>,
    /// The body, opaque to the log.
    pub body: Vec<u8>,
}

impl Record {
    /// The kind of a message.
    pub const MESSAGE: u8 = 0;

    /// The kind of a message that ends its channel. The log remembers the end whatever becomes of
    /// the record.
    pub const END: u8 = 1;

    /// The bytes that a record counts as, besides its channel, key and body.
    pub const OVERHEAD_BYTES: u64 = 64;

    /// The bytes that it counts as while it waits and is written.
    pub const fn bytes(&self) -> u64 {
        let key = match &self.key {
            Some(key) => key.len(),
            None => 0,
        };
        self.kept_bytes() + key as u64
    }

    /// The bytes that it counts as in the log. Keys are counted by number, not here.
    pub const fn kept_bytes(&self) -> u64 {
        self.channel.len() as u64 + self.body.len() as u64 + Self::OVERHEAD_BYTES
    }
}

/// The bytes that a record with this body counts as in the log.
pub(crate) const fn kept_bytes(channel: &str, body_bytes: u64) -> u64 {
    body_bytes.saturating_add(channel.len() as u64 + Record::OVERHEAD_BYTES)
}
