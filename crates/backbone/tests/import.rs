//! A log that goes on from that of one machine.

use std::sync::Arc;

use sockeye_backbone::Engine;
use sockeye_backbone::entry::{
    Body, Data, Entry, Evidence, Import, Imported, ImportedChannel, ImportedKey, ImportedMessage,
    ImportedPart, ImportedRun, NewEpoch, Payload,
};
use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::node::import::{ImportError, Importer, Offered, Progress};
use sockeye_backbone::node::{NodeSettings, Notice, Objection, Stop};
use sockeye_hub::{Check, Epoch, Kind, Refusal, Seq};
use sockeye_service::sequencing::{
    Offer, Origin, Outcome, Restored, Sequence, SequencerEvent, Verdict,
};

use crate::node::{Machine, receipts, settings};

fn import() -> Import {
    Import {
        epoch: 9,
        nonce: 7,
        time_ms: 1_000,
        identity: 0,
        head: 50,
        horizon: 12,
        check: 6,
        runs: vec![ImportedRun { first: 1, tag: 5 }],
        plan: 1,
    }
}

fn message(seq: u64, channel: &str) -> ImportedPart<'_> {
    let payload = Payload { event: None, data: Data::Text("x"), ttl_ms: None, date_ms: Some(1) };
    ImportedPart::Message(ImportedMessage { seq, time_ms: 900, channel, payload, ends: false })
}

fn parts() -> [ImportedPart<'static>; 5] {
    let cut = ImportedChannel { name: "cut", floor: 15, last: 41, ended: false };
    let ended = ImportedChannel { name: "ended", floor: 20, last: 20, ended: true };
    let key = ImportedKey { channel: "a", key: "k", seq: 40, until_ms: 200_000 };
    [
        message(40, "a"),
        message(41, "cut"),
        ImportedPart::Channels(vec![cut, ended]),
        ImportedPart::Keys(vec![key]),
        ImportedPart::End,
    ]
}

