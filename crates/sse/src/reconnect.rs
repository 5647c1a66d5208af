//! EventSource's reconnection rules without a clock: when to connect, how long to wait, when to give up.

use crate::mime::is_event_stream;

/// An event that the caller saw. `entropy` is 64 random bits, used for jitter only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'i> {
    /// A response head arrived.
    Response(Response<'i>),
    /// The connection failed: name, route, TLS, a reset, a timeout, or a redirect without a valid URL.
    NetworkError {
        /// Random bits.
        entropy: u64,
    },
    /// The response body ended.
    Eof {
        /// Random bits.
        entropy: u64,
    },
    /// The wait is over.
    WaitOver {
        /// The parser's last event ID string.
        last_event_id: &'i str,
    },
    /// The stream set the reconnection time (`Item::Retry`), in milliseconds.
    Retry(u64),
    /// The user closes the source.
    Close,
}

/// The parts of a response that decide what to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response<'i> {
    /// The status code.
    pub status: u16,
    /// The `Content-Type` value.
    pub content_type: Option<&'i [u8]>,
    /// The `Location` value.
    pub location: Option<&'i [u8]>,
    /// `Retry-After`, in milliseconds. Looked at with [`OnBusy::Reconnect`] only.
    pub retry_after_ms: Option<u64>,
    /// 64 random bits, used for nothing but jitter.
    pub entropy: u64,
}

/// An action for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'i> {
    /// Announce the connection: the body is an event stream.
    Open,
    /// Ask again at the response's `Location`, resolved against the URL of this request, at once
    /// and with the same headers.
    Follow,
    /// Tell the user that the connection is lost, wait so many milliseconds, then give
    /// [`Input::WaitOver`].
    Wait(u64),
    /// Send the request again, to the first URL.
    Connect {
        /// The value of `Last-Event-ID`; `None` for no such header.
        last_event_id: Option<&'i str>,
    },
    /// Fail the connection: tell the user, and never connect again.
    Closed,
}

/// Settings of a [`Reconnection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The reconnection time in milliseconds until the stream sets it. Default 3000, as browsers.
    pub reconnection_ms: u64,
    /// The least wait, whatever the stream says. Default 0; above it, `retry: 0` cannot make a loop
    /// without a pause.
    pub wait_ms_min: u64,
    /// The longest wait, whatever the stream or `Retry-After` says. Default `u64::MAX`, as in the standard; below it, a
    /// mistaken server cannot send its clients away for ever.
    pub wait_ms_max: u64,
    /// Upper end of the random wait that the second failure in a row adds; each further failure
    /// doubles it. Default 1000.
    pub backoff_ms: u64,
    /// The bound of the doubling. It limits the added wait, and not the stream's reconnection time.
    /// Default 30 000.
    pub backoff_ms_max: u64,
    /// The meaning of a busy server's answer.
    pub on_busy: OnBusy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            // [html:9.2.2-reconnection-time] A few seconds, ours to choose.
            reconnection_ms: 3000,
            wait_ms_min: 0,
            wait_ms_max: u64::MAX,
            backoff_ms: 1000,
            backoff_ms_max: 30_000,
            on_busy: OnBusy::Fail,
        }
    }
}

/// The meaning of the statuses 429, 500, 502, 503 and 504.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBusy {
    /// The end, as the standard says.
    #[default]
    Fail,
    /// A failed attempt like a network error. Waits for `Retry-After` at least.
    ///
    /// Deviation: a deploy would otherwise end every client for good.
    Reconnect,
}

/// EventSource's `readyState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// Asking, or waiting to ask again.
    Connecting,
    /// The stream is running.
    Open,
    /// The end.
    Closed,
}

/// The connection rules of EventSource as a state machine without a clock.
///
/// ```text
///            Response: redirect ┌──────┐
///                               ▼      │            Response: 200, event stream
///   new ──────────────────► requesting ┴──────────────────────────────────────► open
///                            │   ▲   │ NetworkError, Eof                          │
///  Response: anything else   │   │   ▼                        NetworkError, Eof   │
///  closed ◄──────────────────┘   └─ waiting ◄─────────────────────────────────────┘
///     ▲             WaitOver
///     └── Close, from anywhere
/// ```
///
/// The caller sends the first request on its own, then turns what it sees into [`Input`]s. After a
/// good connection the wait is exactly the reconnection time. Only from the second failed attempt
/// in a row on is something random added to it, so that a crowd of clients spreads out.
///
/// # RFC
/// WHATWG HTML §9.2.2 and §9.2.3; Fetch §4.4 for redirects.
///
/// ```
/// use sockeye_sse::{Action, Input, Policy, Reconnection, Response};
///
/// let mut reconnection = Reconnection::new(Policy::default());
/// let response =
///     Response { status: 200, content_type: Some(b"text/event-stream"), ..Response::default() };
/// assert_eq!(reconnection.handle(Input::Response(response)), Some(Action::Open));
/// assert_eq!(reconnection.handle(Input::Retry(500)), None);
/// assert_eq!(reconnection.handle(Input::Eof { entropy: 0 }), Some(Action::Wait(500)));
/// assert_eq!(
///     reconnection.handle(Input::WaitOver { last_event_id: "7" }),
///     Some(Action::Connect { last_event_id: Some("7") })
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Reconnection {
    policy: Policy,
    state: State,
    reconnection_ms: u64,
    /// Attempts that failed since the last good connection.
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A request is under way, after so many redirects.
    Requesting {
        redirects: u8,
    },
    Open,
    Waiting,
    Closed,
}

