//! What an import writes.

use super::Store;
use super::stage::Stage;
use crate::rows::State;
use crate::schema::error;
use crate::table::NewKey;
use crate::transfer::{ChannelState, End, KeyState};
use crate::{Error, Record, table};

impl Store {
    /// Appends records at positions that were given out elsewhere. If it fails, they are not void.
    pub(crate) fn import_records(&mut self, records: &[Record]) -> Result<(), Error> {
        records.iter().for_each(|record| self.book.lock().reserve(record));
        let done = self.try_append(records);
        // If only the mark could not be written, they are committed and wait no longer.
        if done.is_err() && records.last().is_some_and(|newest| self.tail < newest.seq) {
            self.book.lock().release(records);
        }
        self.note(done);
        done
    }

    /// Enters what another log knew of channels. Their records up to their floors go.
    pub(crate) fn import_channels(&mut self, channels: &[ChannelState]) -> Result<(), Error> {
        let ids: Vec<u32> = channels.iter().map(|it| self.book.lock().adopt(&it.name)).collect();
        let done = self.commit(&[], Stage::default(), |store, db, stage| {
            for (id, channel) in ids.into_iter().zip(channels) {
                store.trim_through(db, stage, id, channel.floor)?;
                let touched = stage.touch(&store.book.lock(), id);
                // Its row is written in any case.
                touched.old_floor = u64::MAX;
                let stats = &mut touched.stats;
                stats.floor = stats.floor.max(channel.floor);
                stats.last = stats.last.max(channel.last).max(channel.floor);
                stats.ended = stats.ended.max(channel.ended.unwrap_or(0));
            }
            Ok(())
        });
        done.map(|_| ())
    }

    /// Enters keys, in place of those of the same messages.
    pub(crate) fn import_keys(&mut self, keys: &[KeyState]) -> Result<(), Error> {
        let db = self.table.begin()?;
        table::delete_keys(&db, keys.iter().map(|it| it.seq))?;
        let mut rows = Vec::with_capacity(keys.len());
        for KeyState { channel: name, key, seq, until_ms } in keys {
            let (seq, until_ms) = (*seq, *until_ms);
            let channel = self.book.lock().id_of(name).ok_or(Error::Damaged { seq })?;
            rows.push(NewKey { seq, channel, name, key, until_ms });
        }
        table::insert_keys(&db, self.last.epoch, rows.into_iter())?;
        db.commit().map_err(error)
    }

    /// Whether it knows a channel.
    pub(crate) fn knows(&self, channel: &str) -> bool {
        self.book.lock().id_of(channel).is_some()
    }

    /// Enters what another log knew of itself.
    pub(crate) fn import_end(&mut self, end: &End) -> Result<(), Error> {
        let state = State { horizon: self.state.horizon.max(end.horizon), ..self.state };
        let db = self.table.begin()?;
        table::set_state(&db, state)?;
        for run in &end.runs {
            table::set_run(&db, self.last.epoch, *run, 0)?;
        }
        db.commit().map_err(error)?;
        self.state = state;
        self.keep_time(end.time_ms);
        self.void(end.head.max(self.head))
    }

    /// Leaves no run: the positions belong to the runs that come with them.
    pub(crate) const fn leave_no_run(&mut self) {
        self.is_run_new = false;
    }
}
