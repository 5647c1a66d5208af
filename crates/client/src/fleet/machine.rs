//! A fleet without its network: the machines, whose turn it is, and what they send.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sockeye_reactor::Time;

use super::connections::{ConnectionId, Connections, Order, Protocol};
use super::line::State;
use super::member::{Member, MemberId, Seat};
use super::origin::Origin;
use crate::http2::{ATTEMPTS_MAX, LaneEnd, OUT_BYTES};
use crate::{Entropy, Error, Http2Error, HttpVersions, Limits, Machine};

/// Steps of a member in one turn.
const STEPS_MAX: u8 = 16;

/// What a fleet tells of a member.
#[derive(Debug)]
pub enum Told<R> {
    /// An event, as the callback has left it.
    Event(R),
    /// The machine has failed. Most are over then.
    Failed(Error),
    /// The machine has come to its end. The last that is told of it.
    Over,
}

/// Machines that share connections, without sockets or clocks.
///
/// Its caller repeats these steps:
///
/// 1. call [`next`](Self::next) until it returns `None`;
/// 2. follow all [orders](Self::next_order);
/// 3. wait for bytes, but no longer than until [`deadline`](Self::deadline). Give what comes to
///    [`received`](Self::received), where the fleet [takes input](Self::takes_input), and report ends by
///    [`disconnected`](Self::disconnected).
pub struct FleetMachine<M> {
    members: BTreeMap<MemberId, Member<M>>,
    connections: Connections,
    /// Members that get a turn, in their order.
    ready: VecDeque<MemberId>,
    timers: BTreeSet<(Time, MemberId)>,
    entropy: Entropy,
    next: u64,
}

impl<M: Machine> FleetMachine<M> {
    /// A fleet without machines, whose connections may speak these versions of HTTP.
    pub const fn new(limits: Limits, versions: HttpVersions, entropy: Entropy) -> Self {
        Self {
            members: BTreeMap::new(),
            connections: Connections::new(limits, versions),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            entropy,
            next: 0,
        }
    }

    /// Adds a machine.
    pub fn add(&mut self, machine: M) -> MemberId {
        let id = MemberId(self.next);
        self.next += 1;
        self.members.insert(id, Member::new(machine));
        self.wake([id]);
        id
    }

    /// Takes a machine out. Its stream, or its connection of HTTP/1.1, ends.
    pub fn remove(&mut self, id: MemberId, now: Time) -> Option<M> {
        let mut member = self.members.remove(&id)?;
        self.timers.remove(&(member.due, id));
        self.detach(id, &mut member, now);
        Some(member.machine)
    }

    /// The number of machines.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no machines.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A machine.
    pub fn machine(&self, id: MemberId) -> Option<&M> {
        self.members.get(&id).map(|member| &member.machine)
    }

    /// Calls a machine with its output buffer.
    pub fn act<R>(
        &mut self,
        id: MemberId,
        now: Time,
        act: impl FnOnce(&mut M, Time, &mut Vec<u8>) -> R,
    ) -> Option<R> {
        let member = self.members.get_mut(&id)?;
        let done = act(&mut member.machine, now, &mut member.out.bytes);
        self.wake([id]);
        Some(done)
    }

    /// Bytes of a machine that its connection has not taken.
    pub fn unsent(&self, id: MemberId) -> usize {
        self.members.get(&id).map_or(0, |member| member.out.rest().len())
    }

    /// Bytes that have come for a machine, which it has not taken.
    pub fn held(&mut self, id: MemberId) -> usize {
        let Some(Seat::On(connection, lane)) = self.members.get(&id).map(|it| it.seat.clone())
        else {
            return 0;
        };
        let line = self.connections.lines.get_mut(&connection);
        line.map_or(0, |line| line.carrier.input(lane).len())
    }

    /// The connection that a machine is on. Machines on one connection of HTTP/2 have the same.
    pub fn connection(&self, id: MemberId) -> Option<ConnectionId> {
        self.members.get(&id)?.connection()
    }

