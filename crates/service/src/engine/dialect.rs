//! The seam between the engine and the protocols that stand before it.
//!
//! A dialect reads requests and commands, calls the engine, and writes what the engine delivers.
//! The traits cost nothing at run time: the engine is generic over its dialect.
//!
//! Three other dialects, with what each would bring, and what it would use of the engine or add:
//!
//! | dialect | [`Delivery`] | [`Forms`](Dialect::Forms) | what it needs of the engine |
//! |---|---|---|---|
//! | Pusher | one kind of WebSocket; a publication comes by `POST` | one JSON text | sessions that are let in later, presence with data of a member's own |
//! | Mercure | event streams; topics are URLs, escaped into channel names | one event | a publication in several channels at once, patterns for URI templates |
//! | Durable Streams | none that is pushed: a `GET` reads from an offset | none, or one chunk | sessions that [fetch](Delivery::fetches), and a cursor's position as an offset |

use core::fmt::Debug;
use std::rc::Rc;

use sockeye_auth::UnixTime;
use sockeye_hub::{Cursor, Entry, Gap};
use sockeye_server::Time;

use crate::engine::{Access, Body, End, Principal, Roster, Session};

/// A protocol that clients speak with the engine.
pub trait Dialect: Sized + 'static {
    /// Names a stream, for as long as it is open.
    type Stream: StreamName;

    /// How a stream receives its messages.
    type Delivery: Delivery;

    /// The encodings of one message. They are made when the first stream wants one, and belong to
    /// all streams.
    type Forms: Default + Debug;

    /// The encodings of a burst: of several messages of one channel, one after the other.
    type BurstForms: Default + Debug;

    /// One presence event, encoded once for all watchers of a channel.
    type Announcement;

    /// Encodes a presence event.
    fn announce(presence: &Roster<'_>) -> Self::Announcement;
}

/// The name of a stream.
pub trait StreamName: Copy + Eq + Debug {
    /// A small number that no other open stream has.
    fn index(self) -> usize;

    /// A number that differs between streams that open one after the other. It spreads their waits.
    fn spread(self) -> u128;
}

/// How a stream receives its messages. By default the engine pushes them.
pub trait Delivery: Copy + Eq + Debug {
    /// Whether the dialect fetches the stream's messages, and the engine pushes none.
    fn fetches(self) -> bool {
        false
    }

    /// Whether the stream ends when all of its channels have ended, because it cannot subscribe
    /// others.
    fn ends_with_its_channels(self) -> bool {
        false
    }

    /// Whether the client has not shown yet who it is. Its stream gets nothing before.
    fn is_unidentified(self) -> bool {
        false
    }

    /// Whether each cursor on the stream is followed by a proof of its ticket.
    fn carries_proof(self) -> bool {
        false
    }
}

/// A stream that is written to.
#[derive(Debug)]
pub struct Recipient<D: Dialect> {
    /// Its name.
    pub stream: D::Stream,
    /// How it receives its messages.
    pub delivery: D::Delivery,
    /// The proof of the stream's ticket, which follows each cursor that the stream is given.
    pub proof: Option<String>,
}

impl<D: Dialect> Recipient<D> {
    /// A stream whose cursors need no proof.
    pub const fn new(stream: D::Stream, delivery: D::Delivery) -> Self {
        Self { stream, delivery, proof: None }
    }

    /// The stream of a principal.
    pub(crate) fn of(
        stream: D::Stream,
        delivery: D::Delivery,
        principal: &Principal,
        access: &Access,
        calendar: UnixTime,
    ) -> Self {
        let proof = delivery.carries_proof().then(|| access.proof(principal, calendar)).flatten();
        Self { stream, delivery, proof }
    }

    /// The stream of a session.
    pub(crate) fn of_session(session: &Session<D>, access: &Access, calendar: UnixTime) -> Self {
        Self::of(session.stream, session.delivery, &session.principal, access, calendar)
    }
}

/// Why an entry was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// Too much waits for the peer already.
    Full,
    /// The stream is gone, or ends.
    Gone,
}

