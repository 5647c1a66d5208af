//! What joins several services: the sequencer, a bounded log, and clocks for all.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use sockeye_server::Time;
use sockeye_service::sequencing::{
    Backbone, Figures, Full, LogClock, LogTime, LoopBackbone, LoopBackboneLimits, Member, Offer,
    Outcome, Sequencer, Statement, Ticket,
};
use sockeye_simnet::Random;

use crate::simulation::totals::Totals;

/// Milliseconds since 1970 at the start.
const START_MS: u64 = 1_790_000_000_000;

/// Those of the machine, for all: the networks' own may jump apart.
#[derive(Debug)]
pub(crate) struct Clocks {
    loops_ms: Cell<u64>,
    calendar_ms: Cell<u64>,
}

impl Clocks {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { loops_ms: Cell::new(0), calendar_ms: Cell::new(START_MS) })
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.loops_ms.set(self.loops_ms.get() + ms);
        self.calendar_ms.set(self.calendar_ms.get().saturating_add(ms));
    }

    pub(crate) fn set_calendar(&self, by_ms: i64) {
        self.calendar_ms.set(self.calendar_ms.get().saturating_add_signed(by_ms));
    }

    fn look(&self, clock: &LogClock) -> LogTime {
        clock.look(Time::from_millis(self.loops_ms.get()), self.calendar_ms.get())
    }
}

pub(crate) struct Order {
    backbone: Arc<LoopBackbone>,
    sequencer: Sequencer,
    clocks: Rc<Clocks>,
    full: Rc<Cell<u64>>,
}

/// A member that counts how often it was refused.
pub(crate) struct Watched {
    member: Member,
    clocks: Rc<Clocks>,
    full: Rc<Cell<u64>>,
    lag: Lag,
}

/// The outcomes that have not come yet: another machine may have read them long ago.
struct Lag {
    ms_max: usize,
    random: Random,
    /// Each with the time at which it comes.
    coming: VecDeque<(u64, Outcome)>,
}

impl Lag {
    fn next(&mut self, member: &mut Member, now_ms: u64) -> Option<Outcome> {
        while let Some(outcome) = member.next() {
            let ms = now_ms + self.random.skewed(self.ms_max) as u64;
            let last_ms = self.coming.back().map_or(0, |(at, _)| *at);
            self.coming.push_back((ms.max(last_ms), outcome));
        }
        self.coming.front().filter(|(at, _)| *at <= now_ms)?;
        self.coming.pop_front().map(|(_, outcome)| outcome)
    }
}

impl Backbone for Watched {
    fn append(&mut self, ticket: Ticket, offer: Offer) -> Result<(), Full> {
        let appended = self.member.append(ticket, offer);
        self.full.set(self.full.get() + u64::from(appended.is_err()));
        appended
    }

    fn declare(&mut self, ticket: Ticket, statement: Statement) -> Result<(), Full> {
        self.member.declare(ticket, statement)
    }

    fn next(&mut self) -> Option<Outcome> {
        match self.lag.ms_max {
            0 => self.member.next(),
            _ => self.lag.next(&mut self.member, self.clocks.loops_ms.get()),
        }
    }

    fn clock(&self) -> &LogClock {
        self.member.clock()
    }

    fn look(&mut self, _: Time, _: u64) -> LogTime {
        self.clocks.look(self.member.clock())
    }

    fn figures(&self) -> Figures {
        self.member.figures()
    }
}

impl Order {
    pub(crate) fn new(
        (workers, lag_ms): (usize, usize),
        sequencer: Sequencer,
        clocks: &Rc<Clocks>,
        random: &mut Random,
    ) -> (Self, Vec<Watched>) {
        let limits = LoopBackboneLimits {
            entries_max: [1, 3, 1_000][random.below(3)],
            bytes_max: [2_000, 1 << 20][random.below(2)],
        };
        let backbone = LoopBackbone::new(workers, limits);
        let full = Rc::new(Cell::new(0));
        let members = (0..workers).map(|worker| Watched {
            member: backbone.member(worker),
            clocks: Rc::clone(clocks),
            full: Rc::clone(&full),
            lag: Lag {
                ms_max: lag_ms,
                random: Random::new(random.bits()),
                coming: VecDeque::new(),
            },
        });
        let members = members.collect();
        (Self { backbone, sequencer, clocks: Rc::clone(clocks), full }, members)
    }

    /// Whoever gives out the places has a turn.
    pub(crate) fn step(&mut self) {
        let now = self.clocks.look(self.backbone.clock());
        self.backbone.step(&mut self.sequencer, now.ms);
    }

    /// The clock that all services share.
    pub(crate) fn clock(&self) -> &LogClock {
        self.backbone.clock()
    }

    /// Adds up what it did.
    pub(crate) fn count(&self, totals: &mut Totals) {
        totals.full += self.full.get();
    }

    /// Everybody has heard everything.
    pub(crate) fn check(&self) {
        assert_eq!(self.backbone.entries(), 0, "left in the log between workers");
    }
}
