//! Input of a connection that speaks HTTP/2: from bytes to requests and to the bytes of streams.

use sockeye_http::{Method, Status};
use sockeye_http2::{
    ConnectionError, EndStream, ErrorCode, Event, FieldBlock, FieldBuffer, ResetCause, StreamId,
};
use sockeye_reactor::{Key, Ready, Time};

use super::refusals;
use super::requests::serve_fields;
use super::waiting::{has_unread_answers, must_wait, serve_kept, serve_waiting};
use crate::app::App;
use crate::budget::FRAME_UNITS;
use crate::cause::{CloseCause, Deadline};
use crate::connection::{Phase, Rare, Single};
use crate::key::StreamKey;
use crate::leftover::Leftover;
use crate::state::Core;
use crate::stream::Kind;
use crate::trunk::{Branch, Trunk};
use crate::websocket;

/// The connection `key`, which has brought no request, speaks HTTP/2.
pub(crate) fn begin(core: &mut Core, key: Key) {
    let Some(config) = &core.http2 else { return };
    let Some(connection) = core.connections.get_mut(key) else { return };
    let out = connection.outbox.tail(&mut core.pool);
    let mut trunk = Trunk::new(config, core.now, out);
    if core.draining {
        trunk.protocol.shut_down(out);
    }
    connection.phase = Phase::Rare(Rare::Http2(Box::new(trunk)));
    core.stats.http2_connections += 1;
    core.mark_dirty(key);
}

/// Takes in bytes of the trunk `key`, for which no earlier bytes wait.
pub(crate) fn receive<A: App>(core: &mut Core, app: &mut A, key: Key, bytes: &mut [u8]) {
    let rest = converse(core, app, key, bytes);
    if !rest.is_empty() {
        let leftover = Leftover { bytes: rest.to_vec(), used: 0 };
        keep(core, key, leftover);
    }
}

/// Serves the requests of the trunk `key` that had to wait, and takes in the bytes behind them.
pub(crate) fn go_on<A: App>(core: &mut Core, app: &mut A, key: Key) {
    serve_waiting(core, app, key);
    let Some(mut leftover) = core.trunk(key).and_then(|trunk| trunk.leftover.take()) else {
        return;
    };
    core.leftover_bytes -= leftover.bytes.len();
    let rest = converse(core, app, key, &mut leftover.bytes[leftover.used..]).len();
    leftover.used = leftover.bytes.len() - rest;
    if rest > 0 {
        keep(core, key, leftover);
    }
}

/// Keeps bytes for another visit.
fn keep(core: &mut Core, key: Key, leftover: Leftover) {
    let len = leftover.bytes.len();
    let Some(trunk) = core.trunk(key) else { return };
    trunk.leftover = Some(leftover);
    core.leftover_bytes += len;
}

/// Takes in bytes until they or the connection's share of the turn are used up, or until too many bytes
/// wait for the peer. Returns the bytes that are left.
fn converse<'b, A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    mut input: &'b mut [u8],
) -> &'b mut [u8] {
    let mut fields = core::mem::take(&mut core.fields);
    let mut heard = false;
    while !input.is_empty() {
        let Some(connection) = core.connections.get_mut(key) else { break };
        let Phase::Rare(Rare::Http2(trunk)) = &mut connection.phase else {
            input = &mut [];
            break;
        };
        let outbox = &mut connection.outbox;
        let is_full = outbox.len() > core.limits.outbox_pause_bytes;
        // [server:http2-share]
        if heard && (core.budget.share_is_spent() || is_full) {
            break;
        }
        heard = true;
        trunk.tick(core.now);
        let out = outbox.tail(&mut core.pool);
        let (received, frames) = trunk.receive(&mut input, &mut fields, out);
        trunk.note_heard(frames, core.now);
        core.stats.http2_resets_sent += trunk.new_resets();
        core.budget.spend(u64::from(frames) * FRAME_UNITS);
        match received {
            Ok(Some(event)) => take_event(core, app, key, event, &fields.fields),
            Ok(None) => break,
            Err(error) => fail(core, key, error),
        }
    }
    core.fields = fields;
    input
}

/// The peer broke a rule of the connection. The GOAWAY frame that says so is in the outbox.
#[cold]
fn fail(core: &mut Core, key: Key, error: ConnectionError) {
    core.stats.goaways.note(error.code());
    core.stats.protocol_errors += 1;
    core.close_gracefully(key, CloseCause::Transport);
}

