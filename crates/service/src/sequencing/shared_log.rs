//! The figures of a log that several machines share.

/// A node of a log that several machines share, as its newest lease tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogNode {
    /// Its number: another one for each process.
    pub node: u64,
    /// Its name, for people.
    pub name: Box<str>,
    /// The release of its program, if it says so.
    pub release: Option<Box<str>>,
    /// The newest version of entries that it reads.
    pub entries: u8,
    /// The digest of its rules, if it says so.
    pub rules: Option<u64>,
    /// The place of the newest entry that it had read.
    pub head: u64,
    /// The entries behind that place, when it said so.
    pub lag_entries: u64,
    /// It counts as there until this log time.
    pub until_ms: u64,
    /// Whether it is the one of this process.
    pub is_own: bool,
}

/// What a process knows of a log that it shares with other machines, for `/metrics` and `/readyz`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedLog {
    /// Whether its engine can be reached.
    pub is_up: bool,
    /// The place of the newest entry that was read.
    pub head: u64,
    /// Entries that were read since the process began to read the retained log.
    pub restored: u64,
    /// Entries that the log retained then; zero if nobody knows.
    pub retained: u64,
    /// Entries of the log that were not read yet, as far as the engine has told.
    pub lag_entries: u64,
    /// Publications that wait until they are read back.
    pub unread: u64,
    /// Epochs that have ended while the process ran.
    pub epochs_ended: u64,
    /// How often the process has doubted what it has read, and has read the retained log again.
    pub doubts: u64,
    /// Entries that could not be read.
    pub unreadable: u64,
}

impl SharedLog {
    /// How far reading the retained log is.
    pub(crate) fn progress(&self) -> String {
        match self.retained {
            0 => format!("restoring {}", self.restored),
            all => format!("restoring {} of {all}", self.restored.min(all)),
        }
    }
}
