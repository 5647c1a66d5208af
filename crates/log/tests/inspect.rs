//! Looking at a log, checking it and copying it, beside the process that writes it.

use crate::support::{Dir, limits, open_by, record, records};
use rusqlite::Connection;
use sockeye_log::{Damage, Error, Inspector, Part, Policy, Record, Rule, Start, Store};

fn policy() -> Policy {
    let mut rule = Rule::default();
    (rule.keep_messages, rule.keep_ms, rule.key_ms) = (40, Rule::FOREVER, Rule::FOREVER);
    Policy { rule, named: Vec::new() }
}

fn append(store: &mut Store, count: u64) {
    let head = store.head();
    let batch: Vec<_> = (head + 1..=head + count).map(|seq| record(seq, 300)).collect();
    store.append(&batch).unwrap();
}

fn written(dir: &Dir) -> Store {
    let (mut store, _) = open_by(dir.path(), limits(), 9, policy()).unwrap();
    for _ in 0..6 {
        append(&mut store, 150);
    }
    store
}

#[test]
fn figures_are_those_of_the_store() {
    let dir = Dir::new("stat");
    let store = written(&dir);
    let stat = Inspector::open(dir.path()).unwrap().stat().unwrap();
    assert_eq!((stat.epoch, stat.tail, stat.totals), (9, 900, store.totals()));
    assert_eq!((stat.runs.len(), stat.namespaces["room"].1), (1, stat.totals.records));
    let missing = Inspector::open(&dir.file("nothing")).map(|_| ());
    assert_eq!(missing, Err(Error::Absent));
}

/// [log:verify]
#[test]
fn a_check_finds_what_was_meddled_with() {
    let dir = Dir::new("verify");
    let store = written(&dir);
    let inspector = Inspector::open(dir.path()).unwrap();
    let verdict = inspector.verify(|_| ()).unwrap();
    let totals = store.totals();
    assert_eq!((verdict.damaged, verdict.records), (0, totals.records));
    assert_eq!((verdict.channels, verdict.keys), (totals.channels, totals.keys));
    let db = Connection::open(dir.file("log.sqlite")).unwrap();
    let of = |from: u64| (from..).find(|seq| record(*seq, 300).channel == "room:3").unwrap();
    let (gone, changed) = (of(700), of(800));
    let follower = of(gone + 1);
    db.execute_batch(&format!(
        "DELETE FROM records WHERE seq = {gone};
         UPDATE records SET body = x'00' WHERE seq = {changed};
         UPDATE keys SET until_ms = 5 WHERE seq = (SELECT max(seq) FROM keys);"
    ))
    .unwrap();
    let verdict = inspector.verify(|_| ()).unwrap();
    assert_eq!(verdict.damaged, 3, "{verdict:?}");
    assert!(verdict.damages.contains(&Damage::Hole { seq: follower }));
    assert!(verdict.damages.contains(&Damage::Checksum { seq: changed }));
}

/// [log:backup]
#[test]
fn a_copy_is_the_log_at_one_position() {
    let (dir, copy) = (Dir::new("backup"), Dir::new("backup-copy"));
    let mut store = written(&dir);
    let inspector = Inspector::open(dir.path()).unwrap();
    let full = inspector.copy_to(dir.path(), |_| ());
    assert_eq!(full, Err(Error::NotEmpty));
    let copied = inspector.copy_to(copy.path(), |_| ()).unwrap();
    let at = records(&store);
    // The log goes on; the copy stays.
    append(&mut store, 150);
    assert_eq!((copied.epoch, copied.through), (9, 900));
    let good = Inspector::open(copy.path()).unwrap().verify(|_| ()).unwrap();
    assert_eq!((good.damaged, good.records), (0, copied.records));
    let (mut restored, found) = open_by(copy.path(), limits(), 1, policy()).unwrap();
    assert_eq!((found.start, found.epoch, found.head), (Start::Resumed, 9, 900));
    assert!(records(&restored) == at, "the copy differs");
    append(&mut restored, 150);
    // Each has a run of its own for the positions that both gave out.
    assert_eq!((restored.runs().len(), restored.runs()[1].first), (2, 901));
}

/// [log:backup] A copy stops in its middle at damage, as it does at a kill.
#[test]
fn a_copy_that_was_cut_short_is_no_log_and_is_made_anew() {
    let (dir, copy) = (Dir::new("backup-cut"), Dir::new("backup-cut-copy"));
    let bad = Dir::new("backup-bad");
    drop(written(&bad));
    let db = Connection::open(bad.file("log.sqlite")).unwrap();
    db.execute_batch("UPDATE records SET body = x'00' WHERE seq = (SELECT max(seq) FROM records)")
        .unwrap();
    drop(db);
    let cut = Inspector::open(bad.path()).unwrap().copy_to(copy.path(), |_| ());
    assert_eq!(cut, Err(Error::Damaged { seq: 900 }));
    assert_eq!(Inspector::open(copy.path()).map(drop), Err(Error::UnfinishedCopy));
    let opened = open_by(copy.path(), limits(), 1, policy());
    assert_eq!(opened.map(drop), Err(Error::UnfinishedCopy));
    let _store = written(&dir);
    let inspector = Inspector::open(dir.path()).unwrap();
    // A kill leaves more.
    std::fs::write(copy.file("log.sqlite.unfinished-wal"), "rows").unwrap();
    std::fs::write(copy.file("notes"), "mine").unwrap();
    assert_eq!(inspector.copy_to(copy.path(), |_| ()), Err(Error::NotEmpty));
    assert!(copy.file("log.sqlite.unfinished-wal").exists());
    std::fs::remove_file(copy.file("notes")).unwrap();
    let copied = inspector.copy_to(copy.path(), |_| ()).unwrap();
    let good = Inspector::open(copy.path()).unwrap().verify(|_| ()).unwrap();
    assert_eq!((good.damaged, good.records), (0, copied.records));
    let files = std::fs::read_dir(copy.path()).unwrap();
    let files = files.map(|it| it.unwrap().file_name().into_string().unwrap());
    assert!(files.into_iter().all(|name| !name.contains("unfinished")));
}

