//! Problems: what clients are told when something is refused.

use std::borrow::Cow;

use sockeye_auth::Refusal as Refused;
use sockeye_http::Status;
use sockeye_hub::{ChannelName, Misuse, NameError, Refusal, Target};

use super::fields::quoted;
use super::json::{self, Object};

/// Declares each code of the service's own with its word and its status on one line.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident: $word:literal, $status:ident;)*) => {
        /// A code: what is wrong, in a word that stays the same. The message beside it may change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
            /// A credential, or a right that it does not give: one of `sockeye-auth`'s own codes.
            Access(Refused),
        }

        impl Code {
            /// All codes of the service's own.
            pub const ALL: [Self; 37] = [$(Self::$name,)*];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Access(refused) => refused.code(),
                }
            }

            // [service:statuses]
            /// The HTTP status of a refusal with this code.
            pub const fn status(self) -> Status {
                match self {
                    $(Self::$name => Status::$status,)*
                    Self::Access(refused) => match refused.status() {
                        400 => Status::BAD_REQUEST,
                        401 => Status::UNAUTHORIZED,
                        503 => Status::SERVICE_UNAVAILABLE,
                        _ => Status::FORBIDDEN,
                    },
                }
            }
        }
    };
}

codes! {
    /// Not JSON, or JSON that cannot be passed on.
    BadJson: "bad_json", BAD_REQUEST;
    /// A request that this resource does not take.
    BadRequest: "bad_request", BAD_REQUEST;
    /// A command that is not one of the subprotocol's.
    BadCommand: "bad_command", BAD_REQUEST;
    /// A query string or a path that cannot be decoded, or a parameter that is not what it has to be.
    BadQuery: "bad_query", BAD_REQUEST;
    /// Not a channel's name, nor a pattern where one may stand.
    BadChannel: "bad_channel", BAD_REQUEST;
    /// Not an event's name.
    BadEvent: "bad_event", BAD_REQUEST;
    /// Not an idempotency key.
    BadKey: "bad_key", BAD_REQUEST;
    /// More channels than one request may name.
    TooManyChannels: "too_many_channels", BAD_REQUEST;
    /// The stream has as many subscriptions as it may.
    TooManySubscriptions: "too_many_subscriptions", BAD_REQUEST;
    /// The client has not shown who it is.
    Unauthenticated: "unauthenticated", UNAUTHORIZED;
    /// The principal is known, and may not do this.
    Forbidden: "forbidden", FORBIDDEN;
    /// The namespace takes no patterns.
    PatternsOff: "patterns_off", FORBIDDEN;
    /// The namespace has no presence.
    PresenceOff: "presence_off", FORBIDDEN;
    /// There is nothing here.
    NotFound: "not_found", NOT_FOUND;
    /// Not with this method.
    MethodNotAllowed: "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The stream has this subscription already.
    AlreadySubscribed: "already_subscribed", CONFLICT;
    /// The channel takes no more.
    ChannelEnded: "channel_ended", CONFLICT;
    /// The channel's last message is not the expected one.
    ExpectFailed: "expect_failed", CONFLICT;
    /// Whether the condition holds is not known yet.
    ExpectUndecided: "expect_undecided", SERVICE_UNAVAILABLE;
    /// The body or the message is too large.
    TooLarge: "too_large", CONTENT_TOO_LARGE;
    /// The batch has too many lines.
    TooManyItems: "too_many_items", CONTENT_TOO_LARGE;
    /// The rate limit is reached.
    RateLimited: "rate_limited", TOO_MANY_REQUESTS;
    /// The user or the address has as many streams and held polls as it may have.
    TooManyConnections: "too_many_connections", TOO_MANY_REQUESTS;
    /// The hub has no room for this now.
    Overloaded: "overloaded", SERVICE_UNAVAILABLE;
    /// The log has as much on disk as it may.
    LogFull: "log_full", SERVICE_UNAVAILABLE;
    /// As many idempotency keys are remembered as may be.
    TooManyKeys: "too_many_keys", SERVICE_UNAVAILABLE;
    /// Not now: a restart, or a log that does not answer.
    Unavailable: "unavailable", SERVICE_UNAVAILABLE;
    /// A fault of the server.
    Internal: "internal", INTERNAL_SERVER_ERROR;
    /// Not valid HTTP/1.1.
    BadHttp: "bad_http", BAD_REQUEST;
    /// The request did not come in time.
    Timeout: "timeout", REQUEST_TIMEOUT;
    /// The request's target is too long.
    TargetTooLong: "target_too_long", URI_TOO_LONG;
    /// The connection's certificate is not good for the host of the request.
    Misdirected: "misdirected", MISDIRECTED_REQUEST;
    /// `Expect` wants something other than `100-continue`.
    UnknownExpectation: "unknown_expectation", EXPECTATION_FAILED;
    /// This resource is a WebSocket, and nothing else.
    UpgradeRequired: "upgrade_required", UPGRADE_REQUIRED;
    /// The request's head is too large.
    HeadTooLarge: "head_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE;
    /// A transfer coding that is not spoken here.
    NotImplemented: "not_implemented", NOT_IMPLEMENTED;
    /// A version of HTTP that is not spoken here.
    BadVersion: "bad_version", HTTP_VERSION_NOT_SUPPORTED;
}

impl Code {
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
            Status::MISDIRECTED_REQUEST => Self::Misdirected,
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
    /// How long the client is to wait before it tries again, in milliseconds, besides a time that spreads the
    /// clients.
    pub wait_ms: u64,
}

impl Problem {
    /// A refusal with its reason.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), wait_ms: 0 }
    }

    /// The same refusal of a client that is to wait for so long.
    #[must_use]
    pub fn with_wait(self, wait_ms: u64) -> Self {
        Self { wait_ms, ..self }
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
        json::object(0, |object| self.write_member(object))
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
            | Refusal::OwnChannels { .. }
            | Refusal::Endings
            | Refusal::Patterns
            | Refusal::OwnPatterns { .. }
            | Refusal::Subscribers => Code::Overloaded,
            Refusal::Keys => Code::TooManyKeys,
            Refusal::PatternsOff => Code::PatternsOff,
            Refusal::Subscriptions => Code::TooManySubscriptions,
            Refusal::Subscribed => Code::AlreadySubscribed,
            // The hub may learn to refuse more. The message says what.
            _ => Code::Unavailable,
        };
        Self::new(
            code,
            match refusal {
                // The setting of the channel's namespace.
                Refusal::MessageTooLarge { .. } => format!("{refusal} (message_bytes)"),
                _ => refusal.to_string(),
            },
        )
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

impl Problem {
    /// A text that is no channel's name and, where a pattern may stand, no pattern. The text is escaped and
    /// cut. [service:bad-channel-named]
    pub(crate) fn bad_channel(text: &str, error: NameError) -> Self {
        let message = format!("invalid channel name {}: {error}", quoted(text));
        Self::new(Code::BadChannel, message)
    }
}

/// Reads a channel's name.
pub(crate) fn channel_name(text: &str) -> Result<ChannelName<'_>, Problem> {
    ChannelName::new(text).map_err(|error| Problem::bad_channel(text, error))
}

/// Reads a channel's name or a pattern.
pub(crate) fn target(text: &str) -> Result<Target<'_>, Problem> {
    Target::new(text).map_err(|error| Problem::bad_channel(text, error))
}
