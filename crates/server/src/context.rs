//! What an application may do while it is called.

use std::net::SocketAddr;

use sockeye_reactor::Time;
use sockeye_sse::Event;
use sockeye_websocket::{
    CloseCode, CloseFrame, Connection as Protocol, Fin, Message, MessageCodec, UsageError,
};

use crate::app::Reply;
use crate::connection::{Awaits, Core, Notify, Room};
use crate::{
    CloseCause, Closes, SharedEvent, SharedMessage, Stats, StreamKey, drain, held, tunnel,
};

/// The application's hands: it sends to streams, closes them, and knows the time.
///
/// Nothing here makes a system call. Bytes go to outboxes, which the loop flushes.
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
    /// As much waits for the peer as the caller allows, or more. Nothing was sent, and the stream
    /// goes on.
    NoRoom,
    /// The call cannot be put on the wire.
    Invalid(UsageError),
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Gone => f.write_str("no such open stream"),
            Self::Closing => f.write_str("the stream is closing"),
            Self::Full => f.write_str("the peer does not read"),
            Self::NoRoom => f.write_str("too much waits for the peer"),
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

    /// How streams ended.
    pub fn closes(&self) -> &Closes {
        &self.core.closes
    }

    /// Bytes that wait for their peers in all outboxes. It looks at every connection: for a look now
    /// and then.
    pub fn unsent_bytes(&self) -> u64 {
        self.core.connections.iter().map(|(_, connection)| connection.outbox.len() as u64).sum()
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
            None => match &core.delivered {
                Some(large) if large.is(message.as_bytes()) => {
                    let sent = pass_on(&mut room.protocol, message, out);
                    if sent.is_ok() {
                        connection.outbox.push_pooled(large, &mut core.pool);
                    }
                    sent
                }
                Some(_) | None => room.protocol.send(message, out),
            },
        };
        if let Err(error) = sent {
            return Err(refused(error));
        }
        core.stats.messages_sent += 1;
        if connection.list(stream.socket, &mut core.dirty) > core.limits.outbox_bytes_max {
            return Err(self.overflow(stream));
        }
        Ok(())
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

    /// Sends a message that others get too, as [`Context::send`] does, without encoding or copying
    /// it for each of them.
    ///
    /// Where compression was agreed on, each window size in use costs one compression, which refers
    /// to nothing that the peer got before: for a single recipient [`Context::send`] compresses
    /// better.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub fn send_shared(
        &mut self,
        stream: StreamKey,
        message: &SharedMessage,
    ) -> Result<(), SendError> {
        self.send_shared_below(stream, message, usize::MAX)
    }

    /// The same, if fewer than `waiting_max` bytes wait for the peer. It looks the stream up once for
    /// both.
    ///
    /// # Errors
    /// As [`Context::send`], and [`SendError::NoRoom`].
    pub fn send_shared_below(
        &mut self,
        stream: StreamKey,
        message: &SharedMessage,
        waiting_max: usize,
    ) -> Result<(), SendError> {
        let core = &mut *self.core;
        let connection = core.connections.get_mut(stream.socket).ok_or(SendError::Gone)?;
        let Room::WebSocket(room) = &mut connection.room else { return Err(SendError::Gone) };
        if connection.serial != stream.serial {
            return Err(SendError::Gone);
        }
        if connection.outbox.len() >= waiting_max {
            return Err(SendError::NoRoom);
        }
        let mut none = Vec::new();
        // The memory of an outbox is for those who need it: a pong that waited goes first.
        let out = match room.protocol.owes_reply() {
            true => connection.outbox.tail(&mut core.pool),
            false => &mut none,
        };
        if let Err(error) = room.protocol.admit_message(out) {
            return Err(refused(error));
        }
        core.stats.messages_sent += 1;
        let compressed = room.session.as_mut().and_then(|session| {
            let frame = message.compressed(session.tx_window(), &mut core.engine)?;
            // [server:shared-window] It is in the peer's window now, so it has to be in ours.
            session.note_shared(message.as_bytes());
            Some(frame)
        });
        let frame = compressed.as_ref().unwrap_or_else(|| message.frame());
        connection.outbox.push_shared(frame, &mut core.pool);
        if connection.list(stream.socket, &mut core.dirty) > core.limits.outbox_bytes_max {
            return Err(self.overflow(stream));
        }
        Ok(())
    }

    /// Sends an event that others get too, as [`Context::send_event`] does, without encoding or
    /// copying it for each of them.
    ///
    /// # Errors
    /// As [`Context::send_event`].
    pub fn send_shared_event(
        &mut self,
        stream: StreamKey,
        event: &SharedEvent,
    ) -> Result<(), SendError> {
        self.send_shared_event_below(stream, event, usize::MAX)
    }

    /// The same, if fewer than `waiting_max` bytes wait for the peer. It looks the stream up once for
    /// both.
    ///
    /// # Errors
    /// As [`Context::send_event`], and [`SendError::NoRoom`].
    pub fn send_shared_event_below(
        &mut self,
        stream: StreamKey,
        event: &SharedEvent,
        waiting_max: usize,
    ) -> Result<(), SendError> {
        let core = &mut *self.core;
        let connection = core.connections.get_mut(stream.socket).ok_or(SendError::Gone)?;
        let Room::Events(room) = &mut connection.room else { return Err(SendError::Gone) };
        if connection.serial != stream.serial {
            return Err(SendError::Gone);
        }
        if connection.outbox.len() >= waiting_max {
            return Err(SendError::NoRoom);
        }
        room.write_shared(event, &mut connection.outbox, &mut core.pool, core.now);
        core.stats.events_sent += 1;
        if connection.list(stream.socket, &mut core.dirty) > core.limits.outbox_bytes_max {
            return Err(self.overflow(stream));
        }
        Ok(())
    }

    /// Sends a comment without text on an event stream: a sign of life that no script sees.
    ///
    /// # Errors
    /// As [`Context::send_event`].
    pub fn send_comment(&mut self, stream: StreamKey) -> Result<(), SendError> {
        let core = &mut *self.core;
        let connection = core.connections.get_mut(stream.socket).ok_or(SendError::Gone)?;
        let Room::Events(room) = &mut connection.room else { return Err(SendError::Gone) };
        if connection.serial != stream.serial {
            return Err(SendError::Gone);
        }
        room.write_comment(connection.outbox.tail(&mut core.pool), core.now);
        self.touch(stream)
    }

    /// Answers a held request. The stream is over with it ([`CloseCause::Finished`]), and the
    /// connection serves what its client sent meanwhile, or ends as its request or a drain wants.
    ///
    /// # Errors
    /// [`SendError::Gone`] if the key names no held request (any more), [`SendError::Full`] if its
    /// client did not read what it got before.
    #[expect(clippy::needless_pass_by_value, reason = "a reply is given away, as in an answer")]
    pub fn respond(&mut self, stream: StreamKey, reply: Reply) -> Result<(), SendError> {
        let held = self.core.stream(stream).is_some_and(|of| matches!(of.room, Room::Held(_)));
        if !held {
            return Err(SendError::Gone);
        }
        held::respond(self.core, stream.socket, &reply, CloseCause::Finished);
        match self.core.connections.get(stream.socket) {
            Some(connection) if !matches!(connection.room, Room::Gone) => Ok(()),
            _ => Err(SendError::Full),
        }
    }

    /// Writes `bytes` to the peer of a tunnel as they are.
    ///
    /// # Errors
    /// The stream is gone or no tunnel, or its peer does not read.
    pub fn send_bytes(&mut self, stream: StreamKey, bytes: &[u8]) -> Result<(), SendError> {
        tunnel::write(self.core, stream, bytes)?;
        self.touch(stream)
    }

    /// Leaves a WebSocket or a tunnel unread for `pause_ms` milliseconds from now, at the most
    /// [`Limits::pause_ms`](crate::Limits::pause_ms): for an application that cannot take more of it
    /// at present. Its peer finds out once the buffers on the way are full. Asking again sets the time
    /// anew; 0 reads on at once.
    ///
    /// Meanwhile nothing is heard of that stream, not even that its peer is gone, unless something is
    /// written to it. What of a tunnel's bytes was read already is not held back.
    pub fn pause(&mut self, stream: StreamKey, pause_ms: u64) {
        let until = self.core.now + pause_ms.min(self.core.limits.pause_ms);
        let Some(connection) = self.core.stream(stream) else { return };
        match connection.room {
            Room::WebSocket(_) | Room::Tunnel(_) if connection.is_streaming() => {}
            Room::WebSocket(_)
            | Room::Tunnel(_)
            | Room::Http(_)
            | Room::Events(_)
            | Room::Held(_)
            | Room::Leaving(_)
            | Room::Gone => return,
        }
        connection.resting = until;
        if pause_ms == 0 {
            self.core.resume(stream.socket);
        }
        self.core.arm(stream.socket);
    }

    /// The other end of the socket of `stream`; `None` if it is gone.
    pub fn peer(&self, stream: StreamKey) -> Option<SocketAddr> {
        let connection = self.core.connections.get(stream.socket);
        connection.filter(|of| of.serial == stream.serial).map(|of| of.peer.address())
    }

    /// Bytes that wait for the peer of `stream`; none if it is gone.
    pub fn outbox_bytes(&self, stream: StreamKey) -> usize {
        let connection = self.core.connections.get(stream.socket);
        let open = connection.filter(|connection| connection.serial == stream.serial);
        open.filter(|connection| connection.has_stream()).map_or(0, |of| of.outbox.len())
    }

    /// Asks for one call of [`App::on_drained`](crate::App::on_drained) once no more than
    /// [`Limits::outbox_refill_bytes`](crate::Limits::outbox_refill_bytes) wait for the peer of
    /// `stream`: in this turn or the next if that is so already. Asking again before it came changes
    /// nothing; after it came, something has to be written to the peer before there is another, so
    /// that an application which has nothing to send may ask all the same. A stream that is gone or
    /// closing is not reported.
    pub fn notify_drained(&mut self, stream: StreamKey) {
        let Some(connection) = self.core.stream(stream) else { return };
        if connection.is_streaming() && connection.notify == Notify::No {
            connection.notify = Notify::Waiting;
            self.core.notice_drained(stream.socket);
        }
    }

    /// Ends a stream because the server goes away: a WebSocket by a Close with 1001, an event stream
    /// by a reconnection time (see [`Limits::drain_retry_ms`](crate::Limits::drain_retry_ms)) and
    /// the end of the response, a held request by a 503 with `Retry-After: 1`, a tunnel without a word.
    pub fn say_goodbye(&mut self, stream: StreamKey) {
        drain::say_goodbye(self.core, stream);
    }

    /// Closes a stream: a WebSocket by a Close frame with `code` and `reason`, an event stream by
    /// ending the response, a held request by a 503, a tunnel by ending our direction. A key that
    /// names nothing is no error.
    ///
    /// [`CloseCode::NO_STATUS`] sends a Close frame without code and reason.
    ///
    /// # Panics
    /// In debug builds, if `code` must not stand on the wire or `reason` is over 123 bytes. In
    /// release builds the code alone is sent, or none in place of an impossible one.
    pub fn close(&mut self, stream: StreamKey, code: CloseCode, reason: &str) {
        let Some(connection) = self.core.stream(stream) else { return };
        match connection.room {
            Room::WebSocket(_) => self.close_websocket(stream, code, reason),
            Room::Events(_) => self.end_events(stream, code),
            Room::Held(_) => held::give_up(self.core, stream.socket, CloseCause::Finished),
            Room::Tunnel(_) => self.core.leave(stream.socket, CloseCause::Finished),
            Room::Http(_) | Room::Leaving(_) | Room::Gone => {}
        }
    }

    fn close_websocket(&mut self, stream: StreamKey, code: CloseCode, reason: &str) {
        let core = &mut *self.core;
        let Some(connection) = core.connections.get_mut(stream.socket) else { return };
        let Room::WebSocket(room) = &mut connection.room else { return };
        let frame = CloseFrame::new(code, reason).or_else(|_| CloseFrame::new(code, ""));
        // [server:close-no-status]
        debug_assert!(
            frame.is_ok() || code == CloseCode::NO_STATUS,
            "a code that may not stand on the wire"
        );
        let out = connection.outbox.tail(&mut core.pool);
        if room.protocol.close(frame.ok(), out).is_ok() {
            room.awaits = Awaits::Close(code);
            room.awaits_at = core.now + core.limits.close_ms;
            // Nothing that comes now is answered, but the peer's Close is among it.
            (connection.paused, connection.resting) = (false, Time::NEVER);
            core.look_again(stream.socket);
            core.touch(stream.socket);
            core.arm(stream.socket);
        }
    }

    fn end_events(&mut self, stream: StreamKey, code: CloseCode) {
        let core = &mut *self.core;
        let Some(connection) = core.connections.get_mut(stream.socket) else { return };
        if let Room::Events(room) = &mut connection.room {
            room.closing_code = Some(code);
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

    #[cold]
    fn overflow(&mut self, stream: StreamKey) -> SendError {
        self.core.overflow(stream.socket);
        SendError::Full
    }
}

/// Appends what stands before the bytes of `message`, which follow as they lie.
#[cold]
fn pass_on(
    protocol: &mut Protocol,
    message: Message<'_>,
    out: &mut Vec<u8>,
) -> Result<(), UsageError> {
    protocol.flush_replies(out);
    let start = protocol.begin(message.kind(), message.as_bytes().len() as u64, Fin::Final)?;
    out.extend_from_slice(start.header());
    Ok(())
}

/// Why a WebSocket's protocol did not take a message.
#[cold]
const fn refused(error: UsageError) -> SendError {
    match error {
        UsageError::Closed => SendError::Closing,
        _ => SendError::Invalid(error),
    }
}
