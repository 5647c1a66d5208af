//! The one path on which publications get their positions: offer, verdict, entry.
//!
//! The verdict code is the same everywhere (`Decider`); only the place where it runs differs.
//!
//! | place | who decides | a publication is settled | type |
//! |---|---|---|---|
//! | in the loop | the service's own hub | at once | `Sequencing::InLoop` |
//! | in the loop, behind a disk | the service's own hub | when the [`Log`] has it | `Sequencing::InLoop` with a log |
//! | on a thread that all loops of a process share | [`Sequencer`] | when its [`Outcome`] comes back | `Sequencing::Behind` a [`LoopBackbone`] |
//!
//! ```text
//!  offer ─► Backbone::append ─► (bounded queue) ─► Sequence: verdict, and its log
//!                                                            │
//!  streams, receipt ◄─ hub: apply, void, lose, begin_epoch ◄─ Backbone::next
//! ```
//!
//! A log that several machines share stands at the third place. Its driver is between the bounded queue and the
//! [`Sequencer`], as a type that implements [`Sequence`] (`Node` of the crate `backbone`). Its `offer` appends
//! to the shared log, and its `settle` reads the entries of that log and has a [`Sequencer`] decide
//! them in the log's order. It says in [`Figures::shared`] how far it is. Such a driver has to
//!
//! - emit the entries of other machines as [`SequencerEvent::Entry`] without an [`Origin`], and
//!   drop the answers to them: no service here waits for them;
//! - give each message the position that it has in the shared log: [`Sequencer::restore_head`]
//!   moves to the position before it first, and a [`SequencerEvent::Void`] tells the services of
//!   positions that this skips;
//! - pass the entry's log time as `now_ms`: all machines age messages and keys by it. The machine
//!   that offers an entry stamps it. A machine that reads it takes the greatest stamp so far.
//!
//! Nothing else of the path changes.

mod archive;
mod clock;
mod decider;
mod health;
mod log;
mod loop_backbone;
mod presence;
pub(crate) mod restore;
mod restored;
mod sequencer;
mod shared_log;
mod storage;

use std::sync::Arc;

pub use sockeye_auth::TicketRecord;
pub use sockeye_hub::presence::{Batch, RoomBatch};
use sockeye_hub::{Cursor, Epoch, Kind, Refusal, Seq};
use sockeye_server::Time;

pub use self::archive::{Archive, Archived, Page, Question, Range, Unavailable};
pub use self::clock::{ClockNotice, ClockState, ClockTrouble, LogClock, LogTime};
pub(crate) use self::decider::{Decider, Decision, Step};
pub use self::health::Health;
pub use self::log::{Log, LogState, NoRoom, Record};
pub use self::loop_backbone::{LoopBackbone, LoopBackboneLimits, Member, Wake};
pub use self::presence::{NodePresence, PresenceNews};
pub use self::restored::{Restored, RestoredChannel};
pub use self::sequencer::{Origin, Sequence, Sequencer, SequencerEvent};
pub use self::shared_log::{LogNode, SharedLog};
pub(crate) use self::storage::StorageLines;
pub use self::storage::{NamespaceUse, Storage};
use crate::payload::{Level, Payload};

/// Where the publications of a service are decided.
pub(crate) enum Sequencing {
    /// In the service's loop, by its own hub.
    InLoop {
        /// The verdicts; with a log, what waits for it.
        decider: Decider<Ticket>,
        /// The log's clock.
        clock: Box<LogClock>,
    },
    /// Elsewhere. The service hands its publications over and follows the outcomes.
    Behind {
        /// The way there.
        backbone: Box<dyn Backbone>,
        /// Whether the log there takes entries.
        health: Health,
        /// The log has been good: all of it that was there at the start was read.
        has_begun: bool,
    },
}

impl Sequencing {
    /// In the loop. This memory is the log.
    pub(crate) fn in_loop() -> Self {
        Self::InLoop { decider: Decider::new(None), clock: Box::default() }
    }

    /// In the loop, behind the answers of a log whose time goes on.
    pub(crate) fn in_loop_with(log: Box<dyn Log>, before: &mut Self) -> Self {
        let clock = match before {
            Self::InLoop { clock, .. } => core::mem::take(clock),
            Self::Behind { .. } => Box::default(),
        };
        Self::InLoop { decider: Decider::new(Some(log)), clock }
    }