fn take_event<A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    event: Event<'_>,
    fields: &FieldBuffer,
) {
    match event {
        Event::Request { stream, end_stream } => {
            take_request(core, app, key, (stream, end_stream), fields);
        }
        Event::HeadTooLarge { stream, end_stream } => {
            let Some(branch) = core.add_branch(key, stream) else { return };
            refusals::too_large(core, app, branch, fields);
            if end_stream {
                take_end(core, app, branch);
            }
        }
        Event::Data { stream, data, end_stream } => {
            take_data(core, app, (key, stream), data, end_stream);
        }
        Event::Trailers { stream } => take_data(core, app, (key, stream), &mut [], true),
        Event::Reset { stream, cause } => {
            core.stats.http2_resets_received += u64::from(matches!(cause, ResetCause::Peer(_)));
            if let Some(branch) = core.trunk(key).and_then(|trunk| trunk.branch(stream)) {
                core.abort(branch, CloseCause::Transport);
            }
        }
        Event::Writable { stream: StreamId::CONNECTION } => core.mark_dirty(key),
        Event::Writable { stream } => {
            if let Some(branch) = core.trunk(key).and_then(|trunk| trunk.branch(stream)) {
                core.wake_branch(branch);
            }
        }
        Event::Settings => wake_all(core, key),
        Event::Draining => {
            core.stats.goaways.note(ErrorCode::NO_ERROR);
            if core.trunk(key).is_some_and(|trunk| trunk.protocol.is_over()) {
                core.close_gracefully(key, CloseCause::Drained);
            }
        }
        Event::Pong(_) | Event::Goaway { .. } | Event::Interim { .. } | Event::Response { .. } => {}
    }
}

/// The windows of all streams may have changed.
fn wake_all(core: &mut Core, key: Key) {
    core.arm(key);
    let Some(trunk) = core.trunk(key) else { return };
    let branches: Vec<Key> = trunk.branches().collect();
    for branch in branches {
        core.wake_branch(branch);
    }
}

/// A request on a new stream. It is served at once, unless content follows.
fn take_request<A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    (stream, end_stream): (StreamId, bool),
    fields: &FieldBuffer,
) {
    if has_unread_answers(core, key) {
        return core.refuse_stream(key, stream);
    }
    let Some(branch) = core.add_branch(key, stream) else { return };
    if fields.protocol().is_none() {
        if !end_stream {
            return expect_content(core, app, branch, fields);
        }
        if must_wait(core, key) {
            core.begin_content(branch, fields);
            return core.put_off(branch);
        }
    }
    serve_fields(core, app, branch, fields, &[]);
    if end_stream {
        take_end(core, app, branch);
    }
}

/// Keeps the fields of a request until its content is complete. [server:http2-content]
fn expect_content<A: App>(core: &mut Core, app: &mut A, branch: Key, fields: &FieldBuffer) {
    let lines = fields.lines();
    let value = |name: &[u8]| {
        let line = lines.iter().find(|line| line.name == name)?;
        core::str::from_utf8(line.value).ok()
    };
    let length = value(b"content-length").and_then(|length| length.parse::<u64>().ok());
    let is_too_long = length.is_some_and(|length| length > core.limits.body_bytes_max as u64);
    let waits = value(b"expect").is_some_and(|it| it.eq_ignore_ascii_case("100-continue"));
    let is_refused = refusals::broken_rule(fields, &lines, &core.limits).is_some();
    // [rfc8441:unknown-protocol] The content of a CONNECT would come behind the answer only.
    let has_content = fields.request(&lines).is_ok_and(|head| head.method() != Method::CONNECT);
    drop(lines);
    if is_refused || !has_content {
        return serve_fields(core, app, branch, fields, &[]);
    }
    if is_too_long {
        return refusals::content_too_large(core, app, branch, fields);
    }
    // [rfc9110:10.1.1-continue]
    if waits && let Some(Branch { trunk, stream, .. }) = core.branch(branch) {
        core.with_trunk(trunk, |trunk, out| {
            let none = FieldBlock::new();
            let _ = trunk.protocol.respond(stream, Status::CONTINUE, &none, EndStream::No, out);
        });
    }
    core.begin_content(branch, fields);
}

