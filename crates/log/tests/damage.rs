//! Whatever happens to the files: the log is intact, or a new life with the damage declared.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{Dir, Numbers, batch, limits, open, record, records};
use sockeye_log::{Damage, Error, Record, Start};

const EPOCH: u64 = 1_000;
/// What a random number may be.
const FRESH: u64 = 5;
const LAST: u64 = 40;

/// What a killed process leaves: part of the records in the database, part in its write-ahead log.
fn killed() -> (Vec<(String, Vec<u8>)>, Vec<Record>) {
    let dir = Dir::new("killed");
    let (mut store, _) = open(dir.path(), limits(), EPOCH).unwrap();
    store.append(&batch(1, 20, 120)).unwrap();
    drop(store);
    let (mut store, _) = open(dir.path(), limits(), 0).unwrap();
    for first in (21..LAST).step_by(5) {
        store.append(&batch(first, first + 4, 120)).unwrap();
    }
    (dir.read(), batch(1, LAST, 120))
}

/// What a process leaves that had the time.
fn closed() -> (Vec<(String, Vec<u8>)>, Vec<Record>) {
    let (files, kept) = killed();
    let dir = Dir::new("closed");
    dir.write(&files);
    drop(open(dir.path(), limits(), 0).unwrap());
    assert!(!dir.file("log.sqlite-wal").exists());
    (dir.read(), kept)
}

fn of<'a>(files: &'a [(String, Vec<u8>)], name: &str) -> &'a [u8] {
    &files.iter().find(|(it, _)| it == name).unwrap().1
}

/// The files with one of them as `change` leaves it.
fn with(
    files: &[(String, Vec<u8>)],
    name: &str,
    change: impl FnOnce(&mut Vec<u8>),
) -> Vec<(String, Vec<u8>)> {
    let mut files = files.to_vec();
    change(&mut files.iter_mut().find(|(it, _)| it == name).unwrap().1);
    files
}

/// Opens it, and holds it to the promise. Answers whether damage was declared.
/// [log:damage] [log:checked] [log:new-epoch]
fn judge(dir: &Dir, files: &[(String, Vec<u8>)], kept: &[Record], what: &str) -> bool {
    dir.write(files);
    let (mut store, recovered) = open(dir.path(), limits(), FRESH).expect(what);
    let mut found = Vec::new();
    let damaged = match recovered.start {
        // Damage of a record is an error of the one that reads it.
        Start::Resumed => match store.replay(|record| found.push(record)) {
            Ok(()) => {
                assert_eq!((recovered.epoch, recovered.head), (EPOCH, LAST), "{what}");
                let kept = kept.iter().map(|it| Record { key: None, ..it.clone() });
                assert!(kept.eq(found), "{what}");
                match store.keys(|_| {}) {
                    Ok(0) => false,
                    Ok(_) | Err(_) => return true,
                }
            }
            Err(_) => {
                drop(store);
                let (_, again) = open(dir.path(), limits(), FRESH).expect(what);
                assert!(matches!(again.start, Start::Damaged(_)), "{what}: met at each start");
                return true;
            }
        },
        Start::Damaged(_) => {
            assert_eq!(recovered.epoch, FRESH, "{what}");
            assert_eq!((recovered.records, recovered.head), (0, 0), "{what}");
            true
        }
        Start::Fresh => panic!("{what}: loss without a word"),
    };
    // Either way it goes on, and holds. That takes longest, and does not hang on the place.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if damaged && !COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(5) {
        return damaged;
    }
    let next = record(recovered.head + 1, 50);
    let done = store.append(std::slice::from_ref(&next));
    drop(store);
    let (store, again) = open(dir.path(), limits(), FRESH).expect(what);
    if done.is_err() {
        // What was found damaged at work is declared.
        assert!(!damaged, "{what}");
        assert_eq!(again.start, Start::Damaged(Damage::AtWork), "{what}: {done:?}");
        return true;
    }
    assert_eq!((again.start, again.epoch), (Start::Resumed, recovered.epoch), "{what}");
    assert_eq!(records(&store).last(), Some(&next), "{what}");
    damaged
}

