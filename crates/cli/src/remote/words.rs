//! Words the errors of a subscription for a person.

use std::io::ErrorKind;

use sockeye_client::{Deadline, Error, HubError, Refusal, Scheme};
use sockeye_http1::Error as HttpError;

use super::address::Address;
use super::http::Problem;
use super::plain;
use crate::endpoint::words;

/// The server as error messages name it.
pub(super) struct Server {
    authority: String,
    host: String,
    is_plain: bool,
}

impl Server {
    pub(super) fn new(address: &Address) -> Self {
        let peer = address.peer();
        Self {
            authority: plain(&address.authority),
            host: plain(&peer.host),
            is_plain: peer.scheme == Scheme::Plain,
        }
    }

    /// Explains the error of a connection. `is_known`: the server has answered as a hub before.
    pub(super) fn explain(&self, error: &Error, is_known: bool) -> String {
        let server = &self.authority;
        match error {
            Error::Connect(ErrorKind::ConnectionRefused) => format!(
                "cannot connect to {server}: nobody listens there. Is the server running? \
                 (`sockeye serve` starts one, --url names another)"
            ),
            Error::Connect(kind) => format!("cannot connect to {server}: {kind}"),
            Error::Resolve(_) => format!("cannot find {server}: its name has no address"),
            Error::TimedOut(Deadline::Connect) => format!("connecting to {server} took too long"),
            Error::Refused(refusal) => refused(refusal),
            Error::Tls(error) => words::tls(*error, &self.host),
            Error::Ended | Error::Truncated | Error::Transport(_) if !is_known => {
                self.doubt_with_tls("ended the connection before it had answered")
            }
            Error::Http(HttpError::FirstByte) => self.doubt_with_tls("answers, but not in HTTP"),
            Error::Http(why) => self.doubt(&format!("answers in no HTTP that we know: {why}")),
            Error::Hub(HubError::Strange) => {
                self.doubt("answers, but not in the words of this version of the protocol")
            }
            Error::Hub(HubError::Subprotocol) => {
                self.doubt("opens a WebSocket, but not for sockeye.v1.json")
            }
            Error::Hub(HubError::Goaway { code, reason }) => {
                format!("the server ended the stream: {} ({code})", plain(reason))
            }
            Error::Hub(HubError::Refused { code, message }) => {
                format!("the server refused: {} ({})", plain(message), plain(code))
            }
            other => plain(&other.to_string()),
        }
    }

    /// Says what the server does, and asks whether it is a hub at all.
    fn doubt(&self, does: &str) -> String {
        format!("{} {does}; is that a Sockeye server?", self.authority)
    }

    /// Does the same, and on a connection without TLS also asks about that: a TLS server may behave so.
    fn doubt_with_tls(&self, does: &str) -> String {
        let hint = if self.is_plain { ", and without TLS" } else { "" };
        format!("{} {does}; is that a Sockeye server{hint}?", self.authority)
    }
}

fn refused(refusal: &Refusal) -> String {
    if let Some(problem) = Problem::of(refusal) {
        return format!("the server refused: {problem}");
    }
    let (status, question) = (refusal.status.code(), "is that a Sockeye server?");
    match (status, refusal.header("Location")) {
        // The refusal names the content type and coding, which are wrong in an answer of success.
        (200..=299, _) => format!("{}; {question}", plain(&refusal.to_string())),
        (300..=399, Some(to)) => {
            format!(
                "the server refused: status {status}, it has moved to {}; {question}",
                plain(to)
            )
        }
        _ => format!("the server refused: {}; {question}", self::status(refusal)),
    }
}

/// The status of a refusal without a problem of ours, and the beginning of its body if that is plain text: a server
/// that expects TLS says so in it.
pub(super) fn status(refusal: &Refusal) -> String {
    let code = refusal.status.code();
    let is_text = refusal.header("Content-Type").is_some_and(|it| it.starts_with("text/plain"));
    match words::said(refusal).filter(|_| is_text) {
        Some(said) => format!("status {code}, {said}"),
        None => format!("status {code} and no reason"),
    }
}
