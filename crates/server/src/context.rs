//! The calls that an application may make while the server calls it.

use std::net::SocketAddr;
use std::ops::Range;

use sockeye_deflate::gzip;
use sockeye_reactor::Time;
use sockeye_sse::Event;
use sockeye_websocket::{
    CloseCode, Connection as Protocol, Fin, Message, MessageCodec, UsageError,
};

use crate::answer::{GZIP, Reply};
use crate::budget;
use crate::closes::Closes;
use crate::closing;
use crate::connection::{Connection, find, find_as};
use crate::joined::{SharedEvents, SharedMessages};
use crate::key::StreamKey;
use crate::send_error::SendError;
use crate::shared::{SharedEvent, SharedMessage};
use crate::state::Core;
use crate::stats::Stats;
use crate::stream::{Kind, Notify, Stream, life};

mod held;
mod units;

/// Sends to streams, closes them, and tells the time. An application acts through it only.
///
/// No call makes a system call. Bytes go to outboxes, which the loop flushes.
pub struct Context<'c> {
    pub(crate) core: &'c mut Core,
}

impl Context<'_> {
    /// The time of this turn.
    pub fn now(&self) -> Time {
        self.core.now
    }

    /// Seconds since 1970 by the calendar, as of this turn.
    pub fn unix_seconds(&self) -> u64 {
        self.core.unix_ms / 1_000
    }

    /// Milliseconds since 1970 by the calendar, as of this turn. It may jump in both directions.
    pub fn unix_ms(&self) -> u64 {
        self.core.unix_ms
    }

    /// The server's counters.
    pub fn stats(&self) -> &Stats {
        &self.core.stats
    }

    /// How streams ended.
    pub fn closes(&self) -> &Closes {
        &self.core.closes
    }

    /// The number of places for connections. Each connection has one and keeps it, and some are free.
    pub fn connection_places(&self) -> usize {
        self.core.connections.places()
    }

    /// Bytes that wait for their peers in the outboxes of the connections at these
    /// [places](Self::connection_places). It visits each of them: with many, go on in later turns.
    pub fn unsent_bytes_in(&self, places: Range<usize>) -> u64 {
        let connections = places.filter_map(|place| self.core.connections.at(place));
        connections.map(|(_, connection)| connection.outbox.len() as u64).sum()
    }

    /// Compresses the body of a response for a client that [wants gzip](crate::Coding::wanted), if that makes it
    /// shorter, and names the coding in a header. Returns whether it did. A body above
    /// [`gzip::MEMBER_TEXT_BYTES_MAX`] stays as it is. The work counts as units.
    ///
    /// The caller says `Vary: Accept-Encoding` where caches may keep the response, and gives it an entity tag
    /// that is weak or that no other form of it has (RFC 9110 §8.8.3.3). No body may have a secret and another's text
    /// in it: the length of the response would tell how much of the secret that text repeats.
    pub fn compress(&mut self, reply: &mut Reply) -> bool {
        if reply.body.len() > gzip::MEMBER_TEXT_BYTES_MAX {
            return false;
        }
        self.spend(budget::of_gzip(reply.body.len()));
        let mut member = Vec::new();
        let is_shorter = self.core.gzip.member(&reply.body, &mut member);
        if is_shorter {
            reply.body = member.into();
            reply.headers.push(GZIP);
        }
        is_shorter
    }

    /// What was compressed for event streams and responses, each event once.
    pub fn compressed(&self) -> gzip::Totals {
        self.core.gzip.totals()
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
        let found = find_as(&mut core.connections, stream, Stream::web_socket);
        let mut open = found.ok_or(SendError::Gone)?;
        let websocket = &mut *open.stream;
        let out = open.outbox.tail(&mut core.pool);
        let sent = match &mut websocket.session {
            Some(session) => {
                core.scratch.clear();
                core.budget.spend(budget::of_coded(message.as_bytes().len()));
                let mut codec = session.codec(&mut core.engine);
                if codec.compress(message.as_bytes(), &mut core.scratch) {
                    websocket.protocol.send_compressed(message.kind(), &core.scratch, out)
                } else {
                    websocket.protocol.send(message, out)
                }
            }
            None => match &core.delivered {
                Some(large) if large.is(message.as_bytes()) => {
                    let sent = pass_on(&mut websocket.protocol, message, out);
                    if sent.is_ok() {
                        open.outbox.push_pooled(large, &mut core.pool);
                    }
                    sent
                }
                Some(_) | None => websocket.protocol.send(message, out),
            },
        };
        if let Err(error) = sent {
            return Err(refused(error));
        }
        core.stats.messages_sent += 1;
        let waiting = open.mark_dirty(&mut core.dirty);
        core.check_bound(stream, waiting)
    }

    /// Sends an event on an event stream.
    ///
    /// # Errors
    /// The stream is gone, or its peer does not read.
    pub fn send_event(&mut self, stream: StreamKey, event: &Event<'_>) -> Result<(), SendError> {
        let core = &mut *self.core;
        let found = find_as(&mut core.connections, stream, Stream::events);
        let mut open = found.ok_or(SendError::Gone)?;
        core.scratch.clear();
        event.encode(&mut core.scratch);
        open.stream.write(&core.scratch, open.outbox.tail(&mut core.pool), core.now);
        core.stats.events_sent += 1;
        let waiting = open.mark_dirty(&mut core.dirty);
        core.check_bound(stream, waiting)
    }

    /// Sends a message that others get too, as [`Context::send`] does, without encoding or copying
    /// it for each of them.
    ///
    /// Where compression was agreed on, each window size in use costs one compression. A shared frame
    /// refers to no earlier message, so for a single recipient [`Context::send`] compresses better.
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

    /// Sends as [`Context::send_shared`] does, if fewer than `waiting_max` bytes wait for the peer. The
    /// check and the send share one look-up of the stream.
    ///
    /// # Errors
    /// As [`Context::send`], and [`SendError::Backpressure`].
    pub fn send_shared_below(
        &mut self,
        stream: StreamKey,
        message: &SharedMessage,
        waiting_max: usize,
    ) -> Result<(), SendError> {
        let core = &mut *self.core;
        let found = find_as(&mut core.connections, stream, Stream::web_socket);
        let mut open = found.ok_or(SendError::Gone)?;
        let websocket = &mut *open.stream;
        if open.outbox.len() >= waiting_max {
            return Err(SendError::Backpressure);
        }
        let mut none = Vec::new();
        // An outbox gets memory of its own only for a pong that waited, which goes first.
        let out = match websocket.protocol.owes_reply() {
            true => open.outbox.tail(&mut core.pool),
            false => &mut none,
        };
        if let Err(error) = websocket.protocol.admit_message(out) {
            return Err(refused(error));
        }
        core.stats.messages_sent += 1;
        let compressed = websocket.session.as_mut().and_then(|session| {
            let frame = message.compressed(session.tx_window(), &mut core.engine)?;
            // [server:shared-window] The message is in the peer's window now, so ours needs it, too.
            session.note_shared(message.as_bytes());
            Some(frame)
        });
        let frame = compressed.as_ref().unwrap_or_else(|| message.frame());
        open.outbox.push_shared(frame, &mut core.pool);
        let waiting = open.mark_dirty(&mut core.dirty);
        core.check_bound(stream, waiting)
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

    /// Sends as [`Context::send_shared_event`] does, if fewer than `waiting_max` bytes wait for the peer.
    /// The check and the send share one look-up of the stream.
    ///
    /// # Errors
    /// As [`Context::send_event`], and [`SendError::Backpressure`].
    pub fn send_shared_event_below(
        &mut self,
        stream: StreamKey,
        event: &SharedEvent,
        waiting_max: usize,
    ) -> Result<(), SendError> {
        let core = &mut *self.core;
        let found = find_as(&mut core.connections, stream, Stream::if_events);
        let mut open = found.ok_or(SendError::Gone)?;
        let Kind::Events(events) = &mut open.stream.kind else { return Err(SendError::Gone) };
        if open.outbox.len() >= waiting_max {
            return Err(SendError::Backpressure);
        }
        let coder = (&mut core.gzip, &mut core.budget);
        events.write_shared(event, (open.outbox, &mut core.pool), coder, core.now);
        core.stats.events_sent += 1;
        let waiting = open.mark_dirty(&mut core.dirty);
        core.check_bound(stream, waiting)
    }

    /// Sends messages one after the other, each as [`Context::send_shared_below`] does, up to the first that
    /// cannot be sent. A stream with room for all of them is looked up once, and its outbox gets one
    /// reference.
    ///
    /// # Errors
    /// As [`Context::send_shared_below`], and how many messages were sent before.
    pub fn send_all_shared_below(
        &mut self,
        stream: StreamKey,
        messages: &SharedMessages,
        waiting_max: usize,
    ) -> Result<(), (usize, SendError)> {
        let core = &mut *self.core;
        let found = find_as(&mut core.connections, stream, Stream::web_socket);
        let mut open = found.ok_or((0, SendError::Gone))?;
        let bytes_max = core.limits.outbox_bytes_max;
        // [server:shared-together] A compressed form refers to what its own stream has had, and a pong goes
        // before the first message.
        if open.stream.session.is_some()
            || open.stream.protocol.owes_reply()
            || !messages.frames().fit(open.outbox.len(), waiting_max, bytes_max)
        {
            return send_each(messages.as_slice(), |message| {
                self.send_shared_below(stream, message, waiting_max)
            });
        }
        let admitted = open.stream.protocol.admit_message(&mut Vec::new());
        admitted.map_err(|error| (0, refused(error)))?;
        core.stats.messages_sent += messages.as_slice().len() as u64;
        open.outbox.push_shared(&messages.frames().bytes, &mut core.pool);
        open.mark_dirty(&mut core.dirty);
        Ok(())
    }

    /// Sends events one after the other, each as [`Context::send_shared_event_below`] does, up to the first
    /// that cannot be sent. A stream with room for all of them is looked up once, and its outbox gets
    /// one reference.
    ///
    /// # Errors
    /// As [`Context::send_shared_event_below`], and how many events were sent before.
    pub fn send_all_shared_events_below(
        &mut self,
        stream: StreamKey,
        events: &SharedEvents,
        waiting_max: usize,
    ) -> Result<(), (usize, SendError)> {
        let core = &mut *self.core;
        let found = find_as(&mut core.connections, stream, Stream::if_events);
        let mut open = found.ok_or((0, SendError::Gone))?;
        let Kind::Events(stream_events) = &mut open.stream.kind else {
            return Err((0, SendError::Gone));
        };
        let joined = stream_events.joined(events, &mut core.gzip, &mut core.budget);
        if !joined.fit(open.outbox.len(), waiting_max, core.limits.outbox_bytes_max) {
            return send_each(events.as_slice(), |event| {
                self.send_shared_event_below(stream, event, waiting_max)
            });
        }
        stream_events.note_joined(events, &mut core.gzip, &mut core.budget, core.now);
        core.stats.events_sent += events.as_slice().len() as u64;
        open.outbox.push_shared(&joined.bytes, &mut core.pool);
        open.mark_dirty(&mut core.dirty);
        Ok(())
    }

    /// Sends a comment without text on an event stream: a sign of life that no script sees.
    ///
    /// # Errors
    /// As [`Context::send_event`].
    pub fn send_comment(&mut self, stream: StreamKey) -> Result<(), SendError> {
        let core = &mut *self.core;
        let found = find_as(&mut core.connections, stream, Stream::events);
        let mut open = found.ok_or(SendError::Gone)?;
        open.stream.write_comment(open.outbox.tail(&mut core.pool), core.now);
        let waiting = open.mark_dirty(&mut core.dirty);
        core.check_bound(stream, waiting)
    }

    /// Writes `bytes` to the peer of a tunnel as they are.
    ///
    /// # Errors
    /// The stream is gone or no tunnel, or its peer does not read.
    pub fn send_bytes(&mut self, stream: StreamKey, bytes: &[u8]) -> Result<(), SendError> {
        let core = &mut *self.core;
        let mut open = find(&mut core.connections, stream).ok_or(SendError::Gone)?;
        let Kind::Tunnel(tunnel) = &mut open.stream.kind else { return Err(SendError::Gone) };
        tunnel.wrote = core.now;
        open.outbox.tail(&mut core.pool).extend_from_slice(bytes);
        let waiting = open.mark_dirty(&mut core.dirty);
        core.check_bound(stream, waiting)
    }

    /// Leaves a WebSocket or a tunnel unread for `pause_ms` milliseconds from now, at the most
    /// [`Limits::pause_ms`](crate::Limits::pause_ms). It is for an application that cannot take more
    /// input at present. The peer notices when the buffers on the way are full. Another call sets the
    /// time anew; with 0 the stream is read again at once.
    ///
    /// Meanwhile the stream brings no messages, and no bytes except those of a tunnel that were read
    /// already. Only a write would show that its peer is gone.
    pub fn pause(&mut self, stream: StreamKey, pause_ms: u64) {
        let core = &mut *self.core;
        let until = core.now + pause_ms.min(core.limits.pause_ms);
        let Some(open) = find(&mut core.connections, stream) else { return };
        if !open.stream.can_pause() {
            return;
        }
        open.stream.paused = until;
        let connection = open.connection;
        if pause_ms == 0 {
            core.resume(stream);
        }
        core.arm(connection);
    }

    /// The other end of the connection of `stream`; `None` if the stream is gone.
    pub fn peer(&self, stream: StreamKey) -> Option<SocketAddr> {
        self.carrier(stream).map(|connection| connection.peer.address())
    }

    /// Bytes that wait for the peer of `stream`; none if the stream is gone.
    pub fn outbox_bytes(&self, stream: StreamKey) -> usize {
        self.carrier(stream).map_or(0, |connection| connection.outbox.len())
    }

    /// The connection of `stream`, if that is open.
    fn carrier(&self, stream: StreamKey) -> Option<&Connection> {
        let (_, connection) = self.core.connections.at(stream.connection())?;
        stream.names(connection.stream()?.id).then_some(connection)
    }

    /// Asks for one call of [`App::on_drained`](crate::App::on_drained) when no more than
    /// [`Limits::outbox_refill_bytes`](crate::Limits::outbox_refill_bytes) wait for the peer of
    /// `stream`. If that is so already, the call comes in this turn or the next.
    ///
    /// A second request before the call changes nothing. After the call, another one comes only when bytes
    /// were written to the peer in between: an application that has nothing to send may ask again
    /// without being called in every turn. A stream that is gone or closing gets no call.
    pub fn notify_drained(&mut self, stream: StreamKey) {
        let Some(open) = find(&mut self.core.connections, stream) else { return };
        if open.stream.notify == Notify::No && open.stream.applies(life::Input::AwaitDrained) {
            open.stream.notify = Notify::Waiting;
            self.core.notice_drained(stream);
        }
    }

    /// Ends a stream because the server goes away: a WebSocket by a Close with 1001, an event stream
    /// by a reconnection time (see [`Limits::drain_retry_ms`](crate::Limits::drain_retry_ms)) and
    /// the end of the response, a held request by a 503 with `Retry-After: 1`, a tunnel without a word.
    pub fn say_goodbye(&mut self, stream: StreamKey) {
        closing::say_goodbye(self.core, stream);
    }

    /// Closes a stream: a WebSocket by a Close frame with `code` and `reason`, an event stream by
    /// ending the response, a held request by a 503, a tunnel by ending our direction. A key that
    /// names nothing is no error.
    ///
    /// [`CloseCode::NO_STATUS`] sends a Close frame without code and reason.
    ///
    /// # Panics
    /// In debug builds, if the stream is a WebSocket and `code` must not stand on the wire. Release
    /// builds then send a Close frame without a code. A `reason` over 123 bytes is left out.
    pub fn close(&mut self, stream: StreamKey, code: CloseCode, reason: &str) {
        closing::close(self.core, stream, code, reason);
    }
}

/// Sends the items up to the first that cannot be sent.
#[cold]
fn send_each<T>(
    items: &[T],
    mut send: impl FnMut(&T) -> Result<(), SendError>,
) -> Result<(), (usize, SendError)> {
    for (sent, item) in items.iter().enumerate() {
        send(item).map_err(|error| (sent, error))?;
    }
    Ok(())
}

/// Appends the frame header of `message`. The caller appends the payload by reference.
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