/// All of them, with `SOCKEYE_LOG_EVERY_BYTE`; some of them by a fixed seed otherwise.
fn places(from: usize, to: usize, count: usize) -> Vec<usize> {
    if std::env::var_os("SOCKEYE_LOG_EVERY_BYTE").is_some() || to - from <= count {
        return (from..to).collect();
    }
    let mut numbers = Numbers(0xC0FFEE);
    let mut place = || usize::try_from(numbers.below((to - from) as u64)).unwrap();
    (0..count).map(|_| from + place()).collect()
}

/// [log:tail]
#[test]
fn the_tail_cut_anywhere_is_intact_or_declared() {
    let (files, kept) = killed();
    let dir = Dir::new("cut");
    assert!(!judge(&dir, &files, &kept, "as it was"));
    let wal = of(&files, "log.sqlite-wal").len();
    let frame = 24 + 4096;
    // Every byte of the last frame's header and of a page, and places in all that is before.
    let mut cuts = places(0, wal, 300);
    cuts.extend([0, 1, 31, 32, wal - frame - 1, wal - frame, wal - frame + 1, wal - 1]);
    cuts.extend(wal - frame..wal - frame + 64);
    cuts.extend(wal - 64..wal);
    for at in cuts {
        let cut = with(&files, "log.sqlite-wal", |bytes| bytes.truncate(at));
        assert!(judge(&dir, &cut, &kept, &format!("cut at {at} of {wal}")), "cut at {at}: unseen");
    }
}

#[test]
fn the_database_cut_anywhere_is_intact_or_declared() {
    let (files, kept) = closed();
    let dir = Dir::new("cut-database");
    let len = of(&files, "log.sqlite").len();
    for at in places(0, len, 150) {
        let cut = with(&files, "log.sqlite", |bytes| bytes.truncate(at));
        assert!(judge(&dir, &cut, &kept, &format!("cut at {at} of {len}")), "cut at {at}: unseen");
    }
}

fn flips(name: &str, from: (Vec<(String, Vec<u8>)>, Vec<Record>), count: usize) -> (usize, usize) {
    let (files, kept) = from;
    let dir = Dir::new("flip");
    let len = of(&files, name).len();
    let (mut declared, mut all) = (0, 0);
    // The first bytes are headers.
    let mut at: Vec<usize> = (0..len.min(132)).collect();
    at.extend(places(0, len, count));
    for at in at {
        let mask = 1_u8 << (at * 7 % 8) | u8::from(at % 3 == 0);
        let flipped = with(&files, name, |bytes| bytes[at] ^= mask);
        let what = format!("{name}: byte {at} of {len} ^ {mask:#x}");
        declared += usize::from(judge(&dir, &flipped, &kept, &what));
        all += 1;
    }
    (declared, all)
}

#[test]
fn a_flip_in_the_write_ahead_log_is_harmless_or_declared() {
    let (declared, all) = flips("log.sqlite-wal", killed(), 200);
    assert!(declared > all / 2, "{declared} of {all}");
}

#[test]
fn a_flip_in_the_database_is_harmless_or_declared() {
    let (declared, all) = flips("log.sqlite", closed(), 200);
    // Most of a small database is empty: each table and index has a page of its own.
    assert!(declared > all / 6, "{declared} of {all}");
}

#[test]
fn a_flip_in_the_database_under_a_write_ahead_log_is_harmless_or_declared() {
    let (_, all) = flips("log.sqlite", killed(), 100);
    assert!(all > 0);
}

#[test]
fn a_flip_in_the_mark_is_declared() {
    let (files, kept) = killed();
    let dir = Dir::new("mark");
    for at in 0..of(&files, "mark").len() {
        let flipped = with(&files, "mark", |bytes| bytes[at] ^= 4);
        assert!(judge(&dir, &flipped, &kept, &format!("mark: byte {at}")));
    }
}

