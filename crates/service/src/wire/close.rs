//! Close reasons: why the server ends a stream, and what the client is to do then.

use sockeye_http::Status;

use super::Problem;

/// Why the server ends a stream. Its number closes a WebSocket, and stands in `goaway` everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Reserved: this server goes away.
    GoingAway,
    /// It restarts.
    Restart,
    /// It has no room now.
    TryAgain,
    /// Every channel of the stream has ended.
    Ended,
    /// The client does not speak the subprotocol.
    BadCommand,
    /// The client may not have this stream.
    Forbidden,
    /// Reserved: somebody ended it by hand.
    Removed,
    /// Reserved: the server is at its bounds.
    Overloaded,
    /// Too much in too little time.
    RateLimited,
    /// The user has too many streams.
    TooManyConnections,
    /// The client's rights have changed, or its stream has no words for a gap.
    Reconnect,
    /// Reserved: no answer to a ping. Such a connection is cut without a close frame.
    PongTimeout,
    /// History has overrun the reader.
    SlowReader,
    /// The stream is as old as streams get.
    Lifetime,
    /// The credentials are missing or not good.
    Unauthenticated,
    /// The first message did not come in time.
    AuthTimeout,
    /// The credentials have expired.
    Expired,
    /// The credentials have been taken back.
    Revoked,
}

/// What the client is to do after a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Stay away: coming back would end the same.
    Stop,
    /// Come back later, each time later.
    BackOff,
    /// Come back at once with the cursor.
    Resume,
    /// Come back with new credentials.
    Authenticate,
}

impl CloseReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::GoingAway,
        Self::Restart,
        Self::TryAgain,
        Self::Ended,
        Self::BadCommand,
        Self::Forbidden,
        Self::Removed,
        Self::Overloaded,
        Self::RateLimited,
        Self::TooManyConnections,
        Self::Reconnect,
        Self::PongTimeout,
        Self::SlowReader,
        Self::Lifetime,
        Self::Unauthenticated,
        Self::AuthTimeout,
        Self::Expired,
        Self::Revoked,
    ];

    /// The close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::Restart => 1012,
            Self::TryAgain => 1013,
            Self::Ended => 4000,
            Self::BadCommand => 4001,
            Self::Forbidden => 4002,
            Self::Removed => 4003,
            Self::Overloaded => 4100,
            Self::RateLimited => 4101,
            Self::TooManyConnections => 4102,
            Self::Reconnect => 4200,
            Self::PongTimeout => 4201,
            Self::SlowReader => 4202,
            Self::Lifetime => 4204,
            Self::Unauthenticated => 4300,
            Self::AuthTimeout => 4301,
            Self::Expired => 4302,
            Self::Revoked => 4303,
        }
    }

    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GoingAway => "going_away",
            Self::Restart => "restart",
            Self::TryAgain => "try_again",
            Self::Ended => "ended",
            Self::BadCommand => "bad_command",
            Self::Forbidden => "forbidden",
            Self::Removed => "removed",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::TooManyConnections => "too_many_connections",
            Self::Reconnect => "reconnect",
            Self::PongTimeout => "pong_timeout",
            Self::SlowReader => "slow_reader",
            Self::Lifetime => "lifetime",
            Self::Unauthenticated => "unauthenticated",
            Self::AuthTimeout => "auth_timeout",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    // [service:close-ranges]
    /// What the client is to do, which the number alone tells it.
    pub const fn advice(self) -> Advice {
        match self {
            Self::Ended | Self::BadCommand | Self::Forbidden | Self::Removed => Advice::Stop,
            Self::Restart
            | Self::TryAgain
            | Self::Overloaded
            | Self::RateLimited
            | Self::TooManyConnections => Advice::BackOff,
            Self::GoingAway
            | Self::Reconnect
            | Self::PongTimeout
            | Self::SlowReader
            | Self::Lifetime => Advice::Resume,
            Self::Unauthenticated | Self::AuthTimeout | Self::Expired | Self::Revoked => {
                Advice::Authenticate
            }
        }
    }

    /// The reason that ends a stream which cannot have what it was opened for.
    pub fn of_refusal(problem: &Problem) -> Self {
        match problem.code.status() {
            Status::UNAUTHORIZED => Self::Unauthenticated,
            Status::TOO_MANY_REQUESTS | Status::SERVICE_UNAVAILABLE => Self::TryAgain,
            _ => Self::Forbidden,
        }
    }

    /// The reason of a Close frame: the word, and ` retry_ms=…` if the client is to wait.
    pub fn text(self, retry_ms: Option<u64>) -> String {
        match retry_ms {
            Some(ms) => format!("{} retry_ms={ms}", self.as_str()),
            None => self.as_str().to_owned(),
        }
    }
}