    /// Behind a backbone.
    pub(crate) fn behind(backbone: Box<dyn Backbone>) -> Self {
        Self::Behind { backbone, health: Health::Good, has_begun: false }
    }

    /// Whether the log takes entries.
    pub(crate) const fn health(&self) -> Health {
        match self {
            Self::InLoop { decider, .. } => decider.health(),
            Self::Behind { health, .. } => *health,
        }
    }

    /// Whether a log that is shared with other machines is still read for the first time. Until then no cursor of
    /// it can be judged.
    pub(crate) fn is_restoring(&self) -> bool {
        match self {
            Self::InLoop { .. } | Self::Behind { has_begun: true, .. } => false,
            Self::Behind { backbone, .. } => backbone.figures().shared.is_some(),
        }
    }

    /// What is known of a log that is shared with other machines; `None` if there is none.
    pub(crate) fn shared_log(&self) -> Option<SharedLog> {
        match self {
            Self::InLoop { .. } => None,
            Self::Behind { backbone, .. } => backbone.figures().shared,
        }
    }

    /// The nodes of a log that is shared with other machines.
    pub(crate) fn nodes(&self) -> Arc<[LogNode]> {
        match self {
            Self::InLoop { .. } => Arc::default(),
            Self::Behind { backbone, .. } => backbone.nodes(),
        }
    }

    /// How durable a message is that this service's hub has committed.
    pub(crate) const fn level(&self) -> Level {
        match self {
            Self::InLoop { decider, .. } => decider.level(),
            Self::Behind { .. } => Level::Accepted,
        }
    }

    /// Whether tickets are issued and redeemed by a log that is shared with other machines.
    pub(crate) fn has_tickets(&self) -> bool {
        self.shared_log().is_some()
    }

    /// Messages of this service's hub that wait for the log; `None` if another hub decides.
    pub(crate) fn pending(&self) -> Option<usize> {
        match self {
            Self::InLoop { decider, .. } => Some(decider.waiting()),
            Self::Behind { .. } => None,
        }
    }

    /// Whether publications have to wait for an outcome.
    pub(crate) const fn makes_wait(&self) -> bool {
        match self {
            Self::InLoop { decider, .. } => decider.has_log(),
            Self::Behind { .. } => true,
        }
    }

    /// The log's time at the loop's time `now`, at which the calendar said `calendar_ms`.
    pub(crate) fn look(&mut self, now: Time, calendar_ms: u64) -> LogTime {
        match self {
            Self::InLoop { clock, .. } => clock.look(now, calendar_ms),
            Self::Behind { backbone, .. } => backbone.look(now, calendar_ms),
        }
    }

    /// The log's clock.
    pub(crate) fn clock(&self) -> &LogClock {
        match self {
            Self::InLoop { clock, .. } => clock,
            Self::Behind { backbone, .. } => backbone.clock(),
        }
    }

    /// The sequencer's figures. `hub` are those of the service's own hub.
    pub(crate) fn figures(&self, hub: sockeye_hub::Stats) -> Figures {
        match self {
            Self::InLoop { decider, .. } => decider.figures(hub),
            Self::Behind { backbone, .. } => backbone.figures(),
        }
    }
}

/// A number that a service gives to each publication that waits, and that the outcome bears.
pub type Ticket = u64;

/// One service's way to a sequencer that stands elsewhere, and back.
///
/// No call may block. The implementation wakes the service's loop when [`next`](Self::next) has
/// an outcome.
pub trait Backbone {
    /// Takes an offer over. Exactly one outcome that bears its ticket comes out of
    /// [`next`](Self::next): [`Outcome::Entry`] or [`Outcome::Answer`].
    ///
    /// # Errors
    /// [`Full`]: the offer was not taken, and may come again.
    fn append(&mut self, ticket: Ticket, offer: Offer) -> Result<(), Full>;

    /// Takes a statement over. Exactly one outcome that bears its ticket comes out of [`next`](Self::next): that of
    /// the statement, or [`Outcome::Answer`].
    ///
    /// # Errors
    /// [`Full`]: as for [`append`](Self::append).
    fn declare(&mut self, ticket: Ticket, statement: Statement) -> Result<(), Full>;

    /// The next outcome, in the order of the log, which is the same for every service; `None` if
    /// none has arrived.
    ///
    /// `None` does not promise that this service is as far as others: a client may bring a cursor
    /// that was given out elsewhere and is ahead of this service.
    fn next(&mut self) -> Option<Outcome>;

