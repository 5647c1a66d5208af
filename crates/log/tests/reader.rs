//! Reading beside the writer, against a model that keeps everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, channel};

use crate::support::{Dir, batch, limits, open, open_by, record};
use proptest::prelude::*;
use sockeye_log::{
    Busy, Entry, Error, Inspector, Page, Policy, Query, Range, Reader, Readers, Record, Rule,
    Start, Store, Target,
};

struct Asking {
    reader: Reader,
    woken: Receiver<()>,
}

impl Asking {
    fn new(readers: &Readers) -> Self {
        let (wake, woken) = channel();
        Self { reader: readers.reader(move || wake.send(()).unwrap_or_default()), woken }
    }

    fn answer(&mut self) -> (u64, Result<Page, Error>) {
        loop {
            if let Some(answer) = self.reader.poll() {
                return answer;
            }
            self.woken.recv().unwrap();
        }
    }

    fn ask(&mut self, targets: &[&str], range: Range, records_max: usize) -> Result<Page, Error> {
        self.reader.ask(query(9, targets, range, records_max)).unwrap();
        let (ticket, answer) = self.answer();
        assert_eq!(ticket, 9);
        answer
    }
}

/// A target that ends in `*` is a pattern.
fn query(ticket: u64, targets: &[&str], range: Range, records_max: usize) -> Query {
    let targets = targets.iter().map(|target| match target.strip_suffix('*') {
        Some(prefix) => {
            let prefix = prefix.to_owned();
            Target::Matching(Box::new(move |name| name.starts_with(&prefix)))
        }
        None => Target::Name((*target).into()),
    });
    let (bytes_max, missing_max) = (2_000, 100);
    Query { ticket, targets: targets.collect(), range, records_max, bytes_max, missing_max }
}

fn as_record(entry: Entry) -> Record {
    let Entry { seq, channel, time_ms, kind, body, .. } = entry;
    Record { seq, time_ms, kind, channel: channel.as_ref().to_owned(), key: None, body }
}

fn is_target(targets: &[&str], name: &str) -> bool {
    targets.iter().any(|target| match target.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *target == name,
    })
}

struct World {
    store: Store,
    written: Vec<Record>,
    floors: BTreeMap<String, u64>,
}

impl World {
    fn new(dir: &Dir, batches: &[u64]) -> Self {
        let mut rule = Rule::default();
        (rule.keep_messages, rule.keep_ms) = (12, Rule::FOREVER);
        let policy = Policy { rule, named: Vec::new() };
        let (mut store, _) = open_by(dir.path(), limits(), 1, policy).unwrap();
        let mut written = Vec::new();
        for count in batches {
            let from = store.head() + 1;
            let batch = (from..from + count).map(|seq| Record { key: None, ..record(seq, 300) });
            let batch: Vec<_> = batch.collect();
            store.append(&batch).unwrap();
            written.extend(batch);
        }
        let mut floors = BTreeMap::new();
        store.channels(|it| floors.extend([(it.name.to_owned(), it.floor)]));
        Self { store, written, floors }
    }

    fn kept(&self, targets: &[&str]) -> impl DoubleEndedIterator<Item = &Record> {
        let kept = self.written.iter().filter(|it| it.seq > self.floors[&it.channel]);
        let targets: Vec<String> = targets.iter().map(|it| (*it).to_owned()).collect();
        kept.filter(move |it| {
            is_target(&targets.iter().map(String::as_str).collect::<Vec<_>>(), &it.channel)
        })
    }
}

const TARGETS: [&[&str]; 6] = [
    &["room:1"],
    &["room:1", "room:2", "room:7", "room:1"],
    &["room:3", "nobody"],
    &["*"],
    &["room:4", "room:5*"],
    &["none:*"],
];

