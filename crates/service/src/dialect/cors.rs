//! CORS: lets pages of listed origins send requests and read the answers (the Fetch standard,
//! §3.2).
//!
//! One list of origins serves cookies and CORS. It grants nothing by itself. The credential decides
//! what a client may do. Only the browser keeps a page from reading an answer.

use sockeye_auth::Refusal;
use sockeye_http::{HeaderName, Method as HttpMethod, RequestHead};
use sockeye_server::{Answer, Header, Reply, Status};

use crate::dialect::routes::Method;
use crate::engine::Access;
use crate::wire::{Code, Problem};

/// Request headers that the service reads.
const ALLOW_HEADERS: Header = Header::from_static(
    "Access-Control-Allow-Headers",
    "Authorization, Content-Type, If-None-Match, Last-Event-ID, Idempotency-Key, Sockeye-Event, \
     Sockeye-Expect, Sockeye-Ttl-Ms",
);
/// Response headers that a script would not see otherwise.
const EXPOSE: Header =
    Header::from_static("Access-Control-Expose-Headers", "Sockeye-Cursor, ETag, Retry-After");
const CREDENTIALS: Header = Header::from_static("Access-Control-Allow-Credentials", "true");
/// Two hours: Chromium remembers no preflight for longer.
const MAX_AGE: Header = Header::from_static("Access-Control-Max-Age", "7200");
/// A cache must not give an answer for one origin to a page of another.
const VARY: Header = Header::from_static("Vary", "Origin");

/// Whether a request is a preflight: a browser asks whether its page may send another request.
pub(crate) fn is_preflight(head: &RequestHead<'_, '_>) -> bool {
    let has = |name| head.headers().all(name).next().is_some();
    is_for_pages(head)
        && head.method() == HttpMethod::OPTIONS
        && has("Origin")
        && has("Access-Control-Request-Method")
}

/// Answers a preflight for a resource that takes `method`.
///
/// # Errors
/// The page's origin is not on the list.
pub(crate) fn preflight(
    access: &Access,
    head: &RequestHead<'_, '_>,
    method: Method,
) -> Result<Reply, Problem> {
    // [service:cors-preflight]
    if allowed_origin(access, head).is_none() {
        let message = "pages of this origin may not use the server";
        return Err(Problem::new(Code::Access(Refusal::Origin), message));
    }
    let methods = Header::from_static("Access-Control-Allow-Methods", method.allow());
    let reply = Reply::empty(Status::NO_CONTENT);
    Ok(reply.header(methods).header(ALLOW_HEADERS).header(MAX_AGE))
}

/// The CORS headers of an answer: none if no page asks, or if its origin is not on the list.
pub(crate) fn headers(access: &Access, head: &RequestHead<'_, '_>) -> Vec<Header> {
    // [service:cors-listed-only]
    let Some(origin) = allowed_origin(access, head) else { return Vec::new() };
    // An origin on the list, so it may stand in a header.
    let name = HeaderName::from_static("Access-Control-Allow-Origin");
    let Ok(origin) = Header::new(name, origin) else { return Vec::new() };
    let mut headers = vec![origin, VARY];
    // [service:cors-credentials]
    if access.takes_cookies() {
        headers.push(CREDENTIALS);
    }
    if !is_preflight(head) {
        headers.push(EXPOSE);
    }
    headers
}

/// Adds the headers to an answer, whenever it comes. A WebSocket needs none: browsers apply no CORS
/// to it, and the credential decides which page may connect.
pub(crate) fn add<P>(answer: &mut Answer<P>, headers: Vec<Header>) {
    if headers.is_empty() {
        return;
    }
    // [service:cors-every-answer]
    match answer {
        Answer::Reply(reply) => add_to(&mut reply.headers, headers),
        Answer::EventStream(stream, _) => add_to(&mut stream.headers, headers),
        Answer::Hold(hold, _) => add_to(&mut hold.headers, headers),
        _ => {}
    }
}

/// Adds the headers. An answer that caches may keep, or that may be compressed, has a `Vary` of its own, which
/// names `Origin` also where no page asks.
fn add_to(own: &mut Vec<Header>, headers: Vec<Header>) {
    let varies = own.iter().any(|header| header.is_named("Vary"));
    own.extend(headers.into_iter().filter(|it| !varies || !it.is_named("Vary")));
}

/// The origin of the page that asks, if that origin is on the list.
fn allowed_origin<'b>(access: &Access, head: &RequestHead<'_, 'b>) -> Option<&'b str> {
    let origin = head.headers().single("Origin").ok()??;
    (is_for_pages(head) && access.is_listed(origin)).then_some(origin)
}

/// Whether a request is for what pages use: health and metrics are for operators.
fn is_for_pages(head: &RequestHead<'_, '_>) -> bool {
    head.path().starts_with("/v1/")
}
