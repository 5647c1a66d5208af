//! Errors at work, and damage on disk.

use std::{fmt, io};

/// Why a call to the log failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another store in this one, has locked the directory.
    Locked,
    /// A later version wrote the directory, in this format.
    Format(u8),
    /// The limits contradict each other. A record has to fit into a batch, a batch into the log,
    /// and a record into the queue.
    Limits,
    /// The directory, or a file in it, cannot be used.
    Io(io::ErrorKind),
    /// The disk, or the log's part of it, is full. No record of the batch was kept. A later batch
    /// may succeed.
    Full,
    /// SQLite failed, with its extended result code.
    Database(i32),
    /// A position is not above all earlier ones.
    Order {
        /// The highest position so far.
        head: u64,
    },
    /// A record or a batch is larger than the limits allow.
    TooLarge,
    /// After an earlier failure nobody knows what is on disk. Open the directory again.
    Broken,
    /// An import into the directory was begun and not finished.
    Unfinished,
    /// The log is damaged, and the caller does not want a new one to begin. It stays as it is.
    Unsound(Damage),
    /// A record that was read is not what was written, or is missing. Other records may be sound.
    Damaged {
        /// Its position, or that of the record that follows the missing one.
        seq: u64,
    },
}

impl Error {
    /// Whether the failed batch is certainly not in the log.
    ///
    /// Otherwise it may or may not be; only opening the directory again tells.
    pub const fn is_certain(self) -> bool {
        match self {
            Self::Full | Self::Order { .. } | Self::TooLarge | Self::Broken | Self::Limits => true,
            Self::Locked
            | Self::Format(_)
            | Self::Io(_)
            | Self::Database(_)
            | Self::Unfinished
            | Self::Unsound(_)
            | Self::Damaged { .. } => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("another process is using the data directory"),
            Self::Format(format) => {
                write!(f, "the data directory is in format {format} of another version")
            }
            Self::Limits => f.write_str("the log's limits contradict each other"),
            Self::Io(kind) => write!(f, "the data directory cannot be used: {kind}"),
            Self::Full => f.write_str("the disk, or the log's share of it, is full"),
            Self::Database(code) => {
                write!(f, "the log failed: {} ({code})", rusqlite::ffi::code_to_str(*code))
            }
            Self::Order { head } => write!(f, "a place is not above {head}"),
            Self::TooLarge => f.write_str("the record or batch is too large"),
            Self::Broken => f.write_str("the log failed earlier and has to be opened again"),
            Self::Unfinished => f.write_str(
                "an import was not finished: run `sockeye log import` again with the same file, or, if \
                 the directory had no log before, remove it",
            ),
            Self::Unsound(damage) => write!(f, "the log is damaged: {damage}"),
            Self::Damaged { seq } => write!(f, "the log is damaged at record {seq}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            kind => Self::Io(kind),
        }
    }
}

/// The damage that ended an epoch. The database, if there is one, is kept as `log.sqlite.damaged`, in
/// place of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The database file is missing, but there is a mark.
    Missing,
    /// The mark is missing, unreadable, or of another log.
    Mark,
    /// SQLite cannot read the file, with its extended result code.
    Unreadable(i32),
    /// SQLite finds the file's structure unsound.
    Structure,
    /// A record does not match its checksum.
    Checksum {
        /// Its position.
        seq: u64,
    },
    /// Records of its channel are missing before this position.
    Hole {
        /// The position of the record whose predecessor is missing.
        seq: u64,
    },
    /// A channel's row does not match its checksum.
    Channel {
        /// The number of its row.
        id: u32,
    },
    /// An idempotency key, or the row of a run, does not match its checksum.
    Key {
        /// The position of the key's message, or the first position of the run.
        seq: u64,
    },
    /// The last process found the database damaged when it wrote to it.
    AtWork,
    /// The newest records are missing.
    Tail {
        /// The highest position found.
        found: u64,
        /// The highest position that was reported durable.
        durable: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the records are gone"),
            Self::Mark => f.write_str("the mark beside the records is gone or not theirs"),
            Self::Unreadable(code) => {
                write!(f, "the file cannot be read: {} ({code})", rusqlite::ffi::code_to_str(*code))
            }
            Self::Structure => f.write_str("the file's structure is unsound"),
            Self::Checksum { seq } => write!(f, "record {seq} is not what was written"),
            Self::Hole { seq } => write!(f, "records before {seq} are missing"),
            Self::Channel { id } => write!(f, "channel {id} is not what was written"),
            Self::Key { seq } => write!(f, "the key or run at {seq} is not what was written"),
            Self::AtWork => f.write_str("the file was found damaged when it was written to"),
            Self::Tail { found, durable } => {
                write!(f, "the log ends at {found}, but {durable} was reported durable")
            }
        }
    }
}
