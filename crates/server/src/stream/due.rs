//! What deadlines are for.

use crate::cause::Deadline;

/// What is due when a deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The peer is given up.
    GiveUp(Deadline),
    /// A peer that took nothing for so long is tried once more, and then given up.
    LastWrite,
    /// A silent WebSocket is asked for a sign of life.
    Ping,
    /// A silent event stream gives one.
    Heartbeat,
    /// A stream that the application paused is read again.
    Resume,
}
