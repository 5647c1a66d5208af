//! Control messages: everything that a stream says besides publications.

use sockeye_hub::{Cursor, Reason, Scope, Span};
use sockeye_sse::Event;

use super::json::Object;
use super::message::sse_name;
use super::{CloseReason, CursorText, Id, Level, Presence, Problem};

/// A control message: anything said to a client besides publications.
#[derive(Clone, Copy, Debug)]
pub enum Control<'a> {
    /// The first thing on a WebSocket.
    Welcome {
        /// Where the stream is.
        cursor: &'a CursorText,
        /// Its name, for logs of both sides.
        session: &'a str,
        /// How often a ping comes, in milliseconds.
        ping_ms: u64,
    },
    /// An answer: these subscriptions are there. Those that were refused have an error each.
    Subscribed {
        /// The ID of the command.
        id: Option<&'a Id<'a>>,
        /// Names and patterns.
        channels: &'a [&'a str],
        /// Where they begin.
        cursor: &'a CursorText,
    },
    /// An answer: these subscriptions are gone.
    Unsubscribed {
        /// The ID of the command.
        id: Option<&'a Id<'a>>,
        /// Names and patterns.
        channels: &'a [&'a str],
    },
    /// Messages are missing.
    Gap(Gap<'a>),
    /// The stream has caught up.
    Sync {
        /// Where it is.
        cursor: &'a CursorText,
        /// Gaps declared since it was last live.
        gaps: u32,
        /// Messages fetched since it was last live.
        replayed: u64,
    },
    /// The members of a channel, or what has changed there.
    Presence(Presence<'a>),
    /// A channel has ended: nothing more will come in it.
    End {
        /// The channel.
        channel: &'a str,
        /// The position of its last entry. If the channel had ended before it was subscribed: the
        /// stream's cursor.
        cursor: &'a CursorText,
    },
    /// An answer: the publication is in the log.
    Published {
        /// The ID of the command.
        id: Option<&'a Id<'a>>,
        /// Where it is.
        receipt: Receipt<'a>,
    },
    /// Something was refused.
    Error {
        /// The ID of the command.
        id: Option<&'a Id<'a>>,
        /// The channel that it is about, as the client named it.
        channel: Option<&'a str>,
        /// The refusal.
        problem: &'a Problem,
    },
    /// An answer to a `ping`.
    Pong {
        /// The ID of the command.
        id: Option<&'a Id<'a>>,
        /// Where the stream is.
        cursor: &'a CursorText,
    },
    /// A sign of life on an event stream that asked for it.
    Ping {
        /// Where the stream is.
        cursor: &'a CursorText,
        /// The longest silence on it, in milliseconds.
        ping_ms: u64,
    },
    /// The stream ends now.
    Goaway {
        /// The reason.
        reason: CloseReason,
        /// How long to wait before coming back, in milliseconds.
        retry_ms: Option<u64>,
        /// Where to go on.
        cursor: &'a CursorText,
    },
}

/// A gap, as the client is told of it. `missed` is absent if nobody knows what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    /// The scope.
    pub scope: GapScope<'a>,
    /// The reason.
    pub reason: Reason,
    /// The part of the log that messages may be missing of.
    pub missed: Option<Span>,
    /// The channel has ended inside the gap.
    pub ended: bool,
}

/// The scope of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapScope<'a> {
    /// One channel.
    Channel(&'a str),
    /// Channels that match.
    Pattern(&'a str),
    /// Everything that the stream subscribes.
    All,
}

impl<'a> From<&'a sockeye_hub::Gap> for Gap<'a> {
    fn from(gap: &'a sockeye_hub::Gap) -> Self {
        let scope = match &gap.scope {
            Scope::Channel(name) => GapScope::Channel(name),
            Scope::Pattern(pattern) => GapScope::Pattern(pattern),
        };
        let missed = match gap.reason {
            Reason::Trimmed | Reason::Limit => Some(gap.missed),
            // How much is missing cannot be known.
            Reason::Epoch | Reason::Ahead | Reason::Forked | Reason::Unreadable => None,
        };
        Self { scope, reason: gap.reason, missed, ended: gap.ended }
    }
}

/// The receipt of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// Its channel.
    pub channel: &'a str,
    /// Its position.
    pub position: Cursor,
    /// How safe it is.
    pub level: Level,
    /// Its idempotency key was known: the message was there before, at this position.
    pub duplicate: bool,
    /// Subscribers of the channel when it came, of this loop only; zero for a duplicate.
    pub subscribers: u64,
}

