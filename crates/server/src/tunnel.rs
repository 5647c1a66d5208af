//! The room of a tunnel: bytes both ways, and nothing of ours between them.

use sockeye_reactor::{Key, Time};

use crate::app::Opened;
use crate::connection::{Core, Room};
use crate::{App, Context, SendError, StreamKey};

/// A connection that the application has taken over.
pub(crate) struct TunnelRoom {
    /// When something was last written.
    pub(crate) spoke: Time,
}

/// The request that has just come is the last that we understand here. [server:tunnel-verbatim]
pub(crate) fn open(core: &mut Core, key: Key) -> Option<(StreamKey, Opened<'static>)> {
    let room = Room::Tunnel(TunnelRoom { spoke: core.now });
    let stream = core.begin_stream(key, room)?;
    core.touch(key);
    Some((stream, Opened::Tunnel))
}

/// Hands on what came.
pub(crate) fn receive<A: App>(core: &mut Core, app: &mut A, key: Key, bytes: &[u8]) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let stream = StreamKey { socket: key, serial: connection.serial };
    if !bytes.is_empty() {
        app.on_bytes(stream, bytes, &mut Context { core });
    }
}

/// Appends `bytes` as they are.
pub(crate) fn write(core: &mut Core, stream: StreamKey, bytes: &[u8]) -> Result<(), SendError> {
    let now = core.now;
    let connection = core.connections.get_mut(stream.socket).ok_or(SendError::Gone)?;
    let Room::Tunnel(room) = &mut connection.room else { return Err(SendError::Gone) };
    if connection.serial != stream.serial {
        return Err(SendError::Gone);
    }
    room.spoke = now;
    connection.outbox.tail(&mut core.pool).extend_from_slice(bytes);
    Ok(())
}
