//! Export and import: a log in parts.

use crate::support::{Dir, limits, open, open_by, records};
use sockeye_log::{
    Damage, Error, Import, Inspector, Options, Part, Policy, Record, Rule, Start, Store,
};

/// A log with everything that a log may know: dropped records, ends, keys, void positions, runs.
fn written(dir: &Dir) -> Store {
    let mut rule = Rule::default();
    (rule.keep_messages, rule.keep_ms, rule.key_ms) = (5, Rule::FOREVER, 1_000_000);
    let policy = || Policy { rule, named: Vec::new() };
    for _ in 0..3 {
        let (mut store, _) = open_by(dir.path(), limits(), 9, policy()).unwrap();
        for _ in 0..40 {
            let head = store.head();
            let batch: Vec<Record> = (head + 1..=head + 3).map(message).collect();
            store.append(&batch).unwrap();
        }
    }
    let (mut store, _) = open_by(dir.path(), limits(), 9, policy()).unwrap();
    while store.expire(1_000).unwrap() > 0 {}
    store.void(store.head() + 7).unwrap();
    store
}

fn message(seq: u64) -> Record {
    // One end is kept, one is dropped, and one is the last of its channel.
    let is_end = [100, 200, 360].contains(&seq);
    let kind = if is_end { Record::END } else { Record::MESSAGE };
    let channel = if seq == 360 { "end".to_owned() } else { format!("room:{}", seq % 7) };
    let key = seq.is_multiple_of(4).then(|| format!("key-{seq}"));
    Record { seq, time_ms: seq * 10, kind, channel, key, body: vec![b'x'; 20] }
}

fn export(dir: &Dir) -> Vec<Part> {
    let mut parts = Vec::new();
    let inspector = Inspector::open(dir.path()).unwrap();
    let each = |part| {
        parts.push(part);
        Ok::<(), Error>(())
    };
    inspector.export(each).unwrap();
    // The numbers of channels are no part of a log.
    parts.sort_by_key(|part| match part {
        Part::Channel(channel) => (1, channel.name.clone()),
        Part::Begin { .. } | Part::Record(_) => (0, String::new()),
        _ => (2, String::new()),
    });
    parts
}

/// The name, floor, newest record and end of each channel.
fn channels(store: &Store) -> Vec<(String, u64, u64, Option<u64>)> {
    let mut channels = Vec::new();
    store.channels(|it| channels.push((it.name.to_owned(), it.floor, it.last, it.ended)));
    channels.sort();
    channels
}

fn begin(dir: &Dir, parts: &[Part]) -> Import {
    let Part::Begin { epoch, .. } = parts[0] else { panic!("{:?}", parts[0]) };
    let (mut import, _) = Import::begin(dir.path(), epoch, 3).unwrap();
    import.bring_runs();
    import
}

fn take(import: &mut Import, part: &Part) {
    match part {
        Part::Record(record) if record.seq > import.head() => {
            import.records(std::slice::from_ref(record)).unwrap();
        }
        Part::Channel(channel) => import.channels(std::slice::from_ref(channel)).unwrap(),
        Part::Key(key) => import.keys(std::slice::from_ref(key)).unwrap(),
        _ => {}
    }
}

fn finish(import: Import, parts: &[Part]) {
    let Some(Part::End(end)) = parts.last() else { panic!("an export has an end") };
    import.finish(Some(end)).unwrap();
}

/// [log:export] [log:import]
#[test]
fn what_is_exported_and_imported_is_the_same_log() {
    let (dir, copy) = (Dir::new("transfer"), Dir::new("transfer-copy"));
    let store = written(&dir);
    let parts = export(&dir);
    let count = |of: fn(&Part) -> bool| parts.iter().filter(|it| of(it)).count();
    assert_eq!(count(|it| matches!(it, Part::Channel(_))), 7, "rooms had more once");
    assert!(count(|it| matches!(it, Part::Key(_))) > count(|it| matches!(it, Part::Record(_))) / 2);
    let mut import = begin(&copy, &parts);
    parts.iter().for_each(|part| take(&mut import, part));
    finish(import, &parts);
    assert_eq!(export(&copy), parts);
    let verdict = Inspector::open(copy.path()).unwrap().verify(|_| ()).unwrap();
    assert_eq!(verdict.damages, []);
    let (mut again, found) = open(copy.path(), limits(), 1).unwrap();
    assert_eq!(channels(&again), channels(&store));
    assert_eq!(channels(&store).iter().filter(|it| it.3.is_some()).count(), 3);
    assert_eq!((found.start, found.epoch, found.head), (Start::Resumed, 9, store.head()));
    assert_eq!((records(&again), again.totals()), (records(&store), store.totals()));
    assert_eq!(again.runs()[..3], store.runs()[..3]);
    again.append(&[message(again.head() + 1)]).unwrap();
}

