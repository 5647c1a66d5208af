//! The state of a WebSocket's stream between two reads.

use sockeye_deflate::Session;
use sockeye_reactor::Time;
use sockeye_websocket::{CloseCode, Connection as Protocol};

use super::due::Due;
use super::life::State;
use crate::cause::{CloseCause, Deadline};
use crate::limits::Limits;
use crate::partial_message::PartialMessage;

pub(crate) struct WebSocketStream {
    pub(crate) protocol: Protocol,
    /// The message in progress, if it did not come whole.
    pub(crate) partial: Option<Box<PartialMessage>>,
    /// The compression that was agreed on.
    pub(crate) session: Option<Box<Session>>,
    /// While the stream is open: when a pong began to be awaited, `NEVER` while none is. While it
    /// closes: until when the peer's Close is awaited.
    pub(crate) awaits: Time,
}

impl WebSocketStream {
    pub(crate) const fn new(protocol: Protocol, session: Option<Box<Session>>) -> Self {
        Self { protocol, partial: None, session, awaits: Time::NEVER }
    }

    /// The memory for the next read, if the bytes can only belong to the message in progress.
    #[inline]
    pub(super) fn direct(&mut self) -> Option<&mut [u8]> {
        self.partial.as_mut()?.read_space(self.protocol.payload_missing())
    }

    #[inline]
    pub(super) fn deadline(&self, life: State, heard: Time, limits: &Limits) -> (Time, Due) {
        let alive = match life {
            State::Closing | State::Ended => return (self.awaits, Due::GiveUp(Deadline::Close)),
            State::Open if self.awaits == Time::NEVER => (heard + limits.ping_ms, Due::Ping),
            State::Open => (self.awaits + limits.pong_ms, Due::GiveUp(Deadline::Pong)),
        };
        let since = self.partial.as_ref().map_or(Time::NEVER, |partial| partial.since);
        // [server:message-deadline]
        let message = (since + limits.message_ms, Due::GiveUp(Deadline::Message));
        if message.0 < alive.0 { message } else { alive }
    }

    pub(super) fn restart(&mut self, life: State, now: Time, limits: &Limits) {
        match life {
            State::Closing | State::Ended => self.awaits = now + limits.close_ms,
            State::Open if self.awaits == Time::NEVER => {}
            State::Open => self.awaits = now,
        }
        if let Some(partial) = &mut self.partial {
            partial.since = now;
        }
    }

    /// Any byte is a sign of life, not only a pong.
    #[inline]
    pub(crate) const fn note_life(&mut self, life: State) {
        match life {
            State::Open => self.awaits = Time::NEVER,
            State::Closing | State::Ended => {}
        }
    }
}

/// Why a WebSocket is over now that the peer's Close is here; `ours` is the code that we closed with.
pub(crate) fn cause_of_close(ours: Option<CloseCode>, theirs: Option<CloseCode>) -> CloseCause {
    match ours {
        Some(code) => CloseCause::Local(code),
        None => CloseCause::Remote(theirs.unwrap_or(CloseCode::NO_STATUS)),
    }
}
