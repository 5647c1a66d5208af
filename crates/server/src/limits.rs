//! The bounds of the server that its owner may set.

/// The bounds of the server that its owner may set: sizes in bytes, times in milliseconds.
///
/// The defaults suit a public server with small messages. There is no "unlimited": a bound that
/// does not matter to you can be large.
///
/// While a socket takes no more and bytes wait for the peer, only
/// [`write_stall_ms`](Self::write_stall_ms) runs; the other clocks of that connection start afresh
/// once it has caught up. A peer cannot answer what it has not got yet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Sockets open at a time. Above it connections wait in the system's backlog; keep it below
    /// the descriptor limit, files and logs need some too.
    pub connections_max: usize,
    /// Sockets open at a time from one address. One more is closed as soon as it is accepted. An
    /// IPv6 host has 2⁶⁴ addresses to choose from, so all addresses of a /64 count as one.
    pub connections_per_address_max: usize,
    /// Handshakes of sockets under way at a time: TLS has one, TCP has none. One more ends the oldest of
    /// them, so a crowd that does not go on with theirs keeps nobody else out.
    pub handshakes_max: usize,
    /// Connections accepted in one turn, so that a storm of them does not starve the others.
    pub accepts_per_turn_max: usize,
    /// Units of work in one turn. What is left then goes on in the next turn, which does not wait.
    ///
    /// A unit stands for a tenth to a fifth of a microsecond. The server counts units for connections,
    /// reads, bytes, requests, frames, timers and writes, and the application adds its own by
    /// [`Context::spend`](crate::Context::spend). Units are counted and not measured, so the same input
    /// always spends the same units.
    ///
    /// Each phase of a turn has a part of this budget. A phase does at least one piece of work, and
    /// stops after the piece that passes its part. If both connections and work of the application were left,
    /// the next turn has a quarter of the budget, so that they do not wait long for each other.
    pub turn_units_max: u32,
    /// Units of work that one visit of a connection may cause. Its further input waits behind that of
    /// the others. A visit that passes its share, by an expensive request or a long message, is billed in
    /// full: while more waits than a turn can do, holders get units by their weights. See
    /// [`App::holder`](crate::App::holder).
    pub connection_units_max: u32,
    /// Size of the loop's one receive buffer, and so of a read. A larger buffer falls out of the
    /// processor's cache. A read of requests brings 16 KiB and the rest of a body at the most. A read
    /// of a long WebSocket message without compression brings up to 512 KiB, straight to its place.
    pub read_bytes: usize,
    /// Bytes of all WebSockets together that were read and wait for another turn. Above them a read of
    /// a WebSocket brings 4 KiB at the most.
    pub leftover_bytes_max: usize,
    /// Bounds on request heads.
    pub http: sockeye_http1::Limits,
    /// Bounds of a connection that speaks HTTP/2; `None`: HTTP/2 is not spoken. A connection speaks it if its
    /// first bytes are the preface of HTTP/2, or if its socket negotiated `h2` (ALPN). Connections that are
    /// open keep theirs.
    pub http2: Option<sockeye_http2::Limits>,
    /// Largest request body. A longer one is answered 413: before it is read if its length is declared,
    /// or when its chunks pass the bound.
    pub body_bytes_max: usize,
    /// Bounds on frames, messages and fragments.
    pub websocket: sockeye_websocket::Limits,
    /// Unsent bytes above which a connection is no longer read from. It is read
    /// again at half of them. Between two requests the mark is 16 KiB at the most, and zero while the
    /// socket takes no more: a client that pipelines requests has to read their answers.
    pub outbox_pause_bytes: usize,
    /// Unsent bytes at or below which a stream counts as drained, for
    /// [`App::on_drained`](crate::App::on_drained).
    pub outbox_refill_bytes: usize,
    /// Unsent bytes above which the application's sends are refused and the connection is cut.
    pub outbox_bytes_max: usize,
    /// Bytes read from a client while its request is held. Bytes beyond them wait in its socket, and so
    /// does the end of the connection behind them. The server then notices only when it writes the
    /// response that such a client is gone.
    pub hold_bytes_max: usize,
    /// How events are compressed for streams in gzip, and from which length on.
    pub gzip: sockeye_deflate::GzipConfig,
    /// Input that a closing connection discards while it waits for the peer's end. With more it is
    /// aborted.
    pub discard_bytes_max: u64,
    /// From accept to the end of the socket's handshake, if it has one: TLS has one, TCP has none.
    pub handshake_ms: u64,
    /// From accept or the end of the handshake, or from the first byte of a later request, to its complete
    /// head.
    pub head_ms: u64,
    /// From a request's head to the end of its body.
    pub body_ms: u64,
    /// From the first part of a WebSocket message to its last; a peer that takes longer is told
    /// 1008.
    pub message_ms: u64,
    /// How long a connection may stay open between two requests.
    pub keep_alive_ms: u64,
    /// Longest time for which a request is held, whatever the application asks for.
    pub hold_ms: u64,
    /// Longest time for which the application may leave a stream unread, whatever it asks for.
    pub pause_ms: u64,
    /// Longest time in which nothing goes through a tunnel, in either direction.
    pub tunnel_ms: u64,
    /// Silence on a WebSocket after which it is pinged.
    pub ping_ms: u64,
    /// From a ping to any sign of life.
    pub pong_ms: u64,
    /// Time without output on an event stream after which a comment is sent (the standard names 15 s).
    pub heartbeat_ms: u64,
    /// From our Close to the peer's, and from our last byte to the end of the peer's direction. It counts
    /// from the moment when that Close or byte was written out.
    pub close_ms: u64,
    /// Longest time in which a peer takes none of the bytes that wait for it.
    pub write_stall_ms: u64,
    /// From the start of a drain to the end of accepting: the time in which a load balancer is to
    /// notice that it should send no more clients.
    pub drain_accept_ms: u64,
    /// From the end of accepting, the time over which the streams are told to go, one by one at an even
    /// rate.
    pub drain_window_ms: u64,
    /// From the end of that time to the cut of the connections that are left.
    pub drain_ms: u64,
    /// The least reconnection time that event streams are sent when the server goes away. Up to as
    /// much again is added, so that the clients do not come back at once.
    pub drain_retry_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            connections_per_address_max: 10_000,
            handshakes_max: 10_000,
            accepts_per_turn_max: 64,
            turn_units_max: 32_000,
            connection_units_max: 4_000,
            read_bytes: 128 * 1024,
            leftover_bytes_max: 16 * 1024 * 1024,
            http: sockeye_http1::Limits::default(),
            http2: Some(sockeye_http2::Limits::DEFAULT),
            body_bytes_max: 64 * 1024,
            websocket: sockeye_websocket::Limits::default(),
            // Buffers double. With the last reply above the mark, this one still has 64 KiB.
            outbox_pause_bytes: 63 * 1024,
            outbox_refill_bytes: 16 * 1024,
            outbox_bytes_max: 64 * 1024 * 1024,
            hold_bytes_max: 16 * 1024,
            gzip: sockeye_deflate::GzipConfig::default(),
            discard_bytes_max: 16 * 1024 * 1024,
            handshake_ms: 5_000,
            head_ms: 5_000,
            body_ms: 30_000,
            message_ms: 120_000,
            keep_alive_ms: 60_000,
            hold_ms: 120_000,
            pause_ms: 120_000,
            tunnel_ms: 120_000,
            ping_ms: 25_000,
            pong_ms: 10_000,
            heartbeat_ms: 15_000,
            close_ms: 2_000,
            write_stall_ms: 25_000,
            drain_accept_ms: 0,
            drain_window_ms: 0,
            drain_ms: 10_000,
            drain_retry_ms: 1_000,
        }
    }
}
