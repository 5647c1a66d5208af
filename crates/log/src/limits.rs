//! The limits of the log.

use crate::Error;

/// Bytes of a page of the database.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// The limits of the log: records kept, records in a commit, records that wait.
///
/// [`Record::bytes`](crate::Record::bytes) counts the bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Records kept. Above it, the commit of new records drops the oldest.
    pub records_max: u64,
    /// Bytes of records kept, likewise.
    pub bytes_max: u64,
    /// How long a record is kept. [`Store::expire`](crate::Store::expire) drops older ones.
    /// Idempotency keys live as long as their records, so do not set it below their lifetime.
    pub age_ms: u64,
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
    /// A million records, 256 MiB, a day; records of 1 MiB; commits of 1024 records or 4 MiB;
    /// 8192 records or 16 MiB that wait.
    fn default() -> Self {
        Self {
            records_max: 1_000_000,
            bytes_max: 256 << 20,
            age_ms: 24 * 3_600_000,
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
        let kept = self.bytes_max.saturating_add(self.batch_bytes_max);
        kept.saturating_mul(2) / PAGE_BYTES + 64
    }

    /// The length of the write-ahead log above which it is moved into the database before the next
    /// write. SQLite does so by itself at about 4 MiB, if it can.
    pub(crate) const fn wal_bytes_max(&self) -> u64 {
        (16 << 20) + 2 * self.wal_batch_bytes_max()
    }

    /// The most bytes that one commit adds to the write-ahead log: new pages, and the pages that
    /// the deletion of as many records touches.
    const fn wal_batch_bytes_max(&self) -> u64 {
        self.batch_bytes_max.saturating_mul(4).saturating_add(64 * PAGE_BYTES)
    }

    /// Checks that the limits do not contradict each other.
    pub(crate) const fn check(&self) -> Result<(), Error> {
        let sound = self.record_bytes_max > 0
            && self.record_bytes_max <= self.batch_bytes_max
            && self.batch_bytes_max <= self.bytes_max
            && self.record_bytes_max <= self.queue_bytes_max
            && self.batch_records_max > 0
            && self.batch_records_max <= self.records_max
            && self.queue_records_max > 0
            // SQLite's own bounds: 2^31 bytes in a record, 2^32 pages.
            && self.record_bytes_max <= 1 << 30
            && self.bytes_max <= 1 << 42;
        if sound { Ok(()) } else { Err(Error::Limits) }
    }
}
