//! The log of a simulated service, and how it behaves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sockeye_hub::{ChannelName, Kind, Seq};
use sockeye_service::wire::{Data, Payload};
use sockeye_service::{Log, LogState, NoRoom, Record};
use sockeye_simnet::Random;

use crate::simulation::truth::{Entry, Truth};

/// The log that a service writes, in one life.
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
    pub(crate) fails_after: u64,
    /// A page of the archive comes at a look.
    pub(crate) reads: usize,
    /// The archive takes no question.
    pub(crate) is_full: usize,
    /// The archive cannot be read.
    pub(crate) is_unavailable: usize,
    /// Retention drops something in a turn.
    pub(crate) drops: usize,
}

impl Mood {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            settles_at_once: random.one_in(3),
            no_room: [0, 0, 5][random.below(3)],
            refuses: [0, 0, 0, 8][random.below(4)],
            fails_after: fails_after(random, 0),
            random: Random::new(random.bits()),
            reads: [1, 2, 8][random.below(3)],
            is_full: [0, 0, 6][random.below(3)],
            is_unavailable: [0, 0, 6][random.below(3)],
            drops: [0, 30][random.below(2)],
        }
    }

    /// It is kind to everybody from now on.
    pub(crate) fn calm_down(&mut self) {
        (self.settles_at_once, self.no_room) = (true, 0);
        (self.reads, self.is_full, self.is_unavailable, self.drops) = (1, 0, 0, 0);
    }
}

/// After how many entries a log fails, which has so many.
pub(crate) fn fails_after(random: &mut Random, entries: u64) -> u64 {
    if random.one_in(6) { entries + 1 + random.below(20) as u64 } else { u64::MAX }
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
        let place = (record.position.epoch.0, record.position.seq.0);
        let next = (truth.epoch, truth.head() + 1);
        assert_eq!(place, next, "the log gets everything in order, without holes");
        let life = truth.life;
        truth.append(Entry {
            channel: record.channel.as_str().to_owned(),
            is_end: record.kind == Kind::End,
            data: record.payload.data.as_str().to_owned(),
            is_json: matches!(record.payload.data, Data::Json(_)),
            event: record.payload.event.as_ref().map(|name| name.as_str().to_owned()),
            ttl_ms: record.payload.ttl_ms,
            time_ms: record.payload.date_ms.unwrap_or(record.time_ms),
            log_ms: record.time_ms,
            key: record.key.map(str::to_owned),
            // As it comes back from a disk.
            payload: Payload::from_log(&record.payload.to_log()).expect("what was written"),
            life,
            is_void: false,
        });
        truth.failed |= truth.head() >= self.mood.borrow().fails_after;
    }

    fn advance(&mut self, now_ms: u64) {
        self.truth.borrow_mut().log_ms = now_ms;
    }

    fn settled(&mut self) -> LogState {
        let mut truth = self.truth.borrow_mut();
        if truth.failed {
            return LogState::Failed;
        }
        let Mood { random, settles_at_once, refuses, .. } = &mut *self.mood.borrow_mut();
        let open = truth.head() - truth.settled;
        if open > 0 && random.one_in(*refuses) {
            truth.refuse_next();
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