/// Imports the first of the parts, all of which it offers.
fn begin(
    log: &MemoryLog,
    import: Import,
    parts: &[ImportedPart<'_>],
) -> Result<Progress, ImportError> {
    let mut engine = log.open();
    engine.set_wake(Arc::new(|| {}));
    let mut importer = Importer::new(import, Box::new(engine));
    importer.step()?;
    for (part, number) in parts.iter().zip(0..) {
        if importer.offer(number, part) != Offered::Taken {
            break;
        }
    }
    importer.flush();
    importer.step()?;
    importer.step()
}

fn restored(events: &[SequencerEvent]) -> Option<&Restored> {
    events.iter().find_map(|event| match event {
        Outcome::Restored(log) => Some(&**log),
        _ => None,
    })
}

/// The verdict on an offer, or the position of its message.
fn offer(
    machine: &mut Machine,
    (channel, key, expect): (&str, Option<&str>, Option<u64>),
) -> Result<Seq, Verdict> {
    let payload = sockeye_service::wire::Payload::new(sockeye_service::wire::Data::text("y"));
    let (channel, kind) = (channel.into(), Kind::Message);
    let offer = Offer { channel, payload, kind, key: key.map(Into::into), expect: expect.map(Seq) };
    let origin = Origin { worker: 0, ticket: 1_000, bytes: 0 };
    let mut events = Vec::new();
    machine.node.offer(offer, origin, 2_000, &mut events);
    events.extend(machine.settle(2_000));
    let own = events.iter().find_map(|event| match event {
        Outcome::Entry(entry, Some(_)) => Some(Ok(entry.position.seq)),
        Outcome::Answer(_, verdict) => Some(Err(*verdict)),
        _ => None,
    });
    own.expect("it is answered")
}

#[test]
fn nodes_go_on_from_it() {
    let log = MemoryLog::default();
    assert_eq!(begin(&log, import(), &parts()), Ok(Progress::Done));
    let (mut one, mut other) = (Machine::new(&log, 1), Machine::new(&log, 2));
    for machine in [&mut one, &mut other] {
        let events = machine.settle(2_000);
        let all = restored(&events).expect("the hubs get it");
        let positions: Vec<_> =
            all.messages.iter().map(|it| (it.position.seq.0, it.time_ms)).collect();
        assert_eq!((positions, all.horizon), (vec![(40, 900), (41, 900)], Seq(12)));
        assert!(all.messages.iter().all(|it| it.position.check == Check::new(5)));
        assert_eq!(machine.node.find_objection(), None);
        // Places begin behind the head, and are void up to here.
        let voids = events.iter().filter_map(|event| match event {
            Outcome::Void(seq) => Some(seq.0),
            _ => None,
        });
        assert!(voids.max() >= Some(56), "{events:?}");
    }
    for machine in [&mut one, &mut other] {
        let repeat = offer(machine, ("a", Some("k"), None));
        assert!(
            matches!(repeat, Err(Verdict::Duplicate(at, _)) if at.seq == Seq(40)),
            "{repeat:?}"
        );
        let late = offer(machine, ("ended", None, None));
        assert_eq!(late, Err(Verdict::Refused(Refusal::Ended { at: Seq(20) })));
        let unexpected = offer(machine, ("cut", None, Some(15)));
        assert_eq!(unexpected, Err(Verdict::Refused(Refusal::Unexpected { last: Seq(41) })));
        let forgotten = offer(machine, ("unknown", None, Some(0)));
        assert_eq!(forgotten, Err(Verdict::Refused(Refusal::Forgotten { through: Seq(12) })));
    }
    let at = offer(&mut one, ("cut", None, Some(41))).expect("it is the newest one");
    assert!(at > Seq(56), "{at:?}");
    other.settle(2_000);
    assert_eq!(one.node.digest(), other.node.digest());
}

#[test]
fn a_node_that_joins_behind_it_decides_alike() {
    let log = MemoryLog::default();
    begin(&log, import(), &parts()).expect("the log is empty");
    let with = |number| Machine::with(&log, NodeSettings { keep: 16, ..settings(number) });
    let (mut one, mut joined) = (with(1), 0);
    one.settle(2_000);
    for number in 2..80 {
        one.offer(2_000);
        assert_eq!(receipts(&one.settle(2_000)), 1);
        let mut late = with(number);
        let events = late.settle(2_000);
        joined += late.node.status().joined_behind;
        one.settle(2_000);
        assert_eq!(late.node.digest(), one.node.digest(), "as node {number}");
        let first = log.entries()[0].0.number;
        assert_eq!(restored(&events).is_some(), first == 1, "as node {number}");
        late.node.leave(2_000);
        one.settle(2_000);
    }
    assert!(joined > 10, "{joined}");
}

#[test]
fn a_long_import_is_kept_until_horizons_follow_it() {
    let log = MemoryLog::default();
    let mut parts: Vec<_> = (1..=200).map(|seq| message(seq, "a")).collect();
    parts.push(ImportedPart::End);
    let import = Import { head: 200, ..import() };
    assert_eq!(begin(&log, import, &parts), Ok(Progress::Done));
    // Each node is the only one, and the next one knows nothing but the log.
    let mut joined = 0;
    for number in 1..80 {
        let settings = NodeSettings { keep: 16, ..settings(number) };
        let mut machine = Machine::with(&log, settings);
        machine.settle(2_000);
        assert_eq!(machine.node.find_objection(), None, "node {number}");
        joined += machine.node.status().joined_behind;
        machine.offer(2_000);
        assert_eq!(receipts(&machine.settle(2_000)), 1, "node {number}");
    }
    assert!(joined > 0 && log.entries()[0].0.number > 200, "the import is trimmed in the end");
}

#[test]
fn a_part_of_an_import_is_waited_for() {
    let log = MemoryLog::default();
    assert_eq!(begin(&log, import(), &parts()[..2]), Ok(Progress::Feeds(2)));
    let mut machine = Machine::new(&log, 1);
    let before = log.entries().len();
    assert_eq!(before, 3);
    let events = machine.settle(2_000);
    assert!(restored(&events).is_none() && log.entries().len() == before, "it writes nothing");
    assert_eq!(machine.node.find_objection(), Some(Objection::Importing));
    assert!(machine.node.take_notices().contains(&Notice::Importing));
    // Another importer goes on, whatever it would have drawn.
    let again = Import { nonce: 8, time_ms: 5, check: 99, ..import() };
    assert_eq!(begin(&log, again, &parts()), Ok(Progress::Done));
    assert_eq!(log.entries().len(), 1 + parts().len(), "each part is there once");
    let events = machine.settle(2_000);
    assert_eq!(restored(&events).map(|it| it.messages.len()), Some(2));
    assert_eq!(machine.node.find_objection(), None);
}

#[test]
fn an_epoch_that_ends_among_the_parts_takes_no_part_away() {
    let log = MemoryLog::default();
    begin(&log, import(), &parts()[..2]).expect("the log is empty");
    let (ends, after, evidence) = (import().epoch, import().head + 3, Evidence::OtherEntries);
    let body = Body::Epoch(NewEpoch { epoch: 10, ends, after, node: 2, evidence, identity: 1 });
    log.write(Entry::new(body).encode());
    let mut machine = Machine::new(&log, 1);
    let mut events = machine.settle(2_000);
    assert!(events.iter().any(|it| matches!(it, Outcome::Epoch(Epoch(10)))), "{events:?}");
    assert_eq!(begin(&log, import(), &parts()), Ok(Progress::Done));
    events.extend(machine.settle(2_000));
    // The hubs stand at 0 until they get everything at once.
    let first = events.iter().find(|it| matches!(it, Outcome::Lost(_) | Outcome::Restored(_)));
    assert!(matches!(first, Some(Outcome::Restored(_))), "{events:?}");
    assert_eq!(restored(&events).map(|it| it.runs.len()), Some(0), "positions have no tags");
}

#[test]
fn a_part_counts_once_and_in_order() {
    let log = MemoryLog::default();
    begin(&log, import(), &parts()[..2]).expect("the log is empty");
    let write = |nonce, number, part| {
        log.write(Entry::new(Body::Imported(Imported { nonce, number, part })).encode());
    };
    // Behind a hole, again, and of another life of the log.
    let [first, .., channels, keys, end] = parts();
    write(7, 4, end.clone());
    write(7, 0, first);
    write(8, 2, end.clone());
    let mut machine = Machine::new(&log, 1);
    assert!(restored(&machine.settle(2_000)).is_none());
    assert_eq!(machine.node.find_objection(), Some(Objection::Importing));
    for (number, part) in [(2, channels), (3, keys), (4, end)] {
        write(7, number, part);
    }
    let events = machine.settle(2_000);
    assert_eq!(restored(&events).map(|it| it.messages.len()), Some(2));
    assert_eq!(machine.node.find_objection(), None);
}

#[test]
fn an_import_goes_into_an_empty_log() {
    let log = MemoryLog::default();
    Machine::new(&log, 1).settle(1_000);
    assert_eq!(begin(&log, import(), &parts()), Err(ImportError::NotEmpty));
    let log = MemoryLog::default();
    begin(&log, import(), &parts()[..1]).expect("the log is empty");
    for other in [Import { head: 51, ..import() }, Import { plan: 2, ..import() }] {
        assert_eq!(begin(&log, other, &parts()), Err(ImportError::Other));
    }
    // One that was done is done.
    begin(&log, import(), &parts()).expect("it goes on");
    let entries = log.entries().len();
    assert_eq!(begin(&log, import(), &parts()), Ok(Progress::Done));
    assert_eq!(log.entries().len(), entries);
}

#[test]
fn a_program_of_the_former_release_stops() {
    let log = MemoryLog::default();
    begin(&log, import(), &parts()).expect("the log is empty");
    let mut old = Machine::with(&log, NodeSettings { version: 4, ..settings(1) });
    old.settle(1_000);
    assert_eq!(old.node.find_objection(), Some(Objection::Stopped(Stop::Newer(5))));
}
