//! The time of a log goes on where it was.

use std::fs;

use crate::support::{Dir, limits, open, record};
use sockeye_log::{Inspector, Record, Start, Writer};

fn at(seq: u64, time_ms: u64) -> Record {
    Record { time_ms, ..record(seq, 10) }
}

/// [log:time]
#[test]
fn a_log_goes_on_from_the_greatest_time_that_it_was_told() {
    let dir = Dir::new("time");
    let (mut store, found) = open(dir.path(), limits(), 1).unwrap();
    assert_eq!((found.time_ms, store.newest().unwrap()), (0, None));
    store.append(&[at(1, 5_000), at(2, 4_000)]).unwrap();
    drop(store);
    let (mut store, found) = open(dir.path(), limits(), 1).unwrap();
    assert_eq!(found.time_ms, 5_000);
    assert_eq!(store.newest().unwrap().map(|it| (it.seq, it.time_ms)), Some((2, 4_000)));
    store.expire(9_000).unwrap();
    store.expire(8_000).unwrap();
    drop(store);
    let (store, found) = open(dir.path(), limits(), 1).unwrap();
    assert_eq!((found.start, found.time_ms), (Start::Resumed, 9_000), "without a new record");
    // The last one that the writer is told before its end.
    let writer = Writer::spawn(store, Box::new(|| ())).unwrap();
    writer.expire(20_000);
    drop(writer);
    assert_eq!(open(dir.path(), limits(), 1).unwrap().1.time_ms, 20_000);
    // A copy has it, too.
    let copy = Dir::new("time-copy");
    Inspector::open(dir.path()).unwrap().copy_to(copy.path(), |_| ()).unwrap();
    assert_eq!(open(copy.path(), limits(), 1).unwrap().1.time_ms, 20_000);
}

/// [log:time] After a power loss the mark may be behind.
#[test]
fn a_mark_that_is_behind_does_not_take_the_time_back() {
    let dir = Dir::new("time-mark");
    let (mut store, _) = open(dir.path(), limits(), 1).unwrap();
    store.append(&[at(1, 5_000)]).unwrap();
    let behind = fs::read(dir.file("mark")).unwrap();
    store.append(&[at(2, 6_000)]).unwrap();
    drop(store);
    fs::write(dir.file("mark"), behind).unwrap();
    let (_store, found) = open(dir.path(), limits(), 1).unwrap();
    assert_eq!((found.start, found.time_ms), (Start::Resumed, 6_000));
}