/// Pages one after the other are what the model has. [log:missing]
fn play(batches: &[u64], targets: &[&str], after: u64, records_max: usize) {
    let dir = Dir::new("reader-model");
    let world = World::new(&dir, batches);
    let readers = Readers::spawn(&world.store).unwrap();
    let mut asking = Asking::new(&readers);
    let through = world.store.head();
    let (mut found, mut missing, mut position) = (Vec::new(), BTreeSet::new(), after);
    while position < through {
        let range = Range::After { after: position, through: through + 5 };
        let page = asking.ask(targets, range, records_max).unwrap();
        assert!(page.through > position && page.entries.len() <= records_max);
        assert_eq!(page.more, page.through < through);
        assert!(page.entries.iter().all(|it| it.seq > position && it.seq <= page.through));
        let expected = world.floors.iter().filter(|(_, floor)| **floor > position);
        let expected = expected.filter(|(name, _)| is_target(targets, name));
        let expected: BTreeSet<_> = expected.map(|(name, _)| name.clone()).collect();
        let named: BTreeSet<_> = page.missing.iter().map(|(it, _)| it.to_string()).collect();
        assert_eq!(named, expected);
        missing.extend(named);
        found.extend(page.entries.into_iter().map(as_record));
        position = page.through;
    }
    let expected = world.kept(targets).filter(|it| it.seq > after).cloned();
    assert!(expected.eq(found), "after {after}");

    let Some(name) = targets.first().filter(|it| !it.ends_with('*')) else { return };
    let page = asking.ask(&[name], Range::Before { before: after + 1 }, records_max).unwrap();
    let older: Vec<_> = world.kept(&[name]).filter(|it| it.seq <= after).cloned().collect();
    let found: Vec<_> = page.entries.into_iter().map(as_record).collect();
    assert_eq!(page.more, found.len() < older.len());
    assert!(older.ends_with(&found) && (!found.is_empty() || older.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_finds_what_the_model_has(
        batches in prop::collection::vec(1_u64..60, 1..8),
        targets in 0..TARGETS.len(),
        after in 0_u64..200,
        records_max in 1_usize..40,
    ) {
        play(&batches, TARGETS[targets], after, records_max);
    }
}

/// Answers come while the writer commits, and show what was there. [log:fair-reads]
#[test]
fn readers_and_the_writer_do_not_wait_for_each_other() {
    let dir = Dir::new("reader-beside");
    let mut world = World::new(&dir, &[50]);
    let readers = Readers::spawn(&world.store).unwrap();
    let mut asking: Vec<_> = (0..3).map(|_| Asking::new(&readers)).collect();
    for round in 0..40_u64 {
        for it in &mut asking {
            let range = Range::After { after: 0, through: u64::MAX };
            it.reader.ask(query(round, &["*"], range, 1_000)).unwrap();
        }
        let head = world.store.head();
        let batch: Vec<_> = (head + 1..=head + 50).map(|seq| record(seq, 300)).collect();
        world.store.append(&batch).unwrap();
        for it in &mut asking {
            let (ticket, page) = it.answer();
            let page = page.unwrap();
            assert_eq!(ticket, round);
            assert!(page.through > 0 && !page.entries.is_empty());
        }
    }
    let wal = std::fs::metadata(dir.file("log.sqlite-wal")).unwrap().len();
    assert!(wal < 32 << 20, "{wal}");
}

/// [log:bound-reads]
#[test]
fn questions_are_bounded_and_can_be_canceled() {
    let dir = Dir::new("reader-bound");
    let world = World::new(&dir, &[50]);
    let readers = Readers::spawn(&world.store).unwrap();
    let mut asking = Asking::new(&readers);
    let all = Range::After { after: 0, through: u64::MAX };
    let asked = (0..1_000).take_while(|it| asking.reader.ask(query(*it, &["*"], all, 9)).is_ok());
    assert_eq!(asked.count(), 256);
    assert_eq!(asking.reader.ask(query(1_000, &["*"], all, 9)), Err(Busy));
    asking.reader.cancel(255);
    assert_eq!(asking.reader.ask(query(1_001, &["*"], all, 9)), Ok(()));
    let mut tickets = Vec::new();
    while tickets.last() != Some(&1_001) {
        tickets.push(asking.answer().0);
    }
    assert!(!tickets.contains(&255), "{tickets:?}");
}

/// Damage is an error of the answer that meets it. [log:checked]
#[test]
fn damage_is_found_by_the_one_who_reads_it() {
    let all = Range::After { after: 0, through: u64::MAX };
    let middle = (200..).find(|seq| record(*seq, 300).channel == "room:3").unwrap();
    for sql in [
        format!("UPDATE records SET time_ms = 1 WHERE seq = {middle}"),
        format!("DELETE FROM records WHERE seq = {middle}"),
        format!("UPDATE records SET channel = 1 WHERE seq = {middle}"),
    ] {
        let dir = Dir::new("reader-damage");
        let (mut store, _) = open(dir.path(), limits(), 1).unwrap();
        for from in (1..=400).step_by(100) {
            let batch: Vec<_> = (from..from + 100).map(|seq| record(seq, 300)).collect();
            store.append(&batch).unwrap();
        }
        let db = rusqlite::Connection::open(dir.file("log.sqlite")).unwrap();
        db.execute_batch(&sql).unwrap();
        let readers = Readers::spawn(&store).unwrap();
        let mut asking = Asking::new(&readers);
        for targets in ["room:3", "*"] {
            let mut query = query(1, &[targets], all, 10_000);
            query.bytes_max = u64::MAX;
            asking.reader.ask(query).unwrap();
            let (_, answer) = asking.answer();
            assert!(matches!(answer, Err(Error::Damaged { .. })), "{sql} {targets}");
        }
        let page = asking.ask(&["room:5"], all, 5).unwrap();
        assert_eq!(page.entries.len(), 5, "{sql}");
    }
}

/// The files of a closed log, and where in its database an index is, which has one page.
fn small_index(dir: &Dir, index: &str) -> (Vec<(String, Vec<u8>)>, usize) {
    let db = rusqlite::Connection::open(dir.file("log.sqlite")).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?";
    let root: u32 = db.query_row(root, [index], |row| row.get(0)).unwrap();
    drop(db);
    (dir.read(), (usize::try_from(root).unwrap() - 1) * 4096)
}

/// Takes an entry out of a leaf of an index.
fn remove_entry(page: &mut [u8], entry: usize) {
    assert_eq!(page[0], 10, "a leaf of an index");
    let entries = usize::from(u16::from_be_bytes([page[3], page[4]]));
    page.copy_within(8 + 2 * (entry + 1)..8 + 2 * entries, 8 + 2 * entry);
    page[3..5].copy_from_slice(&u16::try_from(entries - 1).unwrap().to_be_bytes());
}

/// No checksum covers an index. [log:checked] [log:verify]
#[test]
fn records_that_the_index_has_lost_are_missed() {
    let dir = Dir::new("index");
    let (mut store, _) = open(dir.path(), limits(), 1).unwrap();
    store.append(&batch(1, 40, 50)).unwrap();
    drop(store);
    let (files, at) = small_index(&dir, "records_by_channel");
    let everything = Range::After { after: 0, through: u64::MAX };
    let ranges = (1..=41)
        .flat_map(|seq| [Range::After { after: 0, through: seq }, Range::Before { before: seq }]);
    let ranges: Vec<Range> = [everything].into_iter().chain(ranges).collect();
    let rooms: Vec<String> = (0..9).map(|number| format!("room:{number}")).collect();
    let answers = || {
        let (store, found) = open(dir.path(), limits(), 1).unwrap();
        assert_eq!(found.start, Start::Resumed);
        let readers = Readers::spawn(&store).unwrap();
        let mut asking = Asking::new(&readers);
        let each = rooms.iter().flat_map(|room| ranges.iter().map(move |range| (room, *range)));
        each.map(|(room, range)| asking.ask(&[room], range, 100)).collect::<Vec<_>>()
    };
    let intact = answers();
    assert!(intact.iter().all(Result::is_ok));
    for entry in 0..40 {
        let mut files = files.clone();
        let (_, database) = files.iter_mut().find(|(name, _)| name == "log.sqlite").unwrap();
        remove_entry(&mut database[at..at + 4096], entry);
        dir.write(&files);
        let verdict = Inspector::open(dir.path()).unwrap().verify(|_| {}).unwrap();
        assert!(!verdict.damages.is_empty(), "entry {entry}: `verify` does not see it");
        let mut seen = 0;
        for (found, expected) in answers().iter().zip(&intact) {
            seen += u32::from(matches!(found, Err(Error::Damaged { .. })));
            assert!(
                found.is_err() || found == expected,
                "entry {entry}: {found:?}, not {expected:?}"
            );
        }
        assert!(seen > 0, "entry {entry}");
    }
}

/// A channel that the index of floors has lost, or has elsewhere, is named all the same. [log:missing] [log:checked]
#[test]
fn channels_that_the_index_has_lost_are_named_as_trimmed() {
    let dir = Dir::new("floors");
    let mut rule = Rule::default();
    (rule.keep_messages, rule.keep_ms) = (3, Rule::FOREVER);
    let open = || open_by(dir.path(), limits(), 1, Policy { rule, named: Vec::new() }).unwrap();
    let (mut store, _) = open();
    store.append(&batch(1, 90, 20)).unwrap();
    while store.expire(0).unwrap() > 0 {}
    drop(store);
    let (files, at) = small_index(&dir, "channels_by_floor");
    let answers = || {
        let (store, found) = open();
        assert_eq!(found.start, Start::Resumed);
        let mut asking = Asking::new(&Readers::spawn(&store).unwrap());
        let mut ask = |after| asking.ask(&["*"], Range::After { after, through: u64::MAX }, 100);
        [0, 30, 60].map(|after| ask(after).map(|page| page.missing))
    };
    let intact = answers();
    assert_eq!(intact[0].as_ref().map(Vec::len), Ok(9));
    let compare = |what: &str, change: &dyn Fn(&mut [u8])| {
        let mut files = files.clone();
        let (_, database) = files.iter_mut().find(|(name, _)| name == "log.sqlite").unwrap();
        change(&mut database[at..at + 4096]);
        dir.write(&files);
        for (found, expected) in answers().iter().zip(&intact) {
            assert!(found.is_err() || found == expected, "{what}: {found:?}, not {expected:?}");
        }
    };
    for entry in 0..9 {
        compare(&format!("entry {entry}"), &|page| remove_entry(page, entry));
        let verdict = Inspector::open(dir.path()).unwrap().verify(|_| {}).unwrap();
        assert!(!verdict.damages.is_empty(), "entry {entry}: `verify` does not see it");
    }
    // Where the entries are, and the entries themselves.
    let entries = 4096 - 9 * 10;
    for byte in (8..8 + 2 * 9).chain(entries..4096) {
        let bit = byte * 5 % 8;
        compare(&format!("bit {bit} of byte {byte}"), &|page| page[byte] ^= 1 << bit);
    }
}
