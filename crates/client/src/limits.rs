//! The limits of a client that its user can set.
//!
//! The options of one kind of client are in `ConnectOptions`, `EventSourceOptions` and `SubscriptionOptions`. Other
//! bounds are constants at the top of the files that use them.

use sockeye_http1::{Limits as HeadLimits, chunked};

/// The bounds on what a server can make a client hold, and on how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Milliseconds for name, connection, proxy and TLS together. Default 10 000.
    pub connect_ms: u64,
    /// Lookups of names that may be under way for one client. The system's lookup cannot be cancelled, so one that
    /// hangs outlives its attempt. Default 4.
    pub lookups_max: u8,
    /// Milliseconds from the request to the end of the response's head. Default 30 000.
    pub head_ms: u64,
    /// The head of a response. Default 16 KiB in 128 lines: servers send more headers than clients.
    pub head: HeadLimits,
    /// What a chunked body holds beside its data.
    pub chunked: chunked::Limits,
    /// Interim responses (RFC 9110 §15.2) before the final one. Default 8.
    pub interim_responses_max: u8,
    /// Bytes that are kept of the body of a refusal. Default 4096.
    pub refusal_bytes_max: usize,
    /// Bytes read at a time. Default 16 KiB, held as long as there is a driver.
    pub read_bytes: usize,
    /// Content of one stream of HTTP/2 that is held until its machine takes it, in bytes. A machine that takes nothing
    /// stops its own stream, and no other one. Default 256 KiB.
    pub stream_window_bytes: u32,
    /// Machines of a [`Fleet`](crate::Fleet) on one connection of HTTP/2; fewer if the server allows fewer streams.
    /// Default 100, which is what servers allow at least (RFC 9113 §6.5.2). So many times `stream_window_bytes` is
    /// held if no machine takes anything.
    pub machines_per_connection_max: u32,
    /// Connections that a [`Fleet`](crate::Fleet) makes at a time. Default 16.
    pub dials_max: u8,
    /// Milliseconds of silence on a shared connection behind which the server is asked for a sign of life (PING).
    /// Default 20 000.
    pub shared_ping_ms: u64,
    /// Milliseconds that it has for that. Default 10 000.
    pub shared_pong_ms: u64,
    /// Bytes that the caller may queue before the network has taken them. Default 4 MiB.
    pub out_bytes_max: usize,
    /// Bytes of messages that are kept while a blocking call waits to send. Default 4 MiB.
    pub inbox_bytes_max: usize,
    /// Milliseconds for which a blocking call may send without any progress. Default 30 000.
    pub send_ms: u64,
}

/// Of responses.
const HEAD: HeadLimits = {
    let mut limits = HeadLimits::DEFAULT;
    limits.head_bytes_max = 16 * 1024;
    limits.headers_max = 128;
    limits.line_bytes_max = 16 * 1024;
    limits.target_bytes_max = 8000;
    limits
};

impl Limits {
    /// The defaults as a constant.
    pub const DEFAULT: Self = Self {
        connect_ms: 10_000,
        lookups_max: 4,
        head_ms: 30_000,
        head: HEAD,
        chunked: chunked::Limits::DEFAULT,
        interim_responses_max: 8,
        refusal_bytes_max: 4096,
        read_bytes: 16 * 1024,
        stream_window_bytes: 256 << 10,
        machines_per_connection_max: 100,
        dials_max: 16,
        shared_ping_ms: 20_000,
        shared_pong_ms: 10_000,
        out_bytes_max: 4 << 20,
        inbox_bytes_max: 4 << 20,
        send_ms: 30_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
