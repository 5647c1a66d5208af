//! The options of a subscription.

use core::fmt;

use sockeye_http::HeaderValue;
use sockeye_http1::{Body, RequestWriter};

use super::preference::Preference;
use crate::{Url, UsageError, headers};

/// A transport: the way in which messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A WebSocket with the subprotocol `sockeye.v1.json`.
    WebSocket,
    /// Server-sent events.
    EventStream,
    /// Requests that the hub answers when a message comes, or after a while.
    LongPoll,
    /// A request each second.
    ShortPoll,
}

/// The credentials of a client.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A JSON Web Token of a user.
    Token(String),
    /// A back end's key.
    ApiKey(String),
    /// A one-time ticket. Each WebSocket needs another one; event streams and polls go on with the same one as long as
    /// the cursor has a proof.
    Ticket(String),
}

/// Settings of a [`Subscription`](crate::Subscription).
///
/// ```
/// use sockeye_client::{Credentials, SubscriptionOptions, Url};
///
/// let hub = Url::parse("https://hub.example")?;
/// let mut options = SubscriptionOptions::new(hub, &["chat:7", "news:*"]);
/// options.credentials = Some(Credentials::Token("eyJhbGciOiJFUzI1NiJ9.e30.c2ln".to_owned()));
/// options.cursor = Some("1mubbs7i8-15".to_owned());
/// # Ok::<(), sockeye_client::UsageError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct SubscriptionOptions {
    /// The URL of the hub. The hub's own paths, `/v1/…`, are appended to its path. It has no query, and its scheme says
    /// only whether there is TLS.
    pub url: Url,
    /// Channels, and patterns where the hub allows them; at least one. Repeats are ignored.
    pub targets: Vec<String>,
    /// Goes on after this cursor, which an earlier subscription has reported; `earliest` for everything that the hub
    /// still has. Default none: from now on.
    pub cursor: Option<String>,
    /// The transports that may be used, the preferred one first; at least one. Default WebSocket, event stream,
    /// long poll.
    pub transports: Vec<Transport>,
    /// The credentials of each request. Default none.
    pub credentials: Option<Credentials>,
    /// Header lines of each request beside ours. `Authorization` can stand here only without credentials that need it.
    pub headers: Vec<(String, String)>,
    /// Longest message, and longest answer to a poll, in bytes. Default 16 MiB.
    pub message_bytes_max: usize,
    /// Milliseconds that an event stream may be silent; a hub's heartbeats come every 15 seconds. Default 60 000.
    /// On a WebSocket the hub says how often it pings.
    pub silence_ms: u64,
    /// Longest wait that a hub can ask for, in milliseconds. Default an hour.
    pub retry_ms_max: u64,
    /// How long the client stays with a fallback transport, in milliseconds. After that it tries the first one again: as
    /// soon as the connection ends or, with polls, before the next poll. Default five minutes.
    pub better_ms: u64,
}

impl SubscriptionOptions {
    /// The defaults for channels of a hub.
    pub fn new(url: Url, targets: &[&str]) -> Self {
        use Transport::{EventStream, LongPoll, WebSocket};
        Self {
            url,
            targets: targets.iter().map(|&target| target.to_owned()).collect(),
            cursor: None,
            transports: vec![WebSocket, EventStream, LongPoll],
            credentials: None,
            headers: Vec::new(),
            message_bytes_max: 16 << 20,
            silence_ms: 60_000,
            retry_ms_max: 3_600_000,
            better_ms: 300_000,
        }
    }

    /// Checks that the options make valid requests.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        if self.targets.is_empty() {
            return Err(UsageError::Channels);
        }
        if self.transports.is_empty() {
            return Err(UsageError::Transports);
        }
        if self.url.target().contains('?') {
            return Err(UsageError::Url);
        }
        self.check_credentials(self.credentials.as_ref())?;
        if !self.headers.iter().all(is_header) {
            return Err(UsageError::Header);
        }
        RequestWriter::new("GET", self.url.target(), self.url.authority())
            .map(|writer| writer.write(Body::Empty, &mut Vec::new()))
            .map_err(|_| UsageError::Url)
    }

    /// Whether these credentials can be sent beside the headers.
    pub(super) fn check_credentials(
        &self,
        credentials: Option<&Credentials>,
    ) -> Result<(), UsageError> {
        let fits = match credentials {
            None => true,
            Some(Credentials::Token(text) | Credentials::ApiKey(text)) => {
                let has_own = headers::find(&self.headers, "Authorization").is_some();
                HeaderValue::new(text).is_ok() && !has_own
            }
            // A ticket stands in a URL and in a subprotocol.
            Some(Credentials::Ticket(text)) => {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
                !text.is_empty() && text.bytes().all(fits)
            }
        };
        if fits { Ok(()) } else { Err(UsageError::Header) }
    }

    /// The targets, each once.
    pub(super) fn wanted(&self) -> Vec<String> {
        let mut wanted: Vec<String> = Vec::new();
        for target in &self.targets {
            if !wanted.contains(target) {
                wanted.push(target.clone());
            }
        }
        wanted
    }

    pub(super) fn preference(&self) -> Preference {
        Preference::new(self.transports.clone(), self.better_ms)
    }

    /// One of the hub's paths, behind the path of its URL.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.url.target().trim_end_matches('/'))
    }
}

/// Whether a line can stand beside ours, in a handshake too.
fn is_header(line: &(String, String)) -> bool {
    let lower = line.0.to_ascii_lowercase();
    let is_ours = ["last-event-id", "if-none-match"].contains(&&*lower);
    let is_ours = is_ours || lower.starts_with("sec-websocket-");
    !is_ours && headers::parse(line).is_ok()
}

/// Shows no cursor and no values of headers: they may hold credentials.
impl fmt::Debug for SubscriptionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionOptions")
            .field("url", &self.url)
            .field("targets", &self.targets)
            .field("transports", &self.transports)
            .field("credentials", &self.credentials)
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}

/// Shows the kind only.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::ApiKey(_) => "ApiKey",
            Self::Ticket(_) => "Ticket",
        })
    }
}
