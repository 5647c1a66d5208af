//! The inbox of a blocking WebSocket: owned copies of the events that arrive while a call is sending.

use std::collections::VecDeque;

use sockeye_websocket::{CloseReason, Closed, Control, Kind, OwnedMessage, Piece};

use super::SocketEvent;

/// An event that borrows from nothing.
pub(super) enum Kept {
    Message(OwnedMessage),
    Piece { kind: Kind, first: bool, last: bool, compressed: bool, payload: Vec<u8> },
    Ping(Control),
    Pong(Control),
    Close(Option<CloseReason>),
    Closed(Closed),
}

impl Kept {
    /// `None` for the event that comes before anything can be sent.
    pub(super) fn from_event(event: SocketEvent<'_>) -> Option<Self> {
        Some(match event {
            SocketEvent::Open(_) => return None,
            SocketEvent::Message(message) => Self::Message(message.into()),
            SocketEvent::Piece(Piece { kind, first, last, compressed, payload }) => {
                Self::Piece { kind, first, last, compressed, payload: payload.to_vec() }
            }
            SocketEvent::Ping(payload) => Self::Ping(payload),
            SocketEvent::Pong(payload) => Self::Pong(payload),
            SocketEvent::Close(reason) => Self::Close(reason),
            SocketEvent::Closed(closed) => Self::Closed(closed),
        })
    }

    pub(super) fn lend<R>(mut self, take: impl FnOnce(SocketEvent<'_>) -> R) -> R {
        take(match &mut self {
            Self::Message(message) => SocketEvent::Message(message.as_message()),
            Self::Piece { kind, first, last, compressed, payload } => SocketEvent::Piece(Piece {
                kind: *kind,
                first: *first,
                last: *last,
                compressed: *compressed,
                payload,
            }),
            Self::Ping(payload) => SocketEvent::Ping(*payload),
            Self::Pong(payload) => SocketEvent::Pong(*payload),
            Self::Close(reason) => SocketEvent::Close(*reason),
            Self::Closed(closed) => SocketEvent::Closed(*closed),
        })
    }

    fn bytes_held(&self) -> usize {
        let payload = match self {
            Self::Message(message) => message.as_message().as_bytes().len(),
            Self::Piece { payload, .. } => payload.len(),
            Self::Ping(_) | Self::Pong(_) | Self::Close(_) | Self::Closed(_) => 0,
        };
        payload + size_of::<Self>()
    }
}

/// The kept events in their order, and the memory that they hold.
#[derive(Default)]
pub(super) struct Inbox {
    events: VecDeque<Kept>,
    bytes: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, event: Kept) {
        self.bytes += event.bytes_held();
        self.events.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<Kept> {
        let event = self.events.pop_front()?;
        self.bytes -= event.bytes_held();
        Some(event)
    }

    pub(super) const fn bytes_held(&self) -> usize {
        self.bytes
    }
}