/// [log:tail]
#[test]
fn a_log_without_its_end_is_told() {
    let (dir, cut, copy) = (Dir::new("cut"), Dir::new("cut-half"), Dir::new("cut-copy"));
    // As a kill leaves it: the write-ahead log has the newest records.
    let store = written(&dir);
    std::fs::create_dir_all(cut.path()).unwrap();
    for name in ["log.sqlite", "log.sqlite-wal", "mark"] {
        std::fs::copy(dir.file(name), cut.file(name)).unwrap();
    }
    let wal = std::fs::OpenOptions::new().write(true).open(cut.file("log.sqlite-wal")).unwrap();
    wal.set_len(wal.metadata().unwrap().len() / 2).unwrap();
    let inspector = Inspector::open(cut.path()).unwrap();
    let verdict = inspector.verify(|_| ()).unwrap();
    let Some(Damage::Tail { found, durable }) = verdict.damages.first().copied() else {
        panic!("{verdict:?}");
    };
    assert!(found < durable && durable == store.head(), "{found} of {durable}");
    let unsound = Error::Unsound(Damage::Tail { found, durable });
    assert_eq!(inspector.stat().map(drop), Err(unsound));
    assert_eq!(inspector.copy_to(copy.path(), |_| ()).map(drop), Err(unsound));
    let mut parts = Vec::new();
    let done = inspector.export(|part| {
        parts.push(part);
        Ok::<(), Error>(())
    });
    assert_eq!(done, Err(unsound));
    assert!(matches!(parts.last(), Some(Part::End(_))), "what is there can be saved");
}

/// The error names the file that was taken away, and says in words what is wrong. [log:tail]
#[test]
fn a_log_without_one_of_its_files_is_told() {
    let (dir, cut, copy) = (Dir::new("gone"), Dir::new("gone-file"), Dir::new("gone-copy"));
    let (mut store, _) = open_by(dir.path(), limits(), 9, policy()).unwrap();
    append(&mut store, 5);
    let opened = |gone: &str| {
        let mut files = dir.read();
        files.retain(|(name, _)| name != gone);
        cut.write(&files);
        let opened = Inspector::open(cut.path()).and_then(|it| it.copy_to(copy.path(), |_| ()));
        opened.map(drop).unwrap_err()
    };
    for (gone, words) in [
        ("log.sqlite", "`log.sqlite` is gone"),
        ("log.sqlite-wal", "`log.sqlite-wal`, which may have them"),
        ("mark", "`mark` is gone"),
    ] {
        let error = opened(gone);
        assert!(matches!(error, Error::Unsound(_)), "{gone}: {error:?}");
        assert!(error.to_string().contains(words), "{gone}: {error}");
    }
}

/// [log:backup]
#[test]
fn a_copy_lacks_what_is_dropped_meanwhile_and_is_whole_otherwise() {
    let (dir, copy) = (Dir::new("backup-beside"), Dir::new("backup-beside-copy"));
    let mut store = written(&dir);
    // More than one chunk, and commits in between.
    let mut rule = Rule::default();
    (rule.keep_messages, rule.key_ms) = (Rule::FOREVER, Rule::FOREVER);
    store.reconfigure(&Policy { rule, named: Vec::new() }, &limits()).unwrap();
    for _ in 0..60 {
        append(&mut store, 150);
    }
    let inspector = Inspector::open(dir.path()).unwrap();
    store.reconfigure(&policy(), &limits()).unwrap();
    let copied = inspector
        .copy_to(copy.path(), |_| {
            append(&mut store, 150);
            while store.expire(0).unwrap() > 0 {}
        })
        .unwrap();
    let (found, kept) = (Inspector::open(copy.path()).unwrap(), store.totals().records);
    let verdict = found.verify(|_| ()).unwrap();
    assert_eq!(verdict.damages, []);
    assert!(verdict.records < copied.records && kept < copied.records);
}

#[test]
fn an_export_has_every_record() {
    let dir = Dir::new("export");
    let store = written(&dir);
    let mut found = Vec::new();
    let inspector = Inspector::open(dir.path()).unwrap();
    let done = inspector.export(|part| {
        if let Part::Record(record) = part {
            found.push(record);
        }
        Ok::<(), Error>(())
    });
    assert_eq!(done, Ok(()));
    let kept = records(&store).into_iter().map(|it| Record { key: None, ..it });
    assert!(kept.eq(found), "the export differs");
}

#[test]
fn a_compact_log_has_what_it_had() {
    let dir = Dir::new("compact");
    let mut store = written(&dir);
    let before = records(&store);
    store.compact().unwrap();
    assert!(records(&store) == before, "something is missing");
    append(&mut store, 10);
}
