//! The turn: accept, read, timers, application, flush.

mod buffered;
mod out;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use sockeye_deflate::{Engine, EngineConfig};
use sockeye_http1::Date;
use sockeye_reactor::{Accepted, Key, Net, Pool, Ready, ReadyList, Slab, Socket, Time, Wheel};

use crate::addresses::{Addresses, Rooms, SharedRoom};
use crate::connection::{Connection, Core, Room};
use crate::drain::Drain;
use crate::{
    App, CloseCause, Closes, Context, Limits, Stats, held, http, timers, tunnel, websocket,
};

/// How long accepting rests when the system is out of descriptors.
const ACCEPT_REST_MS: u64 = 100;

/// A single-threaded connection server: sockets to streams to an application.
///
/// It owns the network and the application, and does something only inside [`Server::turn`].
pub struct Server<N: Net, A> {
    pub(crate) net: N,
    pub(crate) app: A,
    pub(crate) core: Core,
    /// Each connection's socket, by the index of its key.
    sockets: Vec<Option<N::Socket>>,
    /// The loop's one receive buffer.
    buffer: Vec<u8>,
    ready: Vec<Ready>,
    visits: Vec<Key>,
    fired: Vec<(Key, Time)>,
    /// No connection is accepted before this.
    accept_from: Time,
    /// Connections by where they come from.
    addresses: Rooms,
    pub(crate) drain: Drain,
}

impl<N: Net, A: App> Server<N, A> {
    /// A server of `app` on `net`, within `limits`.
    pub fn new(net: N, app: A, limits: Limits) -> Self {
        let now = net.now();
        let buffer = vec![0; limits.read_bytes.max(1)];
        Self {
            core: Core::new(now, net.unix_seconds(), limits),
            buffer,
            net,
            app,
            sockets: Vec::new(),
            ready: Vec::new(),
            visits: Vec::new(),
            fired: Vec::new(),
            accept_from: now,
            addresses: Rooms::Own(Addresses::default()),
            drain: Drain::default(),
        }
    }

    /// The same server with a bound on connections, and on those from one address, that it shares with
    /// others: what its limits say of these is of all together.
    #[must_use]
    pub fn with_room(mut self, room: SharedRoom) -> Self {
        self.addresses = Rooms::Shared(room);
        self
    }

    /// Waits for work, at the most for `wait_max` (`None`: until there is some), and does it.
    ///
    /// # Errors
    /// Only where the poller itself is broken. What happens on one connection ends that
    /// connection and no other.
    pub fn turn(&mut self, wait_max: Option<Duration>) -> io::Result<()> {
        let wait = self.wait(wait_max);
        self.net.poll(wait, &mut self.ready)?;
        let began_us = self.net.now_us();
        let now = Time::from_millis(began_us / 1_000);
        // The calendar is as fine as the time of a turn needs.
        if now > self.core.now {
            self.core.tick(now, self.net.unix_seconds());
        }
        self.accept();
        self.read();
        self.run_timers();
        self.run_drain();
        self.run_app();
        self.flush();
        let took_us = self.net.now_us().saturating_sub(began_us);
        self.core.stats.turns.observe(took_us, 1);
        self.app.on_flushed(took_us);
        self.bury();
        Ok(())
    }

    /// Turns until a drain is over.
    ///
    /// # Errors
    /// As [`Server::turn`].
    pub fn run(&mut self) -> io::Result<()> {
        while !self.is_drained() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.core.stats
    }

    /// How streams ended.
    pub fn closes(&self) -> &Closes {
        &self.core.closes
    }

    /// The bounds from now on. What was measured by the former ones stays as it is: an open
    /// connection meets the new ones as it goes on. [`Limits::read_bytes`] stays as it was.
    pub fn set_limits(&mut self, limits: Limits) {
        let read_bytes = self.core.limits.read_bytes;
        self.core.limits = limits;
        self.core.limits.read_bytes = read_bytes;
    }

