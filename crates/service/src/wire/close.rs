//! Close reasons: why the server ends a stream, and what the client is to do then.

use sockeye_http::Status;

use super::Problem;

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

/// Declares each reason with its close code, its word and its advice on one line.
macro_rules! close_reasons {
    ($($(#[$doc:meta])* $name:ident: $code:literal, $word:literal, $advice:ident;)*) => {
        /// Why the server ends a stream. Its number closes a WebSocket, and stands in `goaway`
        /// everywhere.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseReason {
            $($(#[$doc])* $name,)*
        }

        impl CloseReason {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; 18] = [$(Self::$name,)*];

            /// The close code.
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The word for programs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            // [service:close-ranges]
            /// What the client is to do, which the number alone tells it.
            pub const fn advice(self) -> Advice {
                match self {
                    $(Self::$name => Advice::$advice,)*
                }
            }
        }
    };
}

close_reasons! {
    /// Reserved: this server goes away.
    GoingAway: 1001, "going_away", Resume;
    /// It restarts.
    Restart: 1012, "restart", BackOff;
    /// It has no room now.
    TryAgain: 1013, "try_again", BackOff;
    /// Every channel of the stream has ended.
    Ended: 4000, "ended", Stop;
    /// The client does not speak the subprotocol.
    BadCommand: 4001, "bad_command", Stop;
    /// The client may not have this stream.
    Forbidden: 4002, "forbidden", Stop;
    /// A back end has disconnected the user.
    Removed: 4003, "removed", Stop;
    /// Reserved: the server is at its bounds.
    Overloaded: 4100, "overloaded", BackOff;
    /// Too much in too little time.
    RateLimited: 4101, "rate_limited", BackOff;
    /// The user has too many streams.
    TooManyConnections: 4102, "too_many_connections", BackOff;
    /// The client's rights have changed, or its stream has no words for a gap.
    Reconnect: 4200, "reconnect", Resume;
    /// Reserved: no answer to a ping. Such a connection is cut without a close frame.
    PongTimeout: 4201, "pong_timeout", Resume;
    /// History has overrun the reader.
    SlowReader: 4202, "slow_reader", Resume;
    /// The stream is as old as streams get.
    Lifetime: 4204, "lifetime", Resume;
    /// The credentials are missing or not good.
    Unauthenticated: 4300, "unauthenticated", Authenticate;
    /// The first message did not come in time.
    AuthTimeout: 4301, "auth_timeout", Authenticate;
    /// The credentials have expired.
    Expired: 4302, "expired", Authenticate;
    /// The credentials have been taken back.
    Revoked: 4303, "revoked", Authenticate;
}

impl CloseReason {
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
