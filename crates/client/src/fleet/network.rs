//! A fleet on sockets, in a mio loop that the caller owns.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use sockeye_reactor::Time;

use super::connections::{ConnectionId, Order, Protocol};
use super::machine::{FleetMachine, Told};
use super::member::MemberId;
use crate::link::Link;
use crate::{Entropy, Error, HttpVersions, Machine, Network, Peer};

/// Steps in one call of [`Fleet::next`] that give no event; then others have their turn.
const STEPS_MAX: u8 = 32;

/// Runs many [`Machine`]s on as few sockets as the servers allow, inside a loop of the caller's.
///
/// Machines that want the same server share a connection if it speaks HTTP/2, and have one each if not. The sockets are
/// on the registry under the tokens from `first` on, so no others may use those. In each turn of the loop: give it [its
/// events](Self::on_event), call [`next`](Self::next) until nothing more comes, and wait no longer than until its
/// [deadline](Self::deadline). Nothing here blocks, except that the first TLS connection without [`Network::with_tls`]
/// reads the system's certificates from files.
pub struct Fleet<M> {
    inner: FleetMachine<M>,
    wires: BTreeMap<ConnectionId, Wire>,
    /// Connections that may have something to do, in their order.
    queue: VecDeque<ConnectionId>,
    /// Connections that are being made.
    dialing: BTreeSet<ConnectionId>,
    network: Network,
    registry: Registry,
    first: Token,
    buffer: Vec<u8>,
    start: Instant,
    has_more: bool,
}

/// A socket, or the attempt to have one.
struct Wire {
    link: Link,
    is_queued: bool,
    /// The error of a write, which counts once the input is taken.
    broken: Option<Error>,
}

impl<M: Machine> Fleet<M> {
    /// A fleet without machines, which has the tokens from `first` on.
    ///
    /// # Errors
    /// [`Error::System`] if the registry cannot be shared, or there is no entropy.
    pub fn new(
        network: impl Into<Network>,
        registry: &Registry,
        first: Token,
    ) -> Result<Self, Error> {
        let network = network.into();
        let entropy = Entropy::system().map_err(Error::system)?;
        Ok(Self {
            inner: FleetMachine::new(network.limits, network.versions, entropy),
            wires: BTreeMap::new(),
            queue: VecDeque::new(),
            dialing: BTreeSet::new(),
            registry: registry.try_clone().map_err(Error::system)?,
            first,
            buffer: vec![0; network.limits.read_bytes.max(1)],
            network,
            start: Instant::now(),
            has_more: false,
        })
    }

    /// Adds a machine. Nothing happens before the next [`next`](Self::next).
    pub fn add(&mut self, machine: M) -> MemberId {
        self.inner.add(machine)
    }

    /// Takes a machine out. Its stream, or its connection of HTTP/1.1, ends.
    pub fn remove(&mut self, id: MemberId) -> Option<M> {
        let now = self.now();
        let machine = self.inner.remove(id, now);
        self.obey(now);
        machine
    }

    /// A machine.
    pub fn machine(&self, id: MemberId) -> Option<&M> {
        self.inner.machine(id)
    }

    /// The number of machines.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether there are no machines.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// The number of connections, those included that are being made.
    pub fn connections(&self) -> usize {
        self.wires.len()
    }

    /// The connection that a machine is on. Machines on one connection of HTTP/2 have the same.
    pub fn connection(&self, id: MemberId) -> Option<ConnectionId> {
        self.inner.connection(id)
    }

    /// Calls a machine with the time and its output buffer. What it sends goes out with the next [`next`](Self::next).
    pub fn act<R>(
        &mut self,
        id: MemberId,
        act: impl FnOnce(&mut M, Time, &mut Vec<u8>) -> R,
    ) -> Option<R> {
        let now = self.now();
        self.inner.act(id, now, act)
    }

    /// Bytes of a machine that its connection has not taken.
    pub fn unsent(&self, id: MemberId) -> usize {
        self.inner.unsent(id)
    }

    /// Stops the events of a machine: backpressure. Its window shuts, and others go on. Its deadlines do not count.
    pub fn pause(&mut self, id: MemberId) {
        self.inner.pause(id);
    }

    /// Goes on with a machine, where it was.
    pub fn resume(&mut self, id: MemberId) {
        self.inner.resume(id);
    }

