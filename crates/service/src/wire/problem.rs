//! Problems: what clients are told when something is refused.

use std::borrow::Cow;

use sockeye_auth::Refusal as Refused;
use sockeye_http::Status;
use sockeye_hub::{Misuse, NameError, Refusal};

use super::json::Object;

/// A code: what is wrong, in a word that stays the same. The message beside it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// Not JSON, or JSON that cannot be passed on.
    BadJson,
    /// A request that this resource does not take.
    BadRequest,
    /// A command that is not one of the subprotocol's.
    BadCommand,
    /// A query string or a path that cannot be decoded, or a parameter that is not what it has to be.
    BadQuery,
    /// Not a channel's name, nor a pattern where one may stand.
    BadChannel,
    /// Not an event's name.
    BadEvent,
    /// Not an idempotency key.
    BadKey,
    /// More channels than one request may name.
    TooManyChannels,
    /// The stream has as many subscriptions as it may.
    TooManySubscriptions,
    /// The client has not shown who it is.
    Unauthenticated,
    /// The principal is known, and may not do this.
    Forbidden,
    /// The namespace takes no patterns.
    PatternsOff,
    /// The namespace has no presence.
    PresenceOff,
    /// There is nothing here.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// The stream has this subscription already.
    AlreadySubscribed,
    /// The channel takes no more.
    ChannelEnded,
    /// The channel's last message is not the expected one.
    ExpectFailed,
    /// Whether the condition holds is not known yet.
    ExpectUndecided,
    /// The body or the message is too large.
    TooLarge,
    /// The batch has too many lines.
    TooManyItems,
    /// The rate limit is reached.
    RateLimited,
    /// The user has as many connections as one may have.
    TooManyConnections,
    /// The hub has no room for this now.
    Overloaded,
    /// Not now: a restart, or a log that does not answer.
    Unavailable,
    /// A fault of the server.
    Internal,
    /// Not valid HTTP/1.1.
    BadHttp,
    /// The request did not come in time.
    Timeout,
    /// The request's target is too long.
    TargetTooLong,
    /// `Expect` wants something else than `100-continue`.
    UnknownExpectation,
    /// This resource is a WebSocket, and nothing else.
    UpgradeRequired,
    /// The request's head is too large.
    HeadTooLarge,
    /// A transfer coding that is not spoken here.
    NotImplemented,
    /// A version of HTTP that is not spoken here.
    BadVersion,
    /// A credential, or a right that it does not give: one of `sockeye-auth`'s own codes.
    Access(Refused),
}

