//! Sends requests to a hub, and sorts their failures by what they mean for the next attempt.

use serde::Deserialize;
use sockeye_client::{Deadline, Error, Http2Error, HubError, Refusal, Requests, TlsError};

use super::words::{self, Server};
use super::{Break, RETRY_MS_MAX, Remote, plain};

impl Remote {
    /// A connection for requests; it opens with the first one.
    pub(super) fn requests(&self) -> Result<Requests, Break> {
        let headers =
            self.authorization.iter().map(|value| ("Authorization".to_owned(), value.clone()));
        let requests = Requests::new(&self.address.url, headers.collect(), self.network.clone());
        requests.map_err(|error| self.explain(&error))
    }

    /// Posts JSON; the body of the answer. `has_answered` is set by any answer.
    pub(super) fn post(
        &self,
        requests: &mut Requests,
        path: &str,
        json: &[u8],
        has_answered: &mut bool,
    ) -> Result<Vec<u8>, Break> {
        let answer = requests.post(path, json);
        *has_answered |= matches!(answer, Ok(_) | Err(Error::Refused(_)));
        answer.map_err(|error| self.explain(&error))
    }

    /// Asks for a path; the body of the answer.
    pub(super) fn get(&self, requests: &mut Requests, path: &str) -> Result<Vec<u8>, Break> {
        requests.get(path).map_err(|error| self.explain(&error))
    }

    /// The meaning of an error for the next attempt.
    fn explain(&self, error: &Error) -> Break {
        let why = || Server::new(&self.address).explain(error, false);
        match error {
            Error::Connect(_) | Error::Resolve(_) | Error::TimedOut(Deadline::Connect) => {
                Break::Nobody(why())
            }
            Error::Refused(refusal) => refused(refusal),
            Error::Tls(TlsError::Ended) => Break::lost(why()),
            Error::Tls(_)
            | Error::NoTls
            | Error::Usage(_)
            | Error::Http2(Http2Error::NotSpoken) => Break::Final(why()),
            Error::TimedOut(_) => Break::lost("the server has been silent for 30s"),
            Error::Ended => Break::lost("the server closed the connection without an answer"),
            Error::Truncated => Break::lost("the connection ended before its time"),
            Error::Http(error) => {
                Break::Final(format!("that is not an HTTP server that we understand: {error}"))
            }
            Error::Hub(HubError::TooLarge) => {
                Break::Final("the server's answer is too large".into())
            }
            error => Break::lost(plain(&error.to_string())),
        }
    }
}

/// The meaning of a refusal for the next attempt.
fn refused(refusal: &Refusal) -> Break {
    let why = match Problem::of(refusal) {
        Some(problem) => problem.to_string(),
        None => format!("{}; is that a Sockeye server?", words::status(refusal)),
    };
    let why = format!("the server refused: {why}");
    match refusal.status.code() {
        413 => Break::TooLarge(why),
        429 | 500 | 502 | 503 | 504 => {
            let retry_ms = refusal.retry_after_ms().unwrap_or_default().min(RETRY_MS_MAX);
            Break::Lost { why, retry_ms }
        }
        _ => Break::Final(why),
    }
}

/// The server's words for a mistake.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) message: String,
}

impl Problem {
    /// Reads the body of a refusal.
    pub(super) fn of(refusal: &Refusal) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: Problem,
        }
        serde_json::from_slice::<Body>(&refusal.body).ok().map(|body| body.error)
    }
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", plain(&self.message), plain(&self.code))
    }
}