    /// Handles an event of the poller. Returns whether it was for one of the fleet's tokens.
    pub fn on_event(&mut self, event: &mio::event::Event) -> bool {
        let Some(index) = event.token().0.checked_sub(self.first.0) else { return false };
        let id = ConnectionId(index);
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.link.on_event(event);
            self.enqueue(id);
        }
        true
    }

    /// When [`next`](Self::next) has to be called again at the latest; `None` for never.
    pub fn deadline(&self) -> Option<Instant> {
        let now = self.has_more || !self.queue.is_empty();
        let links = self.dialing.iter().filter_map(|id| self.wires.get(id));
        let dial = links.map(|wire| wire.link.deadline()).min().unwrap_or(Time::NEVER);
        let at = if now { Time::default() } else { self.inner.deadline().min(dial) };
        (at != Time::NEVER).then(|| self.start + Duration::from_millis(at.as_millis()))
    }

    /// Works as far as possible without waiting, and hands the next event of any machine to `take`. Machines that
    /// have events take turns. `None`: none has one now.
    pub fn next<R>(
        &mut self,
        mut take: impl FnMut(MemberId, M::Event<'_>) -> R,
    ) -> Option<(MemberId, Told<R>)> {
        self.has_more = true;
        for _ in 0..STEPS_MAX {
            let now = self.now();
            self.catch_up(now);
            let told = self.inner.next(now, &mut take);
            self.obey(now);
            if told.is_some() {
                return told;
            }
            if !self.work(now) && self.inner.deadline() > now {
                self.has_more = false;
                return None;
            }
        }
        None
    }

    /// Reads before a machine's deadline counts: after a long turn, input that came in time may still lie in the socket.
    fn catch_up(&mut self, now: Time) {
        if self.inner.timer() > now {
            return;
        }
        let due: BTreeSet<ConnectionId> = self.inner.due_connections(now).collect();
        for id in due {
            if let Some(wire) = self.wires.get_mut(&id).filter(|wire| wire.link.is_up()) {
                wire.link.look_again();
                self.serve(id, now);
            }
        }
    }

    /// Does what the machines want.
    fn obey(&mut self, now: Time) {
        while let Some(order) = self.inner.next_order() {
            match order {
                Order::Dial { connection, peer, versions } => {
                    if let Err(why) = self.dial(connection, &peer, versions, now) {
                        self.end(connection, now, &why);
                    }
                }
                Order::Write(id) => self.write(id),
                Order::Read(id) => self.enqueue(id),
                Order::Close(id) => self.close(id),
            }
        }
    }

    fn dial(
        &mut self,
        id: ConnectionId,
        peer: &Peer,
        versions: HttpVersions,
        now: Time,
    ) -> Result<(), Error> {
        #[cfg(feature = "rustls")]
        if peer.scheme == crate::Scheme::Secure {
            // All connections share one: the system's authorities are read once.
            self.network.tls = Some(self.network.tls_config()?);
        }
        let registry = self.registry.try_clone().map_err(Error::system)?;
        let token = Token(self.first.0.wrapping_add(id.to_usize()));
        let network = self.network.clone().with_versions(versions);
        let mut link = Link::new(registry, token, network);
        let dialed = link.dial(peer, now);
        self.wires.insert(id, Wire { link, is_queued: false, broken: None });
        self.dialing.insert(id);
        self.enqueue(id);
        dialed
    }

    fn enqueue(&mut self, id: ConnectionId) {
        if let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.is_queued) {
            wire.is_queued = true;
            self.queue.push_back(id);
        }
    }

    /// Serves one connection. Returns false if none has anything to do.
    fn work(&mut self, now: Time) -> bool {
        let late = |id: &&ConnectionId| {
            self.wires.get(*id).is_some_and(|wire| wire.link.deadline() <= now)
        };
        let late = self.dialing.iter().find(late).copied();
        let Some(id) = late.or_else(|| self.queue.pop_front()) else { return false };
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.is_queued = false;
        }
        self.serve(id, now);
        true
    }

    /// Goes on with connecting, or writes and reads once.
    fn serve(&mut self, id: ConnectionId, now: Time) {
        if self.dialing.contains(&id) {
            return self.advance(id, now);
        }
        self.write(id);
        if !self.inner.takes_input(id) {
            return;
        }
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let why = match wire.link.read(&mut self.buffer) {
            Ok(Some(len @ 1..)) => {
                self.inner.received(id, now, &mut self.buffer[..len]);
                return self.enqueue(id);
            }
            Ok(None) if wire.broken.is_none() => {
                if wire.link.may_hold_more() {
                    self.enqueue(id);
                }
                return;
            }
            Ok(_) => wire.broken.take().unwrap_or(Error::Ended),
            Err(why) => why,
        };
        self.end(id, now, &why);
    }

    fn advance(&mut self, id: ConnectionId, now: Time) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        match wire.link.advance(now) {
            Ok(false) => {}
            Ok(true) => {
                let is_http2 = wire.link.is_http2();
                self.dialing.remove(&id);
                let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
                self.inner.connected(id, now, protocol);
                self.enqueue(id);
            }
            Err(why) => self.end(id, now, &why),
        }
    }

    /// Writes what goes. A connection that breaks is read to its end first: the server may have said why.
    fn write(&mut self, id: ConnectionId) {
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| wire.link.is_up()) else { return };
        loop {
            let output = self.inner.output(id);
            let mut sent = 0;
            if wire.broken.is_some() {
                return;
            }
            if let Err(why) = wire.link.write(output, &mut sent) {
                wire.broken = Some(why);
                return self.enqueue(id);
            }
            if sent == 0 {
                return;
            }
            self.inner.sent(id, sent);
        }
    }

    fn end(&mut self, id: ConnectionId, now: Time, why: &Error) {
        self.close(id);
        self.inner.disconnected(id, now, why);
    }

    fn close(&mut self, id: ConnectionId) {
        self.dialing.remove(&id);
        if let Some(mut wire) = self.wires.remove(&id) {
            wire.link.close();
        }
    }

    fn now(&self) -> Time {
        let ms = self.start.elapsed().as_millis();
        Time::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}
