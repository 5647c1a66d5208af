//! Responses of known length, at once or to a request that was held.

use sockeye_http::Status;
use sockeye_http1::{Body, Persistence, Response};
use sockeye_reactor::Key;

use crate::answer::{Header, Reply, Wording};
use crate::branches;
use crate::cause::CloseCause;
use crate::connection::{Phase, find, life};
use crate::key::StreamKey;
use crate::send_error::SendError;
use crate::state::Core;
use crate::stream::{HeldRequest, Kind, Stream, Terms};

const RETRY_AFTER: Header = Header::from_static("Retry-After", "1");

/// Writes `reply` to the request in progress on `key`, with `more` headers behind its own.
pub(crate) fn write_reply(core: &mut Core, key: Key, terms: Terms, reply: &Reply, more: &[Header]) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    if connection.is_branch() {
        return branches::answer(core, key, terms.is_head, reply, more);
    }
    if reply.status.code() >= 400 {
        core.stats.refused += 1;
    }
    // [rfc9112:9.6-close-announced]
    let persistence = if core.draining { Persistence::Close } else { terms.persistence };
    let response = Response::new(reply.status).date(core.date).connection(persistence);
    let body = content(terms.is_head, &reply.body);
    let out = connection.outbox.tail(&mut core.pool);
    add(add(response, &reply.headers), more).write(body, out);
    match persistence {
        Persistence::Close => core.close_gracefully(key, CloseCause::Finished),
        Persistence::Persist | Persistence::KeepAlive => core.mark_dirty(key),
    }
}

/// RFC 9110 §9.3.2: HEAD gets the headers of GET and no content. [rfc9110:9.3.2-head-like-get]
pub(crate) const fn content(is_head: bool, body: &[u8]) -> Body<'_> {
    if is_head { Body::Length(body.len() as u64) } else { Body::Bytes(body) }
}

pub(crate) fn add<'a>(response: Response<'a>, headers: &'a [Header]) -> Response<'a> {
    headers.iter().map(Header::parts).fold(response, |to, (name, value)| to.header(name, value))
}

/// Answers a held request: its stream is over for `cause`, and the connection serves the next request
/// or ends.
///
/// # Errors
/// The key names no held request, or its client did not read what it got before.
pub(crate) fn respond(
    core: &mut Core,
    stream: StreamKey,
    reply: &Reply,
    cause: CloseCause,
) -> Result<(), SendError> {
    let open = find(&mut core.connections, stream).ok_or(SendError::Gone)?;
    let key = open.connection;
    let Kind::Held(_) = open.stream.kind else { return Err(SendError::Gone) };
    core.report_end(key, cause);
    let connection = core.connections.get_mut(key).ok_or(SendError::Gone)?;
    let is_branch = connection.is_branch();
    let Phase::Single(http) = &mut connection.phase else { return Err(SendError::Gone) };
    let Some(Stream { kind: Kind::Held(held), .. }) = http.stream.take() else {
        return Err(SendError::Gone);
    };
    let HeldRequest { terms, headers, half_closed, .. } = held;
    if is_branch {
        branches::answer(core, key, terms.is_head, reply, &headers);
        return Ok(());
    }
    if let Some(requests) = &mut http.requests {
        requests.go_on(core.now);
    }
    if half_closed {
        // The client's end is read again, behind requests that it sent before: they are answered, too.
        connection.readiness.assume_readable();
    }
    // The client has waited for the server, so its time between two requests begins now.
    connection.note_heard(core.now);
    // [server:hold-headers]
    write_reply(core, key, terms, reply, &headers);
    core.after_visit(key);
    let goes_on = core.connections.get(key).is_some_and(|of| of.life() != life::State::Gone);
    if goes_on { Ok(()) } else { Err(SendError::Full) }
}

/// Answers a held request with 503 in `wording`, or else in a fixed text.
pub(crate) fn give_up(
    core: &mut Core,
    stream: StreamKey,
    wording: Option<Wording>,
    cause: CloseCause,
) {
    let Wording { headers, body } = wording.unwrap_or_else(|| Wording::text("try again\n"));
    let reply = Reply { status: Status::SERVICE_UNAVAILABLE, headers, body };
    // A client that is gone needs no answer.
    let _ = respond(core, stream, &reply.header(RETRY_AFTER), cause);
}