    /// Lets the application do something between two turns. What it sends leaves with the next
    /// one, which then does not wait.
    pub fn with_app<R>(&mut self, visit: impl FnOnce(&mut A, &mut Context<'_>) -> R) -> R {
        self.core.tick(self.net.now(), self.net.unix_seconds());
        visit(&mut self.app, &mut Context { core: &mut self.core })
    }

    /// The time of the last turn.
    pub const fn now(&self) -> Time {
        self.core.now
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.core.connections.len()
    }

    /// Timers in the wheel; with no connection open and the longest deadline past, none.
    pub fn timers(&self) -> usize {
        self.core.wheel.len()
    }

    /// The application.
    pub fn app(&self) -> &A {
        &self.app
    }

    /// The application, mutably.
    pub fn app_mut(&mut self) -> &mut A {
        &mut self.app
    }

    /// The network.
    pub fn net(&self) -> &N {
        &self.net
    }

    /// The network, mutably: for a simulation to move on.
    pub fn net_mut(&mut self) -> &mut N {
        &mut self.net
    }

    /// How long the next turn may wait.
    fn wait(&self, wait_max: Option<Duration>) -> Option<Duration> {
        let core = &self.core;
        let busy = !core.dirty.is_empty()
            || !core.again.is_empty()
            || !core.closed.is_empty()
            || !core.drained.is_empty();
        if busy {
            return Some(Duration::ZERO);
        }
        let now = self.net.now();
        if self.may_accept(now) {
            return Some(Duration::ZERO);
        }
        let mut next = core.wheel.next().min(self.app.deadline()).min(self.drain.next());
        if self.net.accept_ready() && self.accept_from > now {
            next = next.min(self.accept_from);
        }
        match (next.wait_from(now), wait_max) {
            (Some(wait), Some(max)) => Some(wait.min(max)),
            (wait, max) => wait.or(max),
        }
    }

    fn may_accept(&self, now: Time) -> bool {
        self.net.accept_ready() && self.accept_from <= now
    }

    fn accept(&mut self) {
        for _ in 0..self.core.limits.accepts_per_turn_max {
            if !self.may_accept(self.core.now) {
                return;
            }
            let open = self.addresses.open(self.core.connections.len());
            if open >= self.core.limits.connections_max {
                return self.rest_accepting();
            }
            match self.net.accept() {
                Ok(Some(accepted)) => self.admit(accepted),
                Ok(None) => return,
                // Out of descriptors or memory: what is open stays open, and the backlog waits
                // until something has been closed, or a moment has passed.
                Err(_) => return self.rest_accepting(),
            }
        }
    }

    fn rest_accepting(&mut self) {
        self.core.stats.accept_pauses += 1;
        self.accept_from = self.core.now + ACCEPT_REST_MS;
    }

    pub(crate) fn admit(&mut self, accepted: Accepted<N::Socket>) {
        let Accepted { mut socket, peer, .. } = accepted;
        // [server:address-bound]
        if !self.addresses.enter(peer.ip(), self.core.limits.connections_per_address_max) {
            self.core.stats.crowded_out += 1;
            return self.net.close(socket);
        }
        let key = self.core.connections.insert(Connection::new(peer, self.core.now));
        if self.net.register(&mut socket, key).is_err() {
            self.core.connections.remove(key);
            self.addresses.leave(peer.ip());
            return self.net.close(socket);
        }
        if self.sockets.len() <= key.index() {
            self.sockets.resize_with(key.index() + 1, || None);
        }
        self.sockets[key.index()] = Some(socket);
        self.core.stats.accepted += 1;
        if N::Socket::BUFFERS {
            self.begin_handshake(key);
        }
        self.core.arm(key);
    }

    /// Visits every connection that the poller named, and those left over from the last turn.
    fn read(&mut self) {
        let mut visits = core::mem::take(&mut self.visits);
        self.core.again.take(&mut visits);
        let mut ready = core::mem::take(&mut self.ready);
        for ready in ready.drain(..) {
            let Some(connection) = self.core.connections.get_mut(ready.key) else { continue };
            connection.readiness.merge(ready);
            if ready.writable && !connection.outbox.is_empty() {
                connection.list(ready.key, &mut self.core.dirty);
            }
            // Who is left over from the last turn has its visit below, and only that one.
            if !connection.readiness.is_listed() {
                self.visit(ready.key);
            }
        }
        self.ready = ready;
        for &key in &visits {
            if let Some(connection) = self.core.connections.get_mut(key) {
                connection.readiness.unlist();
                self.visit(key);
            }
        }
        self.visits = visits;
    }

    /// One read of one connection, or a look at what is left of an earlier one.
    fn visit(&mut self, key: Key) {
        if N::Socket::BUFFERS && !self.shake_hands(key) {
            return;
        }
        let Some(connection) = self.core.connections.get_mut(key) else { return };
        if connection.has_leftover() {
            if !connection.is_halted() {
                self.go_on(key);
                self.end_visit(key);
            }
            return;
        }
        let bytes_max = connection.read_bytes_max(&self.core.limits).min(self.buffer.len());
        if !connection.readiness.readable() || bytes_max == 0 {
            return;
        }
        let Some(socket) = &mut self.sockets[key.index()] else { return };
        let (direct, into) = match connection.room.direct() {
            Some(room) => (true, room),
            None => (false, &mut self.buffer[..bytes_max]),
        };
        let bytes_max = into.len();
        match socket.read(into) {
            Ok(0) => {
                connection.readiness.after_end();
                self.receive_end(key);
            }
            Ok(len) => {
                connection.readiness.after_read(len, bytes_max, socket);
                connection.heard = self.core.now;
                self.core.stats.bytes_received += len as u64;
                if direct {
                    websocket::receive_direct(&mut self.core, &mut self.app, key, len);
                } else {
                    self.dispatch(key, len);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                connection.readiness.after_read_blocked(socket);
            }
            // [server:hold-peer-gone]
            Err(_) => self.core.cut(key, CloseCause::Transport),
        }
        if N::Socket::BUFFERS {
            self.note_held(key);
        }
        self.end_visit(key);
    }

    /// Lets the connection's room go on with what it has.
    fn go_on(&mut self, key: Key) {
        let (core, app) = (&mut self.core, &mut self.app);
        let Some(connection) = core.connections.get_mut(key) else { return };
        match &connection.room {
            Room::Http(_) => http::receive(core, app, key, &[]),
            Room::WebSocket(_) => websocket::go_on(core, app, key),
            Room::Events(_) | Room::Held(_) | Room::Tunnel(_) | Room::Leaving(_) | Room::Gone => {}
        }
    }

    /// Hands the first `len` bytes of the receive buffer to the connection's room.
    fn dispatch(&mut self, key: Key, len: usize) {
        let (core, app, bytes) = (&mut self.core, &mut self.app, &mut self.buffer[..len]);
        let Some(connection) = core.connections.get_mut(key) else { return };
        match &mut connection.room {
            Room::Http(_) => http::receive(core, app, key, bytes),
            Room::WebSocket(_) => websocket::receive(core, app, key, bytes),
            Room::Held(room) => room.http.keep(bytes),
            Room::Tunnel(_) => tunnel::receive(core, app, key, bytes),
            // The request is answered by a stream without end: nothing can follow it.
            Room::Events(_) | Room::Gone => {}
            Room::Leaving(leaving) => {
                leaving.discarded += len as u64;
                if leaving.discarded > core.limits.discard_bytes_max {
                    core.cut(key, CloseCause::Ended);
                }
            }
        }
    }

    fn receive_end(&mut self, key: Key) {
        let Some(connection) = self.core.connections.get_mut(key) else { return };
        match &mut connection.room {
            // [server:tunnel-end]
            Room::Http(_) | Room::Tunnel(_) => http::receive_end(&mut self.core, key),
            Room::Held(_) => held::receive_end(&mut self.core, &mut self.app, key),
            Room::WebSocket(_) => websocket::receive_end(&mut self.core, key),
            // Its client went away; nobody reads what waits.
            Room::Events(_) => self.core.cut(key, CloseCause::Ended),
            Room::Leaving(leaving) => {
                leaving.ended = true;
                self.core.touch(key);
            }
            Room::Gone => {}
        }
    }

    fn run_timers(&mut self) {
        self.core.wheel.advance(self.core.now, &mut self.fired);
        for (key, at) in self.fired.drain(..) {
            timers::fire(&mut self.core, &mut self.app, key, at);
        }
    }

    fn run_app(&mut self) {
        let mut context = Context { core: &mut self.core };
        if self.app.deadline() <= context.now() {
            self.app.on_timer(&mut context);
        }
        self.app.on_turn(&mut context);
        // Who asks again from within is told in the next turn.
        let mut drained = core::mem::take(&mut context.core.drained);
        for stream in drained.drain(..) {
            if context.core.take_notice(stream) {
                self.app.on_drained(stream, &mut context);
            }
        }
        drained.append(&mut context.core.drained);
        context.core.drained = drained;
        // An application that hears of a close may close others: their closes follow here.
        while !context.core.closed.is_empty() {
            for (stream, cause) in core::mem::take(&mut context.core.closed) {
                self.app.on_close(stream, cause, &mut context);
            }
        }
    }
}

impl Core {
    fn new(now: Time, unix_seconds: u64, limits: Limits) -> Self {
        Self {
            connections: Slab::new(),
            pool: Pool::new(),
            wheel: Wheel::new(now),
            limits,
            stats: Stats::default(),
            closes: Closes::default(),
            engine: Engine::new(EngineConfig::default()),
            now,
            date: Date::from_unix(unix_seconds),
            unix_seconds,
            dirty: Vec::new(),
            again: ReadyList::default(),
            leftovers: HashMap::new(),
            gone: Vec::new(),
            closed: Vec::new(),
            drained: Vec::new(),
            spare: None,
            delivered: None,
            scratch: Vec::new(),
            draining: false,
        }
    }

    /// A turn begins.
    pub(crate) fn tick(&mut self, now: Time, unix_seconds: u64) {
        self.now = self.now.max(now);
        if unix_seconds != self.unix_seconds {
            self.unix_seconds = unix_seconds;
            self.date = Date::from_unix(unix_seconds);
        }
    }
}
