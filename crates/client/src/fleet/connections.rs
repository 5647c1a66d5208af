//! The connections of a fleet: which are there, which are wanted, and who is on them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sockeye_reactor::Time;

use super::carrier::{Carrier, Http1};
use super::line::{Line, State};
use super::member::MemberId;
use super::origin::{Known, Origin};
use crate::http2::{LaneId, Multiplex};
use crate::{Deadline, Error, HttpVersions, Limits, Peer, Scheme};

/// A connection that lasts so long, in milliseconds, counts as a good one.
const STEADY_MS: u64 = 2_000;

/// Names a connection of a fleet. No two have the same one, also one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) usize);

impl ConnectionId {
    /// Its number, counted from 0.
    pub const fn to_usize(self) -> usize {
        self.0
    }
}

/// The protocol that a new connection has agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1: for one machine.
    Http1,
    /// HTTP/2: for many.
    Http2,
}

/// What a fleet without sockets wants of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A connection: answer by `connected` or `disconnected`.
    Dial {
        /// Its name.
        connection: ConnectionId,
        /// The server.
        peer: Peer,
        /// The versions of HTTP to offer.
        versions: HttpVersions,
    },
    /// There are bytes to write: `output`. They remain the caller's to write until they are all `sent`.
    Write(ConnectionId),
    /// The connection takes input again.
    Read(ConnectionId),
    /// The connection, or the attempt, is not wanted any more: close its socket, and say nothing.
    Close(ConnectionId),
}

/// Every connection of a fleet.
pub(super) struct Connections {
    pub(super) limits: Limits,
    versions: HttpVersions,
    pub(super) lines: BTreeMap<ConnectionId, Line>,
    dials: BTreeMap<ConnectionId, Origin>,
    origins: BTreeMap<Origin, Known>,
    pub(super) orders: VecDeque<Order>,
    /// When each connection of HTTP/2 is looked at.
    looks: BTreeSet<(Time, ConnectionId)>,
    next: usize,
}

impl Connections {
    pub(super) const fn new(limits: Limits, versions: HttpVersions) -> Self {
        Self {
            limits,
            versions,
            lines: BTreeMap::new(),
            dials: BTreeMap::new(),
            origins: BTreeMap::new(),
            orders: VecDeque::new(),
            looks: BTreeSet::new(),
            next: 0,
        }
    }

    /// The most members on a connection.
    pub(super) fn room_max(&self) -> usize {
        usize::try_from(self.limits.machines_per_connection_max).unwrap_or(usize::MAX).max(1)
    }

    /// Gives a member a lane of a connection that is there; if there is none, it waits. [client:shared-connection]
    pub(super) fn join(&mut self, id: MemberId, origin: &Origin) -> Option<(ConnectionId, LaneId)> {
        let max = self.room_max();
        // What speaks HTTP/1.1 has never a connection to share.
        let known = self
            .origins
            .entry(origin.clone())
            .or_insert_with(|| Known::new(if origin.wants_http1 { 1 } else { max }));
        for connection in &known.shared {
            if let Some(line) = self.lines.get_mut(connection)
                && line.takes_more(max)
            {
                return Some((*connection, line.seat(id)));
            }
        }
        known.waiting.push_back(id);
        None
    }

    /// A member waits no longer.
    pub(super) fn leave_queue(&mut self, id: MemberId, origin: &Origin) {
        if let Some(known) = self.origins.get_mut(origin) {
            known.waiting.retain(|it| *it != id);
            if known.waiting.is_empty() {
                self.give_up_dials(origin);
            }
        }
    }

    fn give_up_dials(&mut self, origin: &Origin) {
        let Self { dials, orders, origins, .. } = self;
        dials.retain(|connection, of| {
            if of == origin {
                orders.push_back(Order::Close(*connection));
            }
            of != origin
        });
        if let Some(known) = origins.get_mut(origin) {
            known.dials = 0;
        }
    }

    /// Orders the connections that are lacking.
    pub(super) fn plan(&mut self, now: Time) {
        self.origins.retain(|_, known| known.is_used(now));
        for (origin, known) in &mut self.origins {
            while known.lacks()
                && known.not_before <= now
                && self.dials.len() < usize::from(self.limits.dials_max).max(1)
            {
                let connection = ConnectionId(self.next);
                self.next = self.next.wrapping_add(1);
                known.dials += 1;
                self.dials.insert(connection, origin.clone());
                let versions = origin.versions(self.versions);
                let peer = origin.peer.clone();
                self.orders.push_back(Order::Dial { connection, peer, versions });
            }
        }
    }

