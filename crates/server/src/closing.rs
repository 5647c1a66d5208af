//! Closes streams: because the application wants it, or because the server goes away.

use sockeye_sse::Event;
use sockeye_websocket::{CloseCode, CloseFrame};

use crate::cause::CloseCause;
use crate::connection::{OpenStream, find};
use crate::key::StreamKey;
use crate::responses;
use crate::state::Core;
use crate::stream::{Kind, life};

/// Closes `stream` with `code`: a WebSocket by a Close frame, an event stream by the end of its
/// response, a held request by a 503, a tunnel by the end of our direction.
pub(crate) fn close(core: &mut Core, stream: StreamKey, code: CloseCode, reason: &str) {
    let Some(open) = find(&mut core.connections, stream) else { return };
    match &mut open.stream.kind {
        Kind::WebSocket(_) => close_websocket(core, stream, code, reason),
        Kind::Events(events) => {
            events.finish(open.outbox.tail(&mut core.pool));
            open.stream.note_closed(code);
            core.finish_stream(stream, CloseCause::Finished);
        }
        Kind::Held(_) => responses::give_up(core, stream, None, CloseCause::Finished),
        Kind::Tunnel(_) => core.finish_stream(stream, CloseCause::Finished),
    }
}

fn close_websocket(core: &mut Core, stream: StreamKey, code: CloseCode, reason: &str) {
    let Some(open) = find(&mut core.connections, stream) else { return };
    let OpenStream { connection: key, stream: of, outbox, .. } = open;
    let applies = of.applies(life::Input::Close);
    let Kind::WebSocket(websocket) = &mut of.kind else { return };
    let frame = CloseFrame::new(code, reason).or_else(|_| CloseFrame::new(code, ""));
    // [server:close-no-status]
    debug_assert!(
        frame.is_ok() || code == CloseCode::NO_STATUS,
        "a code that may not stand on the wire"
    );
    if !applies || websocket.protocol.close(frame.ok(), outbox.tail(&mut core.pool)).is_err() {
        return;
    }
    websocket.awaits = core.now + core.limits.close_ms;
    // Input is not answered any more, but the peer's Close is still to be read.
    of.note_closed(code);
    core.read_again(key);
    core.mark_dirty(key);
    core.arm(key);
}

/// Ends `stream` because the server goes away: 1001 on a WebSocket, a reconnection time and the end of
/// the response on an event stream, 503 to a held request; a tunnel just ends.
pub(crate) fn say_goodbye(core: &mut Core, stream: StreamKey) {
    let Some(open) = find(&mut core.connections, stream) else { return };
    // [html:9.2.6-drain-retry]
    if let Kind::Events(events) = &mut open.stream.kind {
        let retry_ms = Some(retry_ms(core.limits.drain_retry_ms, stream));
        let mut block = Vec::new();
        Event { retry_ms, ..Event::default() }.encode(&mut block);
        events.write(&block, open.outbox.tail(&mut core.pool), core.now);
    }
    // [rfc6455:7.4.1-going-away]
    close(core, stream, CloseCode::GOING_AWAY, "");
}

/// The reconnection time for one client of many: between `base` and twice that, spread by its key, so
/// that the clients do not come back at once.
fn retry_ms(base: u32, stream: StreamKey) -> u64 {
    u64::from(base) + ((u64::from(base) * u64::from(scattered(stream))) >> 32)
}

/// A number for a key, far from that of its neighbours: multiplying by an odd constant near 2^32/φ
/// scatters indices evenly.
pub(crate) fn scattered(stream: StreamKey) -> u32 {
    u32::try_from(stream.index()).unwrap_or(0).wrapping_mul(0x9E37_79B1)
}