impl<'a> Control<'a> {
    /// The word of its type, which follows the `$` in an event's name.
    const fn event_name(&self) -> &'static str {
        match self {
            Self::Welcome { .. } => "$welcome",
            Self::Subscribed { .. } => "$subscribed",
            Self::Unsubscribed { .. } => "$unsubscribed",
            Self::Gap(_) => "$gap",
            Self::Sync { .. } => "$sync",
            Self::Presence(_) => "$presence",
            Self::End { .. } => "$end",
            Self::Published { .. } => "$published",
            Self::Error { .. } => "$error",
            Self::Pong { .. } => "$pong",
            Self::Ping { .. } => "$ping",
            Self::Goaway { .. } => "$goaway",
        }
    }

    /// Appends it as an object of `sockeye.v1.json`.
    pub fn write_json(&self, out: &mut String) {
        let mut object = Object::new(out);
        object.word("type", &self.event_name()[1..]);
        self.write_members(&mut object);
        object.end();
    }

    /// Appends the same object without its type.
    pub fn write_data(&self, out: &mut String) {
        let mut object = Object::new(out);
        self.write_members(&mut object);
        object.end();
    }

    /// The control message as an event, whose data is written to `text`. If it says how far the
    /// stream has come, the event's ID is that cursor. If it has a `retry_ms`, the event tells
    /// EventSource, too.
    pub fn event<'e>(&self, text: &'e mut String) -> Event<'e>
    where
        'a: 'e,
    {
        text.clear();
        self.write_data(text);
        let (cursor, retry_ms) = self.resumption();
        let (name, id) = (sse_name(self.event_name()), cursor.map(CursorText::event_id));
        Event { name: Some(name), id, retry_ms, data: Some(text) }
    }

    /// The stream's cursor, if it has it, and how long to wait before coming back. The cursor of a
    /// `subscribed` or a receipt names a position, but not how far the stream has come.
    const fn resumption(&self) -> (Option<&'a CursorText>, Option<u64>) {
        match *self {
            Self::Goaway { cursor, retry_ms, .. } => (Some(cursor), retry_ms),
            Self::Welcome { cursor, .. }
            | Self::Sync { cursor, .. }
            | Self::End { cursor, .. }
            | Self::Ping { cursor, .. }
            | Self::Pong { cursor, .. } => (Some(cursor), None),
            Self::Subscribed { .. }
            | Self::Unsubscribed { .. }
            | Self::Gap(_)
            | Self::Presence(_)
            | Self::Published { .. }
            | Self::Error { .. } => (None, None),
        }
    }

    fn write_members(&self, object: &mut Object<'_>) {
        match *self {
            Self::Welcome { cursor, session, ping_ms } => {
                object.word("cursor", cursor.as_str());
                object.text("session", session);
                object.number("ping_ms", ping_ms);
            }
            Self::Subscribed { id, channels, cursor } => {
                write_id(id, object);
                object.texts("channels", channels.iter().copied());
                object.word("cursor", cursor.as_str());
            }
            Self::Unsubscribed { id, channels } => {
                write_id(id, object);
                object.texts("channels", channels.iter().copied());
            }
            Self::Gap(gap) => gap.write_members(object),
            Self::Sync { cursor, gaps, replayed } => {
                write_sync(cursor, gaps, replayed, object);
            }
            Self::Presence(presence) => write_presence(&presence, object),
            Self::End { channel, cursor } => {
                object.text("channel", channel);
                object.word("cursor", cursor.as_str());
            }
            Self::Published { id, receipt } => {
                write_id(id, object);
                receipt.write_members(object);
            }
            Self::Error { id, channel, problem } => {
                write_id(id, object);
                if let Some(channel) = channel {
                    object.text("channel", echoed(channel));
                }
                object.word("code", problem.code.as_str());
                object.text("message", &problem.message);
            }
            Self::Pong { id, cursor } => {
                write_id(id, object);
                object.word("cursor", cursor.as_str());
            }
            Self::Ping { cursor, ping_ms } => {
                object.word("cursor", cursor.as_str());
                object.number("ping_ms", ping_ms);
            }
            Self::Goaway { reason, retry_ms, cursor } => {
                object.number("code", u64::from(reason.code()));
                object.word("reason", reason.as_str());
                if let Some(ms) = retry_ms {
                    object.number("retry_ms", ms);
                }
                object.word("cursor", cursor.as_str());
            }
        }
    }
}

impl Gap<'_> {
    pub(super) fn write_members(&self, object: &mut Object<'_>) {
        match self.scope {
            GapScope::Channel(name) => object.text("channel", name),
            GapScope::Pattern(pattern) => object.text("pattern", pattern),
            GapScope::All => object.boolean("all", true),
        }
        object.text("reason", self.reason.as_str());
        if let Some(Span { after, through }) = self.missed {
            let mut missed = object.object("missed");
            missed.number("after", after.0);
            missed.number("through", through.0);
            missed.end();
        }
        if self.ended {
            object.boolean("ended", true);
        }
    }
}

fn write_presence(presence: &Presence<'_>, object: &mut Object<'_>) {
    object.text("channel", presence.channel);
    object.number("version", presence.version);
    object.number("users", presence.users);
    object.number("streams", presence.streams);
    object.boolean("fresh", presence.fresh);
    object.texts("joined", presence.joined.iter().copied());
    object.texts("left", presence.left.iter().copied());
    object.boolean("more", presence.more);
}

impl Receipt<'_> {
    pub(super) fn write_members(&self, object: &mut Object<'_>) {
        object.text("channel", self.channel);
        object.word("cursor", self.position.text(&mut [0; Cursor::BYTES_MAX]));
        object.number("seq", self.position.seq.0);
        object.word("level", self.level.as_str());
        object.boolean("duplicate", self.duplicate);
        object.number("subscribers", self.subscribers);
    }
}

pub(super) fn write_sync(cursor: &CursorText, gaps: u32, replayed: u64, object: &mut Object<'_>) {
    object.word("cursor", cursor.as_str());
    object.boolean("recovered", gaps == 0);
    object.number("gaps", u64::from(gaps));
    object.number("replayed", replayed);
}

fn write_id(id: Option<&Id<'_>>, object: &mut Object<'_>) {
    match id {
        Some(Id::Text(text)) => object.text("id", text),
        Some(Id::Number(number)) => object.number("id", *number),
        None => {}
    }
}

/// The part of a channel's name that is echoed: a refused name may be of any length.
fn echoed(name: &str) -> &str {
    const BYTES_MAX: usize = 200;
    let mut end = name.len().min(BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
