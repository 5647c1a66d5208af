//! HTTP/2 (RFC 9113) between machines and a connection, without I/O.
//!
//! The machines write requests and read answers in the form of HTTP/1.1, as they do on a connection of their own. A
//! [`Multiplex`] carries many of them on one connection, each on a lane. A lane makes a stream of each request, and
//! gives the answer back in the form of HTTP/1.1, as a gateway does. A WebSocket's handshake becomes an extended
//! CONNECT (RFC 8441).
//!
//! ```text
//!  machine ── GET / HTTP/1.1 … ──► lane ── HEADERS, DATA ──►┐
//!          ◄─ HTTP/1.1 200 … ─────      ◄─ HEADERS, DATA ───┤ Multiplex ◄──► connection
//!  machine ◄──────────────────────► lane ◄─────────────────►┘
//! ```

mod answer;
mod lane;
mod multiplex;
mod request;

pub use self::lane::LaneEnd;
pub(crate) use self::multiplex::{FRAME_BYTES_MAX, OUT_BYTES};
pub use self::multiplex::{LaneId, Multiplex};

/// Connections in a row on which a request may remain unprocessed.
pub(crate) const ATTEMPTS_MAX: u8 = 3;

#[cfg(test)]
mod tests;
