//! The limits of the log.

use crate::Error;

/// Bytes of a page of the database.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// The most bytes of the database that a channel takes beside its records, and that a key takes:
/// rows, indexes, and pages that are half empty.
const CHANNEL_BYTES: u64 = 704;
const KEY_BYTES: u64 = 384;

/// The limits of the log: records kept, records in a commit, records that wait.
///
/// [`Record::bytes`](crate::Record::bytes) counts the bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of records kept, in all channels, by [`Record::kept_bytes`](crate::Record::kept_bytes).
    /// The namespaces [share](crate::Policy) them.
    pub bytes_max: u64,
    /// Channels that are remembered, likewise shared. A new channel takes the place of the
    /// longest-idle one of its namespace that has no record, has not ended and has no key.
    pub channels_max: u64,
    /// Idempotency keys that are remembered.
    pub keys_max: u64,
    /// The largest record.
    pub record_bytes_max: u64,
    /// Records in one commit.
    pub batch_records_max: u64,
    /// Bytes of records in one commit.
    pub batch_bytes_max: u64,
    /// Records queued in a writer, until their outcome is polled.
    pub queue_records_max: u64,
    /// Their bytes.
    pub queue_bytes_max: u64,
}

impl Default for Limits {
    /// 256 MiB; 393,216 channels; two million keys; records of 1 MiB; commits of 1024 records or
    /// 4 MiB; 8192 records or 16 MiB that wait.
    fn default() -> Self {
        Self {
            bytes_max: 256 << 20,
            channels_max: 393_216,
            keys_max: 2_000_000,
            record_bytes_max: 1 << 20,
            batch_records_max: 1024,
            batch_bytes_max: 4 << 20,
            queue_records_max: 8192,
            queue_bytes_max: 16 << 20,
        }
    }
}

impl Limits {
    /// The most bytes that the directory holds. A damaged log that was set aside may take as many
    /// again.
    ///
    /// It is the sum of the database and the write-ahead log. The database may need twice the bytes
    /// of its records, because a large record can leave most of a page empty.
    pub const fn disk_bytes_max(&self) -> u64 {
        self.pages_max() * PAGE_BYTES + self.wal_bytes_max() + 2 * self.wal_batch_bytes_max()
    }

    /// The most pages of the database. SQLite refuses more.
    pub(crate) const fn pages_max(&self) -> u64 {
        let kept = self.bytes_max.saturating_add(self.batch_bytes_max).saturating_mul(2);
        let channels = self.channels_max.saturating_mul(CHANNEL_BYTES);
        let keys = self.keys_max.saturating_mul(KEY_BYTES);
        kept.saturating_add(channels).saturating_add(keys) / PAGE_BYTES + 64
    }

    /// The same for a log that keeps so many bytes. If they are more than it may have now, none of them
    /// has to go, and the shares of other namespaces come on top.
    pub(crate) const fn pages_max_beside(&self, kept: u64) -> u64 {
        let above = if kept > self.bytes_max { kept } else { 0 };
        Self { bytes_max: self.bytes_max.saturating_add(above), ..*self }.pages_max()
    }

    /// The length of the write-ahead log above which it is moved into the database before the next
    /// write. SQLite does so by itself at about 4 MiB, if it can.
    pub(crate) const fn wal_bytes_max(&self) -> u64 {
        (16 << 20) + 2 * self.wal_batch_bytes_max()
    }

    /// The most bytes that one commit adds to the write-ahead log: new pages, a page of an index
    /// for each record, and the pages that the deletion of as many records touches.
    const fn wal_batch_bytes_max(&self) -> u64 {
        let indexes = self.batch_records_max.saturating_mul(2 * PAGE_BYTES);
        self.batch_bytes_max.saturating_mul(4).saturating_add(indexes + 64 * PAGE_BYTES)
    }

    /// These limits with the totals of others: what the log may have in all.
    pub(crate) const fn with_totals(&self, totals: &Self) -> Self {
        let Self { bytes_max, channels_max, keys_max, .. } = *totals;
        Self { bytes_max, channels_max, keys_max, ..*self }
    }

    /// Checks that the limits do not contradict each other.
    pub(crate) const fn check(&self) -> Result<(), Error> {
        let sound = self.record_bytes_max > 0
            && self.record_bytes_max <= self.batch_bytes_max
            && self.batch_bytes_max <= self.bytes_max
            && self.record_bytes_max <= self.queue_bytes_max
            && self.batch_records_max > 0
            && self.batch_records_max <= 1 << 20
            && self.queue_records_max > 0
            && self.channels_max > 0
            && self.channels_max <= 1 << 31
            && self.keys_max <= 1 << 40
            // SQLite's own bounds: 2^31 bytes in a record, 2^32 pages.
            && self.record_bytes_max <= 1 << 30
            && self.bytes_max <= 1 << 42;
        if sound { Ok(()) } else { Err(Error::Limits) }
    }
}
