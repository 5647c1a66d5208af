//! The seam behind which others stand who share the log: other loops of this process, or other
//! machines.
//!
//! ```text
//!  publication ─► judged here ─► append ─► (bounded queue) ─► the order authority, and its log
//!                                                                         │
//!  streams, receipt ◄─ hub: apply, void, begin_epoch ◄─ next ◄─ (bounded) ◄┘
//! ```
//!
//! A service with a backbone gives out no places itself. It hands publications over and follows:
//! whatever has become of the log comes to every service in the same order, and a publication's
//! answer comes in that order too, behind the message itself. So whoever has a receipt can read what
//! was written, and a cursor means the same wherever it is shown.

mod authority;
mod joint;

use std::sync::Arc;

use sockeye_hub::{Cursor, Epoch, Kind, Refusal, Seq};
use sockeye_server::Time;

use crate::health::Health;
use crate::wire::{Level, Payload};

pub use authority::{Authority, Figures};
pub use joint::{Joint, JointLimits, Member, Wake};

/// A publication that was handed over, as the service that did it calls it.
pub type Ticket = u64;

/// What gives out the places of a log that several services share.
///
/// No call may block. Whoever stands behind it wakes the loop when [`next`](Self::next) has
/// something.
pub trait Backbone {
    /// Takes a publication over. What becomes of it comes out of [`next`](Self::next), once.
    ///
    /// # Errors
    /// [`Full`], and then it was not taken.
    fn append(&mut self, ticket: Ticket, offer: Offer) -> Result<(), Full>;

    /// What has happened to the log next. Everything that another service has been told before this
    /// call is told before it gives `None`: a client may come from there with a cursor.
    fn next(&mut self) -> Option<Outcome>;

    /// The time that all who share the log go by, in milliseconds since 1970, as of the loop's time
    /// and the calendar. It never goes back.
    fn now_ms(&mut self, now: Time, unix_seconds: u64) -> u64;

    /// What is counted where the places are given out.
    fn figures(&self) -> Figures;
}

/// A publication on its way to the order authority.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its channel, a checked name.
    pub channel: Box<str>,
    /// What it says.
    pub payload: Payload,
    /// Whether it is to be the channel's last.
    pub kind: Kind,
    /// Its idempotency key.
    pub key: Option<Box<str>>,
    /// Its condition.
    pub expect: Option<Seq>,
}

/// Too much is on its way already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What has happened to the log.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Its next message; with the ticket, if it was handed over here.
    Entry(Arc<Settled>, Option<Ticket>),
    /// The places up to this one are empty.
    Void(Seq),
    /// A new life of it has begun.
    Epoch(Epoch),
    /// Whether what keeps it takes what it is given.
    Health(Health),
    /// What became of a publication that was handed over here and is no new message.
    Answer(Ticket, Verdict),
}

/// A message that is in the log.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Its place.
    pub position: Cursor,
    /// Its channel, a checked name.
    pub channel: Box<str>,
    /// What it says.
    pub payload: Payload,
    /// Whether it is the channel's last.
    pub kind: Kind,
    /// When it was admitted, in milliseconds since 1970.
    pub time_ms: u64,
    /// How safe it is.
    pub level: Level,
}

/// Why a publication is no new message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its key is that of a message in the log.
    Duplicate(Cursor, Level),
    /// The order authority does not take it.
    Refused(Refusal),
    /// Too much waits for the log.
    NoRoom,
    /// The log could not take it.
    NotKept,
    /// The log has failed: it may or may not be kept.
    Failed,
}
