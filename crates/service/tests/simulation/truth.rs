//! The log of a simulated server, which is the truth: nothing else sees everything.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sockeye_hub::{ChannelName, Kind, Seq};
use sockeye_service::wire::{Data, Payload};
use sockeye_service::{Log, LogState, NoRoom, Record};
use sockeye_simnet::Random;

/// A place in the log, read from a cursor's text by rules of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

impl Position {
    pub(crate) fn parse(text: &str) -> Self {
        let number = |digits: &str| u64::from_str_radix(digits, 36).ok();
        let (epoch, seq) =
            text.strip_prefix('1').and_then(|it| it.split_once('-')).expect("a cursor");
        let (epoch, seq) = (number(epoch).expect("base 36"), number(seq).expect("base 36"));
        Self { epoch, seq }
    }

    pub(crate) fn text(self) -> String {
        format!("1{}-{}", base36(self.epoch), base36(self.seq))
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        let digit = u32::try_from(number % 36).expect("below 36");
        digits.push(char::from_digit(digit, 36).expect("a digit"));
        number /= 36;
    }
    digits.iter().rev().collect()
}

/// What the log was given.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) channel: String,
    pub(crate) is_end: bool,
    pub(crate) data: String,
    pub(crate) is_json: bool,
    pub(crate) event: Option<String>,
    pub(crate) ttl_ms: Option<u64>,
    /// Its date, as the wire shows it.
    pub(crate) time_ms: u64,
    pub(crate) key: Option<String>,
    /// The log did not take it: its place is void.
    pub(crate) is_void: bool,
}

#[derive(Debug)]
pub(crate) struct Truth {
    /// The first life of the log; there is one more if it fails.
    pub(crate) epoch: u64,
    pub(crate) entries: Vec<Entry>,
    /// How many of them the log has called safe.
    pub(crate) settled: u64,
    pub(crate) failed: bool,
}

impl Truth {
    pub(crate) fn get(&self, at: Position) -> Option<&Entry> {
        let index = usize::try_from(at.seq.checked_sub(1)?).ok()?;
        if at.epoch == self.epoch { self.entries.get(index) } else { None }
    }

    /// Where the hub has to be once it knows what the log knows.
    pub(crate) fn position(&self) -> Position {
        if self.failed && self.entries.len() as u64 > self.settled {
            // What may or may not be kept is a loss: a new life begins, in which nothing is taken.
            return Position { epoch: self.epoch + 1, seq: 0 };
        }
        Position { epoch: self.epoch, seq: self.settled }
    }

    /// Whether the channel has ended, for all that subscribers can know.
    pub(crate) fn has_ended(&self, channel: &str) -> bool {
        let settled = usize::try_from(self.settled).expect("few");
        self.entries[..settled].iter().any(|it| it.is_end && !it.is_void && it.channel == channel)
    }
}

/// What the service's log does.
#[derive(Debug)]
pub(crate) struct SimLog {
    truth: Rc<RefCell<Truth>>,
    mood: Rc<RefCell<Mood>>,
    /// There was room when it was asked last, and nothing has come since.
    offered: Cell<bool>,
}

/// How the log behaves: each number is "one in so many".
#[derive(Debug)]
pub(crate) struct Mood {
    pub(crate) random: Random,
    /// What is appended is safe at the next look; otherwise only some, and not at each look.
    pub(crate) settles_at_once: bool,
    pub(crate) no_room: usize,
    /// Of some of it, it says that it has not got it and never will.
    pub(crate) refuses: usize,
    /// It fails once it has so many entries.
    pub(crate) fails_after: usize,
}

impl SimLog {
    pub(crate) fn new(truth: &Rc<RefCell<Truth>>, mood: &Rc<RefCell<Mood>>) -> Self {
        Self { truth: Rc::clone(truth), mood: Rc::clone(mood), offered: Cell::new(false) }
    }
}

impl Log for SimLog {
    fn room(&self, _: ChannelName<'_>, _: Option<&str>, _: &Payload) -> Result<(), NoRoom> {
        let Mood { random, no_room, .. } = &mut *self.mood.borrow_mut();
        self.offered.set(!random.one_in(*no_room));
        if self.offered.get() { Ok(()) } else { Err(NoRoom::Waiting) }
    }

    fn append(&mut self, record: &Record<'_>) {
        let mut truth = self.truth.borrow_mut();
        assert!(self.offered.take(), "nobody asked whether there is room");
        // It may have failed since the service looked last: then nobody will ever call this safe.
        let place = Position { epoch: record.position.epoch.0, seq: record.position.seq.0 };
        let next = Position { epoch: truth.epoch, seq: truth.entries.len() as u64 + 1 };
        assert_eq!(place, next, "the log gets everything in order, without holes");
        truth.entries.push(Entry {
            channel: record.channel.as_str().to_owned(),
            is_end: record.kind == Kind::End,
            data: record.payload.data.as_str().to_owned(),
            is_json: matches!(record.payload.data, Data::Json(_)),
            event: record.payload.event.as_ref().map(|name| name.as_str().to_owned()),
            ttl_ms: record.payload.ttl_ms,
            time_ms: record.payload.date_ms.unwrap_or(record.time_ms),
            key: record.key.map(str::to_owned),
            is_void: false,
        });
        truth.failed |= truth.entries.len() >= self.mood.borrow().fails_after;
    }

    fn settled(&mut self) -> LogState {
        let mut truth = self.truth.borrow_mut();
        if truth.failed {
            return LogState::Failed;
        }
        let Mood { random, settles_at_once, refuses, .. } = &mut *self.mood.borrow_mut();
        let open = truth.entries.len() as u64 - truth.settled;
        if open > 0 && random.one_in(*refuses) {
            let next = usize::try_from(truth.settled).expect("few");
            truth.entries[next].is_void = true;
            truth.settled += 1;
            return LogState::Refused(Seq(truth.settled));
        }
        if *settles_at_once {
            truth.settled += open;
        } else if open > 0 && random.one_in(6) {
            truth.settled += 1 + random.below(usize::try_from(open).expect("few")) as u64;
        }
        LogState::Through(Seq(truth.settled))
    }
}
