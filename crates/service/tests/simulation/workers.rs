//! What joins several services: the sequencer, a bounded log, and a time for all.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use sockeye_server::Time;
use sockeye_service::sequencing::{
    Backbone, Figures, Full, LoopBackbone, LoopBackboneLimits, Member, Offer, Outcome, Sequencer,
    Ticket,
};
use sockeye_simnet::Random;

use crate::simulation::totals::Totals;

/// Milliseconds since 1970 at the start.
const START_MS: u64 = 1_790_000_000_000;

pub(crate) struct Order {
    backbone: Arc<LoopBackbone>,
    sequencer: Sequencer,
    /// One for all: the networks' own may jump apart.
    clock: Rc<Cell<u64>>,
    full: Rc<Cell<u64>>,
}

/// A member that counts how often it was refused.
pub(crate) struct Watched {
    member: Member,
    clock: Rc<Cell<u64>>,
    full: Rc<Cell<u64>>,
}

impl Backbone for Watched {
    fn append(&mut self, ticket: Ticket, offer: Offer) -> Result<(), Full> {
        let appended = self.member.append(ticket, offer);
        self.full.set(self.full.get() + u64::from(appended.is_err()));
        appended
    }

    fn next(&mut self) -> Option<Outcome> {
        self.member.next()
    }

    fn now_ms(&mut self, _: Time, unix_seconds: u64) -> u64 {
        let now = Time::from_millis(self.clock.get());
        self.member.now_ms(now, unix_seconds.min(START_MS / 1_000))
    }

    fn figures(&self) -> Figures {
        self.member.figures()
    }
}

impl Order {
    pub(crate) fn new(
        workers: usize,
        sequencer: Sequencer,
        random: &mut Random,
    ) -> (Self, Vec<Watched>) {
        let clock = Rc::new(Cell::new(0));
        let limits = LoopBackboneLimits {
            entries_max: [1, 3, 1_000][random.below(3)],
            bytes_max: [2_000, 1 << 20][random.below(2)],
        };
        let backbone = LoopBackbone::new(workers, limits, START_MS);
        let full = Rc::new(Cell::new(0));
        let members = (0..workers).map(|worker| Watched {
            member: backbone.member(worker),
            clock: Rc::clone(&clock),
            full: Rc::clone(&full),
        });
        let members = members.collect();
        (Self { backbone, sequencer, clock, full }, members)
    }

    /// Whoever gives out the places has a turn.
    pub(crate) fn step(&mut self) {
        let now_ms = START_MS + self.clock.get();
        self.backbone.step(&mut self.sequencer, now_ms);
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.clock.set(self.clock.get() + ms);
    }

    /// Everybody has heard everything.
    pub(crate) fn check(&self, totals: &mut Totals) {
        assert_eq!(self.backbone.entries(), 0, "left in the log between workers");
        totals.full += self.full.get();
    }
}
