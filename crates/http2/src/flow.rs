//! Flow control in both directions (RFC 9113 §5.2, §6.9).

use alloc::vec::Vec;

use crate::frame::Frame;
use crate::life::State;
use crate::streams::Stream;
use crate::{Connection, ConnectionError, Event, StreamError, StreamId};

/// The greatest window.
pub(crate) const WINDOW_MAX: u32 = 0x7fff_ffff;

/// The window with which a connection and its streams begin.
const WINDOW_DEFAULT: u32 = 65_535;

/// The windows of a connection, and what the windows of its streams have in common.
#[derive(Debug)]
pub(crate) struct ConnectionWindows {
    /// For our content.
    pub(crate) send: i64,
    /// The peer's SETTINGS_INITIAL_WINDOW_SIZE. The window of a stream is this and its `send_delta`, so
    /// a change costs the same for any number of streams.
    pub(crate) send_initial: i64,
    /// No stream's `send_delta` is above this.
    send_delta_max: i64,
    /// The peer's content that may still come.
    receive: u32,
    /// Content that came and that no WINDOW_UPDATE has covered.
    receive_credit: u32,
}

impl Default for ConnectionWindows {
    fn default() -> Self {
        let initial = i64::from(WINDOW_DEFAULT);
        Self {
            send: initial,
            send_initial: initial,
            send_delta_max: 0,
            receive: WINDOW_DEFAULT,
            receive_credit: 0,
        }
    }
}

impl ConnectionWindows {
    /// The window for a stream's content.
    pub(crate) const fn send_window(&self, stream: &Stream) -> i64 {
        // Neither is above 2^32 in size.
        self.send_initial.saturating_add(stream.send_delta)
    }

    /// How many bytes of content a stream may send now.
    pub(crate) fn send_capacity(&self, stream: &Stream) -> usize {
        let window = match stream.state {
            State::Open | State::HalfClosedRemote if stream.sent_head => {
                self.send_window(stream).min(self.send)
            }
            State::Open
            | State::HalfClosedRemote
            | State::Unopened
            | State::Idle
            | State::HalfClosedLocal
            | State::Reset
            | State::Closed
            | State::Forgotten => 0,
        };
        usize::try_from(window).unwrap_or(0)
    }

    /// Takes content that is sent out of both windows, and returns whether they allow it. Empty content
    /// needs no window.
    pub(crate) fn spend(&mut self, stream: &mut Stream, len: u32) -> bool {
        let bytes = i64::from(len);
        // [http2:6.9.1-never-above-the-windows]
        if len > 0 && bytes > self.send_window(stream).min(self.send) {
            return false;
        }
        self.send = self.send.saturating_sub(bytes);
        stream.send_delta = stream.send_delta.saturating_sub(bytes);
        true
    }
}

impl Connection {
    /// Appends the WINDOW_UPDATE with which a connection begins.
    pub(crate) fn widen_connection_window(&mut self, bytes: u32, out: &mut Vec<u8>) {
        let increment = bytes.min(WINDOW_MAX).saturating_sub(WINDOW_DEFAULT);
        if increment > 0 {
            self.windows.receive = self.windows.receive.saturating_add(increment);
            Frame::WindowUpdate { stream: StreamId::CONNECTION, increment }.write(out);
        }
    }

    /// Counts content and padding in the connection's window, and gives the room back at once: only the
    /// window of a stream holds its sender back.
    pub(crate) fn count_content(
        &mut self,
        len: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        let windows = &mut self.windows;
        // [http2:6.9.1-connection-window-exceeded]
        windows.receive =
            windows.receive.checked_sub(len).ok_or(ConnectionError::WindowExceeded)?;
        // [http2:6.9-connection-credit]
        windows.receive_credit = windows.receive_credit.saturating_add(len);
        let increment = windows.receive_credit;
        if increment < self.config.limits.connection_window_bytes / 2 {
            return Ok(());
        }
        windows.receive_credit = 0;
        windows.receive = windows.receive.saturating_add(increment);
        self.reply(Frame::WindowUpdate { stream: StreamId::CONNECTION, increment }, out)
    }

    /// Counts content and padding in the window of a stream.
    pub(crate) fn count_stream_content(
        &mut self,
        id: StreamId,
        len: u32,
    ) -> Result<(), StreamError> {
        let window = self.receive_window();
        let Some(stream) = self.streams.find_mut(id) else { return Ok(()) };
        // [http2:6.9.1-stream-window-exceeded]
        let received = stream.received.checked_add(len).filter(|received| *received <= window);
        stream.received = received.ok_or(StreamError::WindowExceeded)?;
        Ok(())
    }

