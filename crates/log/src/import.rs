//! Import: a log that comes from elsewhere, in parts.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::open::Purpose;
use crate::transfer::{ChannelState, End, KeyState};
use crate::{Error, Limits, Options, Policy, Record, Recovered, Rule, Store};

/// The file that is there while an import is not finished. It has the position before the first one
/// that the import writes.
const UNFINISHED: &str = "importing";

/// Writes a log that comes from elsewhere into a directory.
///
/// From its first write on, or at once if there was no log, nothing else opens the directory until
/// [`finish`](Self::finish) ([`Error::Unfinished`]). An import that was cut short goes on when it begins
/// again: [`head`](Self::head) has what is there already.
/// Nothing is dropped by a rule, and nothing refused for one: whoever serves the log next says what is
/// kept.
#[derive(Debug)]
pub struct Import {
    store: Store,
    base: u64,
    /// Whether the disk has the note that it began.
    is_noted: bool,
    dir: PathBuf,
}

/// Limits that bound a commit and nothing else.
fn limits() -> Limits {
    Limits {
        bytes_max: 1 << 42,
        channels_max: 1 << 31,
        keys_max: 1 << 40,
        record_bytes_max: Import::BATCH_BYTES_MAX,
        batch_records_max: Import::BATCH_RECORDS_MAX,
        batch_bytes_max: Import::BATCH_BYTES_MAX,
        queue_bytes_max: Import::BATCH_BYTES_MAX,
        ..Limits::default()
    }
}

impl Import {
    /// Records in one call.
    pub const BATCH_RECORDS_MAX: u64 = 4096;

    /// Bytes of records in one call, by [`Record::bytes`].
    pub const BATCH_BYTES_MAX: u64 = 64 << 20;

    /// Begins an import, or goes on with one that was not finished. A log that is there goes on;
    /// otherwise one begins with this epoch.
    ///
    /// # Errors
    /// As for [`Store::open`]; [`Error::Unsound`] if the log is damaged, which stays as it is.
    // [log:import]
    pub fn begin(dir: &Path, epoch: u64, tag: u32) -> Result<(Self, Recovered), Error> {
        let mut rule = Rule::default();
        (rule.keep_ms, rule.key_ms) = (Rule::FOREVER, 0);
        let policy = Policy { rule, named: Vec::new() };
        let options = Options { limits: limits(), policy, fresh_epoch: epoch, tag };
        let (store, found) = Store::open_for(Purpose::Import, dir, &options)?;
        let (base, is_noted) = match fs::read_to_string(dir.join(UNFINISHED)) {
            Ok(text) => {
                let base = text.trim().parse();
                (base.map_err(|_| Error::Io(io::ErrorKind::InvalidData))?, true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (found.head, false),
            Err(error) => return Err(error.into()),
        };
        Ok((Self { store, base, is_noted, dir: dir.to_owned() }, found))
    }

    /// Notes that the import began. A log that was there stays one if nothing was written to it.
    fn note(&mut self) -> Result<(), Error> {
        if !self.is_noted {
            note(&self.dir, self.base)?;
            self.is_noted = true;
        }
        Ok(())
    }

    /// The position before the first one of this import.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The newest position that is there.
    pub const fn head(&self) -> u64 {
        self.store.head()
    }

    /// Has all positions belong to the runs that [`End`] names. Call it before the first record.
    pub fn bring_runs(&mut self) {
        self.store.leave_no_run();
    }

    /// Appends records in one commit. They come without keys.
    ///
    /// # Errors
    /// As for [`Store::append`], but no position is void.
    pub fn records(&mut self, records: &[Record]) -> Result<(), Error> {
        self.note()?;
        self.store.import_records(records)
    }

    /// Enters what is known of channels, in one commit.
    ///
    /// # Errors
    /// As for [`Store::append`].
    pub fn channels(&mut self, channels: &[ChannelState]) -> Result<(), Error> {
        self.note()?;
        self.store.import_channels(channels)
    }

    /// Whether a channel is known, so that it may have keys.
    pub fn knows(&self, channel: &str) -> bool {
        self.store.knows(channel)
    }

    /// Enters keys, in one commit. Their channels are known.
    ///
    /// # Errors
    /// As for [`Store::append`].
    pub fn keys(&mut self, keys: &[KeyState]) -> Result<(), Error> {
        self.note()?;
        self.store.import_keys(keys)
    }

    /// Ends the import: the directory can be opened. `end` is what a whole log knew of itself.
    ///
    /// # Errors
    /// As for [`Store::append`].
    pub fn finish(mut self, end: Option<&End>) -> Result<(), Error> {
        self.note()?;
        if let Some(end) = end {
            self.store.import_end(end)?;
        }
        drop(self.store);
        fs::remove_file(self.dir.join(UNFINISHED))?;
        File::open(&self.dir)?.sync_all()?;
        Ok(())
    }
}

/// Notes that an import begins. The note is on the disk before the first record.
pub(crate) fn note(dir: &Path, base: u64) -> Result<(), Error> {
    let new = dir.join("importing.new");
    let mut file = File::create(&new)?;
    write!(file, "{base}")?;
    file.sync_all()?;
    fs::rename(new, dir.join(UNFINISHED))?;
    File::open(dir)?.sync_all()?;
    Ok(())
}

/// Whether an import into the directory was begun and not finished.
pub(crate) fn is_unfinished(dir: &Path) -> Result<bool, Error> {
    Ok(dir.join(UNFINISHED).try_exists()?)
}
