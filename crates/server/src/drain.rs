//! Going away in good order.

use sockeye_reactor::Key;
use sockeye_sse::Event;
use sockeye_websocket::CloseCode;

use crate::connection::{Core, Room};
use crate::{App, CloseCause, Context, StreamKey, held};

/// Tells the application that the turn of the stream on `key` has come, if one is open and it was
/// not told before; a connection between two requests is ended.
pub(crate) fn dismiss<A: App>(core: &mut Core, app: &mut A, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    if let Room::Http(room) = &connection.room
        && room.is_idle()
    {
        return core.leave(key, CloseCause::Drained);
    }
    if connection.is_streaming() && !connection.dismissed {
        connection.dismissed = true;
        let stream = StreamKey { socket: key, serial: connection.serial };
        app.on_goodbye(stream, &mut Context { core });
    }
}

/// Says goodbye on `stream`: 1001 on a WebSocket, a reconnection time and the end of the response on
/// an event stream, 503 to a request that is held.
pub(crate) fn say_goodbye(core: &mut Core, stream: StreamKey) {
    let retry = retry_ms(core.limits.drain_retry_ms, stream.socket);
    let Some(connection) = core.stream(stream) else { return };
    match &mut connection.room {
        Room::Http(_) | Room::Leaving(_) | Room::Gone => {}
        // [rfc6455:7.4.1-going-away]
        Room::WebSocket(_) => {
            Context { core }.close(stream, CloseCode::GOING_AWAY, "");
        }
        // [html:9.2.6-drain-retry]
        Room::Events(_) => {
            let event = Event { retry_ms: Some(retry), ..Event::default() };
            let _ = Context { core }.write_block(stream, &event);
            Context { core }.close(stream, CloseCode::GOING_AWAY, "");
        }
        Room::Held(_) => held::give_up(core, stream.socket, CloseCause::Finished),
    }
}

/// The wait told to one client of many: between `base` and twice that, spread by its key, so that
/// a crowd does not come back as one.
fn retry_ms(base: u32, key: Key) -> u64 {
    // Multiplying by an odd constant near 2^32/φ scatters neighbouring indices evenly.
    let scattered = u32::try_from(key.index()).unwrap_or(0).wrapping_mul(0x9E37_79B1);
    u64::from(base) + ((u64::from(base) * u64::from(scattered)) >> 32)
}
