//! The head of an event stream, as the answer to a request that has just come or that was held.

use sockeye_http::Status;
use sockeye_http1::{Body, Persistence, Response};
use sockeye_http2::{EndStream, FieldBlock};
use sockeye_reactor::Key;

use crate::answer::{Coding, EventStream, GZIP, Header, Reply};
use crate::branches::{self, send_head};
use crate::cause::CloseCause;
use crate::closes::StreamKind;
use crate::connection::{Connection, Phase, find};
use crate::framing::Framing;
use crate::key::StreamKey;
use crate::responses::{self, add};
use crate::send_error::SendError;
use crate::state::Core;
use crate::stream::{EventsStream, HeldRequest, Kind, Terms};

/// The headers of every event stream.
static EVENT_STREAM: [Header; 3] = [
    Header::from_static("Content-Type", "text/event-stream"),
    // `no-transform`: a proxy that compresses also collects bytes before it passes them on.
    Header::from_static("Cache-Control", "no-store, no-transform"),
    // nginx would collect the stream in its buffers otherwise.
    Header::from_static("X-Accel-Buffering", "no"),
];

/// The header that names the coding of an event stream.
const fn coding_header(coding: Coding) -> &'static [Header] {
    const CODED: &[Header] = &[GZIP];
    match coding {
        Coding::Identity => &[],
        Coding::Gzip => CODED,
    }
}

/// All headers of an event stream.
pub(crate) fn headers(stream: &EventStream) -> impl Iterator<Item = &Header> {
    EVENT_STREAM.iter().chain(&stream.headers).chain(coding_header(stream.coding))
}

/// Writes the head on HTTP/1.1, with `more` headers behind those of `stream`.
pub(crate) fn write_on_http1(
    core: &mut Core,
    key: Key,
    framing: Framing,
    (stream, more): (&EventStream, &[Header]),
) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    // No response can follow a stream without end. [rfc9112:9.6-close-announced]
    let response = Response::new(Status::OK).date(core.date).connection(Persistence::Close);
    let response = add(add(response, &EVENT_STREAM), &stream.headers);
    let response = add(add(response, coding_header(stream.coding)), more);
    let out = connection.outbox.tail(&mut core.pool);
    match framing {
        Framing::Chunked => response.write(Body::Chunked, out),
        Framing::Bare => response.write_until_close(out),
    }
}

/// Sends the head on the branch `key`; otherwise as [`write_on_http1`].
pub(crate) fn send_on_http2(core: &mut Core, key: Key, (stream, more): (&EventStream, &[Header])) {
    let fields = branches::add(FieldBlock::new().date(core.date), headers(stream).chain(more));
    send_head(core, key, Status::OK, &fields, EndStream::No);
}

/// Begins the body behind the head, which has just been written. DATA frames of HTTP/2 delimit nothing, so blocks go
/// as they are there, as with HTTP/1.0.
pub(crate) fn begin_body(
    core: &mut Core,
    key: Key,
    framing: Framing,
    stream: &EventStream,
) -> Option<Kind> {
    match stream.coding {
        Coding::Gzip => core.stats.event_streams_compressed += 1,
        Coding::Identity => {}
    }
    let connection = core.connections.get_mut(key)?;
    let out = connection.outbox.tail(&mut core.pool);
    let kind = Kind::Events(EventsStream::open(framing, stream.coding, core.now, out));
    core.mark_dirty(key);
    Some(kind)
}

/// Answers a held request with an event stream, which has its key from now on. A request by HEAD gets the head.
/// [server:hold-events]
///
/// # Errors
/// The key names no held request, or its client did not read what it got before.
pub(crate) fn answer_held(
    core: &mut Core,
    stream: StreamKey,
    answer: &EventStream,
) -> Result<(), SendError> {
    let open = find(&mut core.connections, stream).ok_or(SendError::Gone)?;
    let key = open.connection;
    let Kind::Held(held) = &mut open.stream.kind else { return Err(SendError::Gone) };
    let Terms { is_head, framing, .. } = held.terms;
    if is_head {
        let reply = Reply::empty(Status::OK);
        let reply = headers(answer).fold(reply, |reply, header| reply.header(header.clone()));
        return responses::respond(core, stream, &reply, CloseCause::Finished);
    }
    let more = core::mem::take(&mut held.headers);
    match core.connections.get(key).is_some_and(Connection::is_branch) {
        true => send_on_http2(core, key, (answer, &more)),
        false => write_on_http1(core, key, framing, (answer, &more)),
    }
    let kind = begin_body(core, key, framing, answer).ok_or(SendError::Gone)?;
    go_on_as(core, key, kind)
}

/// Exchanges the held request on `key` for what its answer has begun.
fn go_on_as(core: &mut Core, key: Key, kind: Kind) -> Result<(), SendError> {
    let connection = core.connections.get_mut(key).ok_or(SendError::Gone)?;
    let Phase::Single(http) = &mut connection.phase else { return Err(SendError::Gone) };
    let stream = http.stream.as_mut().ok_or(SendError::Gone)?;
    let before = core::mem::replace(&mut stream.kind, kind);
    // Nothing follows an event stream.
    http.requests = None;
    if matches!(before, Kind::Held(HeldRequest { half_closed: true, .. })) {
        // The client's end is read again.
        connection.readiness.assume_readable();
    }
    core.stats.holds_closed += 1;
    core.stats.event_streams_opened += 1;
    core.closes.add(StreamKind::Held, CloseCause::Finished, None);
    core.after_visit(key);
    let goes_on = core.connections.get(key).is_some_and(|it| it.stream().is_some());
    if goes_on { Ok(()) } else { Err(SendError::Full) }
}
