//! The counters of a server.

use crate::histogram::Histogram;

/// Counters of one server since its start, and the gauges that follow from them.
///
/// Plain numbers: the loop is one thread. Read them through [`Server::stats`](crate::Server::stats)
/// or [`Context::stats`](crate::Context::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed, for whatever reason.
    pub closed: u64,
    /// Times accepting was paused: out of descriptors, or at `connections_max`.
    pub accept_pauses: u64,
    /// Connections closed as soon as they were accepted, because their address was at
    /// `connections_per_address_max`. They count neither as accepted nor as closed.
    pub crowded_out: u64,
    /// Requests that arrived whole and went to the application.
    pub requests: u64,
    /// Requests answered with a status of 400 or above.
    pub refused: u64,
    /// WebSockets opened.
    pub websockets_opened: u64,
    /// WebSockets closed.
    pub websockets_closed: u64,
    /// Event streams opened.
    pub event_streams_opened: u64,
    /// Event streams closed.
    pub event_streams_closed: u64,
    /// Requests held.
    pub holds_opened: u64,
    /// Held requests that were answered, or whose client went away.
    pub holds_closed: u64,
    /// Tunnels opened.
    pub tunnels_opened: u64,
    /// Tunnels closed.
    pub tunnels_closed: u64,
    /// WebSocket messages received whole.
    pub messages_received: u64,
    /// WebSocket messages sent.
    pub messages_sent: u64,
    /// Events sent.
    pub events_sent: u64,
    /// Bytes read from sockets.
    pub bytes_received: u64,
    /// Bytes written to sockets.
    pub bytes_sent: u64,
    /// WebSockets failed because the peer broke the protocol.
    pub protocol_errors: u64,
    /// Connections cut, and held requests refused, because a deadline passed.
    pub timeouts: u64,
    /// Connections cut because their outbox was over its bound.
    pub overflows: u64,
    /// Times a connection was not read from because its outbox was over the mark.
    pub read_pauses: u64,
    /// How long turns took, from the end of the wait until all outboxes were flushed. A connection
    /// that becomes ready meanwhile waits that long.
    pub turns: Histogram,
}

impl Stats {
    /// Adds the counts of another server.
    pub fn add(&mut self, other: &Self) {
        let Self {
            accepted,
            closed,
            accept_pauses,
            crowded_out,
            requests,
            refused,
            websockets_opened,
            websockets_closed,
            event_streams_opened,
            event_streams_closed,
            holds_opened,
            holds_closed,
            tunnels_opened,
            tunnels_closed,
            messages_received,
            messages_sent,
            events_sent,
            bytes_received,
            bytes_sent,
            protocol_errors,
            timeouts,
            overflows,
            read_pauses,
            turns,
        } = self;
        for (sum, more) in [
            (accepted, other.accepted),
            (closed, other.closed),
            (accept_pauses, other.accept_pauses),
            (crowded_out, other.crowded_out),
            (requests, other.requests),
            (refused, other.refused),
            (websockets_opened, other.websockets_opened),
            (websockets_closed, other.websockets_closed),
            (event_streams_opened, other.event_streams_opened),
            (event_streams_closed, other.event_streams_closed),
            (holds_opened, other.holds_opened),
            (holds_closed, other.holds_closed),
            (tunnels_opened, other.tunnels_opened),
            (tunnels_closed, other.tunnels_closed),
            (messages_received, other.messages_received),
            (messages_sent, other.messages_sent),
            (events_sent, other.events_sent),
            (bytes_received, other.bytes_received),
            (bytes_sent, other.bytes_sent),
            (protocol_errors, other.protocol_errors),
            (timeouts, other.timeouts),
            (overflows, other.overflows),
            (read_pauses, other.read_pauses),
        ] {
            *sum += more;
        }
        turns.add(&other.turns);
    }
}
