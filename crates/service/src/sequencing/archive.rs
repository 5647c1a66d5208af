//! The contract of an archive: history that memory no longer has.

use sockeye_hub::{Cursor, Kind, Seq};

use super::{Full, Ticket};
use crate::payload::Payload;

/// Reads a log's history elsewhere, and answers page by page.
///
/// It has every message of the log up to the hub's head, except those that its retention has
/// dropped. No call may block: the implementation reads on a thread of its own, and wakes the
/// service's loop when [`next`](Self::next) has an answer.
pub trait Archive {
    /// Asks for a page. Exactly one answer bears the question's ticket, unless it is canceled.
    ///
    /// # Errors
    /// [`Full`]: the question was not taken, and may come again.
    fn ask(&mut self, question: Question) -> Result<(), Full>;

    /// Nobody waits for the answer to this ticket any more. An answer that comes all the same is
    /// ignored.
    fn cancel(&mut self, ticket: Ticket) {
        let _ = ticket;
    }

    /// The next answer, with its ticket; `None` if none has arrived.
    fn next(&mut self) -> Option<(Ticket, Result<Page, Unavailable>)>;
}

/// A question: which messages of which channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Names the answer.
    pub ticket: Ticket,
    /// Channel names and patterns, each checked.
    pub targets: Vec<Box<str>>,
    /// The part of the log.
    pub range: Range,
    /// Messages of a page, one at least.
    pub messages_max: usize,
    /// Costs of these messages ([`Payload::cost`]) together. The first message may exceed it.
    pub bytes_max: usize,
    /// Channels in [`Page::missing`] that are matched by patterns only.
    pub missing_max: usize,
}

/// A part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The oldest messages after `after`, up to `through`.
    After {
        /// The position before the first.
        after: Seq,
        /// The last position.
        through: Seq,
    },
    /// The newest messages below `before`. There is one target, a channel.
    Before {
        /// The position after the last.
        before: Seq,
    },
}

/// A page of history.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The messages, in the order of the log.
    pub entries: Vec<Archived>,
    /// With [`Range::After`]: the page has all messages of the targets after `after` up to here that
    /// the archive has. It is above `after`, and at most the range's `through`.
    pub through: Seq,
    /// Channels of the targets whose messages up to a floor were dropped: with [`Range::After`] all
    /// those with a floor above `after`, with [`Range::Before`] the channel if it has a floor.
    pub missing: Vec<(Box<str>, Seq)>,
    /// Patterns match more such channels than [`Question::missing_max`], which `missing` leaves out.
    pub is_missing_more: bool,
    /// The range has more messages than the page.
    pub more: bool,
}

/// A message of a page.
#[derive(Clone, Debug)]
pub struct Archived {
    /// Its position. The check may be missing: the service knows the runs.
    pub position: Cursor,
    /// Its channel.
    pub channel: Box<str>,
    /// When it was admitted, in [log time](super::LogTime::ms).
    pub time_ms: u64,
    /// Whether it ends its channel.
    pub kind: Kind,
    /// The payload.
    pub payload: Payload,
}

/// The archive cannot be read. The client is told to come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;