#[test]
fn a_file_that_is_gone_is_declared() {
    for (name, damage) in [
        ("log.sqlite", Some(Damage::Missing)),
        ("mark", Some(Damage::Mark)),
        ("log.sqlite-wal", Some(Damage::Tail { found: 20, durable: LAST })),
        ("lock", None),
    ] {
        let (mut files, kept) = killed();
        files.retain(|(it, _)| it != name);
        let dir = Dir::new("gone");
        dir.write(&files);
        let (store, recovered) = open(dir.path(), limits(), 5).unwrap();
        assert_eq!(recovered.start, damage.map_or(Start::Resumed, Start::Damaged), "{name}");
        drop(store);
        judge(&dir, &files, &kept, name);
    }
}

/// The end of the log is what another life of it wrote. [log:new-epoch]
#[test]
fn files_of_two_logs_are_declared() {
    let (files, _) = killed();
    let other = Dir::new("other");
    let (mut store, _) = open(other.path(), limits(), EPOCH + 1).unwrap();
    store.append(&batch(1, LAST, 120)).unwrap();
    drop(store);
    let mark = fs::read(other.file("mark")).unwrap();
    let mixed = with(&files, "mark", |bytes| bytes.clone_from(&mark));
    let dir = Dir::new("mixed");
    dir.write(&mixed);
    let (_, recovered) = open(dir.path(), limits(), EPOCH).unwrap();
    assert_eq!(recovered.start, Start::Damaged(Damage::Mark));
    assert_eq!(recovered.epoch, EPOCH + 2, "neither of both");
}

/// Sound to SQLite, and not what was written. [log:checked]
#[test]
fn records_that_were_meddled_with_are_declared() {
    let newest = || record(LAST, 120).channel;
    let predecessor = |seq: u64| (1..seq).rev().find(|it| record(*it, 120).channel == newest());
    let before = predecessor(LAST).unwrap();
    for (sql, damage) in [
        (format!("DELETE FROM records WHERE seq = {before}"), Damage::Hole { seq: LAST }),
        ("DELETE FROM records WHERE seq >= 39".into(), Damage::Tail { found: 38, durable: LAST }),
        (
            "UPDATE records SET channel = 3 - channel WHERE seq = 1".into(),
            Damage::Checksum { seq: 1 },
        ),
        ("UPDATE records SET channel = 99 WHERE seq = 9".into(), Damage::Channel { id: 99 }),
        ("UPDATE records SET time_ms = 1 WHERE seq = 40".into(), Damage::Checksum { seq: 40 }),
        ("UPDATE records SET kind = 7 WHERE seq = 40".into(), Damage::Checksum { seq: 40 }),
        ("UPDATE channels SET floor = 2 WHERE id = 1".into(), Damage::Channel { id: 1 }),
        ("UPDATE channels SET name = x'61' WHERE id = 2".into(), Damage::Channel { id: 2 }),
        ("UPDATE runs SET tag = 9".into(), Damage::Key { seq: 1 }),
        ("UPDATE state SET horizon = 2".into(), Damage::Unreadable(11)),
        ("UPDATE state SET epoch = 2".into(), Damage::Unreadable(11)),
        ("DELETE FROM state".into(), Damage::Unreadable(11)),
        ("CREATE INDEX more ON records (time_ms)".into(), Damage::Unreadable(11)),
    ] {
        let (files, _) = closed();
        let dir = Dir::new("meddled");
        dir.write(&files);
        let database = rusqlite::Connection::open(dir.file("log.sqlite")).unwrap();
        database.execute_batch(&sql).unwrap();
        drop(database);
        let (_, recovered) = open(dir.path(), limits(), 5).unwrap();
        assert_eq!(recovered.start, Start::Damaged(damage), "{sql}");
    }
}

/// A key that was meddled with is left out, and the rest of the log is sound.
#[test]
fn a_damaged_key_is_skipped() {
    let (files, kept) = closed();
    let dir = Dir::new("key");
    dir.write(&files);
    let database = rusqlite::Connection::open(dir.file("log.sqlite")).unwrap();
    database
        .execute_batch("UPDATE keys SET key = x'61' WHERE seq = (SELECT min(seq) FROM keys)")
        .unwrap();
    drop(database);
    let (store, recovered) = open(dir.path(), limits(), 5).unwrap();
    assert_eq!(recovered.start, Start::Resumed);
    let mut keys = 0;
    assert_eq!(store.keys(|_| keys += 1), Ok(1));
    assert_eq!(keys + 1, kept.iter().filter(|record| record.key.is_some()).count());
}

