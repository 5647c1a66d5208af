//! What the server does when a deadline has come.

use crate::cause::Deadline;

/// What is due when a deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The peer is given up.
    GiveUp(Deadline),
    /// A peer that took nothing for its time gets one more write, and is then given up.
    LastWrite,
    /// A silent WebSocket is asked for a sign of life.
    Ping,
    /// A silent event stream gives a sign of life.
    Heartbeat,
    /// A stream that the application paused is read again.
    Resume,
    /// The content of a request of HTTP/2 is late.
    Content,
}
