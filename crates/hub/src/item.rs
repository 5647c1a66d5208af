//! What a subscriber that catches up is given.

use std::rc::Rc;

use crate::{Cursor, Entry, Seq};

/// The next thing to put on a subscriber's stream, in this order.
#[derive(Debug)]
pub enum Item<M> {
    /// A message. Its position is the subscriber's cursor once it has it.
    Message(Rc<Entry<M>>),
    /// Messages that it was entitled to, or may have been, and will not get.
    Gap(Gap),
    /// It has everything; from here on messages are named to it as they are committed.
    Sync(Sync),
}

/// A declared gap. Whoever keeps state of the channel has to load it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
    /// Messages of this part of the log may be missing. With [`Reason::Epoch`], `Ahead` and
    /// `Unreadable` it begins at zero: how much is missing cannot be known, and what is left, if
    /// the namespace wants that to follow, lies inside.
    pub missed: Span,
    /// The channel has ended inside the gap: nothing will come.
    pub ended: bool,
}

/// The part of the log after one place and up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Not in it.
    pub after: Seq,
    /// The last in it.
    pub through: Seq,
}

impl Span {
    /// Whether the place is in it.
    pub const fn contains(&self, seq: Seq) -> bool {
        self.after.0 < seq.0 && seq.0 <= self.through.0
    }
}

/// What a gap is a gap in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One channel.
    Channel(Rc<str>),
    /// Channels that match a pattern, some or all.
    Pattern(Rc<str>),
}

/// Why there is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The cursor is of another life of the log.
    Epoch,
    /// The cursor is above the head: the log has lost what the client has seen.
    Ahead,
    /// History no longer has what was missed.
    Trimmed,
    /// It would be more than one resume may replay, or gaps in more channels than are named one by
    /// one.
    Limit,
    /// The cursor could not be read.
    Unreadable,
}

impl Reason {
    /// The word that clients are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::Trimmed => "trimmed",
            Self::Limit => "limit",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The end of catching up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Where the subscriber is.
    pub cursor: Cursor,
    /// Gaps declared since it was last live. Zero: it has recovered everything.
    pub gaps: u32,
    /// Messages fetched since it was last live.
    pub replayed: u64,
}

/// How much one [`pull`](crate::Subscriber::pull) may hand out: what the stream has room for.
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
    /// There is more for when there is room again.
    More,
    /// History has overrun a slow reader, and its namespace wants it closed. It may come back with
    /// this cursor. No message was handed out, and no gap but those of subscriptions that began
    /// with a cursor that is none: these it has to be told, its cursor says nothing of them.
    Overrun(Cursor),
}
