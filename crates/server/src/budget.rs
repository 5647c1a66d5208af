//! The budget of a turn, in units of work.
//!
//! A unit stands for a tenth to a fifth of a microsecond. Units are counted and never measured, so the same
//! input spends the same units on every machine.
//!
//! ```text
//! turn_units_max   |---- visits ----|- timers -|- drain -|- application -|- ends -|- writes -|
//!                       12/32           1/32      1/32         9/32         1/32      8/32
//! short turn             9/32                                   10/32                10/32
//! ```
//!
//! Each phase of a turn has a part of the budget, so that none of them starves. A phase does at least
//! one piece of work, and stops after the piece that passes its mark. The writes, which come last, also have what the
//! others have left. The ends also have what visits have paid for them.
//!
//! Long turns save work that each turn does once, and short turns serve everybody sooner. A turn is short only
//! where kinds of work wait for each other: if the last one left both connections and work of the application, it
//! has a quarter of the budget.

use crate::limits::Limits;

/// A connection was accepted or taken down.
pub(crate) const CONNECTION_UNITS: u64 = 50;
/// A handshake of TLS did its costly part: a key exchange and a signature, 125 µs.
pub(crate) const HANDSHAKE_UNITS: u64 = 800;
/// A connection was visited: usually one read.
pub(crate) const VISIT_UNITS: u64 = 5;
/// A request was parsed and answered.
pub(crate) const REQUEST_UNITS: u64 = 20;
/// A message, a part of one, or a frame was taken in, or a frame of HTTP/2 was made.
pub(crate) const FRAME_UNITS: u64 = 1;
/// A compressed message was taken in: the inflater is primed with up to 32 KiB for it.
pub(crate) const INFLATE_UNITS: u64 = 32;
/// A timer fired, a stream was told of its end, or a branch was taken down.
pub(crate) const STREAM_UNITS: u64 = 10;
/// An outbox was written to its socket.
pub(crate) const WRITE_UNITS: u64 = 40;

/// An event is deflated for all streams in gzip, besides its bytes: the deflater forgets 128 KiB of places
/// before it.
const GZIP_UNITS: u64 = 40;

/// A short turn has this part of the budget of a whole one, as a power of two.
const SHORT_SHIFT: u32 = 2;

/// Bytes that cost a unit to read or to write, as a power of two.
const BYTES_SHIFT: u32 = 9;
/// Bytes that cost a unit to inflate or to deflate, as a power of two.
const CODED_BYTES_SHIFT: u32 = 6;

/// The units for `bytes` that are read or written.
#[inline]
pub(crate) const fn of_bytes(bytes: u64) -> u64 {
    bytes >> BYTES_SHIFT
}

/// The units for a message of `bytes` that is inflated or deflated.
#[inline]
pub(crate) const fn of_coded(bytes: usize) -> u64 {
    bytes as u64 >> CODED_BYTES_SHIFT
}

/// Bytes of an event that cost a unit to deflate for all streams in gzip, as a power of two.
const GZIP_BYTES_SHIFT: u32 = 4;

/// The units for `bytes` that are deflated as one block of gzip.
pub(crate) const fn of_gzip(bytes: usize) -> u64 {
    GZIP_UNITS + (bytes as u64 >> GZIP_BYTES_SHIFT)
}

/// A phase of a turn that has a part of its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Visits to connections that have input.
    Visits,
    Timers,
    Drain,
    /// The application's own work.
    Application,
    /// Telling the application of streams that have drained or ended.
    Ends,
    Writes,
}

impl Phase {
    /// Its part of the budget, in thirty-seconds. In a short turn the application has more, because clients
    /// wait for its answers, and so have the writes, because unwritten answers take memory.
    const fn parts(self, is_short: bool) -> u64 {
        match (self, is_short) {
            (Self::Visits, false) => 12,
            (Self::Application | Self::Writes, true) => 10,
            (Self::Application, false) | (Self::Visits, true) => 9,
            (Self::Writes, false) => 8,
            (Self::Timers | Self::Drain | Self::Ends, _) => 1,
        }
    }
}

/// The units that the loop has spent, and the marks at which it stops.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// Units spent since the start. The number never falls.
    spent: u64,
    /// Units spent before this turn.
    before_turn: u64,
    /// Units spent since the start that no visit pays for.
    unbilled: u64,
    /// Units that visits pay for, and that are spent later.
    billed_ahead: u64,
    /// The part of the phase under way.
    part: u64,
    /// The mark of the phase under way.
    phase_end: u64,
    /// The mark of the visit under way: its connection's share is spent.
    share_end: u64,
    /// Units for ends of streams that the visits of this turn have paid.
    paid_ends: u64,
    is_visiting: bool,
    /// The turn is a short one.
    is_short: bool,
}

impl Budget {
    #[inline(always)]
    pub(crate) const fn spend(&mut self, units: u64) {
        self.spent += units;
    }

    /// Units spent since the start.
    pub(crate) const fn spent(&self) -> u64 {
        self.spent
    }

    /// Units spent since the start that the visit or the task under way pays for, or one before it.
    pub(crate) const fn billed(&self) -> u64 {
        self.spent + self.billed_ahead - self.unbilled
    }

    /// Bills units to the visit or the task under way that are spent later. [server:billed-ahead]
    pub(crate) const fn bill(&mut self, units: u64) {
        self.billed_ahead = self.billed_ahead.saturating_add(units);
    }

    /// Bills the units that were spent since `before` to no visit and no task. The turn has spent them all the same.
    /// [server:unbilled]
    pub(crate) const fn bill_nobody(&mut self, before: u64) {
        let units = self.spent.saturating_sub(before);
        self.unbilled += units;
        self.share_end += units;
    }

