//! The parts of a log on disk that are brought, and an import into the engine in memory.

use std::path::PathBuf;

use sockeye_backbone::memory::{MemoryLimits, MemoryLog};
use sockeye_log::{Policy, Record, Rule};
use sockeye_service::wire::{Data, Payload};

use super::*;

/// The log of a machine. It goes when it is dropped.
struct Machine(PathBuf);

impl Machine {
    /// Channel `a` has 1, 4, 7 …, `b` has 2, 5, 8 …, and `c` the others; of `c` the newest five are kept. Every fourth
    /// message has a key. The last one of `b` has ended it.
    fn new(name: &str, messages: u64) -> Self {
        let dir =
            std::env::temp_dir().join(format!("sockeye-import-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let mut rule = Rule::default();
        (rule.keep_ms, rule.key_ms) = (Rule::FOREVER, 1_000);
        let mut few = rule;
        few.keep_messages = 5;
        let mut options = Options::new(7, 3);
        options.policy = Policy { rule, named: vec![("c".into(), few)] };
        let (mut store, _) = Store::open(&dir, &options).expect("a directory");
        let records: Vec<Record> = (1..=messages).map(|seq| record(seq, messages)).collect();
        store.append(&records).expect("there is room");
        while store.expire(1_000).expect("it is sound") > 0 {}
        Self(dir)
    }

    fn survey(&self, bounds: Bounds, hub: &sockeye_hub::Config) -> (Inspector, Survey) {
        let log = Inspector::open(&self.0).expect("there is a log");
        let survey = Survey::of(&log, bounds, hub).expect("it is sound");
        (log, survey)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn record(seq: u64, last: u64) -> Record {
    let channel = ["c:1", "a:1", "b:1"][usize::try_from(seq % 3).expect("a few")];
    let is_end = channel == "b:1" && seq + 3 > last;
    let text = if seq == 4 { "x".repeat(2_000) } else { "x".into() };
    Record {
        seq,
        time_ms: seq * 10,
        kind: if is_end { Record::END } else { Record::MESSAGE },
        channel: channel.into(),
        key: seq.is_multiple_of(4).then(|| format!("key-{seq}")),
        body: Payload::new(Data::text(text)).to_log(),
    }
}

const BOUNDS: Bounds = Bounds { messages: 1_000, entry_bytes: 1 << 20 };

/// The positions of messages, what is told of channels, and the keys.
type Brought = (Vec<u64>, Vec<(String, u64, u64, bool)>, Vec<u64>);

fn parts(log: &Inspector, survey: &Survey, shift_ms: u64) -> Brought {
    use sockeye_backbone::entry::ImportedPart as Part;
    let (mut messages, mut channels, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = 0;
    let fed = survey.feed(log, shift_ms, |number, part| {
        assert_eq!(core::mem::replace(&mut next, number + 1), number, "in order");
        match part {
            Part::Message(it) => {
                assert_eq!(it.time_ms, it.seq * 10 + shift_ms);
                assert_eq!(it.payload.date_ms, Some(it.seq * 10));
                messages.push(it.seq);
            }
            Part::Channels(list) => {
                let list = list.iter().map(|it| (it.name.to_owned(), it.floor, it.last, it.ended));
                channels.extend(list);
            }
            Part::Keys(list) => keys.extend(list.iter().map(|it| it.seq)),
            Part::End => {}
        }
        Ok::<(), Error>(())
    });
    assert_eq!(fed.expect("it is sound").parts, next);
    (messages, channels, keys)
}

#[test]
fn what_is_kept_is_brought() {
    let machine = Machine::new("all", 60);
    let (log, survey) = machine.survey(BOUNDS, &sockeye_hub::Config::default());
    let (messages, channels, keys) = parts(&log, &survey, 500);
    // Of `c` the log has dropped all but the newest ones: 48, 51, 54, 57, 60.
    let of_c = |seq: u64| seq.is_multiple_of(3);
    assert_eq!(messages, (1..=60).filter(|it| !of_c(*it) || *it >= 48).collect::<Vec<_>>());
    assert_eq!(channels, [("c:1".to_owned(), 45, 60, false)]);
    assert_eq!(keys, (4..=60).step_by(4).collect::<Vec<_>>());
    assert_eq!((survey.messages(), survey.end().head), (45, 60));
}

#[test]
fn what_nodes_have_no_room_for_is_below_the_floors() {
    let machine = Machine::new("room", 60);
    let mut hub = sockeye_hub::Config::default();
    hub.settings.history_messages_max = 10;
    let mut few = hub.settings.clone();
    few.history_messages_max = 1;
    hub.namespaces.push(("b".to_owned(), few));
    let (log, survey) = machine.survey(Bounds { messages: 9, ..BOUNDS }, &hub);
    let (messages, channels, _) = parts(&log, &survey, 0);
    // Ten of `a`, five of `c` and one of `b` are wanted, and the newest nine of these brought.
    assert_eq!(messages, [43, 46, 48, 49, 51, 52, 54, 55, 57, 58, 59, 60][3..]);
    let told = |name: &str| channels.iter().find(|it| it.0 == name).map(|it| (it.1, it.2, it.3));
    assert_eq!(told("a:1"), Some((46, 58, false)));
    assert_eq!(told("b:1"), Some((56, 59, true)), "it has ended");
    assert_eq!(told("c:1"), Some((48, 60, false)));
}

#[test]
fn a_message_that_no_entry_takes_is_left_out_with_those_before_it() {
    let machine = Machine::new("large", 12);
    let bounds = Bounds { entry_bytes: 1_500, ..BOUNDS };
    let (log, survey) = machine.survey(bounds, &sockeye_hub::Config::default());
    let (messages, channels, _) = parts(&log, &survey, 0);
    assert_eq!(messages, [2, 3, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(channels, [("a:1".to_owned(), 4, 10, false)]);
}

#[test]
fn an_import_is_done_once() {
    let machine = Machine::new("once", 60);
    let log = MemoryLog::new(MemoryLimits::default());
    for is_first in [true, false] {
        let (inspector, survey) = machine.survey(BOUNDS, &sockeye_hub::Config::default());
        let mut engine: Box<dyn Engine> = Box::new(log.open());
        engine.set_wake(Arc::new(|| {}));
        let heard = hear(engine).expect("it is there");
        let mut work = Work {
            importer: Importer::new(beginning(&survey).expect("random numbers"), Box::new(heard)),
            survey: Arc::new(survey),
            url: "redis://h",
            away: None,
            told: Instant::now(),
        };
        let fed = work.run(&inspector, &machine.0).expect("it is empty, or done");
        assert_eq!((fed.parts > 0, fed.keys), (is_first, if is_first { 15 } else { 0 }));
    }
    // The first entry, 45 messages, channels, keys, the end.
    assert_eq!(log.entries().len(), 1 + 45 + 3);
}
