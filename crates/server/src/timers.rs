//! The effect of each deadline.

use sockeye_http::Status;
use sockeye_reactor::{Key, Time};

use crate::app::App;
use crate::cause::{CloseCause, Deadline};
use crate::connection::find_as;
use crate::context::Context;
use crate::http2::{input, refusals};
use crate::key::StreamKey;
use crate::request::Refused;
use crate::state::Core;
use crate::stream::{Due, Stream};
use crate::{http, responses, websocket};

/// Does what is due on `key`, whose timer was armed for `at`. If activity has moved the deadline, it arms
/// the timer for that later moment.
pub(crate) fn fire<A: App>(core: &mut Core, app: &mut A, key: Key, at: Time) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    if !connection.timer.fire(at) {
        return;
    }
    let (deadline, due) = connection.deadline(&core.limits);
    if deadline <= core.now {
        match (due, connection.stream_key(key)) {
            (Due::GiveUp(deadline), _) => give_up(core, app, key, deadline),
            // [server:http2-shut-window] Only the peer opens a window, so another write brings nothing.
            (Due::LastWrite, _) if connection.is_branch() => {
                give_up(core, app, key, Deadline::WriteStall);
            }
            // The flush of this turn shows whether the peer takes something.
            (Due::LastWrite, _) => return try_write(core, key),
            (Due::Ping, Some(stream)) => websocket::ping(core, stream),
            (Due::Heartbeat, Some(stream)) => heartbeat(core, app, stream),
            (Due::Resume, Some(stream)) => core.resume(stream),
            (Due::Ping, None) => {
                let now = core.now;
                core.with_trunk(key, |trunk, out| trunk.ping(now, out));
            }
            (Due::Content, _) => {
                while let Some(branch) = core.late_content(key) {
                    give_up(core, app, branch, Deadline::Body);
                }
            }
            (Due::Heartbeat | Due::Resume, None) => {}
        }
    }
    core.arm(key);
}

/// Lists `key` for a write, although the poller did not report it as writable. The poller does that only
/// when a good part of the socket's buffer is free, and a slow reader may need longer than the deadline
/// for that.
fn try_write(core: &mut Core, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    connection.readiness.assume_writable();
    core.mark_dirty(key);
}

/// Ends the connection `key`, or the stream that it carries, because `deadline` has passed.
pub(crate) fn give_up<A: App>(core: &mut Core, app: &mut A, key: Key, deadline: Deadline) {
    let cause = CloseCause::Timeout(deadline);
    let branches = core.trunk(key).map(|trunk| trunk.branches().count() as u64);
    // The peer did nothing wrong: the connection is not kept any longer.
    // [rfc9112:9.5-idle-close]
    if deadline == Deadline::KeepAlive && branches.is_none() {
        return core.close_gracefully(key, cause);
    }
    if let Some(branches) = branches {
        // The deadline of a trunk ends each of its streams.
        core.stats.timeouts += u64::from(deadline != Deadline::KeepAlive).max(branches);
        return input::give_up(core, key, deadline);
    }
    core.stats.timeouts += 1;
    if deadline == Deadline::Body && core.branch(key).is_some() {
        return refusals::content_is_late(core, app, key);
    }
    let stream = core.connections.get(key).and_then(|connection| connection.stream_key(key));
    let mut refuse = |reason| http::refuse(core, app, key, Status::REQUEST_TIMEOUT, reason);
    match (deadline, stream) {
        // [rfc9110:15.5.9-request-timeout]
        (Deadline::Head, _) => refuse("the head did not come in time"),
        (Deadline::Body, _) => refuse("the body did not come in time"),
        (Deadline::Message, Some(stream)) => websocket::time_out_message(core, stream),
        // [server:hold-deadline]
        (Deadline::Hold, Some(stream)) => time_out_held(core, app, stream),
        (Deadline::Pong | Deadline::Tunnel | Deadline::Close, Some(stream)) => {
            core.abort_stream(stream, cause);
        }
        (
            Deadline::Handshake
            | Deadline::WriteStall
            | Deadline::Acknowledgement
            | Deadline::KeepAlive,
            _,
        )
        | (
            Deadline::Message
            | Deadline::Hold
            | Deadline::Pong
            | Deadline::Tunnel
            | Deadline::Close,
            None,
        ) => core.abort(key, cause),
    }
}

/// Answers a held request with 503 in the application's words, because its time is over.
fn time_out_held<A: App>(core: &mut Core, app: &mut A, stream: StreamKey) {
    let (status, reason) = (Status::SERVICE_UNAVAILABLE, "there was no answer in time");
    let refused = Refused { status, reason, head: None, stream: Some(stream), bound: None };
    let wording = app.refusal(&refused);
    responses::give_up(core, stream, wording, CloseCause::Timeout(Deadline::Hold));
}

/// Has the application send a sign of life, because proxies drop silent streams (HTML 9.2.7).
/// [html:9.2.7-heartbeat]
fn heartbeat<A: App>(core: &mut Core, app: &mut A, key: StreamKey) {
    let Some(open) = find_as(&mut core.connections, key, Stream::events) else { return };
    // The next heartbeat is due after another silence, whatever the application does in this one.
    open.stream.wrote = core.now;
    // Bytes that wait already are a sign of life, once the peer reads them.
    if open.outbox.is_empty() {
        app.on_heartbeat(key, &mut Context { core });
    }
}
