//! Failures that cannot be had from outside.

use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process};

use super::*;
use crate::{Damage, Inspector, Outcome, Part, Refused, Rule, Start, WhenFull, Writer};

struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("sockeye-log-unit-{}-{count}", process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> (Store, Recovered) {
        open(&self.0, Limits::default()).unwrap()
    }
}

fn open(dir: &Path, limits: Limits) -> Result<(Store, Recovered), Error> {
    let rule = Rule { keep_ms: Rule::FOREVER, key_ms: Rule::FOREVER, ..Rule::default() };
    let policy = Policy { rule, named: Vec::new() };
    Store::open(dir, &Options { limits, policy, fresh_epoch: 1, tag: 3 })
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record(seq: u64, bytes: usize) -> Record {
    let (channel, body) = ("a".into(), vec![b'x'; bytes]);
    Record { seq, time_ms: seq, kind: 0, channel, key: None, body }
}

fn seqs(store: &Store) -> Vec<u64> {
    let mut seqs = Vec::new();
    store.replay(|record| seqs.push(record.seq)).unwrap();
    seqs
}

impl Store {
    /// As if the disk had no more room than what is used and `pages` more.
    fn fill_up(&self, pages: i64) {
        let db = self.table.db();
        let used: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        db.execute_batch(&format!("PRAGMA max_page_count = {}", used + pages)).unwrap();
    }

    /// As if the disk failed.
    fn fail(&self) {
        self.table.db().execute_batch("PRAGMA query_only = ON").unwrap();
    }
}

/// What no kill can show, as it leaves the system's memory alone. [log:durable] [log:bound-disk]
#[test]
fn sqlite_is_told_to_sync_each_commit_and_where_to_stop() {
    let dir = Dir::new();
    let (store, _) = dir.open();
    let number = |name: &str| {
        let sql = format!("PRAGMA {name}");
        store.table.db().query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(number("synchronous"), 2);
    assert_eq!(number("max_page_count"), store.limits.pages_max().cast_signed());
    assert_eq!(number("page_size"), 4096);
}

/// [log:full] [log:head]
#[test]
fn a_full_disk_refuses_whole_batches_and_goes_on_later() {
    let dir = Dir::new();
    let (mut store, _) = dir.open();
    assert_eq!(store.append(&[record(1, 10)]), Ok(1));
    store.fill_up(2);
    let refused = [record(2, 100), record(3, 40_000), record(4, 100)];
    assert_eq!(store.append(&refused), Err(Error::Full));
    assert!(Error::Full.is_certain() && !store.is_broken());
    assert_eq!((seqs(&store), store.totals().records, store.head()), (vec![1], 1, 4));
    assert_eq!(store.append(&[record(4, 100)]), Err(Error::Order { head: 4 }));
    assert_eq!(store.append(&[record(5, 100)]), Ok(5));
    assert_eq!(store.append(&[record(6, 40_000)]), Err(Error::Full));
    drop(store);
    let (store, recovered) = dir.open();
    // The places of what was refused stay empty, the last one too.
    assert_eq!((recovered.start, recovered.head), (Start::Resumed, 6));
    assert_eq!(seqs(&store), [1, 5]);
}

/// [log:unknown]
#[test]
fn after_a_failure_nothing_is_taken_until_it_is_opened_again() {
    let dir = Dir::new();
    let (mut store, _) = dir.open();
    assert_eq!(store.append(&[record(1, 10)]), Ok(1));
    store.fail();
    let failed = store.append(&[record(2, 10), record(3, 10)]).unwrap_err();
    assert!(matches!(failed, Error::Database(_)) && !failed.is_certain(), "{failed:?}");
    store.table.db().execute_batch("PRAGMA query_only = OFF").unwrap();
    assert_eq!(store.append(&[record(4, 10)]), Err(Error::Broken));
    assert_eq!(store.expire(u64::MAX), Err(Error::Broken));
    drop(store);
    let (mut store, recovered) = dir.open();
    assert_eq!((recovered.start, recovered.epoch, recovered.head), (Start::Resumed, 1, 4));
    assert_eq!(seqs(&store), [1]);
    assert_eq!(store.append(&[record(5, 10)]), Ok(5));
}

/// Its records are on disk and in the book. Nothing of them waits any more.
#[test]
fn a_commit_whose_mark_cannot_be_written_gives_no_room_back() {
    let dir = Dir::new();
    let (mut store, _) = dir.open();
    store.append(&[record(1, 10)]).unwrap();
    store.mark = MarkFile::open_to_fail(&dir.0).unwrap();
    let key = Some("k".to_owned());
    let failed = store.append(&[Record { key, ..record(2, 10) }]).unwrap_err();
    assert!(!failed.is_certain() && store.is_broken(), "{failed:?}");
    let (totals, uses) = (store.totals(), store.uses());
    assert_eq!((totals.records, totals.keys), (2, 1));
    drop(store);
    let (store, recovered) = dir.open();
    assert_eq!((recovered.start, recovered.head), (Start::Resumed, 2));
    assert_eq!((store.totals(), store.uses()), (totals, uses));
}

/// [log:full] [log:unknown]
#[test]
fn a_writer_tells_what_was_refused_and_what_is_unknown() {
    let dir = Dir::new();
    let (mut store, _) = dir.open();
    store.append(&[record(1, 10)]).unwrap();
    store.fill_up(1);
    let mut writer = Writer::spawn(store, Box::new(|| {})).unwrap();
    writer.push(record(2, 100_000)).unwrap();
    let (store, outcomes) = writer.close();
    assert_eq!(outcomes, [Outcome::Refused { through: 2, why: Error::Full }]);
    store.fail();
    let (woken, wakes) = std::sync::mpsc::channel();
    let wake = Box::new(move || woken.send(()).unwrap_or_default());
    let mut writer = Writer::spawn(store, wake).unwrap();
    writer.push(record(3, 10)).unwrap();
    wakes.recv().unwrap();
    let outcome = writer.poll();
    assert!(matches!(outcome, Some(Outcome::Unknown { through: 3, .. })), "{outcome:?}");
    assert_eq!(writer.push(record(4, 10)), Err(Refused::Stopped));
    assert_eq!((writer.counts().failed, writer.counts().pending), (1, 0));
}

/// [log:bound-batch] [log:order]
#[test]
fn a_batch_is_checked_before_anything_is_written() {
    let dir = Dir::new();
    let limits = Limits {
        record_bytes_max: 1_000,
        batch_bytes_max: 2_000,
        batch_records_max: 3,
        ..Limits::default()
    };
    let (mut store, _) = open(&dir.0, limits).unwrap();
    let mut refused = |records: &[Record]| store.append(records).unwrap_err();
    assert_eq!(refused(&[record(1, 10), record(1, 10)]), Error::Order { head: 1 });
    assert_eq!(refused(&[record(u64::MAX, 10)]), Error::Order { head: 0 });
    assert_eq!(refused(&[record(1, 1_000)]), Error::TooLarge);
    assert_eq!(refused(&[record(2, 800), record(3, 800), record(4, 800)]), Error::TooLarge);
    let four: Vec<_> = (5..=8).map(|seq| record(seq, 1)).collect();
    assert_eq!(refused(&four), Error::TooLarge);
    assert_eq!(seqs(&store), [0; 0]);
}

/// [log:group]
#[test]
fn all_that_waits_goes_in_one_commit_up_to_the_bounds() {
    let limits = Limits { batch_records_max: 5, batch_bytes_max: 1_000, ..Limits::default() };
    let queue = Queue::default();
    queue.lock().waiting.extend((1..=7).map(|seq| record(seq, 10)));
    queue.lock().waiting.extend((8..=9).map(|seq| record(seq, 600)));
    let take = || {
        let mut batch = Vec::new();
        queue.next(&limits, &mut batch, false);
        batch.iter().map(|it| it.seq).collect::<Vec<_>>()
    };
    assert_eq!(take(), [1, 2, 3, 4, 5]);
    assert_eq!(take(), [6, 7, 8]);
    assert_eq!(take(), [9]);
}

/// [log:bound-disk]
#[test]
fn the_disk_holds_no_more_than_the_limits_say() {
    for bytes in [20_usize, 700, 4_200, 30_000] {
        let dir = Dir::new();
        let mut limits = Limits { batch_records_max: 50, ..Limits::default() };
        (limits.bytes_max, limits.batch_bytes_max) = (1 << 20, 1 << 18);
        (limits.record_bytes_max, limits.channels_max, limits.keys_max) = (1 << 16, 100, 100);
        let rule = Rule { when_full: WhenFull::Trim, ..Rule::default() };
        let policy = Policy { rule, named: Vec::new() };
        let options = Options { limits, policy, fresh_epoch: 1, tag: 3 };
        let (mut store, _) = Store::open(&dir.0, &options).unwrap();
        let mut seq = 0;
        while seq < (4 << 20) / (bytes as u64 + 64) {
            let count = 50.min((1 << 18) / (bytes as u64 + 70));
            let batch: Vec<_> = (seq + 1..=seq + count).map(|seq| record(seq, bytes)).collect();
            seq = store.append(&batch).unwrap();
        }
        assert!(store.totals().bytes <= limits.bytes_max);
        let entries = fs::read_dir(&dir.0).unwrap();
        let held: u64 = entries.map(|it| it.unwrap().metadata().unwrap().len()).sum();
        assert!(held <= limits.disk_bytes_max(), "{held} of {}", limits.disk_bytes_max());
    }
}

/// [log:damage] Else each start would meet the record again, and fail.
#[test]
fn a_damaged_record_that_is_replayed_ends_the_epoch() {
    let dir = Dir::new();
    let (mut store, _) = dir.open();
    store.append(&[record(1, 9), record(2, 9)]).unwrap();
    store.table.db().execute_batch("UPDATE records SET body = x'00' WHERE seq = 1").unwrap();
    assert_eq!(store.replay(|_| {}), Err(Error::Damaged { seq: 1 }));
    drop(store);
    assert_eq!(dir.open().1.start, Start::Damaged(Damage::AtWork));
}

fn named(name: &str, rule: Rule) -> Policy {
    let others = Rule { keep_ms: Rule::FOREVER, when_full: WhenFull::Trim, ..Rule::default() };
    Policy { rule: others, named: vec![(name.into(), rule)] }
}

fn message(seq: u64, channel: &str) -> Record {
    Record { channel: channel.into(), ..record(seq, 900) }
}

fn channel_of(store: &Store, seq: u64) -> Option<String> {
    let mut channels = std::collections::HashMap::new();
    store.replay(|record| drop(channels.insert(record.seq, record.channel))).unwrap();
    channels.remove(&seq)
}

/// What a namespace has before it is named is its own from the first commit on. [log:rules]
#[test]
fn rules_hold_before_all_channels_were_looked_at() {
    let dir = Dir::new();
    let limits = Limits { bytes_max: 100_000, batch_bytes_max: 50_000, ..Limits::default() };
    let limits = Limits { record_bytes_max: 10_000, ..limits };
    let policy = Policy { rule: named("a", Rule::default()).rule, named: Vec::new() };
    let options = Options { limits, policy, fresh_epoch: 1, tag: 3 };
    let (mut store, _) = Store::open(&dir.0, &options).unwrap();
    for seq in 1..=90 {
        let channel = if seq <= 40 { format!("a:{seq}") } else { "b:1".to_owned() };
        store.append(&[message(seq, &channel)]).unwrap();
    }
    let forever = Rule { keep_ms: Rule::FOREVER, key_ms: 7_000, ..Rule::default() };
    store.begin_rules(&named("a", forever), &limits).unwrap();
    let key = Some("k".to_owned());
    store.append(&[Record { key, ..message(91, "a:1") }]).unwrap();
    let mut until_ms = 0;
    store.keys(|key| until_ms = key.until_ms).unwrap();
    assert_eq!(until_ms, 91 + 7_000);
    // There is room for all, though the old namespace of `a` still counts it beside `b`.
    assert!((41..=90).all(|seq| channel_of(&store, seq).is_some()));
    // `b` has to make room, and the oldest records of its old namespace are those of `a`.
    for seq in 92..=130 {
        store.append(&[message(seq, "b:1")]).unwrap();
    }
    assert!(store.book.lock().is_sweeping());
    for seq in 1..=40 {
        assert_eq!(channel_of(&store, seq), Some(format!("a:{seq}")));
    }
    while store.sweep() {}
    let of_a = store.uses().into_iter().find(|it| it.namespace.as_deref() == Some("a")).unwrap();
    assert_eq!((of_a.channels, of_a.records), (40, 41));
}

/// Channels that have not moved yet are counted elsewhere, and in all. [log:rules] [log:no-room]
#[test]
fn a_namespace_that_is_named_late_has_no_room_that_others_have() {
    let dir = Dir::new();
    let limits = Limits { bytes_max: 100_000, batch_bytes_max: 50_000, ..Limits::default() };
    let limits = Limits { record_bytes_max: 10_000, ..limits };
    let (mut store, _) = open(&dir.0, limits).unwrap();
    let mut head = 0;
    while store.append(&[message(head + 1, &format!("a:{head}"))]).is_ok() {
        head += 1;
    }
    let share = Rule { share_bytes: Some(90_000), ..Rule::default() };
    store.begin_rules(&named("a", share), &limits).unwrap();
    assert_eq!(store.append(&[message(head + 2, "a:new")]), Err(Error::Full));
    while store.sweep() {}
    assert_eq!(store.append(&[message(head + 3, "a:new")]), Err(Error::Full));
    assert_eq!(store.append(&[message(head + 4, "b:1")]).map(|_| ()), Ok(()));
}

/// [log:rules] [log:bound-disk]
#[test]
fn the_database_follows_the_new_totals() {
    let dir = Dir::new();
    let (mut store, _) = dir.open();
    store.append(&[record(1, 10)]).unwrap();
    let pages = |store: &Store| {
        let sql = "PRAGMA max_page_count";
        let pages: i64 = store.table.db().query_row(sql, [], |row| row.get(0)).unwrap();
        pages.cast_unsigned()
    };
    for bytes_max in [64 << 20, 512 << 20] {
        let limits = Limits { bytes_max, channels_max: 1_000, ..Limits::default() };
        store.reconfigure(&Policy::default(), &limits).unwrap();
        assert_eq!(pages(&store), limits.pages_max());
    }
    // A batch has to fit.
    let small = Limits { bytes_max: 1 << 20, ..Limits::default() };
    assert_eq!(store.reconfigure(&Policy::default(), &small), Err(Error::Limits));
    assert_eq!(store.limits.bytes_max, 512 << 20);
}

/// A namespace that has more than its new share keeps it, and the others go on. [log:bound-disk]
#[test]
fn a_lowered_bound_does_not_stop_others() {
    let limits = Limits { record_bytes_max: 10_000, batch_bytes_max: 50_000, ..Limits::default() };
    let limits = Limits { channels_max: 100, keys_max: 100, ..limits };
    let high = Limits { bytes_max: 2 << 20, ..limits };
    let low = Limits { bytes_max: 100_000, ..limits };
    let forever = Rule { keep_ms: Rule::FOREVER, ..Rule::default() };
    let share = Rule { share_bytes: Some(50_000), ..forever };
    let policy = Policy { rule: forever, named: vec![("b".into(), share)] };
    let options = |limits| Options { limits, policy: policy.clone(), fresh_epoch: 1, tag: 3 };
    for is_opened_again in [false, true] {
        let dir = Dir::new();
        let (mut store, _) = Store::open(&dir.0, &options(high)).unwrap();
        let mut head = 0;
        while head < 1_500 {
            let batch: Vec<_> = (head + 1..=head + 50).map(|seq| message(seq, "a:1")).collect();
            head = store.append(&batch).unwrap();
        }
        if is_opened_again {
            drop(store);
            store = Store::open(&dir.0, &options(low)).unwrap().0;
        } else {
            store.reconfigure(&policy, &low).unwrap();
        }
        assert_eq!(store.append(&[message(head + 1, "a:1")]), Err(Error::Full));
        for seq in head + 2..head + 40 {
            assert_eq!(store.append(&[message(seq, "b:1")]), Ok(seq));
        }
        assert_eq!(store.totals().records, 1_538);
    }
}

/// Void positions are not given out again, whoever takes the log over. [log:export] [log:head]
#[test]
fn an_export_of_a_log_that_is_found_damaged_meanwhile_has_its_end() {
    let dir = Dir::new();
    let (mut store, _) = dir.open();
    store.append(&[record(1, 10)]).unwrap();
    store.fill_up(0);
    assert_eq!(store.append(&[record(2, 10), record(3, 40_000)]), Err(Error::Full));
    let inspector = Inspector::open(&dir.0).unwrap();
    store.mark.condemn(store.last).unwrap();
    let mut end = None;
    inspector
        .export(|part| {
            if let Part::End(it) = part {
                end = Some((it.head, it.time_ms));
            }
            Ok::<(), Error>(())
        })
        .unwrap();
    assert_eq!(end, Some((3, 1)));
}
