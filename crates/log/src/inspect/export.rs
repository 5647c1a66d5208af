//! Export: a log in parts, as it was at one position.

use std::collections::HashMap;

use super::Inspector;
use super::copy::stats;
use crate::mark::{MarkFile, Read};
use crate::rows::{RecordRow, Stats};
use crate::schema::error;
use crate::transfer::{ChannelState, End, KeyState, Part};
use crate::{Error, Record, table};

impl Inspector {
    /// Passes the log to `each` in parts, as it is now. Each is checked on its way. A server may write
    /// the log meanwhile; what it drops may be missing.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the position of a part that is not what was written; what `each` returns;
    /// [`Error::Unsound`], after all parts that are there, if the end of the log is missing.
    // [log:export]
    pub fn export<E: From<Error>>(
        &self,
        mut each: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        let (epoch, through) = (self.epoch, self.tail()?);
        each(Part::Begin { epoch, through })?;
        let newest = self.export_records(through, &mut each)?;
        let snapshot = self.db.unchecked_transaction().map_err(error)?;
        let mut names = HashMap::new();
        table::channels(&snapshot, |row| {
            if !row.is_sound(epoch) {
                return Err(E::from(Error::Damaged { seq: row.stats.last }));
            }
            // The row may be older than the records, and the other way round.
            let told = newest.get(&row.id).copied().unwrap_or_default();
            let known = stats(&row, told, through);
            if known.floor > 0 || known.last > told.last || known.ended > told.ended {
                let ended = (known.ended > 0).then_some(known.ended);
                let (name, floor, last) = (row.name.clone(), known.floor, known.last);
                each(Part::Channel(ChannelState { name, floor, last, ended }))?;
            }
            names.insert(row.id, row.name);
            Ok(())
        })?;
        let horizon = table::state(&snapshot)?.horizon.min(through);
        let mut runs = table::runs(&snapshot, epoch)?;
        drop(snapshot);
        self.export_keys(through, &names, &mut each)?;
        runs.retain(|run| run.first <= through + 1);
        let (head, time_ms) = match MarkFile::read(&self.dir)? {
            Read::Is(mark) | Read::Condemned(mark) => (mark.void.max(through), mark.time_ms),
            // A mark that is being written does not tell.
            Read::Absent | Read::Unreadable | Read::Old(_) => (through, 0),
        };
        each(Part::End(End { head, horizon, time_ms, runs }))?;
        Ok(self.check_tail()?)
    }

    /// Passes the records to `each`. Returns the newest one of each channel, and its end.
    fn export_records<E: From<Error>>(
        &self,
        through: u64,
        each: &mut impl FnMut(Part) -> Result<(), E>,
    ) -> Result<HashMap<u32, Stats>, E> {
        let (mut newest, mut failed) = (HashMap::<u32, Stats>::new(), None);
        let done = self.records(0, through, |row, name| {
            let RecordRow { seq, time_ms, kind, .. } = row;
            let channel = name.ok_or(Error::Damaged { seq })?.to_owned();
            row.check(self.epoch, &channel)?;
            newest.entry(row.channel).or_default().add(seq, time_ms, kind, 0);
            let record = Record { seq, time_ms, kind, channel, key: None, body: row.body };
            each(Part::Record(record)).map_err(|error| {
                failed = Some(error);
                Error::Broken
            })
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(done.map(|_| newest)?),
        }
    }

    fn export_keys<E: From<Error>>(
        &self,
        through: u64,
        names: &HashMap<u32, String>,
        each: &mut impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = 0;
        loop {
            let keys = self.keys(after, through)?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = last.seq;
            for row in keys {
                let seq = row.seq;
                // A channel that was forgotten meanwhile had no key then.
                let Some(channel) = names.get(&row.channel).cloned() else { continue };
                if !row.is_sound(self.epoch, &channel) {
                    return Err(Error::Damaged { seq }.into());
                }
                let (key, until_ms) = (row.key, row.until_ms);
                each(Part::Key(KeyState { channel, key, seq, until_ms }))?;
            }
        }
    }
}