    /// Units that the phase may spend in all.
    pub(crate) const fn part(&self) -> u64 {
        self.part
    }

    /// Begins a turn, which is short if connections and the application's work wait for each other.
    pub(crate) const fn begin_turn(&mut self, is_short: bool) {
        (self.before_turn, self.is_short) = (self.spent, is_short);
    }

    /// Whether the turn is a short one.
    pub(crate) const fn is_short(&self) -> bool {
        self.is_short
    }

    /// The part of `units` that this turn has. [server:short-turns]
    const fn part_of(&self, units: u32) -> u64 {
        if self.is_short { units as u64 >> SHORT_SHIFT } else { units as u64 }
    }

    /// Begins a phase.
    #[inline]
    pub(crate) const fn begin(&mut self, phase: Phase, limits: &Limits) {
        let whole = self.part_of(limits.turn_units_max);
        self.part = whole * phase.parts(self.is_short) / 32;
        self.phase_end = self.spent + self.part;
        self.is_visiting = matches!(phase, Phase::Visits);
        match phase {
            Phase::Visits => self.paid_ends = 0,
            Phase::Ends => self.phase_end += self.paid_ends,
            Phase::Writes if self.phase_end < self.before_turn + whole => {
                self.phase_end = self.before_turn + whole;
            }
            _ => {}
        }
    }

    /// A stream has ended. Its visit pays for the end, and the turn tells as many ends as were paid: peers
    /// that open and end streams do not get ahead of it. [server:ends-keep-up]
    #[inline]
    pub(crate) const fn pay_end(&mut self) {
        if self.is_visiting {
            self.spent += STREAM_UNITS;
            self.paid_ends += STREAM_UNITS;
        }
    }

    /// Units that the phase may still spend.
    #[inline]
    pub(crate) const fn left(&self) -> u64 {
        self.phase_end.saturating_sub(self.spent)
    }

    /// Whether the phase has spent its part.
    #[inline]
    pub(crate) const fn is_spent(&self) -> bool {
        self.spent >= self.phase_end
    }

    /// Whether the phase has no more than `reserve` left.
    #[inline]
    pub(crate) const fn is_spent_but(&self, reserve: u64) -> bool {
        self.spent + reserve >= self.phase_end
    }

    /// Begins the visit of a connection that may spend `share` units.
    #[inline]
    pub(crate) const fn begin_visit(&mut self, share: u64) {
        self.share_end = self.spent + share;
        self.spent += VISIT_UNITS;
    }

    /// The share of each of `count` connections in this phase: an equal part of what is left, but
    /// at least an eighth of a whole share, and at most a whole one. In a large crowd each share is
    /// small, so that a newcomer does not wait long behind it.
    pub(crate) fn share_of_each(&self, count: usize, limits: &Limits) -> u64 {
        let whole = self.part_of(limits.connection_units_max);
        (self.left() / (count as u64).max(1)).clamp(whole / 8, whole)
    }

    /// Whether the connection that is visited has spent its share.
    #[inline]
    pub(crate) const fn share_is_spent(&self) -> bool {
        self.spent >= self.share_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        let phases = [
            Phase::Visits,
            Phase::Timers,
            Phase::Drain,
            Phase::Application,
            Phase::Ends,
            Phase::Writes,
        ];
        for is_short in [false, true] {
            assert_eq!(phases.iter().map(|phase| phase.parts(is_short)).sum::<u64>(), 32);
        }
    }

    /// [server:short-turns]
    #[test]
    fn a_share_and_a_phase_are_spent() {
        let limits = Limits { turn_units_max: 160, connection_units_max: 80, ..Limits::default() };
        let mut budget = Budget::default();
        budget.begin_turn(false);
        budget.begin(Phase::Visits, &limits);
        assert_eq!((budget.left(), budget.share_of_each(1, &limits)), (60, 60));
        budget.begin_visit(20);
        budget.spend(19 - VISIT_UNITS);
        assert!(!budget.share_is_spent() && !budget.is_spent());
        budget.spend(6);
        assert!(budget.share_is_spent() && !budget.is_spent());
        assert_eq!(budget.left(), 35);
        budget.spend(35);
        assert!(budget.is_spent());
        // [server:unbilled]
        let billed = budget.billed();
        budget.begin_visit(20);
        let before = budget.spent();
        budget.spend(100);
        budget.bill_nobody(before);
        assert!(!budget.share_is_spent() && budget.billed() == billed + VISIT_UNITS);
        budget.spend(20 - VISIT_UNITS);
        assert!(budget.share_is_spent());
        // [server:billed-ahead]
        let (spent, billed) = (budget.spent(), budget.billed());
        budget.bill(1_000);
        assert_eq!((budget.spent(), budget.billed()), (spent, billed + 1_000));
        budget = Budget { spent: 60, ..Budget::default() };
        budget.begin(Phase::Timers, &limits);
        assert_eq!((budget.left(), budget.spent()), (5, 60));
        budget.spend(1_000);
        assert!(budget.is_spent() && budget.left() == 0);
        // 1,060 units are more than a turn has.
        budget.begin(Phase::Writes, &limits);
        assert_eq!(budget.left(), 40);
        budget.begin_turn(false);
        budget.begin(Phase::Visits, &limits);
        budget.spend(50);
        budget.begin(Phase::Writes, &limits);
        assert_eq!(budget.left(), 110, "what the others have left");
        // A quarter of 160, and of 80.
        budget.begin_turn(true);
        budget.begin(Phase::Visits, &limits);
        assert_eq!((budget.left(), budget.share_of_each(1, &limits)), (11, 11));
        assert_eq!(budget.share_of_each(11, &limits), 2);
        budget.begin(Phase::Writes, &limits);
        assert_eq!(budget.left(), 40);
    }
}