    /// The window that we grant to each stream. Until the peer has acknowledged a smaller one it is the
    /// default.
    fn receive_window(&self) -> u32 {
        let window = self.config.limits.window_bytes.min(WINDOW_MAX);
        // [http2:6.9.2-until-acknowledged]
        if self.settings_acked { window } else { window.max(WINDOW_DEFAULT) }
    }

    /// Says that the caller has used up content of a stream, in bytes: the peer may send as much again.
    /// One WINDOW_UPDATE goes out for each half of a window.
    ///
    /// A caller that holds back is not sent more than [`Limits::window_bytes`](crate::Limits::window_bytes)
    /// on that stream; other streams go on.
    pub fn consumed(&mut self, stream: StreamId, bytes: usize, out: &mut Vec<u8>) {
        if self.failed {
            return;
        }
        let half = (self.config.limits.window_bytes / 2).max(1);
        let Some(stream) = self.streams.find_mut(stream) else { return };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        stream.consumed = stream.consumed.saturating_add(bytes).min(stream.received);
        let has_ended = stream.state == State::HalfClosedRemote;
        // [http2:6.9-no-update-after-end]
        if stream.consumed < half || has_ended {
            return;
        }
        let increment = core::mem::take(&mut stream.consumed);
        stream.received = stream.received.saturating_sub(increment);
        Frame::WindowUpdate { stream: stream.id, increment }.write(out);
    }

    /// Returns how many bytes of content a stream may send now; 0 also if it may send none at all.
    #[must_use]
    pub fn send_capacity(&self, stream: StreamId) -> usize {
        self.streams.find(stream).map_or(0, |stream| self.windows.send_capacity(stream))
    }

    /// Returns how many bytes of content all streams together may send now.
    #[must_use]
    pub fn connection_capacity(&self) -> usize {
        usize::try_from(self.windows.send).unwrap_or(0)
    }

    /// A WINDOW_UPDATE of the connection.
    pub(crate) fn widen_connection(
        &mut self,
        increment: u32,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let before = self.windows.send;
        let window = before.saturating_add(i64::from(increment));
        // [http2:6.9.1-connection-window-overflow]
        if window > i64::from(WINDOW_MAX) {
            return Err(ConnectionError::WindowOverflow);
        }
        self.windows.send = window;
        let opens = before <= 0 && window > 0;
        Ok(opens.then_some(Event::Writable { stream: StreamId::CONNECTION }))
    }

    /// A WINDOW_UPDATE of a stream that lives.
    pub(crate) fn widen_stream(
        &mut self,
        id: StreamId,
        increment: u32,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let windows = &mut self.windows;
        let Some(stream) = self.streams.find_mut(id) else { return Ok(None) };
        let before = windows.send_window(stream);
        let window = before.saturating_add(i64::from(increment));
        // [http2:6.9.1-stream-window-overflow]
        if window > i64::from(WINDOW_MAX) {
            return self.fault(id, StreamError::WindowOverflow, out).map(Some);
        }
        stream.send_delta = stream.send_delta.saturating_add(i64::from(increment));
        windows.send_delta_max = windows.send_delta_max.max(stream.send_delta);
        Ok((before <= 0 && window > 0).then_some(Event::Writable { stream: id }))
    }

    /// A new SETTINGS_INITIAL_WINDOW_SIZE of the peer.
    pub(crate) fn set_send_initial(&mut self, bytes: u32) -> Result<(), ConnectionError> {
        // [http2:6.9.2-initial-window-change]
        self.windows.send_initial = i64::from(bytes);
        let fits = |delta: i64| i64::from(bytes).saturating_add(delta) <= i64::from(WINDOW_MAX);
        if fits(self.windows.send_delta_max) {
            return Ok(());
        }
        // The bound may be that of a stream that has ended. It is exact now, so the next look at all
        // streams needs another WINDOW_UPDATE first.
        self.windows.send_delta_max = self.streams.send_delta_max();
        // [http2:6.9.2-initial-window-overflow]
        if fits(self.windows.send_delta_max) {
            Ok(())
        } else {
            Err(ConnectionError::WindowOverflow)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use crate::{Config, Connection, ConnectionError, ErrorCode};

    /// No peer gets there by frames of 16,384 bytes, because half of the window comes back before.
    /// [http2:6.9.1-connection-window-exceeded]
    #[test]
    fn the_connections_window_is_enforced() {
        let mut out = Vec::new();
        let mut connection = Connection::server(&Arc::new(Config::default()), &mut out);
        connection.windows.receive = 10;
        assert_eq!(connection.count_content(10, &mut out), Ok(()));
        let exceeded = connection.count_content(1, &mut out);
        assert_eq!(exceeded, Err(ConnectionError::WindowExceeded));
        assert_eq!(ConnectionError::WindowExceeded.code(), ErrorCode::FLOW_CONTROL_ERROR);
    }
}