/// Entries of one channel, in order, for many streams.
#[derive(Debug)]
pub struct Burst<'b, D: Dialect> {
    /// The entries.
    pub entries: &'b [Rc<Entry<Body<D::Forms>>>],
    /// Their encodings together, for all streams.
    pub forms: &'b D::BurstForms,
}

/// What the engine tells a stream besides messages.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'n> {
    /// Messages are missing.
    Gap(&'n Gap),
    /// The stream is at the head of the log.
    Sync {
        /// Its cursor.
        cursor: Cursor,
        /// The gaps on the way.
        gaps: u32,
        /// The messages on the way.
        replayed: u64,
    },
    /// A channel had ended before it was subscribed.
    Ended {
        /// The channel.
        channel: &'n str,
        /// The stream's cursor.
        cursor: Cursor,
    },
}

/// Where the engine's deliveries go for the time of one call.
///
/// A call for a stream that is gone has no effect: the loop reports the end of each stream.
pub trait Outlet<D: Dialect> {
    /// The loop's time.
    fn now(&self) -> Time;

    /// The bytes that wait for a peer.
    fn waiting_bytes(&self, stream: D::Stream) -> usize;

    /// Counts units of work against the budget of the loop's turn. Without it, turns have no budget.
    fn spend(&mut self, units: u64) {
        let _ = units;
    }

    /// Units of work that were spent so far, of this turn and of others. The number never falls.
    /// Without it, no step of work costs more than another.
    fn units_spent(&self) -> u64 {
        0
    }

    /// The same without those that are billed to nobody. Without it, all are billed.
    fn units_billed(&self) -> u64 {
        self.units_spent()
    }

    /// Bills the units that were spent since `before`, an earlier [`units_spent`](Self::units_spent), to
    /// nobody: not to the client or the task for which the engine was called.
    fn bill_nobody(&mut self, before: u64) {
        let _ = before;
    }

    /// Bills units to the client for which the engine was called, that are spent later for it.
    fn bill(&mut self, units: u64) {
        let _ = units;
    }

    /// Units of work that are left in this part of the turn.
    fn units_left(&self) -> u64 {
        u64::MAX
    }

    /// Has the loop call [`Engine::work`](crate::engine::Engine::work) in the next turn, which waits
    /// for nothing.
    fn come_back(&mut self) {}

    /// Asks to be told when a peer has taken most of what waits for it.
    fn notify_drained(&mut self, stream: D::Stream);

    /// Sends an entry to a stream whose cursors need no proof, if less than `waiting_max` bytes wait
    /// for the peer. The encodings in the entry's body are for all such streams.
    ///
    /// # Errors
    /// The entry was not sent.
    fn entry(
        &mut self,
        stream: D::Stream,
        delivery: D::Delivery,
        entry: &Entry<Body<D::Forms>>,
        waiting_max: usize,
    ) -> Result<(), NotSent>;

    /// Sends entries to a stream as [`entry`](Self::entry) sends each of them, one after the other, up to
    /// the first that is not sent.
    ///
    /// # Errors
    /// How many entries were sent, and why the next one was not.
    fn burst(
        &mut self,
        stream: D::Stream,
        delivery: D::Delivery,
        burst: &Burst<'_, D>,
        waiting_max: usize,
    ) -> Result<(), (usize, NotSent)> {
        for (sent, entry) in burst.entries.iter().enumerate() {
            self.entry(stream, delivery, entry, waiting_max).map_err(|why| (sent, why))?;
        }
        Ok(())
    }

    /// Sends an entry to a stream whose cursors may need a proof.
    ///
    /// # Errors
    /// The entry was not sent.
    fn proved_entry(
        &mut self,
        to: &Recipient<D>,
        entry: &Entry<Body<D::Forms>>,
        waiting_max: usize,
    ) -> Result<(), NotSent> {
        self.entry(to.stream, to.delivery, entry, waiting_max)
    }

    /// Sends a notice, if the stream has a form for it.
    fn notice(&mut self, to: &Recipient<D>, notice: Notice<'_>);

    /// Sends what watchers of a channel are told.
    fn announcement(&mut self, to: &Recipient<D>, announcement: &D::Announcement);

    /// Ends a stream, and says why.
    fn end(&mut self, to: &Recipient<D>, reason: End, retry_ms: Option<u64>, cursor: Cursor);
}
