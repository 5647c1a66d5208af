//! The results of a pull: messages, gaps, and the end of catching up.

use std::rc::Rc;

use crate::{Cursor, Entry, Fetch, Seq};

/// One item for a subscriber's stream.
#[derive(Debug)]
pub enum Item<M> {
    /// A message. Its position is the subscriber's cursor after it.
    Message(Rc<Entry<M>>),
    /// Messages that the subscriber was, or may have been, entitled to and will not get.
    Gap(Gap),
    /// The subscriber has everything, and is live from here on.
    Sync(Sync),
}

/// A declared gap. A client that keeps state of the channel has to load it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The channel or the pattern.
    pub scope: Scope,
    /// The cause.
    pub reason: Reason,
    /// The part of the log in which messages may be missing. With [`Reason::Epoch`], `Ahead`,
    /// `Forked` and `Unreadable` it begins at zero, because nobody knows how much is missing. If the namespace's
    /// `OnGap` delivers messages after such a gap, their positions lie inside `missed`.
    pub missed: Span,
    /// The channel has ended inside the gap: nothing will follow.
    pub ended: bool,
}

/// A part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The position before the first one.
    pub after: Seq,
    /// The last position.
    pub through: Seq,
}

impl Span {
    /// Whether the position is in it.
    pub const fn contains(&self, seq: Seq) -> bool {
        self.after.0 < seq.0 && seq.0 <= self.through.0
    }
}

/// The scope of a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One channel.
    Channel(Rc<str>),
    /// Some or all channels that match a pattern.
    Pattern(Rc<str>),
}

/// The cause of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The cursor belongs to another epoch.
    Epoch,
    /// The cursor is above the head: the log has lost messages that the client has seen.
    Ahead,
    /// Another run of the log gave the cursor out: the log was restored from a backup, or has lost
    /// messages that the client has seen, and has given their positions to others since.
    Forked,
    /// History no longer has the messages.
    Trimmed,
    /// A limit was reached: too many channels of a pattern have a gap to declare each, or the search
    /// for them has taken too many steps.
    Limit,
    /// The cursor could not be read.
    Unreadable,
}

impl Reason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::Forked => "forked",
            Self::Trimmed => "trimmed",
            Self::Limit => "limit",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The end of catching up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The subscriber's cursor.
    pub cursor: Cursor,
    /// Gaps declared since the subscriber was last live. Zero: it has recovered everything.
    pub gaps: u32,
    /// Messages pulled since it was last live.
    pub replayed: u64,
}

/// The room of a stream: how much one [`pull`](crate::Subscriber::pull) may hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Messages. One is always handed out.
    pub messages: usize,
    /// Bytes, as [`Entry::bytes`]. The first message may exceed it.
    pub bytes: usize,
}

/// How a pull ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// The subscriber is live.
    Live,
    /// The budget is spent, or the steps of a search. A search may have moved the cursor and given
    /// `out` nothing. Pull again when the stream has room, in this turn or a later one.
    More,
    /// Memory lacks messages that the archive has. Hand in a page with
    /// [`take_page`](crate::Subscriber::take_page). Until then each pull asks for the same.
    Fetch(Fetch),
    /// History has overrun a slow reader, and its namespace closes such readers. It may come back
    /// with this cursor. Only gaps caused by invalid start cursors were handed out: the client has
    /// to hear of them, because this cursor does not cover them.
    Overrun(Cursor),
}