/// A kill may come before there is a mark. [log:import]
#[test]
fn an_import_that_was_killed_as_it_began_goes_on() {
    let begun = Dir::new("begun");
    drop(Import::begin(begun.path(), 9, 3).unwrap());
    for left in
        [&["importing"][..], &["importing", "log.sqlite"], &["importing", "log.sqlite", "mark"]]
    {
        let dir = Dir::new("killed-early");
        let files = begun.read().into_iter().filter(|(name, _)| left.contains(&name.as_str()));
        dir.write(&files.collect::<Vec<_>>());
        let served = open(dir.path(), limits(), 5).map(|(_, found)| found);
        assert_eq!(served, Err(Error::Unfinished), "{left:?}");
        let (import, found) = Import::begin(dir.path(), 9, 3).unwrap();
        assert_eq!((found.epoch, import.base(), import.head()), (9, 0, 0), "{left:?}");
    }
}

/// [log:import]
#[test]
fn an_import_that_was_cut_short_is_no_log_until_it_has_gone_on() {
    let (dir, copy) = (Dir::new("cut"), Dir::new("cut-copy"));
    drop(written(&dir));
    let parts = export(&dir);
    for cut in [1, 20, parts.len() - 30, parts.len() - 1] {
        let mut import = begin(&copy, &parts);
        assert_eq!(import.base(), 0);
        parts[..cut].iter().for_each(|part| take(&mut import, part));
        drop(import);
        let opened = Store::open(copy.path(), &Options::new(1, 1)).map(|(_, found)| found);
        assert_eq!(opened, Err(Error::Unfinished));
        assert_eq!(Inspector::open(copy.path()).map(drop), Err(Error::Unfinished));
    }
    let mut import = begin(&copy, &parts);
    parts.iter().for_each(|part| take(&mut import, part));
    finish(import, &parts);
    assert_eq!(export(&copy), parts);
}

/// A log stays one if nothing was written to it. [log:import]
#[test]
fn an_import_that_fails_at_once_leaves_a_log() {
    let dir = Dir::new("at-once");
    drop(written(&dir));
    drop(Import::begin(dir.path(), 9, 3).unwrap());
    let (_, found) = open(dir.path(), limits(), 1).unwrap();
    assert_eq!((found.start, found.epoch), (Start::Resumed, 9));
}

/// Records that were dropped while the export was under way go with their channel. [log:export]
#[test]
fn a_channel_is_whole_above_its_floor() {
    let (dir, copy) = (Dir::new("floor"), Dir::new("floor-copy"));
    let (mut store, _) = open(dir.path(), limits(), 9).unwrap();
    for seq in 1..=20 {
        store.append(&[Record { channel: "a".into(), ..message(seq) }]).unwrap();
    }
    let mut parts = export(&dir);
    let end = parts.pop().unwrap();
    let floor = sockeye_log::ChannelState { name: "a".into(), floor: 12, last: 20, ended: None };
    parts.extend([Part::Channel(floor), end]);
    let mut import = begin(&copy, &parts);
    parts.iter().for_each(|part| take(&mut import, part));
    finish(import, &parts);
    let (store, found) = open(copy.path(), limits(), 1).unwrap();
    assert_eq!((found.records, found.head), (8, 20));
    assert!(records(&store).iter().all(|it| it.seq > 12));
}

/// Maintenance does not set a log aside. [log:import]
#[test]
fn a_damaged_log_stays_as_it_is() {
    let dir = Dir::new("maintain");
    drop(written(&dir));
    std::fs::write(dir.path().join("mark"), [0; 44]).unwrap();
    let before = std::fs::read(dir.path().join("log.sqlite")).unwrap();
    let options = Options::new(1, 1);
    let opened = Store::open_existing(dir.path(), &options).map(|(_, found)| found);
    assert_eq!(opened, Err(Error::Unsound(Damage::Mark)));
    let begun = Import::begin(dir.path(), 1, 1).map(|(_, found)| found);
    assert_eq!(begun, Err(Error::Unsound(Damage::Mark)));
    assert!(std::fs::read(dir.path().join("log.sqlite")).unwrap() == before, "it was changed");
    let none = Dir::new("maintain-none");
    let opened = Store::open_existing(none.path(), &options).map(|(_, found)| found);
    assert_eq!(opened, Err(Error::Absent));
    // The server begins a new epoch, and says so.
    let (_, found) = Store::open(dir.path(), &options).unwrap();
    assert_eq!(found.start, Start::Damaged(Damage::Mark));
}
