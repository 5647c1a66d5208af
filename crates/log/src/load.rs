//! Loads what the log knows of itself: its state, its channels, and the records behind its checkpoint.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;

use crate::book::Book;
use crate::rows::{ChannelRow, RecordRow, Run, State, Stats};
use crate::schema::damage_code;
use crate::{Damage, Error, Limits, Policy, table};

/// A sound log, as it was found.
pub(crate) struct Loaded {
    pub(crate) state: State,
    pub(crate) book: Book,
    /// The newest record ever.
    pub(crate) tail: u64,
    /// Channels by the first record that their rows do not count.
    pub(crate) unsaved: BTreeMap<u64, u32>,
    pub(crate) runs: Vec<Run>,
}

/// Why an existing log is not resumed.
pub(crate) enum Trouble {
    Damage(Damage),
    Error(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Damaged { seq } => Self::Damage(Damage::Checksum { seq }),
            error => damage_code(error)
                .map_or(Self::Error(error), |code| Self::Damage(Damage::Unreadable(code))),
        }
    }
}

/// A channel while the log is loaded.
struct Found {
    name: String,
    stats: Stats,
    /// The position that its row was good for.
    through: u64,
    /// The first record that its row does not count; zero if it counts all.
    unsaved: u64,
}

/// Loads the log. It reads the state, the channels, the runs, and the records behind the
/// checkpoint, and no others.
pub(crate) fn load(db: &Connection, limits: Limits, policy: &Policy) -> Result<Loaded, Trouble> {
    let state = table::state(db)?;
    let mut channels = BTreeMap::new();
    let mut tail = state.tail;
    table::channels(db, |row| {
        // [log:checked]
        if !row.is_sound(state.epoch) {
            return Err(Trouble::Damage(Damage::Channel { id: row.id }));
        }
        let ChannelRow { id, name, stats, through, .. } = row;
        tail = tail.max(through);
        channels.insert(id, Found { name, stats, through, unsaved: 0 });
        Ok(())
    })?;
    table::records(db, state.checkpoint, |row| {
        tail = tail.max(row.seq);
        count(&mut channels, state.epoch, &row)
    })?;
    let keys: HashMap<u32, u32> = table::key_counts(db)?.into_iter().collect();
    let runs = table::runs(db, state.epoch).map_err(|error| match error {
        Error::Damaged { seq } => Trouble::Damage(Damage::Key { seq }),
        error => error.into(),
    })?;
    let mut book = Book::new(limits, policy, state.horizon);
    let mut unsaved = BTreeMap::new();
    for (id, found) in channels {
        book.restore(id, &found.name, found.stats, found.unsaved);
        book.restore_keys(id, keys.get(&id).copied().unwrap_or(0));
        if found.unsaved > 0 {
            unsaved.insert(found.unsaved, id);
        }
    }
    Ok(Loaded { state, book, tail, unsaved, runs })
}

/// Counts a record behind the checkpoint, unless its channel's row does.
fn count(channels: &mut BTreeMap<u32, Found>, epoch: u64, row: &RecordRow) -> Result<(), Trouble> {
    let RecordRow { seq, channel, previous, time_ms, kind, .. } = *row;
    let damage = |damage| Err(Trouble::Damage(damage));
    let Some(found) = channels.get_mut(&channel) else {
        return damage(Damage::Channel { id: channel });
    };
    row.check(epoch, &found.name)?;
    if seq <= found.through {
        return Ok(());
    }
    if previous != found.stats.last {
        return damage(Damage::Hole { seq });
    }
    let bytes = crate::record::kept_bytes(&found.name, row.body.len() as u64);
    found.stats.add(seq, time_ms, kind, bytes);
    if found.unsaved == 0 {
        found.unsaved = seq;
    }
    Ok(())
}
