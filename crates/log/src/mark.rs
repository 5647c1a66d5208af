//! The mark: a small file beside the database with the highest durable position, and the log's time.
//!
//! SQLite silently drops the end of a damaged write-ahead log, which leaves a shorter log that
//! looks sound. The mark reveals the loss. It is overwritten in place after each commit, before the
//! commit is reported. It is not synced then: after a kill it is exact, and after a power loss it
//! may be behind the log, never ahead. The time in it goes on while no record comes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Error;

const NEW_NAME: &str = "mark.new";
const MAGIC: &[u8; 7] = b"sockeye";
/// The beginning of a mark whose database was found damaged at work.
const CONDEMNED: &[u8; 7] = b"damaged";
/// The format of the directory. Format 1 had one table, and a mark without the time.
const FORMAT: u8 = 2;
const BYTES: usize = 44;
const OLD_BYTES: usize = 36;

/// The contents of the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The log's epoch.
    pub(crate) epoch: u64,
    /// The highest position that was reported durable.
    pub(crate) durable: u64,
    /// The highest position that was given out and not reported durable after a failure. It is never
    /// given out again.
    pub(crate) void: u64,
    /// The greatest time that the log has been told, by a record or by an expiry.
    pub(crate) time_ms: u64,
}

/// The result of reading the file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    Absent,
    Unreadable,
    /// The mark of a directory in this format.
    Is(Mark),
    /// The mark of a directory in format 1.
    Old(Mark),
    /// The mark of a database that was found damaged at work.
    Condemned(Mark),
}

#[derive(Debug)]
pub(crate) struct MarkFile {
    file: File,
}

impl MarkFile {
    pub(crate) const NAME: &str = "mark";

    /// Reads the mark.
    ///
    /// # Errors
    /// [`Error::Format`] if a later version wrote it.
    pub(crate) fn read(dir: &Path) -> Result<Read, Error> {
        let bytes = match fs::read(dir.join(Self::NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Absent),
            Err(error) => return Err(error.into()),
        };
        decode(&bytes)
    }

    /// Opens what [`read`](Self::read) found.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self { file: OpenOptions::new().write(true).open(dir.join(Self::NAME))? })
    }

    /// The same, as if the disk failed.
    #[cfg(test)]
    pub(crate) fn open_to_fail(dir: &Path) -> Result<Self, Error> {
        Ok(Self { file: File::open(dir.join(Self::NAME))? })
    }

    /// Replaces the mark file atomically.
    pub(crate) fn create(dir: &Path, mark: Mark) -> Result<Self, Error> {
        let new = dir.join(NEW_NAME);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&new)?;
        file.write_all_at(&encode(MAGIC, mark), 0)?;
        file.sync_all()?;
        fs::rename(new, dir.join(Self::NAME))?;
        File::open(dir)?.sync_all()?;
        Ok(Self { file })
    }

    /// Overwrites the mark. The write is within one page, so a kill leaves the old mark or the new
    /// one.
    pub(crate) fn write(&self, mark: Mark) -> Result<(), Error> {
        Ok(self.file.write_all_at(&encode(MAGIC, mark), 0)?)
    }

    /// Notes that the database is damaged: the next opening begins a new epoch.
    pub(crate) fn condemn(&self, mark: Mark) -> Result<(), Error> {
        self.file.write_all_at(&encode(CONDEMNED, mark), 0)?;
        self.sync()
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        Ok(self.file.sync_data()?)
    }
}

fn encode(magic: &[u8; 7], mark: Mark) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..7].copy_from_slice(magic);
    bytes[7] = FORMAT;
    bytes[8..16].copy_from_slice(&mark.epoch.to_le_bytes());
    bytes[16..24].copy_from_slice(&mark.durable.to_le_bytes());
    bytes[24..32].copy_from_slice(&mark.void.to_le_bytes());
    bytes[32..40].copy_from_slice(&mark.time_ms.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..40]);
    bytes[40..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<Read, Error> {
    let Some((content, checksum)) = bytes.split_last_chunk::<4>() else {
        return Ok(Read::Unreadable);
    };
    if ![OLD_BYTES, BYTES].contains(&bytes.len())
        || crc32fast::hash(content).to_le_bytes() != *checksum
    {
        return Ok(Read::Unreadable);
    }
    let is_condemned = content[..7] == *CONDEMNED;
    if content[..7] != *MAGIC && !is_condemned {
        return Ok(Read::Unreadable);
    }
    // [log:format]
    if bytes[7] > FORMAT {
        return Err(Error::Format(bytes[7]));
    }
    let number = |at: usize| {
        let number = content.get(at..at + 8).and_then(|it| it.try_into().ok());
        number.map_or(0, u64::from_le_bytes)
    };
    let (epoch, durable, void, time_ms) = (number(8), number(16), number(24), number(32));
    let mark = Mark { epoch, durable, void, time_ms };
    Ok(match bytes[7] < FORMAT {
        _ if is_condemned => Read::Condemned(mark),
        true => Read::Old(mark),
        false => Read::Is(mark),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { epoch: 3, durable: u64::MAX, void: 1 << 40, time_ms: 1 << 50 };

    #[test]
    fn any_flip_and_any_cut_is_seen() {
        let bytes = encode(MAGIC, MARK);
        assert!(matches!(decode(&bytes), Ok(Read::Is(mark)) if mark == MARK));
        for bit in 0..BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&bytes), Ok(Read::Unreadable)), "bit {bit}");
        }
        for len in 0..BYTES {
            assert!(matches!(decode(&bytes[..len]), Ok(Read::Unreadable)), "length {len}");
        }
    }

    /// [log:format]
    #[test]
    fn a_later_format_is_refused_and_not_taken_for_damage() {
        let mut bytes = encode(MAGIC, MARK);
        bytes[7] = FORMAT + 1;
        let checksum = crc32fast::hash(&bytes[..40]);
        bytes[40..].copy_from_slice(&checksum.to_le_bytes());
        assert!(matches!(decode(&bytes), Err(Error::Format(3))));
    }

    /// [log:upgrade]
    #[test]
    fn a_mark_of_format_1_has_no_time() {
        let mut bytes = [0; OLD_BYTES];
        bytes[..32].copy_from_slice(&encode(MAGIC, MARK)[..32]);
        bytes[7] = 1;
        let checksum = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        let old = Mark { time_ms: 0, ..MARK };
        assert!(matches!(decode(&bytes), Ok(Read::Old(mark)) if mark == old));
    }
}
