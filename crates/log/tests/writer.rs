//! The writer: never waits, bounded, tells what became of each record.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use crate::support::{Dir, batch, limits, open, open_by, record, records};
use sockeye_log::{Error, Limits, Outcome, Policy, Record, Refused, Rule, Start, Writer};

fn narrow() -> Limits {
    let mut limits = limits();
    limits.queue_records_max = 100;
    limits.batch_records_max = 10;
    limits
}

/// A writer, and what is sent something each time it wakes.
fn writer(dir: &Dir, limits: Limits) -> (Writer, mpsc::Receiver<()>) {
    let (store, _) = open(dir.path(), limits, 1).unwrap();
    let (wake, woken) = mpsc::channel();
    let writer = Writer::spawn(store, Box::new(move || wake.send(()).unwrap_or_default()));
    (writer.unwrap(), woken)
}

/// Until all up to `seq` is durable.
fn wait(writer: &mut Writer, woken: &mpsc::Receiver<()>, seq: u64) {
    loop {
        woken.recv().unwrap();
        while let Some(outcome) = writer.poll() {
            let Outcome::Durable { through } = outcome else { panic!("{outcome:?}") };
            if through == seq {
                return;
            }
        }
    }
}

/// [log:bound-queue]
#[test]
fn what_waits_is_bounded_until_its_outcome_is_fetched() {
    let dir = Dir::new("queue");
    let (mut writer, woken) = writer(&dir, narrow());
    for seq in 1..=100 {
        assert_eq!(writer.room("a", None, 0), Ok(()));
        writer.push(record(seq, 100)).unwrap();
    }
    // However far the disk has come meanwhile.
    assert_eq!(writer.room("a", None, 0), Err(Refused::Busy));
    assert_eq!(writer.push(record(101, 100)), Err(Refused::Busy));
    assert_eq!(writer.counts().pending, 100);
    wait(&mut writer, &woken, 100);
    assert_eq!((writer.counts().pending, writer.counts().pending_bytes), (0, 0));
    assert_eq!(writer.counts().durable, 100);
    // The refused one was never known.
    writer.push(record(101, 100)).unwrap();
    let (store, outcomes) = writer.close();
    assert_eq!(outcomes, [Outcome::Durable { through: 101 }]);
    assert_eq!(records(&store), batch(1, 101, 100));
}

/// [log:bound-queue]
#[test]
fn bytes_that_wait_are_bounded() {
    let mut limits = limits();
    limits.record_bytes_max = 1_000;
    limits.queue_bytes_max = 2_500;
    let dir = Dir::new("queue-bytes");
    let (mut writer, _woken) = writer(&dir, limits);
    let of = |seq, body: usize| Record { body: vec![7; body], key: None, ..record(seq, 0) };
    let overhead = usize::try_from(of(1, 0).bytes()).unwrap();
    assert_eq!(writer.push(of(1, 1_001 - overhead)), Err(Refused::TooLarge));
    writer.push(of(1, 1_000 - overhead)).unwrap();
    writer.push(of(2, 1_000 - overhead)).unwrap();
    assert_eq!(writer.push(of(3, 501 - overhead)), Err(Refused::Busy));
    writer.push(of(3, 500 - overhead)).unwrap();
    assert_eq!(writer.counts().pending_bytes, 2_500);
}

#[test]
fn a_place_comes_once() {
    let dir = Dir::new("order");
    let (mut writer, _woken) = writer(&dir, limits());
    writer.push(record(5, 10)).unwrap();
    assert_eq!(writer.push(record(5, 10)), Err(Refused::Order));
    assert_eq!(writer.push(record(4, 10)), Err(Refused::Order));
    assert_eq!(writer.push(record(1 << 63, 10)), Err(Refused::Order));
    writer.push(record(9, 10)).unwrap();
    let (store, _) = writer.close();
    assert_eq!(records(&store), [record(5, 10), record(9, 10)]);
    drop(store);
    let (mut writer, _woken) = self::writer(&dir, limits());
    assert_eq!(writer.push(record(9, 10)), Err(Refused::Order));
}

/// One wake for all that has come since the queue of outcomes was empty.
#[test]
fn wakes_come_together() {
    let dir = Dir::new("wake");
    let (store, _) = open(dir.path(), narrow(), 1).unwrap();
    let wakes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&wakes);
    let wake = Box::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let mut writer = Writer::spawn(store, wake).unwrap();
    for seq in 1..=100 {
        writer.push(record(seq, 10)).unwrap();
    }
    // Ten commits at least, and nobody fetched anything.
    let (_, outcomes) = writer.close();
    assert_eq!(outcomes, [Outcome::Durable { through: 100 }]);
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
}

/// [log:keep]
#[test]
fn what_is_old_is_dropped_on_the_thread() {
    let dir = Dir::new("expire");
    let mut rule = Rule::default();
    rule.keep_ms = 50;
    let (store, _) = open_by(dir.path(), limits(), 1, Policy { rule, named: Vec::new() }).unwrap();
    let (wake, woken) = mpsc::channel();
    let wake = Box::new(move || wake.send(()).unwrap_or_default());
    let mut writer = Writer::spawn(store, wake).unwrap();
    for seq in 1..=20 {
        writer.push(record(seq, 10)).unwrap();
    }
    wait(&mut writer, &woken, 20);
    writer.expire(record(12, 10).time_ms + 50);
    let (store, _) = writer.close();
    assert_eq!(records(&store), batch(13, 20, 10));
}

/// Closing waits for all that was queued; dropping too.
#[test]
fn what_was_queued_is_on_disk_after_a_drop() {
    let dir = Dir::new("drop");
    let (mut writer, _woken) = writer(&dir, narrow());
    for seq in 1..=100 {
        writer.push(record(seq, 500)).unwrap();
    }
    drop(writer);
    let (store, recovered) = open(dir.path(), narrow(), 1).unwrap();
    assert_eq!((recovered.start, recovered.head), (Start::Resumed, 100));
    assert_eq!(records(&store), batch(1, 100, 500));
}

/// The caller hears the cause, also if no record met it. [log:unknown]
#[test]
fn a_writer_that_broke_between_records_says_why() {
    let dir = Dir::new("broke");
    let (store, _) = open(dir.path(), limits(), 1).unwrap();
    let db = rusqlite::Connection::open(dir.file("log.sqlite")).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'keys_by_until'";
    let root: u32 = db.query_row(root, [], |row| row.get(0)).unwrap();
    drop(db);
    drop(store);
    let mut database = std::fs::read(dir.file("log.sqlite")).unwrap();
    // No kind of page.
    database[(usize::try_from(root).unwrap() - 1) * 4096] = 77;
    std::fs::write(dir.file("log.sqlite"), database).unwrap();
    let (mut writer, woken) = writer(&dir, limits());
    writer.expire(u64::MAX);
    let mut seq = 0;
    // One that comes before may be good.
    let failed = loop {
        seq += 1;
        let keyless = Record { key: None, ..record(seq, 10) };
        assert!(seq < 1_000 && writer.push(keyless).is_ok());
        woken.recv().unwrap();
        match writer.poll() {
            Some(Outcome::Durable { .. }) | None => {}
            Some(outcome) => break outcome,
        }
    };
    assert!(
        matches!(failed, Outcome::Unknown { why: Error::Database(11 | 267), .. }),
        "{failed:?}"
    );
    assert_eq!(writer.push(record(seq + 1, 10)), Err(Refused::Stopped));
}
