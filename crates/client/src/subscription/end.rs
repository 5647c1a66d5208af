//! The end of a subscription's connection: which close code, status or error leads to which next step.

use sockeye_reactor::Time;
use sockeye_websocket::{CloseReason, MessageError};

use super::said::Problem;
use crate::{Error, HubError, Refusal, UsageError};

/// The end of a connection, by what the subscription has to do next.
#[derive(Debug)]
pub(super) enum End {
    /// End the subscription: all channels have ended.
    Over,
    /// Fail: another attempt would end the same way.
    Stop(Error),
    /// Ask for other credentials, then connect again.
    Credentials(Error),
    /// Connect again, at the earliest after so many milliseconds.
    Lost { why: Error, retry_ms: u64 },
    /// Connect again in the same way, but later after each such end.
    Busy { why: Error, retry_ms: u64 },
    /// Connect by another transport: this one does not work here.
    Unfit(Error),
    /// Connect again at this time, and report nothing: the connection has only served its purpose.
    Again(Time),
}

impl End {
    pub(super) const fn lost(why: Error) -> Self {
        Self::Lost { why, retry_ms: 0 }
    }

    /// [client:hub-close-codes] Returns the end for a `goaway`, by the range of its code.
    pub(super) fn goaway(code: u16, reason: &str, retry_ms: Option<u64>, max: u64) -> Self {
        let retry_ms = retry_ms.unwrap_or_default().min(max);
        let why = Error::Hub(HubError::Goaway { code, reason: Box::from(reason) });
        match code {
            4000 => Self::Over,
            4001..=4099 => Self::Stop(why),
            4300..=4399 => Self::Credentials(why),
            1012 | 1013 | 4100..=4199 => Self::Busy { why, retry_ms },
            _ => Self::Lost { why, retry_ms },
        }
    }

    /// Returns the end for a Close frame without a `goaway` before it. Its reason is a word and perhaps a time to wait.
    pub(super) fn farewell(reason: Option<CloseReason>, max: u64) -> Self {
        let Some(reason) = reason else { return Self::lost(Error::Ended) };
        let (word, rest) = reason.text().split_once(' ').unwrap_or_else(|| (reason.text(), ""));
        let retry_ms = rest.strip_prefix("retry_ms=").and_then(|text| text.parse().ok());
        Self::goaway(reason.code().to_u16(), word, retry_ms, max)
    }

    /// Returns the end for a refusal, by its status and the code in its body.
    pub(super) fn refusal(refusal: Box<Refusal>, max: u64) -> Self {
        let status = refusal.status.code();
        let code = serde_json::from_slice::<Problem>(&refusal.body).ok();
        let code = code.map(|problem| problem.error.code);
        let retry_ms = refusal.retry_after_ms().unwrap_or_default().min(max);
        let why = Error::Refused(refusal);
        match (status, code.as_deref()) {
            (401, _) => Self::Credentials(why),
            (408 | 429 | 500 | 502..=504, _) => Self::Busy { why, retry_ms },
            // A proxy on the way to the hub answers so, or has removed the `Upgrade` header.
            (_, None | Some("upgrade_required" | "not_found" | "method_not_allowed")) => {
                Self::Unfit(why)
            }
            (_, Some(_)) => Self::Stop(why),
        }
    }

    /// Returns the end for an error of the WebSocket.
    pub(super) fn socket(error: Error, max: u64) -> Self {
        match error {
            Error::Refused(refusal) => Self::refusal(refusal, max),
            Error::Handshake(_) | Error::Compression => Self::Unfit(error),
            // The next connection would get the same message again.
            Error::Message(MessageError::TooBig) => Self::Stop(error),
            other => Self::lost(other),
        }
    }
}

/// Whether a request that was refused with this code may succeed later.
pub(super) fn is_passing(code: &str) -> bool {
    ["overloaded", "unavailable", "rate_limited", "internal", "too_many_connections"]
        .contains(&code)
}

/// Whether other credentials may help.
pub(super) fn is_about_credentials(code: &str) -> bool {
    let words = ["unauthenticated", "credentials_required", "query_token_off", "api_key_unknown"];
    let tickets = ["ticket_used_or_expired", "session_over"];
    words.contains(&code) || tickets.contains(&code) || code.starts_with("token_")
}

/// A request that cannot be written: another attempt would fail in the same way.
impl From<UsageError> for End {
    fn from(error: UsageError) -> Self {
        Self::Stop(Error::Usage(error))
    }
}

#[cfg(test)]
mod tests {
    use sockeye_http::Status;

    use super::*;

    /// [client:hub-close-codes]
    #[test]
    fn a_code_says_what_to_do() {
        let end = |code| End::goaway(code, "word", Some(1_500), 3_600_000);
        assert!(matches!(end(4000), End::Over));
        for code in [4001, 4002, 4003, 4099] {
            assert!(matches!(end(code), End::Stop(_)), "{code}");
        }
        for code in [4300, 4301, 4302, 4303, 4399] {
            assert!(matches!(end(code), End::Credentials(_)), "{code}");
        }
        for code in [1012, 1013, 4100, 4102, 4199] {
            assert!(matches!(end(code), End::Busy { retry_ms: 1_500, .. }), "{code}");
        }
        for code in [0, 1000, 1001, 1006, 4200, 4202, 4299, 4400, 65_535] {
            assert!(matches!(end(code), End::Lost { retry_ms: 1_500, .. }), "{code}");
        }
        let forever = End::goaway(4100, "", Some(u64::MAX), 3_600_000);
        assert!(matches!(forever, End::Busy { retry_ms: 3_600_000, .. }));
    }

    #[test]
    fn a_status_says_what_to_do() {
        let refusal = |status, body: &str, retry: &str| {
            Box::new(Refusal {
                status: Status::new(status).expect("a status"),
                headers: vec![("retry-after".to_owned(), retry.to_owned())],
                body: body.as_bytes().to_vec(),
            })
        };
        let end = |status, body: &str| End::refusal(refusal(status, body, "2"), 3_600_000);
        let coded = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
        assert!(matches!(end(401, &coded("token_expired")), End::Credentials(_)));
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(end(status, ""), End::Busy { retry_ms: 2_000, .. }), "{status}");
        }
        assert!(matches!(end(403, &coded("forbidden")), End::Stop(_)));
        assert!(matches!(end(400, &coded("bad_channel")), End::Stop(_)));
        for (status, body) in
            [(403, "<html>"), (404, ""), (302, ""), (426, &*coded("upgrade_required")), (200, "")]
        {
            assert!(matches!(end(status, body), End::Unfit(_)), "{status}");
        }
        let odd = End::refusal(refusal(503, "", "Fri, 31 Dec"), 1);
        assert!(matches!(odd, End::Busy { retry_ms: 0, .. }));
        let long = End::refusal(refusal(503, "", "99999999999999999"), 1);
        assert!(matches!(long, End::Busy { retry_ms: 1, .. }));
    }
}
