//! A directory that an earlier version wrote.

use std::fs;

use crate::support::{Dir, limits, open, record, records};
use rusqlite::{Connection, params};
use sockeye_log::{Damage, Error, Record, Start};

const EPOCH: u64 = 1_000;
const FLOOR: u64 = 3;
const LAST: u64 = 700;

/// The checksum of a record in format 1.
fn old_checksum(record: &Record, previous: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in [EPOCH, previous, record.seq, record.time_ms, u64::from(record.kind)] {
        hasher.update(&number.to_le_bytes());
    }
    let key = record.key.as_deref();
    let key_len = key.map_or(u64::MAX, |key| key.len() as u64);
    hasher.update(&(record.channel.len() as u64).to_le_bytes());
    hasher.update(&key_len.to_le_bytes());
    hasher.update(record.channel.as_bytes());
    hasher.update(key.unwrap_or_default().as_bytes());
    hasher.update(&record.body);
    hasher.finalize()
}

fn mark(format: u8) -> Vec<u8> {
    let mut bytes = b"sockeye".to_vec();
    bytes.push(format);
    for number in [EPOCH, LAST, LAST + 2] {
        bytes.extend(number.to_le_bytes());
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// A log of format 1: records from four on, every tenth left out.
fn old(dir: &Dir) -> Vec<Record> {
    let db = Connection::open(dir.file("log.sqlite")).unwrap();
    db.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;
         CREATE TABLE log (seq INTEGER PRIMARY KEY, previous INTEGER NOT NULL, \
         time_ms INTEGER NOT NULL, kind INTEGER NOT NULL, channel BLOB NOT NULL, key BLOB, \
         body BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;
         CREATE TABLE state (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, \
         floor INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;",
    )
    .unwrap();
    let mut state = EPOCH.to_le_bytes().to_vec();
    state.extend(FLOOR.to_le_bytes());
    let row = params![EPOCH.cast_signed(), FLOOR.cast_signed(), crc32fast::hash(&state)];
    db.execute("INSERT INTO state VALUES (1, ?, ?, ?)", row).unwrap();
    let written = (FLOOR + 1..=LAST).filter(|seq| !seq.is_multiple_of(10) || *seq == LAST);
    let written: Vec<_> = written.map(|seq| record(seq, 200)).collect();
    let mut previous = FLOOR;
    let insert = db.unchecked_transaction().unwrap();
    for record in &written {
        let row = params![
            record.seq.cast_signed(),
            previous.cast_signed(),
            record.time_ms.cast_signed(),
            record.kind,
            record.channel.as_bytes(),
            record.key.as_deref().map(str::as_bytes),
            record.body,
            old_checksum(record, previous),
        ];
        insert.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row).unwrap();
        previous = record.seq;
    }
    insert.commit().unwrap();
    fs::write(dir.file("mark"), mark(1)).unwrap();
    written
}

/// [log:upgrade]
#[test]
fn an_earlier_log_goes_on_with_all_that_it_had() {
    let dir = Dir::new("upgrade");
    let written = old(&dir);
    let (mut store, recovered) = open(dir.path(), limits(), 5).unwrap();
    assert_eq!((recovered.start, recovered.upgraded), (Start::Resumed, true));
    assert_eq!((recovered.epoch, recovered.head, recovered.horizon), (EPOCH, LAST + 2, FLOOR));
    assert!(records(&store) == written, "records or keys differ");
    store.channels(|channel| {
        assert_eq!(channel.floor, FLOOR, "{}", channel.name);
        let of_it = written.iter().filter(|it| it.channel == channel.name);
        assert_eq!(channel.last, of_it.clone().next_back().unwrap().seq);
        let mut ended = of_it.filter(|it| it.kind == Record::END).map(|it| it.seq);
        assert_eq!(channel.ended, ended.next_back());
    });
    let next = record(LAST + 3, 200);
    store.append(std::slice::from_ref(&next)).unwrap();
    drop(store);
    let (store, again) = open(dir.path(), limits(), 5).unwrap();
    assert_eq!((again.start, again.upgraded, again.head), (Start::Resumed, false, LAST + 3));
    assert!(records(&store).iter().eq(written.iter().chain([&next])), "records or keys differ");
    // The earlier version has a name for what it finds now.
    assert_eq!(fs::read(dir.file("mark")).unwrap()[7], 2);
}

/// [log:upgrade]
#[test]
fn an_upgrade_that_was_cut_short_is_made_again() {
    let dir = Dir::new("upgrade-cut");
    let written = old(&dir);
    // The mark comes first; then the process died.
    fs::write(dir.file("mark"), mark(2)).unwrap();
    let (store, recovered) = open(dir.path(), limits(), 5).unwrap();
    assert_eq!((recovered.start, recovered.upgraded), (Start::Resumed, true));
    assert!(records(&store) == written, "records or keys differ");
}

/// [log:upgrade] [log:damage]
#[test]
fn damage_in_an_earlier_log_is_declared() {
    for (sql, damage) in [
        ("DELETE FROM log WHERE seq = 11", Damage::Hole { seq: 12 }),
        ("UPDATE log SET time_ms = 1 WHERE seq = 44", Damage::Checksum { seq: 44 }),
        ("DELETE FROM log WHERE seq > 600", Damage::Tail { found: 599, durable: LAST }),
        ("UPDATE state SET floor = 2", Damage::Unreadable(11)),
    ] {
        let dir = Dir::new("upgrade-damage");
        old(&dir);
        let db = Connection::open(dir.file("log.sqlite")).unwrap();
        db.execute_batch(sql).unwrap();
        drop(db);
        let (_, recovered) = open(dir.path(), limits(), 5).unwrap();
        assert_eq!(recovered.start, Start::Damaged(damage), "{sql}");
        assert_eq!(recovered.epoch, 5, "the fresh one");
    }
}

/// [log:format]
#[test]
fn a_later_format_is_left_alone() {
    let dir = Dir::new("later");
    old(&dir);
    fs::write(dir.file("mark"), mark(3)).unwrap();
    let before = dir.read();
    let refused = open(dir.path(), limits(), 5).map(|(_, recovered)| recovered);
    assert_eq!(refused, Err(Error::Format(3)));
    let mut after = dir.read();
    after.retain(|(name, _)| name != "lock");
    assert!(before == after, "something was written");
}