    /// The clock that all services of the log share.
    fn clock(&self) -> &LogClock;

    /// The log's time at the loop's time `now`, at which the calendar said `calendar_ms`, in
    /// milliseconds since 1970.
    fn look(&mut self, now: Time, calendar_ms: u64) -> LogTime {
        self.clock().look(now, calendar_ms)
    }

    /// The sequencer's figures, as of the last outcome.
    fn figures(&self) -> Figures;

    /// The nodes of a log that several machines share; none of any other log.
    fn nodes(&self) -> Arc<[LogNode]> {
        Arc::default()
    }
}

/// A publication on its way to the sequencer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its channel, a checked name.
    pub channel: Box<str>,
    /// The payload.
    pub payload: Payload,
    /// Whether it ends its channel.
    pub kind: Kind,
    /// Its idempotency key.
    pub key: Option<Box<str>>,
    /// Its condition: the channel's newest message.
    pub expect: Option<Seq>,
}

/// What a service says to all services of its log, besides publications. It has its place among them, and no
/// channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The open streams of the user with this name end.
    Disconnect(Box<str>),
    /// A ticket is issued: it can be redeemed once. Only a log that several machines share takes it.
    Issue(TicketRecord),
    /// The ticket with this hash is redeemed, by the service that says so. As above.
    Redeem([u8; 32]),
    /// What has changed among the members of this process's streams. As above.
    Present(Batch),
}

/// An offer or statement was not taken: too many are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// One change of the log, or the answer to one offer or statement, which `T` names.
#[derive(Clone, Debug)]
pub enum Outcome<T = Ticket> {
    /// The log's next message, and the offer that it comes from. [`Backbone::next`] names the offer to the
    /// service that made it, and to no other. A [`Sequence`] names it if a service of this process made it.
    Entry(Arc<Sequenced>, Option<T>),
    /// The positions up to this one are empty. No message was there.
    Void(Seq),
    /// The log has lost its entries up to this position. Subscribers who have not received them
    /// have a gap.
    Lost(Seq),
    /// A new epoch of the log begins.
    Epoch(Epoch),
    /// The epoch that has just begun is that of another log, which had all of this.
    Restored(Arc<Restored>),
    /// The log's health has changed.
    Health(Health),
    /// The open streams of the user with this name end. The statement that says so is named as the offer of an
    /// [`Entry`](Self::Entry) is.
    Disconnect(Arc<str>, Option<T>),
    /// The open streams of all users have to come back: their disconnections may have been missed.
    DisconnectsMissed,
    /// Something is said of the members of streams at other nodes.
    Presence(Arc<PresenceNews>),
    /// This offer made no new message, or this statement was not taken. Only the service that made it is told.
    Answer(T, Verdict),
}

/// A message in the log.
#[derive(Clone, Debug)]
pub struct Sequenced {
    /// Its position.
    pub position: Cursor,
    /// Its channel, a checked name.
    pub channel: Box<str>,
    /// The payload.
    pub payload: Payload,
    /// Whether it ends its channel.
    pub kind: Kind,
    /// When it was admitted, in [log time](LogTime::ms).
    pub time_ms: u64,
    /// How durable it is.
    pub level: Level,
}

/// Why an offer made no new message; or the verdict on a statement about a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A message in the log has its key.
    Duplicate(Cursor, Level),
    /// The hub refused it.
    Refused(Refusal),
    /// The log takes no more now, and it has no position.
    NoRoom(NoRoom),
    /// The log could not take it.
    NotKept,
    /// The log has failed: the message may or may not be kept.
    Failed,
    /// A node of the log is of an older release, and could not read it.
    OldNodes,
    /// The ticket is issued, or redeemed; or the members of streams are told.
    Taken,
    /// The ticket is not issued: too many are outstanding.
    TicketsFull,
    /// The ticket is not redeemed: it was before, has expired, or is not known.
    TicketUsed,
}

/// Figures that only the sequencer counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Whether messages are kept beyond memory.
    pub durable: bool,
    /// The counters and gauges of the deciding hub.
    pub hub: sockeye_hub::Stats,
    /// How often the log refused entries.
    pub log_refusals: u64,
    /// The log that several machines share, if there is one.
    pub shared: Option<SharedLog>,
}
