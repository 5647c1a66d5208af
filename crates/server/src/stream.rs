//! One stream: what it carries, and what the application asked about it.
//!
//! A stream knows no socket. It writes to the outbox that its connection hands to it. Two kinds know
//! HTTP/1.1: an event stream has the framing of its body, a held request the persistence of its
//! connection.

mod due;
mod events;
mod held;
pub(crate) mod life;
mod websocket;

use sockeye_reactor::Time;
use sockeye_websocket::CloseCode;

use crate::cause::Deadline;
use crate::closes::StreamKind;
use crate::key::StreamId;
use crate::limits::Limits;
use life::{Action, Input, State};

pub(crate) use due::Due;
pub(crate) use events::EventsStream;
pub(crate) use held::{HeldRequest, Terms};
pub(crate) use websocket::{WebSocketStream, cause_of_close};

/// One open stream.
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) kind: Kind,
    /// The end of the pause that the application asked for; `NEVER` if there is none.
    pub(crate) paused: Time,
    /// Whether the application has closed the stream, and with which code. (An `Option` would take
    /// more memory, and a look-up of a stream another comparison.)
    is_closed: bool,
    code: CloseCode,
    /// Whether the application wants to hear that the outbox has drained.
    pub(crate) notify: Notify,
    /// The application was told that the outbox has drained, and nothing was written to the peer since.
    pub(crate) told_drained: bool,
    /// The server drains, and the application was told that the stream's turn has come.
    pub(crate) dismissed: bool,
    /// Bytes of the stream were read and wait for the next turn.
    pub(crate) has_leftover: bool,
}

/// What a stream carries.
pub(crate) enum Kind {
    WebSocket(WebSocketStream),
    Events(EventsStream),
    /// A request waits for its response.
    Held(HeldRequest),
    /// Bytes both ways; the application has taken over.
    Tunnel(Tunnel),
}

/// A stream of bytes that the application understands.
pub(crate) struct Tunnel {
    /// When something was last written.
    pub(crate) wrote: Time,
}

/// The state of a request for [`App::on_drained`](crate::App::on_drained).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notify {
    /// There is none.
    No,
    /// The outbox is still over the mark.
    Waiting,
    /// The stream is listed for the call.
    Listed,
}

impl Stream {
    #[inline]
    pub(crate) const fn new(id: StreamId, kind: Kind) -> Self {
        Self {
            id,
            kind,
            paused: Time::NEVER,
            is_closed: false,
            code: CloseCode::NO_STATUS,
            notify: Notify::No,
            told_drained: false,
            dismissed: false,
            has_leftover: false,
        }
    }

    /// The WebSocket that the stream carries.
    #[inline]
    pub(crate) const fn web_socket(&mut self) -> Option<&mut WebSocketStream> {
        if let Kind::WebSocket(websocket) = &mut self.kind { Some(websocket) } else { None }
    }

    /// The stream, if it is a WebSocket.
    #[inline]
    pub(crate) const fn if_web_socket(&mut self) -> Option<&mut Self> {
        if matches!(self.kind, Kind::WebSocket(_)) { Some(self) } else { None }
    }

    /// The stream, if it is an event stream. It takes one comparison, and [`Stream::events`] takes two.
    #[inline]
    pub(crate) const fn if_events(&mut self) -> Option<&mut Self> {
        if matches!(self.kind, Kind::Events(_)) { Some(self) } else { None }
    }

    /// The event stream that the stream carries.
    #[inline]
    pub(crate) const fn events(&mut self) -> Option<&mut EventsStream> {
        if let Kind::Events(events) = &mut self.kind { Some(events) } else { None }
    }

    /// How far the stream is from its end.
    #[inline]
    pub(crate) const fn life(&self) -> State {
        if self.is_closed { State::Closing } else { State::Open }
    }

    /// The code with which the application closed the stream.
    pub(crate) const fn closed_with(&self) -> Option<CloseCode> {
        if self.is_closed { Some(self.code) } else { None }
    }

    /// Notes that the application closed the stream with `code`, and ends a pause.
    pub(crate) const fn note_closed(&mut self, code: CloseCode) {
        (self.is_closed, self.code, self.paused) = (true, code, Time::NEVER);
    }

    /// Whether `input` is to be carried out in this state of the stream.
    #[inline]
    pub(crate) const fn applies(&self, input: Input) -> bool {
        matches!(life::step(self.life(), input), (_, Action::Apply))
    }

    /// Whether the application may pause the stream now. Kinds without input have no pause.
    pub(crate) const fn can_pause(&self) -> bool {
        match self.kind {
            Kind::WebSocket(_) | Kind::Tunnel(_) => self.applies(Input::Pause),
            Kind::Events(_) | Kind::Held(_) => false,
        }
    }

    /// Whether the server may answer input of the stream. If not, the stream is read even under
    /// backpressure: its input adds no output, and the peer's end may be behind it.
    #[inline]
    pub(crate) const fn may_answer(&self) -> bool {
        match self.kind {
            Kind::WebSocket(_) => matches!(self.life(), State::Open),
            Kind::Tunnel(_) => true,
            Kind::Events(_) | Kind::Held(_) => false,
        }
    }

    /// Whether the stream has work to do once the outbox is empty. Usually it has none.
    #[inline]
    pub(crate) fn awaits_flush(&self) -> bool {
        let owes_reply = match &self.kind {
            Kind::WebSocket(websocket) => websocket.protocol.owes_reply(),
            Kind::Events(_) | Kind::Held(_) | Kind::Tunnel(_) => false,
        };
        owes_reply || self.notify == Notify::Waiting
    }

    /// The memory for the next read, if the bytes can only belong to the message in progress.
    #[inline]
    pub(crate) fn direct(&mut self) -> Option<&mut [u8]> {
        self.web_socket()?.direct()
    }

    /// The next moment at which something is due on the stream, whose peer was last heard at `heard`.
    #[inline]
    pub(crate) fn deadline(&self, heard: Time, limits: &Limits) -> (Time, Due) {
        match &self.kind {
            Kind::WebSocket(websocket) => websocket.deadline(self.life(), heard, limits),
            Kind::Events(events) => (events.wrote + limits.heartbeat_ms, Due::Heartbeat),
            Kind::Held(held) => (held.deadline(), Due::GiveUp(Deadline::Hold)),
            // [server:tunnel-silence]
            Kind::Tunnel(tunnel) => {
                let last = if tunnel.wrote > heard { tunnel.wrote } else { heard };
                (last + limits.tunnel_ms, Due::GiveUp(Deadline::Tunnel))
            }
        }
    }

    /// The clocks of the stream start afresh: the peer has taken everything that waited, or is read
    /// again.
    pub(crate) fn restart(&mut self, now: Time, limits: &Limits) {
        let life = self.life();
        // A held request's time is the application's, which a slow reader does not stretch.
        if let Some(websocket) = self.web_socket() {
            websocket.restart(life, now, limits);
        }
    }

    /// The kind of the stream, for the counters.
    pub(crate) const fn stream_kind(&self) -> StreamKind {
        match self.kind {
            Kind::WebSocket(_) => StreamKind::WebSocket,
            Kind::Events(_) => StreamKind::EventStream,
            Kind::Held(_) => StreamKind::Held,
            Kind::Tunnel(_) => StreamKind::Tunnel,
        }
    }
}
