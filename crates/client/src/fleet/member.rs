//! One machine of a fleet.

use sockeye_reactor::Time;

use super::connections::ConnectionId;
use super::origin::Origin;
use crate::http2::LaneId;
use crate::out::Out;

/// Names a machine of a fleet. No two have the same one, also one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub(super) u64);

/// A machine, its output, and its place.
pub(super) struct Member<M> {
    pub(super) machine: M,
    pub(super) out: Out,
    pub(super) seat: Seat,
    /// The machine has a connection, as far as it knows: its request goes to another one, unnoticed.
    pub(super) resumes: bool,
    /// Connections so far that have not processed the request.
    pub(super) attempts: u8,
    /// The server wants HTTP/1.1 for what it sends.
    pub(super) wants_http1: bool,
    /// It is in the queue of those that get a turn.
    pub(super) is_ready: bool,
    /// It is among the senders of its line.
    pub(super) is_sending: bool,
    /// The caller wants no events of it now.
    pub(super) is_paused: bool,
    /// Its end was told.
    pub(super) is_told: bool,
    /// Its entry among the timers.
    pub(super) due: Time,
}

/// A member's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    None,
    /// Among those that wait for a connection to this server.
    Waiting(Origin),
    On(ConnectionId, LaneId),
}

impl<M> Member<M> {
    pub(super) fn new(machine: M) -> Self {
        Self {
            machine,
            out: Out::default(),
            seat: Seat::None,
            resumes: false,
            attempts: 0,
            wants_http1: false,
            is_ready: false,
            is_sending: false,
            is_paused: false,
            is_told: false,
            due: Time::NEVER,
        }
    }

    /// Its connection, if it has one.
    pub(super) const fn connection(&self) -> Option<ConnectionId> {
        match self.seat {
            Seat::On(connection, _) => Some(connection),
            Seat::None | Seat::Waiting(_) => None,
        }
    }
}