/// Content of a branch, or the end of the peer's direction.
fn take_data<A: App>(
    core: &mut Core,
    app: &mut A,
    (key, stream): (Key, StreamId),
    data: &mut [u8],
    end_stream: bool,
) {
    let Some(branch) = core.trunk(key).and_then(|trunk| trunk.branch(stream)) else { return };
    let Some(connection) = core.connections.get_mut(branch) else { return };
    connection.note_heard(core.now);
    let len = data.len();
    let used = match &mut connection.phase {
        Phase::Rare(Rare::Content(content)) => {
            content.body.extend_from_slice(data);
            // [server:http2-dribble]
            match content.body.len() > core.limits.body_bytes_max {
                // Its memory is free again: no other request has to go for it. [server:http2-one-refusal]
                true => {
                    if let Some(trunk) = core.trunk(key) {
                        trunk.contents.count(len);
                    }
                    if let Some(content) = core.take_content(branch) {
                        refusals::content_too_large(core, app, branch, &content.fields);
                    }
                }
                false => core.bound_contents(key, len),
            }
            len
        }
        Phase::Single(Single { stream: Some(of), .. }) => {
            let of = match &of.kind {
                Kind::WebSocket(_) => Some(StreamKey::new(of.id, branch)),
                Kind::Events(_) | Kind::Held(_) | Kind::Tunnel(_) => None,
            };
            of.map_or(len, |of| take_bytes(core, app, of, branch, data))
        }
        Phase::Rare(Rare::Over(over)) => {
            over.discarded += len as u64;
            if over.discarded > core.limits.discard_bytes_max {
                core.abort(branch, CloseCause::Ended);
            }
            len
        }
        Phase::Single(_) | Phase::Rare(Rare::Http2(_)) => len,
    };
    give_credit(core, (key, stream), used);
    if end_stream {
        take_end(core, app, branch);
    }
    core.after_visit(branch);
}

/// Takes in bytes of a WebSocket, or keeps them if it may not be served now. Returns how many were used:
/// the peer may send as many again. [server:http2-backpressure]
fn take_bytes<A: App>(
    core: &mut Core,
    app: &mut A,
    of: StreamKey,
    branch: Key,
    data: &mut [u8],
) -> usize {
    let Some(connection) = core.connections.get_mut(branch) else { return data.len() };
    let len = data.len();
    if connection.has_leftover() || connection.is_halted() {
        websocket::keep_more(core, of, data);
        return 0;
    }
    websocket::receive(core, app, of, data);
    len - core.leftover_len(of)
}

/// The peer may send `used` more bytes on a branch.
pub(crate) fn give_credit(core: &mut Core, (key, stream): (Key, StreamId), used: usize) {
    if used > 0 {
        core.with_trunk(key, |trunk, out| trunk.protocol.consumed(stream, used, out));
    }
}

/// The peer has ended its direction of a branch.
fn take_end<A: App>(core: &mut Core, app: &mut A, branch: Key) {
    let Some(connection) = core.connections.get_mut(branch) else { return };
    match &mut connection.phase {
        Phase::Rare(Rare::Content(_)) => {
            let Some(Branch { trunk, .. }) = core.branch(branch) else { return };
            match must_wait(core, trunk) {
                true => core.put_off(branch),
                false => serve_kept(core, app, branch),
            }
        }
        // The WebSocket's bytes that wait are served before its end. [rfc8441:end-before-close]
        Phase::Single(Single { stream: Some(of), .. }) if matches!(of.kind, Kind::WebSocket(_)) => {
            let ready = Ready { key: branch, readable: false, writable: false, read_closed: true };
            connection.readiness.merge(ready);
            core.look_again(branch);
        }
        // Both directions have ended.
        Phase::Rare(Rare::Over(over)) if over.until != Time::NEVER => core.drop_branch(branch),
        Phase::Single(_) | Phase::Rare(Rare::Over(_) | Rare::Http2(_)) => {}
    }
}

/// Ends the trunk `key` because `deadline` has passed. An idle one did nothing wrong.
pub(crate) fn give_up(core: &mut Core, key: Key, deadline: Deadline) {
    let code = match deadline {
        Deadline::KeepAlive => ErrorCode::NO_ERROR,
        Deadline::Head => ErrorCode::SETTINGS_TIMEOUT,
        Deadline::Body => ErrorCode::ENHANCE_YOUR_CALM,
        Deadline::Handshake
        | Deadline::Message
        | Deadline::Pong
        | Deadline::Close
        | Deadline::WriteStall
        | Deadline::Acknowledgement
        | Deadline::Hold
        | Deadline::Tunnel => return core.abort(key, CloseCause::Timeout(deadline)),
    };
    if core.with_trunk(key, |trunk, out| trunk.go_away(code, out)) == Some(true) {
        core.stats.goaways.note(code);
    }
    core.close_gracefully(key, CloseCause::Timeout(deadline));
}
