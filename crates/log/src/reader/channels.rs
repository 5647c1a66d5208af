//! The names of channels, as a reader has met them in the database.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{Query, Range};
use crate::Error;
use crate::book::SharedBook;
use crate::rows::ChannelRow;
use crate::schema::{error, stored, text};

/// Names that one step loads.
const CHUNK: usize = 4096;

/// Channels of the book that are looked at at once. It is locked meanwhile.
const LOOKS: usize = 256;

/// A channel that the log has forgotten stays here for a while: no record has its number any more. If
/// the log numbers the channel anew, the new number replaces the old one. Once half may be forgotten, all
/// are loaded anew.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    names: HashMap<u32, Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    /// The highest number that was met.
    newest: u32,
    /// How many there were when all had been loaded.
    loaded: usize,
    is_loaded: bool,
}

impl Channels {
    /// Loads the names of channels that are new. Returns whether there are no more.
    pub(crate) fn load(&mut self, db: &Connection) -> Result<bool, Error> {
        // [log:bound-reads]
        if self.is_loaded && self.names.len() > 2 * self.loaded + CHUNK {
            *self = Self::default();
        }
        let sql = "SELECT id, name FROM channels WHERE id > ? ORDER BY id LIMIT ?";
        let mut select = db.prepare(sql).map_err(error)?;
        let row = params![self.newest, i64::try_from(CHUNK).unwrap_or(i64::MAX)];
        let rows = select.query_map(row, |row| Ok((row.get::<_, u32>(0)?, text(row.get(1)?)?)));
        let mut loaded = 0;
        for row in rows.map_err(error)? {
            let (id, name) = row.map_err(error)?;
            let name: Arc<str> = name.into();
            self.names.insert(id, Arc::clone(&name));
            if let Some(old) = self.ids.insert(name, id) {
                self.names.remove(&old);
            }
            (self.newest, loaded) = (id, loaded + 1);
        }
        let is_done = loaded < CHUNK;
        if is_done && !self.is_loaded {
            (self.loaded, self.is_loaded) = (self.names.len(), true);
        }
        Ok(is_done)
    }

    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    pub(crate) fn name(&self, id: u32) -> Option<&Arc<str>> {
        self.names.get(&id)
    }
}

/// The row of a channel; `None` if the log does not know it.
pub(crate) fn row(db: &Connection, epoch: u64, id: u32) -> Result<Option<ChannelRow>, Error> {
    let sql = format!("SELECT {} FROM channels WHERE id = ?", ChannelRow::COLUMNS);
    let mut select = db.prepare(&sql).map_err(error)?;
    let mut rows = select.query([id]).map_err(error)?;
    let Some(row) = rows.next().map_err(error)? else { return Ok(None) };
    let row = ChannelRow::read(row).map_err(error)?;
    if row.is_sound(epoch) { Ok(Some(row)) } else { Err(Error::Damaged { seq: row.stats.last }) }
}

/// The channels with a floor above a position, by an index. No checksum covers it, so some may be missing or wrong.
/// It stops when `each` says so.
pub(super) fn trimmed(
    db: &Connection,
    after: u64,
    mut each: impl FnMut(u32) -> Result<bool, Error>,
) -> Result<(), Error> {
    let sql = "SELECT id FROM channels INDEXED BY channels_by_floor WHERE floor > ?";
    let mut select = db.prepare(sql).map_err(error)?;
    let mut rows = select.query([stored(after)]).map_err(error)?;
    while let Some(row) = rows.next().map_err(error)? {
        if !each(row.get(0).map_err(error)?)? {
            break;
        }
    }
    Ok(())
}

/// The channels of a question by patterns that had lost records after its beginning, some more than its page names at
/// the most. It has those that the index in the database may have lost.
pub(super) fn known_as_trimmed(book: &SharedBook, query: &Query) -> Vec<u32> {
    let mut found = Vec::new();
    let Range::After { after, .. } = query.range else { return found };
    let mut from = (after.saturating_add(1), 0);
    while !query.is_by_name() && found.len() <= query.missing_max {
        let book = book.lock();
        let mut looks = 0;
        for channel in book.trimmed(from).take(LOOKS) {
            from = (channel.figures.stats.floor, channel.id.saturating_add(1));
            looks += 1;
            if query.is_about(channel.name) {
                found.push(channel.id);
            }
        }
        if looks < LOOKS {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SCHEMA;

    /// [log:bound-reads]
    #[test]
    fn names_that_the_log_has_forgotten_go() {
        const AT_ONCE: usize = 3_000;
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA[0]).unwrap();
        let mut channels = Channels::default();
        let mut next = 1..;
        for round in 0..10 {
            db.execute("DELETE FROM channels", []).unwrap();
            let ids: Vec<u32> = next.by_ref().take(AT_ONCE).collect();
            for id in &ids {
                let sql = "INSERT INTO channels VALUES (?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0)";
                db.execute(sql, params![id, format!("room:{id}").into_bytes()]).unwrap();
            }
            while !channels.load(&db).unwrap() {}
            for id in ids {
                let name = format!("room:{id}");
                assert_eq!(channels.id(&name), Some(id), "round {round}");
                assert_eq!(channels.name(id).map(|it| &**it), Some(&*name));
            }
            let known = (channels.names.len(), channels.ids.len());
            let most = 3 * AT_ONCE + CHUNK;
            assert!(known.0 <= most && known.1 <= most, "{known:?} in round {round}");
        }
    }
}
