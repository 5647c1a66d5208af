//! Builds the service's responses: JSON bodies, refusals, and the headers that several share.

use sockeye_http::HeaderName;
use sockeye_server::{Header, Reply, Status};

use crate::wire::{CursorText, Problem};

const JSON: Header = Header::from_static("Content-Type", "application/json");
/// Forbids caches to keep an answer: the next one may differ.
pub(crate) const NO_STORE: Header = Header::from_static("Cache-Control", "no-store");

/// A JSON body that no cache keeps.
pub(crate) fn json(status: Status, body: String) -> Reply {
    json_body(status, body).header(NO_STORE)
}

/// A JSON body; its headers for caches are still to be added.
pub(crate) fn json_body(status: Status, body: String) -> Reply {
    Reply::new(status, JSON, body.into_bytes())
}

/// RFC 9110 §15.5.2: a 401 names the schemes that are taken. Browsers show no password dialog for
/// these schemes.
const CHALLENGE: Header =
    Header::from_static("WWW-Authenticate", r#"Bearer realm="sockeye", ApiKey realm="sockeye""#);

/// A refusal: with `Retry-After` if the client may retry, with `WWW-Authenticate` if a credential
/// is missing. `retry_ms` spreads the clients.
pub(crate) fn problem(problem: &Problem, retry_ms: u64) -> Reply {
    let status = problem.status();
    let reply = json(status, problem.to_json());
    if problem.code.is_retryable() {
        let seconds = (retry_ms.saturating_add(problem.wait_ms).saturating_add(500) / 1_000).max(1);
        reply.header(number("Retry-After", seconds))
    } else if status.code() == Status::UNAUTHORIZED.code() {
        // [service:challenge]
        reply.header(CHALLENGE)
    } else {
        reply
    }
}

/// The cursor as a header. A 200 and a 204 to a poll have it, because a 204 has no body.
pub(crate) fn cursor(cursor: &CursorText) -> Header {
    text("Sockeye-Cursor", cursor.as_str())
}

/// A header whose value the service makes.
pub(crate) fn text(name: &'static str, value: &str) -> Header {
    Header::new(HeaderName::from_static(name), value)
        .expect("cursors, tags and numbers may stand in a header")
}

fn number(name: &'static str, value: u64) -> Header {
    text(name, &value.to_string())
}
