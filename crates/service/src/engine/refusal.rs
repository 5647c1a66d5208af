//! Why the engine refuses something, and why it ends a stream.

use sockeye_hub::NameError;

/// Why the engine does not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The text is not a valid name of a channel, and not a valid pattern.
    Name(NameError),
    /// The hub does not take it.
    Hub(sockeye_hub::Refusal),
    /// The principal may not do it.
    Access(sockeye_auth::Refusal),
    /// The principal's rate limit is reached.
    RateLimited {
        /// The limit.
        per_second: u32,
        /// How long its next message is to wait, in milliseconds: those that were refused lately come
        /// before it.
        wait_ms: u64,
    },
    /// The user has as many streams as a user may have.
    TooManyConnections {
        /// How many these are.
        most: usize,
        /// How long the client is to wait, in milliseconds: the more come, the longer.
        wait_ms: u64,
    },
    /// The clients at this address that have no name have as many streams as they may have.
    TooManyFromAddress {
        /// How many these are.
        most: usize,
        /// As of [`TooManyConnections`](Self::TooManyConnections).
        wait_ms: u64,
    },
    /// All clients together have as many streams as they may have.
    Full {
        /// As of [`TooManyConnections`](Self::TooManyConnections).
        wait_ms: u64,
    },
    /// Presence is kept of channels, and this is a pattern.
    PresenceOfPattern,
    /// Presence is not kept in this namespace.
    PresenceOff,
    /// Everybody may do everything here, so nobody needs a ticket.
    TicketsNotNeeded,
    /// There is no secret for tickets.
    TicketsOff,
    /// Too much waits for the log.
    NoRoom,
    /// The log that several machines share cannot be used now.
    LogAway,
    /// The log has as much on disk as it may, of the kind that the words say.
    LogFull(&'static str),
    /// The log could not take the publication.
    NotKept,
    /// The log has failed: the publication may or may not be kept.
    LogFailed,
    /// A node of the log is of an older release, and could not read it.
    OldNodes,
    /// Nobody shows a name here, so there are no users.
    NoUsers,
}

impl Refusal {
    /// How long the client is to wait, besides the time that spreads the clients.
    pub(crate) const fn wait_ms(self) -> u64 {
        match self {
            Self::RateLimited { wait_ms, .. }
            | Self::TooManyConnections { wait_ms, .. }
            | Self::TooManyFromAddress { wait_ms, .. }
            | Self::Full { wait_ms } => wait_ms,
            Self::Name(_)
            | Self::Hub(_)
            | Self::Access(_)
            | Self::PresenceOfPattern
            | Self::PresenceOff
            | Self::TicketsNotNeeded
            | Self::TicketsOff
            | Self::NoRoom
            | Self::LogAway
            | Self::LogFull(_)
            | Self::NotKept
            | Self::LogFailed
            | Self::OldNodes
            | Self::NoUsers => 0,
        }
    }

    /// The end of a stream that got no place for this reason.
    pub(crate) const fn end(self) -> End {
        match self {
            Self::TooManyConnections { .. } | Self::TooManyFromAddress { .. } => {
                End::TooManyConnections
            }
            Self::Name(_)
            | Self::Hub(_)
            | Self::Access(_)
            | Self::RateLimited { .. }
            | Self::Full { .. }
            | Self::PresenceOfPattern
            | Self::PresenceOff
            | Self::TicketsNotNeeded
            | Self::TicketsOff
            | Self::NoRoom
            | Self::LogAway
            | Self::LogFull(_)
            | Self::NotKept
            | Self::LogFailed
            | Self::OldNodes
            | Self::NoUsers => End::TryAgain,
        }
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<sockeye_hub::Refusal> for Refusal {
    fn from(refusal: sockeye_hub::Refusal) -> Self {
        Self::Hub(refusal)
    }
}

impl From<sockeye_auth::Refusal> for Refusal {
    fn from(refusal: sockeye_auth::Refusal) -> Self {
        Self::Access(refusal)
    }
}

/// Why the engine ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is no room now.
    TryAgain,
    /// The user or the address has as many streams as it may have.
    TooManyConnections,
    /// Every channel of the stream has ended.
    ChannelsEnded,
    /// History has overrun the reader.
    SlowReader,
    /// The stream is as old as streams get.
    Lifetime,
    /// The principal has other rights now.
    RightsChanged,
    /// The client did not say in time who it is.
    Unidentified,
    /// The principal's time is over.
    Expired,
    /// The credential is no longer good.
    Revoked,
    /// A back end has disconnected the user.
    Disconnected,
}