/// Keys cannot be left out where their table cannot be read. [log:damage]
#[test]
fn a_table_of_keys_that_cannot_be_read_ends_the_epoch() {
    let (files, _) = closed();
    let dir = Dir::new("keys");
    dir.write(&files);
    let database = rusqlite::Connection::open(dir.file("log.sqlite")).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'keys'";
    let root: u32 = database.query_row(root, [], |row| row.get(0)).unwrap();
    drop(database);
    let at = (usize::try_from(root).unwrap() - 1) * 4096;
    // No kind of page.
    dir.write(&with(&dir.read(), "log.sqlite", |bytes| bytes[at] = 77));
    let (store, recovered) = open(dir.path(), limits(), FRESH).unwrap();
    if recovered.start == Start::Resumed {
        store.keys(|_| {}).unwrap_err();
        drop(store);
        let (_, recovered) = open(dir.path(), limits(), FRESH).unwrap();
        assert_eq!((recovered.start, recovered.epoch), (Start::Damaged(Damage::AtWork), FRESH));
    } else {
        assert!(matches!(recovered.start, Start::Damaged(_)));
    }
}

/// What a kill leaves while the first log is being made: nothing was promised yet.
#[test]
fn a_beginning_that_was_interrupted_is_no_damage() {
    let made = Dir::new("made");
    drop(open(made.path(), limits(), EPOCH).unwrap());
    for sql in ["PRAGMA journal_mode = DELETE", "PRAGMA journal_mode = WAL"] {
        let dir = Dir::new("begun");
        let database = rusqlite::Connection::open(dir.file("log.sqlite")).unwrap();
        database.query_row(sql, [], |_| Ok(())).unwrap();
        drop(database);
        let (_, recovered) = open(dir.path(), limits(), 5).unwrap();
        assert_eq!((recovered.start, recovered.epoch), (Start::Fresh, 5), "{sql}");
        // All is there but the mark.
        dir.write(&made.read());
        fs::remove_file(dir.file("mark")).unwrap();
        let (_, recovered) = open(dir.path(), limits(), EPOCH).unwrap();
        assert_eq!((recovered.start, recovered.epoch), (Start::Fresh, EPOCH + 1), "{sql}");
    }
}

/// What is damaged is set aside, once. [log:new-epoch]
#[test]
fn damage_does_not_pile_up() {
    let dir = Dir::new("piles");
    let mut epochs = Vec::new();
    for fresh in [9, 9, 9, 4] {
        let (mut store, recovered) = open(dir.path(), limits(), fresh).unwrap();
        epochs.push(recovered.epoch);
        store.append(&batch(1, 50, 200)).unwrap();
        drop(store);
        fs::write(dir.file("log.sqlite"), "no database").unwrap();
    }
    assert_eq!(epochs, [9, 10, 9, 4], "the fresh one, or the next if it is the one that ends");
    let damaged = dir.read().iter().filter(|(name, _)| name.contains("damaged")).count();
    assert!(damaged <= 2, "{damaged}");
}

/// [log:new-epoch]
#[test]
fn a_backup_that_is_damaged_twice_gets_two_epochs() {
    let (files, _) = closed();
    let dir = Dir::new("twice");
    let damaged = with(&files, "log.sqlite", |bytes| bytes.truncate(5_000));
    for fresh in [7, 1 << 60, 3] {
        dir.write(&damaged);
        let (_, recovered) = open(dir.path(), limits(), fresh).unwrap();
        assert!(matches!(recovered.start, Start::Damaged(_)));
        assert_eq!(recovered.epoch, fresh);
    }
}

/// What cannot be got at is not damaged, and stays.
#[test]
fn a_directory_that_is_none_is_an_error() {
    let dir = Dir::new("file");
    fs::write(dir.file("data"), "").unwrap();
    let refused = open(&dir.file("data"), limits(), 5).map(|(_, recovered)| recovered);
    assert!(matches!(refused, Err(Error::Io(_))), "{refused:?}");
}
