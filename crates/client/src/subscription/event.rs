//! The events that a subscription reports.

use core::fmt;
use std::borrow::Cow;

use super::Transport;
use crate::Error;

/// What a [`Subscription`](crate::Subscription) tells its user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionEvent<'e> {
    /// The hub has accepted the connection, for the first time or again.
    Connected {
        /// The transport of the connection.
        transport: Transport,
    },
    /// A publication; no other has come or will come from its place in the log.
    Message(Publication<'e>),
    /// Messages may be missing: load anew what they change.
    Gap(Gap<'e>),
    /// All missed messages have come or were declared missing; the following ones are live.
    Sync {
        /// The cursor at this place.
        cursor: Cow<'e, str>,
        /// Whether no gap was declared since the stream was last live.
        recovered: bool,
        /// How many gaps were declared since then.
        gaps: u64,
        /// Messages that came out of history since then.
        replayed: u64,
    },
    /// A channel has ended: nothing more will come in it.
    End {
        /// Which one.
        channel: Cow<'e, str>,
        /// Where it ended, or where the stream is if that was before.
        cursor: Cow<'e, str>,
    },
    /// One of the channels or patterns was refused for good; the others go on.
    Refused {
        /// Which one.
        channel: Cow<'e, str>,
        /// What is wrong, as a word of the protocol.
        code: Cow<'e, str>,
        /// The same for people.
        message: Cow<'e, str>,
    },
    /// There is no connection; another one follows by itself after a wait.
    Lost {
        /// Why there is none.
        why: Error,
        /// Until then, in milliseconds.
        wait_ms: u64,
    },
    /// The hub wants other credentials. Nothing happens until they are given.
    CredentialsNeeded {
        /// The error with which the hub asked for them.
        why: Error,
    },
}

/// A message of a channel.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publication<'e> {
    /// The channel that it was published to.
    pub channel: Cow<'e, str>,
    /// Its place in the log: the subscription's cursor from now on.
    pub cursor: Cow<'e, str>,
    /// The hub's date when it took the message, in milliseconds since 1970. Cursors have the order:
    /// dates go back if the hub's calendar is set back.
    pub time_ms: u64,
    /// Its event's name, if it has one.
    pub event: Option<Cow<'e, str>>,
    /// What was published.
    pub data: Data<'e>,
}

/// What was published.
#[derive(Clone, PartialEq, Eq)]
pub enum Data<'e> {
    /// A text, or a JSON string.
    Text(Cow<'e, str>),
    /// Any other JSON value, in the words of its publisher.
    Json(Cow<'e, str>),
}

/// A gap: messages may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap<'e> {
    /// The channels that the gap concerns.
    pub target: Target<'e>,
    /// The reason, as a word of the protocol: `epoch`, `ahead`, `forked`, `trimmed`, `limit`,
    /// `unreadable`, or a new one.
    pub reason: Cow<'e, str>,
    /// The part of the log in which messages may be missing, if it is known: numbers after the first, up to the second.
    pub missed: Option<(u64, u64)>,
    /// Whether the channel has ended inside the gap: no message will follow.
    pub ended: bool,
}

/// The channels that a gap concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'e> {
    /// A channel.
    Channel(Cow<'e, str>),
    /// All channels that match a pattern.
    Pattern(Cow<'e, str>),
    /// Everything that is subscribed.
    All,
}

impl SubscriptionEvent<'_> {
    /// The same with nothing borrowed.
    pub fn into_owned(self) -> SubscriptionEvent<'static> {
        match self {
            Self::Connected { transport } => SubscriptionEvent::Connected { transport },
            Self::Message(message) => SubscriptionEvent::Message(message.into_owned()),
            Self::Gap(gap) => SubscriptionEvent::Gap(gap.into_owned()),
            Self::Sync { cursor, recovered, gaps, replayed } => {
                SubscriptionEvent::Sync { cursor: owned(cursor), recovered, gaps, replayed }
            }
            Self::End { channel, cursor } => {
                SubscriptionEvent::End { channel: owned(channel), cursor: owned(cursor) }
            }
            Self::Refused { channel, code, message } => SubscriptionEvent::Refused {
                channel: owned(channel),
                code: owned(code),
                message: owned(message),
            },
            Self::Lost { why, wait_ms } => SubscriptionEvent::Lost { why, wait_ms },
            Self::CredentialsNeeded { why } => SubscriptionEvent::CredentialsNeeded { why },
        }
    }
}

impl Publication<'_> {
    fn into_owned(self) -> Publication<'static> {
        Publication {
            channel: owned(self.channel),
            cursor: owned(self.cursor),
            time_ms: self.time_ms,
            event: self.event.map(owned),
            data: match self.data {
                Data::Text(text) => Data::Text(owned(text)),
                Data::Json(json) => Data::Json(owned(json)),
            },
        }
    }
}

impl Gap<'_> {
    fn into_owned(self) -> Gap<'static> {
        let target = match self.target {
            Target::Channel(name) => Target::Channel(owned(name)),
            Target::Pattern(name) => Target::Pattern(owned(name)),
            Target::All => Target::All,
        };
        Gap { target, reason: owned(self.reason), missed: self.missed, ended: self.ended }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// Shows only the length of the data, and the cursor without its proof.
impl fmt::Debug for Publication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("channel", &self.channel)
            .field("cursor", &self.cursor.split('~').next().unwrap_or_default())
            .field("time_ms", &self.time_ms)
            .field("event", &self.event)
            .field("data", &self.data)
            .finish()
    }
}

/// Shows the length only.
impl fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Json(json) => write!(f, "Json({} bytes)", json.len()),
        }
    }
}
