//! The engine's refusals and ends, in the words and codes of our dialect.

use crate::engine::{End, Refusal};
use crate::wire::{CloseReason, Code, Problem};

impl Problem {
    /// The refusal of what only an API key with a setting may do.
    pub(super) fn lacks_right(refusal: Refusal, setting: &str) -> Self {
        let problem = Self::from(refusal);
        match refusal {
            Refusal::Access(sockeye_auth::Refusal::Forbidden) => {
                let message =
                    format!("{}: it takes an API key with {setting} = true", problem.message);
                Self { message: message.into(), ..problem }
            }
            _ => problem,
        }
    }

    /// The refusal of a subscription to what `text` names.
    pub(super) fn of_target(text: &str, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Name(error) => Self::bad_channel(text, error),
            refusal => refusal.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let wait_ms = refusal.wait_ms();
        let problem = match refusal {
            // `of_target` knows the name.
            Refusal::Name(error) => {
                Self::new(Code::BadChannel, format!("invalid channel name: {error}"))
            }
            Refusal::Hub(refusal) => refusal.into(),
            Refusal::Access(refusal) => refusal.into(),
            Refusal::RateLimited { per_second, wait_ms } => {
                let message = format!("more than {per_second} a second; try again in {wait_ms} ms");
                Self::new(Code::RateLimited, message)
            }
            Refusal::TooManyConnections { most, .. } => {
                let message = format!("this user has {most} connections already");
                Self::new(Code::TooManyConnections, message)
            }
            Refusal::TooManyFromAddress { most, .. } => {
                let message = format!("this address has {most} streams without a user already");
                Self::new(Code::TooManyConnections, message)
            }
            Refusal::Full { .. } => sockeye_hub::Refusal::Subscribers.into(),
            Refusal::PresenceOfPattern => {
                Self::new(Code::PresenceOff, "presence is of channels, by their names")
            }
            Refusal::PresenceOff => Self::new(Code::PresenceOff, "it is not kept who is there"),
            Refusal::TicketsNotNeeded => {
                Self::new(Code::Forbidden, "an open server has no tickets, and needs none")
            }
            Refusal::TicketsOff => {
                let message =
                    "this server has no tickets: its configuration has no secret for them";
                Self::new(Code::Forbidden, message)
            }
            Refusal::NoRoom => Self::new(Code::Overloaded, "too much waits for the log"),
            Refusal::LogAway => {
                Self::new(Code::Unavailable, "the log of all nodes cannot be reached now")
            }
            Refusal::LogFull(what) => {
                let message =
                    format!("the log on disk has no room left for {what} of this namespace");
                Self::new(Code::LogFull, message)
            }
            Refusal::NotKept => Self::new(Code::Unavailable, "the log could not take it"),
            Refusal::LogFailed => {
                let message = "the log has failed; this message may or may not be kept";
                Self::new(Code::Unavailable, message)
            }
            Refusal::OldNodes => {
                let message = "a node of the log runs an older release, which cannot read this request: upgrade that node, or end it";
                Self::new(Code::Unavailable, message)
            }
            Refusal::NoUsers => Self::new(Code::Forbidden, "an open server knows no users"),
        };
        problem.with_wait(wait_ms)
    }
}

impl From<End> for CloseReason {
    fn from(end: End) -> Self {
        match end {
            End::TryAgain => Self::TryAgain,
            End::TooManyConnections => Self::TooManyConnections,
            End::ChannelsEnded => Self::Ended,
            End::SlowReader => Self::SlowReader,
            End::Lifetime => Self::Lifetime,
            End::RightsChanged => Self::Reconnect,
            End::Unidentified => Self::AuthTimeout,
            End::Expired => Self::Expired,
            End::Revoked => Self::Revoked,
            End::Disconnected => Self::Removed,
        }
    }
}
