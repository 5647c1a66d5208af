//! Errors at work, and damage on disk.

use std::{fmt, io};

use rusqlite::ffi;

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
    /// The directory has no log, or is not there.
    Absent,
    /// The directory of a copy has files in it already.
    NotEmpty,
    /// The directory, or a file in it, cannot be used.
    Io(io::ErrorKind),
    /// The disk, or the log's part of it, is full. No record of the batch was kept. A later batch
    /// may succeed.
    Full,
    /// The system refused a write to the database: the file has reached a limit (`RLIMIT_FSIZE`) or a
    /// quota, or the disk fails. No record of the batch was kept. A later batch may succeed.
    WriteRefused,
    /// The database, or a file beside it, cannot be written. Reading needs that, too: a reader and a
    /// writer agree by a file.
    ReadOnly,
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
    /// A copy into the directory was begun and not finished.
    UnfinishedCopy,
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
            Self::Full
            | Self::WriteRefused
            | Self::Order { .. }
            | Self::TooLarge
            | Self::Broken
            | Self::Limits => true,
            Self::Locked
            | Self::Format(_)
            | Self::Absent
            | Self::NotEmpty
            | Self::ReadOnly
            | Self::Io(_)
            | Self::Database(_)
            | Self::Unfinished
            | Self::UnfinishedCopy
            | Self::Unsound(_)
            | Self::Damaged { .. } => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str(
                "another process uses the log: one serves it, or changes it, at a time",
            ),
            Self::Format(format @ ..=1) => write!(
                f,
                "the log is in format {format} of an earlier version: start a server on it once, which \
                 upgrades it"
            ),
            Self::Format(format) => {
                write!(f, "the log is in format {format} of a later version: take that version")
            }
            Self::Limits => f.write_str("the log's limits contradict each other"),
            Self::Absent => f.write_str("there is no log"),
            Self::NotEmpty => f.write_str("there are files in it already"),
            Self::Io(io::ErrorKind::NotFound) => f.write_str("there is no such file or directory"),
            Self::Io(kind) => write!(f, "the directory, or a file in it, cannot be used: {kind}"),
            Self::ReadOnly => f.write_str(
                "the directory, or a file in it, cannot be written, which reading needs, too",
            ),
            Self::Full => f.write_str("the disk, or the log's share of it, is full"),
            Self::WriteRefused => f.write_str(
                "the system refused to write `log.sqlite`, or a file beside it: a limit of file sizes or a \
                 quota is reached, or the disk fails",
            ),
            Self::Database(code) => {
                write!(f, "{} (SQLite's code {code})", meaning(*code))
            }
            Self::Order { head } => write!(f, "a position is not above {head}"),
            Self::TooLarge => f.write_str("the record or batch is too large"),
            Self::Broken => f.write_str("the log failed earlier and has to be opened again"),
            Self::Unfinished => f.write_str(
                "an import was not finished: run `sockeye log import` again with the same file, or, if \
                 the directory had no log before, remove it",
            ),
            Self::UnfinishedCopy => f.write_str(
                "a copy into it was not finished: run `sockeye log backup`, or `restore`, again, or remove \
                 `log.sqlite.unfinished`",
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

/// The words for a person behind a code of SQLite, which may be an extended one.
const fn meaning(code: i32) -> &'static str {
    match code & 0xff {
        ffi::SQLITE_EMPTY => {
            "`log.sqlite` has no tables, as if `log.sqlite-wal`, which may have them, was taken away"
        }
        ffi::SQLITE_NOTADB => "`log.sqlite` is no database",
        ffi::SQLITE_CORRUPT | ffi::SQLITE_FORMAT => "`log.sqlite` has what nobody wrote",
        ffi::SQLITE_PERM | ffi::SQLITE_AUTH => "the system does not permit to use `log.sqlite`",
        ffi::SQLITE_READONLY => "`log.sqlite`, or a file beside it, cannot be written",
        ffi::SQLITE_CANTOPEN => "`log.sqlite`, or a file beside it, cannot be opened",
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => "another process holds `log.sqlite`",
        ffi::SQLITE_IOERR => "the system could not read or write `log.sqlite`",
        ffi::SQLITE_FULL => "the disk is full",
        ffi::SQLITE_NOMEM => "there is not enough memory to read `log.sqlite`",
        ffi::SQLITE_NOLFS | ffi::SQLITE_TOOBIG => "`log.sqlite` is too large for this system",
        _ => "SQLite could not use `log.sqlite`",
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
            Self::Missing => f.write_str("the file `log.sqlite` is gone"),
            Self::Mark => f.write_str("the file `mark` is gone, or is not that of `log.sqlite`"),
            Self::Unreadable(code) => write!(f, "{} (SQLite's code {code})", meaning(*code)),
            Self::Structure => f.write_str("the structure of `log.sqlite` is unsound"),
            Self::Checksum { seq } => write!(f, "record {seq} is not what was written"),
            Self::Hole { seq } => write!(f, "records before {seq} are missing"),
            Self::Channel { id } => write!(f, "channel {id} is not what was written"),
            Self::Key { seq } => write!(f, "the key or run at {seq} is not what was written"),
            Self::AtWork => f.write_str("a server found it damaged when it wrote to it"),
            Self::Tail { found, durable } => write!(
                f,
                "the log ends at {found}, and {durable} was reported durable: the newest records are \
                 missing, as if `log.sqlite-wal`, which may have them, was taken away or cut"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_the_database_is_told_in_words() {
        for (code, words) in [
            (ffi::SQLITE_EMPTY, "has no tables"),
            (ffi::SQLITE_IOERR_SHORT_READ, "could not read"),
            (ffi::SQLITE_CORRUPT_INDEX, "what nobody wrote"),
            (ffi::SQLITE_READONLY_DIRECTORY, "cannot be written"),
            (ffi::SQLITE_INTERNAL, "could not use"),
        ] {
            for text in [Error::Database(code).to_string(), Damage::Unreadable(code).to_string()] {
                assert!(text.contains(words), "{text}");
                assert!(text.ends_with(&format!("(SQLite's code {code})")), "{text}");
            }
        }
    }
}