    /// When [`plan`](Self::plan) or [`look`](Self::look) has to be called.
    pub(super) fn deadline(&self) -> Time {
        let gates = self.origins.values().filter(|known| known.lacks()).map(|it| it.not_before);
        // Those who wait behind `dials_max` go on when a dial ends.
        let is_full = self.dials.len() >= usize::from(self.limits.dials_max).max(1);
        let gate = if is_full { None } else { gates.min() };
        let look = self.looks.first().map(|(at, _)| *at);
        gate.into_iter().chain(look).min().unwrap_or(Time::NEVER)
    }

    /// A connection was made: those who wait for it get their lanes.
    pub(super) fn connected(
        &mut self,
        id: ConnectionId,
        now: Time,
        protocol: Protocol,
    ) -> Vec<(MemberId, LaneId)> {
        let Some(origin) = self.dials.remove(&id) else { return Vec::new() };
        let max = self.room_max();
        let carrier = match protocol {
            Protocol::Http1 => Carrier::Http1(Http1::default()),
            Protocol::Http2 => {
                let scheme = match origin.peer.scheme {
                    Scheme::Plain => "http",
                    Scheme::Secure => "https",
                };
                self.looks.insert((now + self.limits.shared_ping_ms, id));
                Carrier::Http2(Box::new(Multiplex::new(scheme, &self.limits)))
            }
        };
        let Some(known) = self.origins.get_mut(&origin) else { return Vec::new() };
        let mut line = Line::new(origin, carrier, now);
        known.dials -= 1;
        known.room = match protocol {
            // [client:shared-http1]
            Protocol::Http1 => 1,
            Protocol::Http2 if known.room == 1 => max,
            Protocol::Http2 => known.room,
        };
        if protocol == Protocol::Http2 {
            known.shared.push(id);
        }
        let count = known.waiting.len().min(known.room);
        let seated = known.waiting.drain(..count).map(|member| (member, line.seat(member)));
        let seated = seated.collect();
        self.lines.insert(id, line);
        self.order_write(id);
        if count == 0 {
            self.retire(id, now, &Error::HungUp, 0);
        }
        seated
    }

    /// No connection was made: as many members as it would have carried are told.
    pub(super) fn refused(&mut self, id: ConnectionId, now: Time, bits: u64) -> Vec<MemberId> {
        let Some(origin) = self.dials.remove(&id) else { return Vec::new() };
        let Some(known) = self.origins.get_mut(&origin) else { return Vec::new() };
        known.dials -= 1;
        known.put_off(now, bits);
        let count = known.waiting.len().min(known.room);
        known.waiting.drain(..count).collect()
    }

    /// Takes bytes of the server; returns the members that have something new.
    pub(super) fn received(
        &mut self,
        id: ConnectionId,
        now: Time,
        bytes: &mut [u8],
        bits: u64,
    ) -> Vec<MemberId> {
        let mut woken = Vec::new();
        let max = self.room_max();
        let Some(line) = self.lines.get_mut(&id).filter(|it| it.state == State::Open) else {
            return woken;
        };
        (line.heard_at, line.is_asked) = (now, false);
        if let Some(http2) = line.carrier.http2() {
            http2.tell_time(now.as_millis());
        }
        let received = line.carrier.receive(bytes);
        let room = line.room(max);
        if let Some(known) = self.origins.get_mut(&line.origin) {
            known.room = room;
        }
        line.wake(&mut woken);
        self.order_write(id);
        if let Err(why) = received {
            woken.extend(self.retire(id, now, &why, bits));
        }
        woken
    }

    /// Ends a connection whose server goes away and has answered everything. [client:shared-goaway]
    pub(super) fn retire_if_left(&mut self, id: ConnectionId, now: Time) -> Vec<MemberId> {
        let line = self.lines.get_mut(&id).filter(|line| line.state == State::Open);
        match line.is_some_and(Line::is_left) {
            true => self.retire(id, now, &Error::Ended, 0),
            false => Vec::new(),
        }
    }

    /// The connection has ended; returns the members that were on it.
    pub(super) fn disconnected(
        &mut self,
        id: ConnectionId,
        now: Time,
        why: &Error,
        bits: u64,
    ) -> Vec<MemberId> {
        self.end(id, now, why, (State::Gone, bits))
    }