impl Code {
    /// All codes of the service's own.
    pub const ALL: [Self; 34] = [
        Self::BadJson,
        Self::BadRequest,
        Self::BadCommand,
        Self::BadQuery,
        Self::BadChannel,
        Self::BadEvent,
        Self::BadKey,
        Self::TooManyChannels,
        Self::TooManySubscriptions,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::PatternsOff,
        Self::PresenceOff,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::AlreadySubscribed,
        Self::ChannelEnded,
        Self::ExpectFailed,
        Self::ExpectUndecided,
        Self::TooLarge,
        Self::TooManyItems,
        Self::RateLimited,
        Self::TooManyConnections,
        Self::Overloaded,
        Self::Unavailable,
        Self::Internal,
        Self::BadHttp,
        Self::Timeout,
        Self::TargetTooLong,
        Self::UnknownExpectation,
        Self::UpgradeRequired,
        Self::HeadTooLarge,
        Self::NotImplemented,
        Self::BadVersion,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadRequest => "bad_request",
            Self::BadCommand => "bad_command",
            Self::BadQuery => "bad_query",
            Self::BadChannel => "bad_channel",
            Self::BadEvent => "bad_event",
            Self::BadKey => "bad_key",
            Self::TooManyChannels => "too_many_channels",
            Self::TooManySubscriptions => "too_many_subscriptions",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::PatternsOff => "patterns_off",
            Self::PresenceOff => "presence_off",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::AlreadySubscribed => "already_subscribed",
            Self::ChannelEnded => "channel_ended",
            Self::ExpectFailed => "expect_failed",
            Self::ExpectUndecided => "expect_undecided",
            Self::TooLarge => "too_large",
            Self::TooManyItems => "too_many_items",
            Self::RateLimited => "rate_limited",
            Self::TooManyConnections => "too_many_connections",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::BadHttp => "bad_http",
            Self::Timeout => "timeout",
            Self::TargetTooLong => "target_too_long",
            Self::UnknownExpectation => "unknown_expectation",
            Self::UpgradeRequired => "upgrade_required",
            Self::HeadTooLarge => "head_too_large",
            Self::NotImplemented => "not_implemented",
            Self::BadVersion => "bad_version",
            Self::Access(refused) => refused.code(),
        }
    }

    // [service:statuses]
    /// The status of a response that says nothing else.
    pub const fn status(self) -> Status {
        match self {
            Self::BadJson
            | Self::BadRequest
            | Self::BadCommand
            | Self::BadQuery
            | Self::BadChannel
            | Self::BadEvent
            | Self::BadKey
            | Self::BadHttp
            | Self::TooManyChannels
            | Self::TooManySubscriptions => Status::BAD_REQUEST,
            Self::Unauthenticated => Status::UNAUTHORIZED,
            Self::Forbidden | Self::PatternsOff | Self::PresenceOff => Status::FORBIDDEN,
            Self::NotFound => Status::NOT_FOUND,
            Self::MethodNotAllowed => Status::METHOD_NOT_ALLOWED,
            Self::AlreadySubscribed | Self::ChannelEnded | Self::ExpectFailed => Status::CONFLICT,
            Self::TooLarge | Self::TooManyItems => Status::CONTENT_TOO_LARGE,
            Self::RateLimited | Self::TooManyConnections => Status::TOO_MANY_REQUESTS,
            Self::ExpectUndecided | Self::Overloaded | Self::Unavailable => {
                Status::SERVICE_UNAVAILABLE
            }
            Self::Internal => Status::INTERNAL_SERVER_ERROR,
            Self::Timeout => Status::REQUEST_TIMEOUT,
            Self::TargetTooLong => Status::URI_TOO_LONG,
            Self::UnknownExpectation => Status::EXPECTATION_FAILED,
            Self::UpgradeRequired => Status::UPGRADE_REQUIRED,
            Self::HeadTooLarge => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotImplemented => Status::NOT_IMPLEMENTED,
            Self::BadVersion => Status::HTTP_VERSION_NOT_SUPPORTED,
            Self::Access(refused) => match refused.status() {
                400 => Status::BAD_REQUEST,
                401 => Status::UNAUTHORIZED,
                503 => Status::SERVICE_UNAVAILABLE,
                _ => Status::FORBIDDEN,
            },
        }
    }

    // [service:statuses-below]
    /// The code of a refusal that the server below made, which has only a status.
    pub(crate) fn of_status(status: Status) -> Self {
        match status {
            Status::FORBIDDEN => Self::Forbidden,
            Status::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            Status::REQUEST_TIMEOUT => Self::Timeout,
            Status::CONTENT_TOO_LARGE => Self::TooLarge,
            Status::URI_TOO_LONG => Self::TargetTooLong,
            Status::EXPECTATION_FAILED => Self::UnknownExpectation,
            Status::UPGRADE_REQUIRED => Self::UpgradeRequired,
            Status::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadTooLarge,
            Status::NOT_IMPLEMENTED => Self::NotImplemented,
            Status::SERVICE_UNAVAILABLE => Self::Unavailable,
            Status::HTTP_VERSION_NOT_SUPPORTED => Self::BadVersion,
            other if other.code() < 500 => Self::BadHttp,
            _ => Self::Internal,
        }
    }

    /// Whether the same request may succeed later: the response then has a `Retry-After`.
    pub const fn is_retryable(self) -> bool {
        let status = self.status().code();
        status == Status::TOO_MANY_REQUESTS.code() || status == Status::SERVICE_UNAVAILABLE.code()
    }
}

/// A refusal, as the client is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For programs.
    pub code: Code,
    /// For people: which field, what was expected. It never repeats a secret.
    pub message: Cow<'static, str>,
}

impl Problem {
    /// A refusal with its reason.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The status of the response.
    pub const fn status(&self) -> Status {
        self.code.status()
    }

    /// The close code of a WebSocket that is refused with this problem.
    pub const fn close_code(&self) -> u16 {
        match self.code {
            Code::Access(refused) => refused.close_code(),
            _ => super::CloseReason::BadCommand.code(),
        }
    }

    /// The body of the response: `{"error":{"code":…,"message":…}}`.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        let mut object = Object::new(&mut out);
        self.write_member(&mut object);
        object.end();
        out
    }

    /// The member `error` of an object.
    pub(super) fn write_member(&self, object: &mut Object<'_>) {
        let mut error = object.object("error");
        error.text("code", self.code.as_str());
        error.text("message", &self.message);
        error.end();
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Problem {}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::MessageTooLarge { .. } => Code::TooLarge,
            Refusal::Key => Code::BadKey,
            Refusal::Ended { .. } => Code::ChannelEnded,
            Refusal::Unexpected { .. } | Refusal::Forgotten { .. } => Code::ExpectFailed,
            Refusal::Undecided { .. } => Code::ExpectUndecided,
            Refusal::Backlog
            | Refusal::Channels
            | Refusal::Endings
            | Refusal::Patterns
            | Refusal::Subscribers => Code::Overloaded,
            Refusal::PatternsOff => Code::PatternsOff,
            Refusal::Subscriptions => Code::TooManySubscriptions,
            Refusal::Subscribed => Code::AlreadySubscribed,
            // The hub may learn to refuse more. The message says what.
            _ => Code::Unavailable,
        };
        Self::new(code, refusal.to_string())
    }
}

/// A misuse is a fault of the server, and its details are not the client's business.
impl From<Misuse> for Problem {
    fn from(_: Misuse) -> Self {
        Self::new(Code::Internal, "the hub could not do that")
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::new(Code::Access(refused), refused.message())
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::new(Code::BadChannel, format!("invalid channel name: {error}"))
    }
}