    /// Stops the events of a machine: backpressure. Its window shuts, and others go on. Its deadlines do not count.
    pub fn pause(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.is_paused = true;
            self.timers.remove(&(member.due, id));
            member.due = Time::NEVER;
        }
    }

    /// Goes on with a machine, where it was.
    pub fn resume(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.is_paused = false;
            self.wake([id]);
        }
    }

    /// Hands the next event of any machine to `take`; `None`: none has one now. Those that have events take turns.
    pub fn next<R>(
        &mut self,
        now: Time,
        take: &mut dyn FnMut(MemberId, M::Event<'_>) -> R,
    ) -> Option<(MemberId, Told<R>)> {
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            if let Some(member) = self.members.get_mut(&id) {
                member.due = Time::NEVER;
            }
            self.wake([id]);
        }
        let woken = self.connections.look(now, self.entropy.bits());
        self.wake(woken);
        while let Some(id) = self.ready.pop_front() {
            if let Some(told) = self.visit(id, now, take) {
                self.connections.plan(now);
                return Some((id, told));
            }
        }
        self.connections.plan(now);
        None
    }

    /// When [`next`](Self::next) has to be called again; now if a machine waits for its turn.
    pub fn deadline(&self) -> Time {
        let is_busy = !self.ready.is_empty() || !self.connections.orders.is_empty();
        if is_busy { Time::default() } else { self.timer().min(self.connections.deadline()) }
    }

    /// The next deadline of a machine. Read from its connection before it counts: input that came in time may still
    /// lie there.
    pub fn timer(&self) -> Time {
        self.timers.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    /// The connections of machines whose deadlines have passed.
    pub fn due_connections(&self, now: Time) -> impl Iterator<Item = ConnectionId> + '_ {
        let due = self.timers.iter().take_while(move |(at, _)| *at <= now);
        due.filter_map(|(_, id)| self.connection(*id))
    }

    /// The next order to the caller.
    pub fn next_order(&mut self) -> Option<Order> {
        self.connections.next_order()
    }

    /// A connection was made that had been ordered.
    pub fn connected(&mut self, id: ConnectionId, now: Time, protocol: Protocol) {
        for (member, lane) in self.connections.connected(id, now, protocol) {
            if let Some(found) = self.members.get_mut(&member) {
                found.sit(Seat::On(id, lane), now);
            }
            self.wake([member]);
        }
    }

    /// No connection was made, or it has ended.
    pub fn disconnected(&mut self, id: ConnectionId, now: Time, why: &Error) {
        let bits = self.entropy.bits();
        let woken = self.connections.disconnected(id, now, why, bits);
        self.wake(woken);
        for member in self.connections.refused(id, now, bits) {
            if let Some(found) = self.members.get_mut(&member) {
                found.lose(now, why.clone());
            }
            self.wake([member]);
        }
    }

    /// Whether input of the connection is wanted. On a connection of HTTP/1.1 it is not while its machine has not
    /// taken what came before; [`Order::Read`] says when that changes.
    pub fn takes_input(&self, id: ConnectionId) -> bool {
        let line = self.connections.lines.get(&id).filter(|line| line.state == State::Open);
        line.is_some_and(|line| !line.carrier.http1().is_some_and(|http1| http1.has_input()))
    }

    /// Takes bytes of a connection.
    pub fn received(&mut self, id: ConnectionId, now: Time, bytes: &mut [u8]) {
        let woken = self.connections.received(id, now, bytes, self.entropy.bits());
        self.wake(woken);
        self.pump(id);
        let woken = self.connections.retire_if_left(id, now);
        self.wake(woken);
    }

    /// The bytes to write to a connection.
    pub fn output(&mut self, id: ConnectionId) -> &[u8] {
        let line = self.connections.lines.get_mut(&id).filter(|line| line.state != State::Gone);
        line.map_or(&[], |line| line.carrier.out())
    }

    /// The first `len` bytes of the output are written.
    pub fn sent(&mut self, id: ConnectionId, len: usize) {
        if let Some(line) = self.connections.lines.get_mut(&id) {
            line.carrier.out().drain(..len);
            if line.carrier.out().is_empty() {
                line.carrier.output_sent();
            }
        }
        self.pump(id);
    }

    fn wake(&mut self, ids: impl IntoIterator<Item = MemberId>) {
        for id in ids {
            if let Some(member) = self.members.get_mut(&id)
                && !member.is_ready
                && !member.is_paused
            {
                member.is_ready = true;
                self.ready.push_back(id);
            }
        }
    }

    /// Gives a member its turn.
    fn visit<R>(
        &mut self,
        id: MemberId,
        now: Time,
        take: &mut dyn FnMut(MemberId, M::Event<'_>) -> R,
    ) -> Option<Told<R>> {
        let mut member = self.members.remove(&id)?;
        member.is_ready = false;
        let (told, has_more) = match member.is_paused {
            true => (None, false),
            false => self.turn(id, &mut member, now, take),
        };
        if !member.is_paused {
            let due = if member.is_told { Time::NEVER } else { member.machine.deadline() };
            if due != member.due {
                self.timers.remove(&(member.due, id));
                self.timers.extend((due != Time::NEVER).then_some((due, id)));
                member.due = due;
            }
        }
        let connection = member.connection();
        self.members.insert(id, member);
        if has_more || told.is_some() {
            self.wake([id]);
        }
        if let Some(connection) = connection {
            self.pump(connection);
        }
        told
    }

    /// Lets a member work until it has an event, or can do nothing more. Returns also whether it has to go on.
    fn turn<R>(
        &mut self,
        id: MemberId,
        member: &mut Member<M>,
        now: Time,
        take: &mut dyn FnMut(MemberId, M::Event<'_>) -> R,
    ) -> (Option<Told<R>>, bool) {
        for _ in 0..STEPS_MAX {
            self.follow(id, member, now);
            match self.hear(id, member, now, take) {
                Ok(Some(told)) => return (Some(Told::Event(told)), true),
                Ok(None) => {}
                Err(why) => {
                    self.detach(id, member, now);
                    return (Some(Told::Failed(why)), true);
                }
            }
            self.send(id, member);
            if !self.settle(id, member, now) {
                let is_over = member.machine.is_over() && !member.is_told;
                member.is_told |= is_over;
                return (is_over.then_some(Told::Over), false);
            }
        }
        (None, true)
    }

    /// Connects a member where its machine wants a connection, and disconnects it where it does not.
    fn follow(&mut self, id: MemberId, member: &mut Member<M>, now: Time) {
        match (member.machine.peer(), &member.seat) {
            (None, Seat::None) | (Some(_), Seat::Waiting(_) | Seat::On(..)) => {}
            (None, Seat::Waiting(_) | Seat::On(..)) => self.detach(id, member, now),
            (Some(peer), Seat::None) => {
                let origin = Origin { peer: peer.clone(), wants_http1: member.wants_http1 };
                match self.connections.join(id, &origin) {
                    Some((connection, lane)) => member.sit(Seat::On(connection, lane), now),
                    None => member.seat = Seat::Waiting(origin),
                }
            }
        }
    }

    /// Hands a member the input of its lane, and nothing of another one. [client:shared-same]
    fn hear<R>(
        &mut self,
        id: MemberId,
        member: &mut Member<M>,
        now: Time,
        take: &mut dyn FnMut(MemberId, M::Event<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        let Member { machine, out, .. } = member;
        let mut take = |event: M::Event<'_>| take(id, event);
        let Seat::On(connection, lane) = member.seat else {
            return machine.next(now, &mut &mut [][..], &mut out.bytes, &mut take);
        };
        let Some(line) = self.connections.lines.get_mut(&connection) else { return Ok(None) };
        let mut rest = line.carrier.input(lane);
        let len = rest.len();
        let found = machine.next(now, &mut rest, &mut out.bytes, &mut take);
        let taken = len - rest.len();
        line.carrier.took(lane, taken);
        if taken > 0 {
            member.attempts = 0;
            let takes_more = line.carrier.http1().is_some_and(|http1| !http1.has_input());
            self.connections.orders.extend(takes_more.then_some(Order::Read(connection)));
            self.connections.order_write(connection);
        }
        found
    }

    /// Takes the end of a member's lane, or moves it from a crowded connection. Returns whether anything has changed.
    fn settle(&mut self, id: MemberId, member: &mut Member<M>, now: Time) -> bool {
        if let Seat::On(connection, lane) = member.seat {
            let max = self.connections.room_max();
            let Some(line) = self.connections.lines.get_mut(&connection) else { return false };
            if let Some(end) = line.carrier.take_end(lane) {
                self.end_lane(id, member, now, end);
                return true;
            }
            // [client:shared-overflow]
            let has_request = !member.out.rest().is_empty();
            if has_request && line.state == State::Open && line.is_crowded(lane, max) {
                member.resumes = true;
                self.unseat(id, member, now);
                return true;
            }
        }
        member.machine.peer().is_none() != (member.seat == Seat::None)
    }

    /// Ends a member's connection, or sends its request on another one.
    fn end_lane(&mut self, id: MemberId, member: &mut Member<M>, now: Time, end: LaneEnd) {
        self.unseat(id, member, now);
        let kept = match end {
            LaneEnd::Lost(why) => return member.lose(now, why),
            LaneEnd::Elsewhere(kept) => kept,
            LaneEnd::Http1(kept) => {
                member.wants_http1 = true;
                kept
            }
        };
        member.attempts += 1;
        if member.attempts > ATTEMPTS_MAX {
            return member.lose(now, Error::Http2(Http2Error::Goaway));
        }
        member.out.put_back(kept);
        member.resumes = true;
    }

    /// Takes a member from its connection, behind what it has to say.
    fn detach(&mut self, id: MemberId, member: &mut Member<M>, now: Time) {
        if member.seat == Seat::None {
            return;
        }
        while self.send_part(member) > 0 {}
        self.unseat(id, member, now);
        member.lose(now, Error::HungUp);
    }

    fn unseat(&mut self, id: MemberId, member: &mut Member<M>, now: Time) {
        match core::mem::replace(&mut member.seat, Seat::None) {
            Seat::None => {}
            Seat::Waiting(origin) => self.connections.leave_queue(id, &origin),
            Seat::On(connection, lane) => self.connections.leave(connection, lane, now),
        }
        member.is_sending = false;
    }

    /// Sends a part of a member's output; it is a sender of its line while something is left.
    fn send(&mut self, id: MemberId, member: &mut Member<M>) {
        self.send_part(member);
        if let Seat::On(connection, _) = member.seat
            && !member.out.rest().is_empty()
            && !member.is_sending
            && let Some(line) = self.connections.lines.get_mut(&connection)
        {
            member.is_sending = true;
            line.senders.push_back(id);
        }
    }

    fn send_part(&mut self, member: &mut Member<M>) -> usize {
        let Seat::On(connection, lane) = member.seat else { return 0 };
        let Some(line) = self.connections.lines.get_mut(&connection) else { return 0 };
        if line.state != State::Open {
            return 0;
        }
        let len = line.carrier.send(lane, member.out.rest());
        member.out.took(len);
        self.connections.order_write(connection);
        len
    }

    /// Lets the senders of a connection send in turns, a frame each, until none can or enough is on its way.
    fn pump(&mut self, connection: ConnectionId) {
        let mut stuck = 0;
        while let Some(line) = self.connections.lines.get_mut(&connection)
            && line.state == State::Open
            && line.carrier.out().len() < OUT_BYTES
            && stuck < line.senders.len()
            && let Some(id) = line.senders.pop_front()
        {
            let Some(member) = self.members.get_mut(&id) else { continue };
            let Seat::On(on, lane) = member.seat else { continue };
            if on != connection || !member.is_sending {
                continue;
            }
            let len = line.carrier.send(lane, member.out.rest());
            member.out.took(len);
            stuck = if len > 0 { 0 } else { stuck + 1 };
            if member.out.rest().is_empty() {
                member.is_sending = false;
            } else {
                line.senders.push_back(id);
            }
        }
        self.connections.order_write(connection);
    }
}

impl<M: Machine> Member<M> {
    /// Takes a place on a connection. A machine whose request has come from another one notices nothing.
    fn sit(&mut self, seat: Seat, now: Time) {
        self.seat = seat;
        if !core::mem::take(&mut self.resumes) {
            self.attempts = 0;
            self.machine.connected(now, &mut self.out.bytes);
        }
    }

    /// Tells the machine that it has no connection.
    fn lose(&mut self, now: Time, why: Error) {
        self.seat = Seat::None;
        self.out = crate::out::Out::default();
        (self.resumes, self.is_sending) = (false, false);
        self.machine.disconnected(now, why);
    }
}
