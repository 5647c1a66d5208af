//! Every bound of the log.

use crate::Error;

/// Bytes of a page of the database.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// Every bound: what stays on disk, what one commit takes, what waits.
///
/// Bytes of records are counted as [`Record::bytes`](crate::Record::bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Records kept. Above it the oldest go, in the commit that brings the new ones.
    pub records_max: u64,
    /// Bytes of records kept, likewise.
    pub bytes_max: u64,
    /// How long a record is kept: [`Store::expire`](crate::Store::expire) drops what is older.
    /// Idempotency keys live as long as their records, so this is no shorter than theirs should be.
    pub age_ms: u64,
    /// Largest record that is taken.
    pub record_bytes_max: u64,
    /// Records in one commit.
    pub batch_records_max: u64,
    /// Bytes of records in one commit.
    pub batch_bytes_max: u64,
    /// Records handed to a writer whose outcome has not been fetched yet.
    pub queue_records_max: u64,
    /// Bytes of them.
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
    /// What the directory holds at the most, in bytes, a log that was set aside as damaged not
    /// counted: that is once as much again.
    ///
    /// Twice the records' bytes, because a record that needs pages of its own may leave almost one
    /// empty, and the write-ahead log.
    pub const fn disk_bytes_max(&self) -> u64 {
        self.pages_max() * PAGE_BYTES + self.wal_bytes_max() + 2 * self.wal_batch_bytes_max()
    }

    /// Pages that the database may have: SQLite refuses the one above it.
    pub(crate) const fn pages_max(&self) -> u64 {
        let kept = self.bytes_max.saturating_add(self.batch_bytes_max);
        kept.saturating_mul(2) / PAGE_BYTES + 64
    }

    /// Length of the write-ahead log above which it has to be moved into the database before
    /// anything else is written. SQLite does so by itself at about 4 MiB, if it can.
    pub(crate) const fn wal_bytes_max(&self) -> u64 {
        (16 << 20) + 2 * self.wal_batch_bytes_max()
    }

    /// What one commit adds to the write-ahead log at the most: new pages, and the old ones that
    /// the deletion of as many records touches.
    const fn wal_batch_bytes_max(&self) -> u64 {
        self.batch_bytes_max.saturating_mul(4).saturating_add(64 * PAGE_BYTES)
    }

    /// The order that the bounds have to have among themselves.
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
