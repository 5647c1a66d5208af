//! The counters of a server.

use sockeye_http2::ErrorCode;

use crate::closes::StreamKind;
use crate::failed_handshakes::FailedHandshakes;
use crate::histogram::Histogram;

/// Declares the counters, so that the struct and the sum of two servers have the same ones.
macro_rules! counters {
    ($($(#[$doc:meta])* $counter:ident,)*) => {
        /// Counters of one server since its start. Gauges follow from pairs of them: `accepted - closed`
        /// connections are open.
        ///
        /// Plain numbers: the loop is one thread. Read them through
        /// [`Server::stats`](crate::Server::stats) or [`Context::stats`](crate::Context::stats).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $counter: u64,)*
            /// Handshakes of TLS that failed, but those ended for a newer one.
            pub handshakes_failed: FailedHandshakes,
            /// GOAWAY frames, but the first one of a drain, which names no last stream yet.
            pub goaways: Goaways,
            /// How long turns took, from the end of the wait until all outboxes were flushed, and
            /// visits of [`Server::with_app`](crate::Server::with_app) before them. A connection
            /// that becomes ready meanwhile waits that long.
            pub turns: Histogram,
        }

        impl Stats {
            /// Adds the counts of another server.
            pub fn add(&mut self, other: &Self) {
                $(self.$counter += other.$counter;)*
                self.handshakes_failed.add(&other.handshakes_failed);
                self.goaways.add(other.goaways);
                self.turns.add(&other.turns);
            }
        }
    };
}

counters! {
    /// Connections accepted.
    accepted,
    /// Connections that speak HTTP/2, of those accepted.
    http2_connections,
    /// Connections of HTTP/2 that were told to go, or that ended.
    http2_connections_closed,
    /// Streams of HTTP/2 that brought a request.
    http2_streams,
    /// Streams of HTTP/2 that are over.
    http2_streams_closed,
    /// Streams that the peer reset.
    http2_resets_received,
    /// Streams that the server reset, refused ones included.
    http2_resets_sent,
    /// Connections closed, for whatever reason.
    closed,
    /// Times accepting was paused: out of descriptors, or at `connections_max`.
    accept_pauses,
    /// Connections closed as soon as they were accepted, because their address was at
    /// `connections_per_address_max`. They count neither as accepted nor as closed. Those that the PROXY protocol
    /// shows to be of such an address are closed at its header, and count as both.
    crowded_out,
    /// Connections refused on listeners with the PROXY protocol: closed as soon as they were accepted, because
    /// their peer is no trusted proxy (these count neither as accepted nor as closed), or ended because they
    /// began without a good header, or had none in time.
    proxies_refused,
    /// Handshakes of TLS that were completed.
    handshakes,
    /// Handshakes ended for a newer one, because `handshakes_max` were under way.
    handshakes_evicted,
    /// Requests that arrived whole and went to the application.
    requests,
    /// Requests answered with a status of 400 or above.
    refused,
    /// WebSockets opened.
    websockets_opened,
    /// WebSockets closed.
    websockets_closed,
    /// Event streams opened.
    event_streams_opened,
    /// Event streams opened in gzip, of these.
    event_streams_compressed,
    /// Event streams closed.
    event_streams_closed,
    /// Requests held.
    holds_opened,
    /// Held requests that were answered, or whose client went away.
    holds_closed,
    /// Tunnels opened.
    tunnels_opened,
    /// Tunnels closed.
    tunnels_closed,
    /// WebSocket messages received whole.
    messages_received,
    /// WebSocket messages sent.
    messages_sent,
    /// Events sent.
    events_sent,
    /// Bytes read from sockets.
    bytes_received,
    /// Bytes written to sockets.
    bytes_sent,
    /// WebSockets failed by a Close of ours: the peer broke a rule, or its message was too long or corrupt.
    protocol_errors,
    /// Deadlines that passed and ended a connection or stream, or answered a held request. The end of an
    /// idle kept connection does not count.
    timeouts,
    /// Connections cut because their outbox was over its bound.
    overflows,
    /// Times a connection was not read from because its outbox was over the mark.
    read_pauses,
    /// Units of work; see [`Limits::turn_units_max`](crate::Limits::turn_units_max).
    units,
    /// Visits that left input for another turn, because the connection had spent its share.
    share_stops,
    /// Turns that left connections unread, because the budget of the turn was spent.
    read_stops,
    /// Turns that left outboxes unwritten, because the budget of the turn was spent.
    write_stops,
}

impl Stats {
    /// The counters of opened and of closed streams of `kind`.
    pub(crate) const fn streams(&mut self, kind: StreamKind) -> (&mut u64, &mut u64) {
        match kind {
            StreamKind::WebSocket => (&mut self.websockets_opened, &mut self.websockets_closed),
            StreamKind::EventStream => {
                (&mut self.event_streams_opened, &mut self.event_streams_closed)
            }
            StreamKind::Held => (&mut self.holds_opened, &mut self.holds_closed),
            StreamKind::Tunnel => (&mut self.tunnels_opened, &mut self.tunnels_closed),
        }
    }
}

/// GOAWAY frames that the server sent, by their code (RFC 9113 §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goaways([u64; GOAWAY_CODES]);

/// The codes of RFC 9113 §7: 0 to 13.
const GOAWAY_CODES: usize = 14;

impl Goaways {
    /// Each code with its name and its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let named = |(code, count): (u32, &u64)| Some((ErrorCode::new(code).name()?, *count));
        (0..).zip(&self.0).filter_map(named)
    }

    /// How many had this code.
    pub fn count(&self, code: ErrorCode) -> u64 {
        self.0.get(code.to_u32() as usize).copied().unwrap_or(0)
    }

    pub(crate) fn note(&mut self, code: ErrorCode) {
        if let Some(count) = self.0.get_mut(code.to_u32() as usize) {
            *count += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, other)| *count += other);
    }
}
