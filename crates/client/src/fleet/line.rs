//! One connection with the members on it.

use std::collections::{BTreeMap, VecDeque};

use sockeye_reactor::Time;

use super::carrier::Carrier;
use super::member::MemberId;
use super::origin::Origin;
use crate::Error;
use crate::http2::LaneId;

/// A connection, and the members that it carries.
pub(super) struct Line {
    pub(super) origin: Origin,
    pub(super) carrier: Carrier,
    pub(super) lanes: BTreeMap<LaneId, MemberId>,
    /// Members with bytes that the lane has not taken, the next one first.
    pub(super) senders: VecDeque<MemberId>,
    pub(super) state: State,
    pub(super) opened_at: Time,
    pub(super) heard_at: Time,
    /// Whether the server was asked for a sign of life, and has given none.
    pub(super) is_asked: bool,
    /// Whether the caller knows that there are bytes to write.
    pub(super) is_ordered: bool,
    /// Whether it has ever carried several members.
    pub(super) was_shared: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// We have ended it; the caller has still to close its socket.
    Closing,
    /// The socket is gone. Members take what has come.
    Gone,
}

impl Line {
    pub(super) fn new(origin: Origin, carrier: Carrier, now: Time) -> Self {
        Self {
            origin,
            carrier,
            lanes: BTreeMap::new(),
            senders: VecDeque::new(),
            state: State::Open,
            opened_at: now,
            heard_at: now,
            is_asked: false,
            is_ordered: false,
            was_shared: false,
        }
    }

    /// Gives a member a lane.
    pub(super) fn seat(&mut self, member: MemberId) -> LaneId {
        let lane = self.carrier.open_lane();
        self.lanes.insert(lane, member);
        self.was_shared |= self.lanes.len() > 1;
        lane
    }

    /// The most members that it may carry, where a connection may carry `max`. A server that allows no stream keeps
    /// one member waiting, not all of them dialing.
    pub(super) fn room(&mut self, max: usize) -> usize {
        match self.carrier.http2() {
            None => 1,
            Some(http2) => http2.streams_max().unwrap_or(max).clamp(1, max),
        }
    }

    /// Whether another member may come.
    pub(super) fn takes_more(&mut self, max: usize) -> bool {
        let is_sound = self.state == State::Open && !self.is_asked;
        let is_shared = self.carrier.http2().is_some_and(|http2| !http2.is_leaving());
        is_sound && is_shared && self.lanes.len() < self.room(max)
    }

    /// Whether a lane has no stream, and waits behind others that have all of them. [client:shared-overflow]
    pub(super) fn is_crowded(&mut self, lane: LaneId, max: usize) -> bool {
        let is_over = self.lanes.len() > self.room(max);
        is_over && self.carrier.http2().is_some_and(|http2| !http2.has_stream(lane))
    }

    /// Whether the server goes away.
    pub(super) fn is_leaving(&mut self) -> bool {
        self.carrier.http2().is_some_and(|http2| http2.is_leaving())
    }

    /// Whether the server goes away, and has answered everything.
    pub(super) fn is_left(&mut self) -> bool {
        self.carrier.http2().is_some_and(|http2| http2.is_leaving() && http2.is_quiet())
    }

    /// The members whose lanes have something new.
    pub(super) fn wake(&mut self, woken: &mut Vec<MemberId>) {
        match &mut self.carrier {
            Carrier::Http1(_) => woken.extend(self.lanes.values()),
            Carrier::Http2(http2) => {
                while let Some(lane) = http2.next_touched() {
                    woken.extend(self.lanes.get(&lane));
                }
            }
        }
    }

    /// Ends all its lanes.
    pub(super) fn lose(&mut self, why: &Error, state: State) {
        self.carrier.lose(why);
        self.senders.clear();
        self.state = state;
    }
}
