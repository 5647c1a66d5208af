//! The options of an event source.

use core::fmt;

use sockeye_http::Method;
use sockeye_sse::{Comments, Policy};

use super::request::is_writable;
use crate::{Url, UsageError, headers};

/// Longest wait that a server can ask for, in milliseconds: a longer one would be a mistake, or an attack.
const WAIT_MS_MAX: u64 = 3_600_000;

/// Settings of an [`EventSource`](crate::EventSource).
///
/// The defaults are a browser's: GET, and reconnecting for as long as the server does not say that it is over.
///
/// ```
/// use sockeye_client::{EventSourceOptions, Reconnect};
///
/// let mut options = EventSourceOptions::new("https://api.example/v1/chat")?;
/// options.method = "POST".to_owned();
/// options.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
/// options.body = Some(br#"{"stream":true}"#.to_vec());
/// options.reconnect = Reconnect::Never;
/// # Ok::<(), sockeye_client::UsageError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct EventSourceOptions {
    /// Where the stream is. The scheme is `http` or `https`.
    pub url: Url,
    /// The method of the request. Default `GET`.
    pub method: String,
    /// Header lines beside ours, in their order. One named `Accept` or `Cache-Control` takes the place of our own.
    ///
    /// A redirect to another origin takes along only those that say nothing of the caller: `Accept`,
    /// `Accept-Language`, `Cache-Control`, `Content-Language`, `Content-Type` and `User-Agent`.
    /// Deviation: Fetch §4.4 leaves out `Authorization` only, but keys stand in headers of many names.
    pub headers: Vec<(String, String)>,
    /// The content of the request; sent again with each reconnect. Default none.
    pub body: Option<Vec<u8>>,
    /// The last event ID known from an earlier run; empty for none.
    pub last_event_id: String,
    /// Whether the source reconnects when its stream ends.
    pub reconnect: Reconnect,
    /// The waits between connections, and what a busy server's answer means. The default is the standard's, with at
    /// least 100 ms between two connections, so that `retry: 0` makes no loop without a pause, and at most an hour.
    pub policy: Policy,
    /// Whether comments are events.
    pub comments: Comments,
    /// Bytes that an event may hold, decoded. Default 64 MiB: models send pictures as one line.
    pub event_bytes_max: usize,
    /// Milliseconds that an open stream may be silent, comments included; then it counts as lost. Default none:
    /// a server need not send heartbeats. Three times the server's heartbeat is a good value.
    pub silence_ms: Option<u64>,
}

/// Whether a source reconnects when its stream ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// It asks again, as the standard says.
    #[default]
    Standard,
    /// The end of the response is the end of the source, and a lost connection is an error. For answers that end:
    /// those of language models, most of all.
    Never,
}

impl EventSourceOptions {
    /// The defaults for an `http` or `https` URL.
    ///
    /// # Errors
    /// As [`Url::parse`], and [`UsageError::Scheme`] for `ws` and `wss`.
    pub fn new(url: &str) -> Result<Self, UsageError> {
        let url = Url::parse(url)?;
        if url.is_websocket() { Err(UsageError::Scheme) } else { Ok(Self::to(&url)) }
    }

    /// The defaults for a URL that was read already; `ws` stands for `http`, and `wss` for `https`.
    #[must_use]
    pub fn to(url: &Url) -> Self {
        Self {
            url: url.to_http(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            last_event_id: String::new(),
            reconnect: Reconnect::Standard,
            policy: Policy { wait_ms_min: 100, wait_ms_max: WAIT_MS_MAX, ..Policy::default() },
            comments: Comments::Skip,
            event_bytes_max: sockeye_sse::Limits::default().bytes_held_max,
            silence_ms: None,
        }
    }

    /// Checks that the options make a valid request.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        if self.url.is_websocket() {
            return Err(UsageError::Scheme);
        }
        let is_token = Method::new(&self.method).is_ok();
        // Answers to HEAD and CONNECT have no body, and the body of one to TRACE is no event stream.
        let has_stream = !["HEAD", "CONNECT", "TRACE"].contains(&self.method.as_str());
        if !is_token || !has_stream || (self.method == "GET" && self.body.is_some()) {
            return Err(UsageError::Method);
        }
        if !is_writable(&self.method, &self.url) {
            return Err(UsageError::Url);
        }
        self.headers.iter().try_for_each(|line| headers::parse(line).map(drop))?;
        match headers::find(&self.headers, "Last-Event-ID") {
            Some(_) => Err(UsageError::Header),
            None => Ok(()),
        }
    }
}

/// Shows no values of headers, no body and no ID: they may hold credentials.
impl fmt::Debug for EventSourceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSourceOptions")
            .field("url", &self.url)
            .field("method", &self.method)
            .field("headers", &headers::names(&self.headers))
            .field("body_len", &self.body.as_ref().map(Vec::len))
            .field("reconnect", &self.reconnect)
            .field("policy", &self.policy)
            .field("comments", &self.comments)
            .field("event_bytes_max", &self.event_bytes_max)
            .field("silence_ms", &self.silence_ms)
            .finish_non_exhaustive()
    }
}
