//! The rows of channels: written when they change in a way that the records do not tell, and
//! otherwise some with each commit.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::Store;
use super::stage::{Stage, Touched};
use crate::rows::State;
use crate::table::NewChannel;
use crate::{Error, Record, table};

/// The most positions behind the checkpoint, some commits aside: what opening reads again.
const CHECKPOINT_EVERY: u64 = 32_768;

/// Rows that a commit writes besides two for each of its records, once the checkpoint is that far
/// back.
const SAVED_MIN: usize = 64;

/// A row that a commit writes.
struct Saved {
    id: u32,
    name: Box<str>,
    touched: Touched,
}

impl Store {
    /// Writes the rows of channels that are new or have a new floor, and some of those that have not
    /// been written for longest. Returns the state that holds once the commit is done.
    pub(super) fn save(
        &self,
        db: &Connection,
        stage: &mut Stage,
        records: usize,
        tail: u64,
    ) -> Result<State, Error> {
        let mut ids = stage.changed();
        let is_due = tail.saturating_sub(self.state.checkpoint) > CHECKPOINT_EVERY;
        if is_due {
            let oldest = self.unsaved.values().take(records * 2 + SAVED_MIN);
            ids.extend(oldest.filter(|id| !stage.forgotten.contains(id)));
        }
        let rows: Vec<Saved> = {
            let book = self.book.lock();
            let row = |id: &u32| {
                let touched = stage.touch(&book, *id);
                let (before, has_row) = (*touched, touched.has_row);
                (touched.unsaved, touched.has_row) = (0, true);
                let name = book.channel(*id).expect("it was touched").name.into();
                Saved { id: *id, name, touched: Touched { has_row, ..before } }
            };
            ids.iter().map(row).collect()
        };
        self.write_rows(db, &rows, tail)?;
        let horizon = self.state.horizon.max(stage.horizon);
        let checkpoint = self.checkpoint(stage, &ids, tail);
        let state = State { horizon, checkpoint, tail, ..self.state };
        if !is_due && stage.forgotten.is_empty() {
            return Ok(self.state);
        }
        table::set_state(db, state).map(|()| state)
    }

    fn write_rows(&self, db: &Connection, rows: &[Saved], through: u64) -> Result<(), Error> {
        let epoch = self.epoch();
        let of = |kind: fn(&Touched) -> bool| {
            rows.iter().filter(move |row| kind(&row.touched)).map(move |row| NewChannel {
                id: row.id,
                name: &row.name,
                stats: row.touched.stats,
                through,
            })
        };
        table::insert_channels(db, epoch, of(|it| !it.has_row))?;
        let moved = of(|it| it.has_row && it.stats.floor != it.old_floor);
        table::rewrite_channels(db, epoch, moved)?;
        let same = of(|it| it.has_row && it.stats.floor == it.old_floor);
        table::update_channels(db, epoch, same)
    }

    /// The position that all rows are good for once those of `saved` are written.
    fn checkpoint(&self, stage: &Stage, saved: &BTreeSet<u32>, tail: u64) -> u64 {
        let before = self.unsaved.iter().find(|(_, id)| !saved.contains(id)).map(|(seq, _)| *seq);
        let new = stage.channels.values().map(|it| it.unsaved).filter(|seq| *seq > 0).min();
        before.into_iter().chain(new).min().map_or(tail, |first| first - 1)
    }

    /// Enters a commit in the book.
    pub(super) fn enter(&mut self, records: &[Record], stage: Stage) {
        let book = self.book.clone();
        let mut book = book.lock();
        book.settle_all(records);
        for (id, touched) in stage.channels {
            let before = book.channel(id).map_or(0, |it| it.figures.at_work.unsaved);
            if before != touched.unsaved {
                self.unsaved.remove(&before);
                if touched.unsaved > 0 {
                    self.unsaved.insert(touched.unsaved, id);
                }
            }
            book.set(id, touched.stats, touched.unsaved);
        }
        book.raise_horizon(stage.horizon);
        for id in stage.forgotten {
            let unsaved = book.channel(id).map_or(0, |it| it.figures.at_work.unsaved);
            self.unsaved.remove(&unsaved);
            book.forget_row(id);
        }
        for (_, id) in stage.keys {
            book.drop_key(id);
        }
    }
}
