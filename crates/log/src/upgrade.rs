//! The upgrade from format 1, which had all records in one table, with their channels and keys.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};

use crate::load::Trouble;
use crate::record::kept_bytes;
use crate::rows::{State, Stats};
use crate::schema::{CORRUPT, SCHEMA, error, number, text};
use crate::table::{NewChannel, NewKey, NewRecord};
use crate::{Damage, Error, Policy, table};

/// Records that are written at once.
const CHUNK: usize = 512;

/// A record of format 1.
struct OldRecord {
    seq: u64,
    previous: u64,
    time_ms: u64,
    kind: u8,
    channel: String,
    key: Option<String>,
    body: Vec<u8>,
    checksum: u32,
}

/// The channels that have been met so far, with their numbers.
#[derive(Default)]
struct Channels(BTreeMap<String, (u32, Stats)>);

/// Checks a log of format 1 as its own version did, and writes it in the present format. It is one
/// transaction: after a crash the log is in one format or the other.
pub(crate) fn upgrade(db: &Connection, policy: &Policy) -> Result<(), Trouble> {
    let verdict: String =
        db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(error)?;
    if verdict != "ok" {
        return Err(Trouble::Damage(Damage::Structure));
    }
    let (epoch, floor) = old_state(db)?;
    let transaction = db.unchecked_transaction().map_err(error)?;
    transaction.execute_batch("DROP TABLE state").map_err(error)?;
    transaction.execute_batch(&SCHEMA.join(";")).map_err(error)?;
    let (channels, tail) = copy(&transaction, epoch, floor, policy)?;
    let rows = channels.0.iter().map(|(name, (id, stats))| NewChannel {
        id: *id,
        name,
        stats: *stats,
        through: tail,
    });
    table::insert_channels(&transaction, epoch, rows)?;
    let state = State { epoch, horizon: floor, checkpoint: tail, tail };
    table::set_state(&transaction, state)?;
    transaction.execute_batch("DROP TABLE log").map_err(error)?;
    transaction.commit().map_err(error)?;
    Ok(())
}

/// Copies the records, and checks their chain. Returns the channels, and the newest record.
fn copy(
    db: &Connection,
    epoch: u64,
    floor: u64,
    policy: &Policy,
) -> Result<(Channels, u64), Trouble> {
    let sql = "SELECT seq, previous, time_ms, kind, channel, key, body, checksum \
               FROM log ORDER BY seq";
    let mut select = db.prepare(sql).map_err(error)?;
    let mut rows = select.query([]).map_err(error)?;
    let (mut channels, mut tail) = (Channels::default(), floor);
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        let row = rows.next().map_err(error)?;
        let is_end = row.is_none();
        if let Some(row) = row {
            let record = OldRecord::read(row).map_err(error)?;
            let seq = record.seq;
            if record.sum(epoch) != record.checksum {
                return Err(Trouble::Damage(Damage::Checksum { seq }));
            }
            if record.previous != tail {
                return Err(Trouble::Damage(Damage::Hole { seq }));
            }
            tail = seq;
            chunk.push(record);
        }
        if is_end || chunk.len() == CHUNK {
            channels.add(db, epoch, (floor, policy), &chunk)?;
            chunk.clear();
        }
        if is_end {
            return Ok((channels, tail));
        }
    }
}

impl Channels {
    /// Writes records. Each gets its channel's record before; those up to `floor` may have been in
    /// any channel.
    fn add(
        &mut self,
        db: &Connection,
        epoch: u64,
        (floor, policy): (u64, &Policy),
        records: &[OldRecord],
    ) -> Result<(), Error> {
        let mut rows = Vec::with_capacity(records.len());
        for OldRecord { seq, time_ms, kind, channel: name, body, .. } in records {
            let (seq, time_ms, kind) = (*seq, *time_ms, *kind);
            let next = u32::try_from(self.0.len() + 1).map_err(|_| CORRUPT)?;
            let (id, stats) =
                self.0.entry(name.clone()).or_insert_with(|| (next, Stats::after(floor)));
            let (channel, previous) = (*id, stats.last);
            stats.add(seq, time_ms, kind, kept_bytes(name, body.len() as u64));
            rows.push(NewRecord { seq, channel, name, previous, time_ms, kind, body });
        }
        let keys = records.iter().zip(&rows).filter_map(|(record, row)| {
            let until_ms = record.time_ms.saturating_add(policy.rule_of(row.name).key_ms);
            let NewRecord { seq, channel, name, .. } = *row;
            record.key.as_ref().map(|key| NewKey { seq, channel, name, key, until_ms })
        });
        table::insert_keys(db, epoch, keys)?;
        table::insert_records(db, epoch, rows.iter().copied())
    }
}

/// The epoch of a log of format 1.
pub(crate) fn old_epoch(db: &Connection) -> Result<u64, Error> {
    old_state(db).map(|(epoch, _)| epoch)
}

/// The epoch, and the highest position whose record was dropped.
fn old_state(db: &Connection) -> Result<(u64, u64), Error> {
    let sql = "SELECT epoch, floor, checksum FROM state WHERE id = 1";
    let (epoch, floor, checksum) = db
        .query_row(sql, [], |row| Ok((number(row, 0)?, number(row, 1)?, row.get::<_, u32>(2)?)))
        .map_err(error)?;
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&epoch.to_le_bytes());
    bytes[8..].copy_from_slice(&floor.to_le_bytes());
    if crc32fast::hash(&bytes) == checksum { Ok((epoch, floor)) } else { Err(CORRUPT) }
}

impl OldRecord {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            seq: number(row, 0)?,
            previous: number(row, 1)?,
            time_ms: number(row, 2)?,
            kind: row.get(3)?,
            channel: text(row.get(4)?)?,
            key: row.get::<_, Option<Vec<u8>>>(5)?.map(text).transpose()?,
            body: row.get(6)?,
            checksum: row.get(7)?,
        })
    }

    /// The checksum over the record, the epoch, and the position of the record before.
    fn sum(&self, epoch: u64) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for number in [epoch, self.previous, self.seq, self.time_ms, u64::from(self.kind)] {
            hasher.update(&number.to_le_bytes());
        }
        let key = self.key.as_deref();
        let key_len = key.map_or(u64::MAX, |key| key.len() as u64);
        hasher.update(&(self.channel.len() as u64).to_le_bytes());
        hasher.update(&key_len.to_le_bytes());
        hasher.update(self.channel.as_bytes());
        hasher.update(key.unwrap_or_default().as_bytes());
        hasher.update(&self.body);
        hasher.finalize()
    }
}