/// [fetch:4.4-redirect-limit] The twenty-first redirect is a network error.
const REDIRECTS_MAX: u8 = 20;

impl Reconnection {
    /// The machine of a source whose first request is about to be sent.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self {
            policy,
            state: State::Requesting { redirects: 0 },
            reconnection_ms: policy.reconnection_ms,
            failures: 0,
        }
    }

    /// Handles one input. `None` means that there is nothing to do, for instance after the end, or for
    /// a late input such as an `Eof` while waiting.
    pub fn handle<'i>(&mut self, input: Input<'i>) -> Option<Action<'i>> {
        match (self.state, input) {
            // [html:9.2.2-close-final] Closed is for good: a late input changes nothing.
            (State::Closed, _) => None,
            (_, Input::Close) => Some(self.fail()),
            // [html:9.2.6-retry-sets-time]
            (_, Input::Retry(ms)) => {
                self.reconnection_ms = ms;
                None
            }
            (State::Requesting { redirects }, Input::Response(response)) => {
                Some(self.judge(response, redirects))
            }
            (
                State::Requesting { .. },
                Input::NetworkError { entropy } | Input::Eof { entropy },
            ) => {
                self.failures = self.failures.saturating_add(1);
                Some(self.reestablish(entropy, 0))
            }
            (State::Open, Input::NetworkError { entropy } | Input::Eof { entropy }) => {
                Some(self.reestablish(entropy, 0))
            }
            (State::Waiting, Input::WaitOver { last_event_id }) => {
                self.state = State::Requesting { redirects: 0 };
                Some(Action::Connect { last_event_id: header_value(last_event_id) })
            }
            (State::Requesting { .. } | State::Open, Input::WaitOver { .. })
            | (State::Open, Input::Response(_))
            | (
                State::Waiting,
                Input::Response(_) | Input::NetworkError { .. } | Input::Eof { .. },
            ) => None,
        }
    }

    /// EventSource's `readyState`.
    #[must_use]
    pub const fn ready_state(&self) -> ReadyState {
        match self.state {
            State::Requesting { .. } | State::Waiting => ReadyState::Connecting,
            State::Open => ReadyState::Open,
            State::Closed => ReadyState::Closed,
        }
    }

    /// The reconnection time, in milliseconds.
    #[must_use]
    pub const fn reconnection_ms(&self) -> u64 {
        self.reconnection_ms
    }

    fn judge(&mut self, response: Response<'_>, redirects: u8) -> Action<'static> {
        match (response.status, response.location) {
            (200, _) if response.content_type.is_some_and(is_event_stream) => {
                // [html:9.2.3-announce]
                self.state = State::Open;
                self.failures = 0;
                Action::Open
            }
            // [fetch:4.4-redirect-statuses] Without a Location it is a response like any other.
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                // An empty Location names the same URL again: a loop whose end is known.
                if redirects >= REDIRECTS_MAX || location.is_empty() {
                    self.failures = self.failures.saturating_add(1);
                    return self.reestablish(response.entropy, 0);
                }
                self.state = State::Requesting { redirects: redirects.saturating_add(1) };
                Action::Follow
            }
            (429 | 500 | 502 | 503 | 504, _) if self.policy.on_busy == OnBusy::Reconnect => {
                self.failures = self.failures.saturating_add(1);
                self.reestablish(response.entropy, response.retry_after_ms.unwrap_or(0))
            }
            // [html:9.2.3-fail] Any other status, or another type: also 204, which is how a server
            // says "do not come back".
            _ => self.fail(),
        }
    }

    /// [html:9.2.3-reestablish] Waits for the reconnection time, at least.
    fn reestablish(&mut self, entropy: u64, ms_min: u64) -> Action<'static> {
        self.state = State::Waiting;
        let wait = self.reconnection_ms.saturating_add(self.backoff_ms(entropy));
        Action::Wait(wait.max(self.policy.wait_ms_min).max(ms_min).min(self.policy.wait_ms_max))
    }

    /// [html:9.2.3-backoff] The wait that failures in a row add: between nothing and a bound that
    /// doubles ("full jitter"). It never shortens the wait.
    fn backoff_ms(&self, entropy: u64) -> u64 {
        let Some(doublings) = self.failures.checked_sub(2) else { return 0 };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        let bound = self.policy.backoff_ms.saturating_mul(factor).min(self.policy.backoff_ms_max);
        // The entropy as a fraction of one, times the number of possible waits.
        let waits = u128::from(bound).saturating_add(1);
        u64::try_from(u128::from(entropy).saturating_mul(waits) >> 64).unwrap_or(bound)
    }

    fn fail(&mut self) -> Action<'static> {
        self.state = State::Closed;
        Action::Closed
    }
}

/// [html:9.2.3-last-event-id-header] Only when it is not empty, and as UTF-8.
///
/// An ID with control characters would break the request head, so it is left out.
fn header_value(last_event_id: &str) -> Option<&str> {
    // [sse:last-event-id-no-controls]
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 127);
    let fits = !last_event_id.is_empty() && !last_event_id.as_bytes().iter().any(is_control);
    fits.then_some(last_event_id)
}

#[cfg(test)]
#[path = "reconnect/tests.rs"]
mod tests;
