//! What is refused, and what was misused.

use core::fmt;

use crate::{Cursor, Seq};

/// A client's or a publisher's request that was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The message costs more than the namespace takes.
    MessageTooLarge {
        /// What it takes.
        bytes_max: usize,
    },
    /// The idempotency key is longer than [`Limits::key_bytes_max`](crate::Limits::key_bytes_max),
    /// or empty.
    Key,
    /// The channel has ended.
    Ended {
        /// Its last message.
        at: Seq,
    },
    /// The newest message of the channel is not the expected one.
    Unexpected {
        /// The newest that the hub knows of, or zero.
        last: Seq,
    },
    /// The hub has forgotten what was in the channel, if anything was, and so cannot say whether
    /// the condition holds. Publish without one.
    Forgotten {
        /// Of what is up to here it no longer knows.
        through: Seq,
    },
    /// Whether the condition holds depends on a message that is not in the log yet. Ask again
    /// when it is.
    Undecided {
        /// That message.
        pending: Cursor,
    },
    /// Too many messages wait for the log.
    Backlog,
    /// No room for another channel: none is idle, or too many are there for subscribers only.
    Channels,
    /// As many channels have ended as can be remembered, so this one cannot.
    Endings,
    /// No room for another pattern.
    Patterns,
    /// The namespace takes no patterns.
    PatternsOff,
    /// No room for another subscriber.
    Subscribers,
    /// The subscriber has as many subscriptions as it may.
    Subscriptions,
    /// It has this subscription already.
    Subscribed,
}

impl Refusal {
    /// Whether the same request may be taken later without anything being different about it:
    /// something is full that empties. Whoever is refused for good is not to come back with it.
    pub const fn passes(self) -> bool {
        match self {
            Self::Undecided { .. }
            | Self::Backlog
            | Self::Channels
            | Self::Patterns
            | Self::Subscribers => true,
            Self::MessageTooLarge { .. }
            | Self::Key
            | Self::Ended { .. }
            | Self::Unexpected { .. }
            | Self::Forgotten { .. }
            | Self::Endings
            | Self::PatternsOff
            | Self::Subscriptions
            | Self::Subscribed => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MessageTooLarge { bytes_max } => {
                write!(f, "the message is over {bytes_max} bytes")
            }
            Self::Key => f.write_str("the idempotency key is empty or too long"),
            Self::Ended { at } => write!(f, "the channel has ended at {}", at.0),
            Self::Unexpected { last } => write!(f, "the channel's last message is {}", last.0),
            Self::Forgotten { .. } => {
                f.write_str("what the channel's last message is has been forgotten")
            }
            Self::Undecided { pending } => write!(f, "that depends on {pending}, which is pending"),
            Self::Backlog => f.write_str("too many messages wait for the log"),
            Self::Channels => f.write_str("there are too many channels"),
            Self::Endings => f.write_str("too many channels have ended"),
            Self::Patterns => f.write_str("there are too many patterns"),
            Self::PatternsOff => f.write_str("the namespace takes no patterns"),
            Self::Subscribers => f.write_str("there are too many subscribers"),
            Self::Subscriptions => f.write_str("the subscriber has too many subscriptions"),
            Self::Subscribed => f.write_str("the subscriber has this subscription"),
        }
    }
}

impl core::error::Error for Refusal {}

/// A call that the hub's owner should not have made. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// Nothing is pending there: never admitted, settled already, or of another epoch.
    NotPending,
    /// An older message is still pending: the log's order is the order of commits.
    OutOfOrder {
        /// The oldest one that is pending, or what the log has to go on with.
        next: Seq,
    },
    /// The hub's own messages are pending: it cannot follow another authority meanwhile.
    Pending,
    /// The epoch is not a new one.
    SameEpoch,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPending => f.write_str("nothing is pending at this position"),
            Self::OutOfOrder { next } => write!(f, "position {} comes first", next.0),
            Self::Pending => f.write_str("messages of the hub's own are pending"),
            Self::SameEpoch => f.write_str("the epoch is not a new one"),
        }
    }
}

impl core::error::Error for Misuse {}
