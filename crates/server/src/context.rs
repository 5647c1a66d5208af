//! What an application may do while it is called.

use sockeye_reactor::Time;
use sockeye_sse::Event;
use sockeye_websocket::{CloseCode, CloseFrame, Message, MessageCodec, UsageError};

use crate::connection::{Core, Room};
use crate::{CloseCause, Stats, StreamKey};

/// The application's hands: it sends to streams, closes them, and knows the time.
///
/// Nothing here makes a system call. Bytes go to outboxes, which the loop flushes once a turn.
pub struct Context<'c> {
    pub(crate) core: &'c mut Core,
}

/// Why something could not be sent. The stream is, or soon will be, reported to
/// [`App::on_close`](crate::App::on_close).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The key names no open stream, or one of another kind.
    Gone,
    /// Our Close is sent already.
    Closing,
    /// The peer does not read: more waits for it than
    /// [`Limits::outbox_bytes_max`](crate::Limits::outbox_bytes_max), and it is cut.
    Full,
    /// The call cannot be put on the wire.
    Invalid(UsageError),
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Gone => f.write_str("no such open stream"),
            Self::Closing => f.write_str("the stream is closing"),
            Self::Full => f.write_str("the peer does not read"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}

impl Context<'_> {
    /// The time of this turn.
    pub fn now(&self) -> Time {
        self.core.now
    }

    /// Seconds since 1970 by the calendar, as of this turn.
    pub fn unix_seconds(&self) -> u64 {
        self.core.unix_seconds
    }

    /// The server's counters.
    pub fn stats(&self) -> &Stats {
        &self.core.stats
    }

    /// Whether the server is on its way out.
    pub fn is_draining(&self) -> bool {
        self.core.draining
    }

    /// Sends a message on a WebSocket, compressed if that was agreed on and is worth it.
    ///
    /// # Errors
    /// The stream is gone or closing, or its peer does not read.
    pub fn send(&mut self, stream: StreamKey, message: Message<'_>) -> Result<(), SendError> {
        let core = &mut *self.core;
        let connection = core.connections.get_mut(stream.socket).ok_or(SendError::Gone)?;
        let Room::WebSocket(room) = &mut connection.room else { return Err(SendError::Gone) };
        if connection.serial != stream.serial {
            return Err(SendError::Gone);
        }
        let out = connection.outbox.tail(&mut core.pool);
        let sent = match &mut room.session {
            Some(session) => {
                core.scratch.clear();
                let mut codec = session.codec(&mut core.engine);
                if codec.compress(message.as_bytes(), &mut core.scratch) {
                    room.protocol.send_compressed(message.kind(), &core.scratch, out)
                } else {
                    room.protocol.send(message, out)
                }
            }
            None => room.protocol.send(message, out),
        };
        match sent {
            Ok(()) => core.stats.messages_sent += 1,
            Err(UsageError::Closed) => return Err(SendError::Closing),
            Err(error) => return Err(SendError::Invalid(error)),
        }
        self.touch(stream)
    }

    /// Sends an event on an event stream.
    ///
    /// # Errors
    /// The stream is gone, or its peer does not read.
    pub fn send_event(&mut self, stream: StreamKey, event: &Event<'_>) -> Result<(), SendError> {
        self.write_block(stream, event)?;
        self.core.stats.events_sent += 1;
        self.touch(stream)
    }

    /// Appends what [`Context::send_event`] sends.
    pub(crate) fn write_block(
        &mut self,
        stream: StreamKey,
        event: &Event<'_>,
    ) -> Result<(), SendError> {
        let core = &mut *self.core;
        let now = core.now;
        let connection = core.connections.get_mut(stream.socket).ok_or(SendError::Gone)?;
        let Room::Events(room) = &mut connection.room else { return Err(SendError::Gone) };
        if connection.serial != stream.serial {
            return Err(SendError::Gone);
        }
        core.scratch.clear();
        event.encode(&mut core.scratch);
        room.write(&core.scratch, connection.outbox.tail(&mut core.pool), now);
        Ok(())
    }

    /// Closes a stream: a WebSocket by a Close frame with `code` and `reason`, an event stream by
    /// ending the response. A key that names nothing is no error.
    ///
    /// # Panics
    /// In debug builds, if `code` must not stand on the wire or `reason` is over 123 bytes. In
    /// release builds the code alone is sent, or 1011 in place of an impossible one.
    pub fn close(&mut self, stream: StreamKey, code: CloseCode, reason: &str) {
        let Some(connection) = self.core.stream(stream) else { return };
        match connection.room {
            Room::WebSocket(_) => self.close_websocket(stream, code, reason),
            Room::Events(_) => self.end_events(stream),
            Room::Http(_) | Room::Leaving(_) | Room::Gone => {}
        }
    }

    fn close_websocket(&mut self, stream: StreamKey, code: CloseCode, reason: &str) {
        let core = &mut *self.core;
        let Some(connection) = core.connections.get_mut(stream.socket) else { return };
        let Room::WebSocket(room) = &mut connection.room else { return };
        let frame = CloseFrame::new(code, reason).or_else(|_| CloseFrame::new(code, ""));
        debug_assert!(frame.is_ok(), "a code that may not stand on the wire");
        let out = connection.outbox.tail(&mut core.pool);
        if room.protocol.close(frame.ok(), out).is_ok() {
            room.closing = core.now + core.limits.close_ms;
            room.closing_code = code;
            // Nothing that comes now is answered, but the peer's Close is among it.
            connection.paused = false;
            core.look_again(stream.socket);
            core.touch(stream.socket);
            core.arm(stream.socket);
        }
    }

    fn end_events(&mut self, stream: StreamKey) {
        let core = &mut *self.core;
        let Some(connection) = core.connections.get_mut(stream.socket) else { return };
        if let Room::Events(room) = &mut connection.room {
            room.finish(connection.outbox.tail(&mut core.pool));
            core.leave(stream.socket, CloseCause::Finished);
        }
    }

    fn touch(&mut self, stream: StreamKey) -> Result<(), SendError> {
        self.core.touch(stream.socket);
        match self.core.stream(stream) {
            Some(connection) if !matches!(connection.room, Room::Gone) => Ok(()),
            _ => Err(SendError::Full),
        }
    }
}