    /// Ends a connection from our side.
    pub(super) fn retire(
        &mut self,
        id: ConnectionId,
        now: Time,
        why: &Error,
        bits: u64,
    ) -> Vec<MemberId> {
        if let Some(line) = self.lines.get_mut(&id).filter(|it| it.state == State::Open)
            && let Some(http2) = line.carrier.http2()
        {
            http2.shut_down();
        }
        self.order_write(id);
        let woken = self.end(id, now, why, (State::Closing, bits));
        self.orders.push_back(Order::Close(id));
        woken
    }

    fn end(
        &mut self,
        id: ConnectionId,
        now: Time,
        why: &Error,
        (state, bits): (State, u64),
    ) -> Vec<MemberId> {
        let mut woken = Vec::new();
        let Some(line) = self.lines.get_mut(&id) else { return woken };
        let was_open = line.state == State::Open;
        line.lose(why, state);
        line.wake(&mut woken);
        if let Some(known) = self.origins.get_mut(&line.origin) {
            known.shared.retain(|it| *it != id);
            if now.since(line.opened_at) >= STEADY_MS {
                known.backoff.reset();
            }
            // Those whom a server sends away may go at once.
            let is_loss = !matches!(why, Error::HungUp) && !line.is_leaving();
            if was_open && is_loss && line.was_shared {
                known.put_off(now, bits);
            }
        }
        self.forget_if_done(id);
        woken
    }

    /// A member leaves its lane. A connection without members is closed.
    pub(super) fn leave(&mut self, id: ConnectionId, lane: LaneId, now: Time) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.carrier.close_lane(lane);
        line.lanes.remove(&lane);
        let is_unused = line.lanes.is_empty() && line.state == State::Open;
        self.order_write(id);
        if is_unused {
            self.retire(id, now, &Error::HungUp, 0);
        }
        self.forget_if_done(id);
    }

    /// Asks connections that are silent for a sign of life, and ends those that give none. [client:shared-ping]
    pub(super) fn look(&mut self, now: Time, bits: u64) -> Vec<MemberId> {
        let mut woken = Vec::new();
        let Limits { shared_ping_ms, shared_pong_ms, .. } = self.limits;
        while let Some((at, id)) = self.looks.first().copied().filter(|(at, _)| *at <= now) {
            self.looks.remove(&(at, id));
            let Some(line) = self.lines.get_mut(&id).filter(|it| it.state == State::Open) else {
                continue;
            };
            if line.is_asked {
                let why = Error::TimedOut(Deadline::Pong);
                woken.extend(self.retire(id, now, &why, bits));
            } else if line.heard_at + shared_ping_ms > now {
                self.looks.insert((line.heard_at + shared_ping_ms, id));
            } else if let Some(http2) = line.carrier.http2() {
                http2.ping();
                line.is_asked = true;
                self.looks.insert((now + shared_pong_ms.max(1), id));
                self.order_write(id);
            }
        }
        woken
    }

    /// The next order that still stands.
    pub(super) fn next_order(&mut self) -> Option<Order> {
        while let Some(order) = self.orders.pop_front() {
            match &order {
                Order::Write(id) => match self.lines.get_mut(id) {
                    Some(line) if line.state != State::Gone => line.is_ordered = false,
                    _ => continue,
                },
                Order::Read(id) => {
                    if !self.lines.get(id).is_some_and(|line| line.state == State::Open) {
                        continue;
                    }
                }
                Order::Close(id) => {
                    if let Some(line) = self.lines.get_mut(id) {
                        line.state = State::Gone;
                        self.forget_if_done(*id);
                    }
                }
                Order::Dial { connection, .. } if !self.dials.contains_key(connection) => continue,
                Order::Dial { .. } => {}
            }
            return Some(order);
        }
        None
    }

    /// Tells the caller of bytes to write, once.
    pub(super) fn order_write(&mut self, id: ConnectionId) {
        if let Some(line) = self.lines.get_mut(&id)
            && !line.is_ordered
            && line.state != State::Gone
            && !line.carrier.out().is_empty()
        {
            line.is_ordered = true;
            self.orders.push_back(Order::Write(id));
        }
    }

    fn forget_if_done(&mut self, id: ConnectionId) {
        let is_done = |line: &Line| line.state == State::Gone && line.lanes.is_empty();
        if self.lines.get(&id).is_some_and(is_done) {
            self.lines.remove(&id);
        }
    }
}
