//! The turn: accept, read, timers, drain, application, flush.

mod accounts;
mod buffered;
mod drain;
mod frames;
mod input;
mod out;
mod unwritten;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sockeye_reactor::{Accepted, Key, Net, Ready, Socket, Time};

use self::unwritten::Unwritten;
use self::waiting::Waiting;
use crate::addresses::ConnectionQuota;
use crate::app::App;
use crate::budget::{CONNECTION_UNITS, Phase, STREAM_UNITS};
use crate::closes::Closes;
use crate::connection::{Connection, UNREAD_ANSWERS_MAX};
use crate::context::Context;
use crate::drain::{Drain, Ending};
use crate::failed_handshakes::{FailedHandshake, Untold};
use crate::handshakes::Handshakes;
use crate::limits::Limits;
use crate::listener::{Listener, Standing};
use crate::peer::Peer;
use crate::state::{Core, http2_config};
use crate::stats::Stats;
use crate::timers;

/// How long accepting rests when descriptors have run out or `connections_max` is reached.
const ACCEPT_REST_MS: u64 = 100;

/// A single-threaded server that turns sockets into streams for an application.
///
/// It owns the network and the application, and works only inside [`Server::turn`].
pub struct Server<N: Net, A> {
    pub(crate) net: N,
    pub(crate) app: A,
    pub(crate) core: Core,
    /// Each connection's socket, by the index of its key.
    sockets: Vec<Option<N::Socket>>,
    /// The loop's one receive buffer.
    buffer: Vec<u8>,
    ready: Vec<Ready>,
    /// Connections to visit that a turn did not reach.
    waiting: Waiting,
    /// Connections whose outbox a turn did not reach.
    unwritten: Unwritten,
    /// Timers that have fired, and whose effect is still to come.
    fired: Vec<(Key, Time)>,
    /// How long the application was visited since the last turn, in microseconds.
    visited_us: u64,
    /// No connection is accepted before this.
    accept_from: Time,
    quota: ConnectionQuota,
    handshakes: Handshakes,
    failed_handshake: Untold,
    pub(crate) drain: Drain,
    /// The end that a [`Handle`](crate::Handle) asks for.
    pub(crate) ending: Ending,
}

impl<N: Net, A: App> Server<N, A> {
    /// A server of `app` on `net`, within `limits`.
    pub fn new(net: N, app: A, limits: Limits) -> Self {
        let now = net.now();
        let buffer = vec![0; limits.read_bytes.max(1)];
        Self {
            core: Core::new(now, net.unix_ms(), limits),
            buffer,
            net,
            app,
            sockets: Vec::new(),
            ready: Vec::new(),
            waiting: Waiting::default(),
            unwritten: Unwritten::default(),
            fired: Vec::new(),
            visited_us: 0,
            accept_from: now,
            quota: ConnectionQuota::default(),
            handshakes: Handshakes::default(),
            failed_handshake: Untold::default(),
            drain: Drain::default(),
            ending: Ending::default(),
        }
    }

    /// The same server under a quota of connections that it shares with others:
    /// [`Limits::connections_max`] and [`Limits::connections_per_address_max`] bound all of them together.
    #[must_use]
    pub fn with_quota(mut self, quota: ConnectionQuota) -> Self {
        self.quota = quota;
        self
    }

    /// The same server with rules for its listeners, by their numbers. A listener without rules trusts nobody.
    #[must_use]
    pub fn with_listeners(mut self, listeners: Vec<Listener>) -> Self {
        self.core.listeners = listeners;
        self
    }

    /// Waits for work, at the most for `wait_max` (`None`: until there is some), and does it.
    ///
    /// # Errors
    /// Only if the poller itself is broken. A failure on one connection ends that connection and no
    /// other.
    pub fn turn(&mut self, wait_max: Option<Duration>) -> io::Result<()> {
        let wait = self.wait(wait_max);
        self.net.poll(wait, &mut self.ready)?;
        let began_us = self.net.now_us();
        let now = Time::from_millis(began_us / 1_000);
        // The calendar is read only when the millisecond has changed.
        if now > self.core.now {
            self.core.tick(now, self.net.unix_ms());
        }
        let app_waits = core::mem::take(&mut self.core.comes_back);
        self.core.budget.begin_turn(app_waits && !self.waiting.is_empty());
        self.begin_ending();
        self.accept();
        self.read();
        self.run_timers();
        self.run_drain();
        self.run_app();
        self.flush();
        let took_us = self.net.now_us().saturating_sub(began_us);
        let took_us = took_us.saturating_add(core::mem::take(&mut self.visited_us));
        self.core.stats.turns.observe(took_us, 1);
        self.core.stats.units = self.core.budget.spent();
        self.app.on_flushed(took_us);
        self.bury();
        Ok(())
    }

    /// Whether a handshake of TLS has failed since [`Server::take_failed_handshake`].
    pub const fn has_failed_handshake(&self) -> bool {
        !self.failed_handshake.is_empty()
    }

    /// Takes the first handshake of TLS that has failed since the last call, for a log. Peers that went away in
    /// between, and challenges, are not among them. [`Stats::handshakes_failed`](crate::Stats) counts all.
    pub const fn take_failed_handshake(&mut self) -> Option<FailedHandshake> {
        self.failed_handshake.take()
    }

    /// Turns until a drain is over. A [`Handle`](crate::Handle) begins one from another thread.
    ///
    /// # Errors
    /// As [`Server::turn`].
    pub fn run(&mut self) -> io::Result<()> {
        while !self.is_drained() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// The counters since the start.
    pub fn stats(&self) -> &Stats {
        &self.core.stats
    }

    /// How streams ended.
    pub fn closes(&self) -> &Closes {
        &self.core.closes
    }

    /// Sets the bounds that hold from now on, also for open connections. A longer time holds at once; a
    /// shorter one from the next activity on the connection, or when its timer fires.
    ///
    /// Unchanged are [`Limits::read_bytes`], [`Limits::websocket`] for WebSockets that are open, and the
    /// ends of holds, pauses, closing handshakes and steps of a drain that have begun.
    pub fn set_limits(&mut self, limits: Limits) {
        let read_bytes = self.core.limits.read_bytes;
        self.core.limits = limits;
        self.core.limits.read_bytes = read_bytes;
        self.core.http2 = http2_config(&self.core.limits);
        self.core.gzip.set_config(self.core.limits.gzip);
        self.core.answers_mark = UNREAD_ANSWERS_MAX.min(self.core.limits.outbox_pause_bytes);
    }

    /// Lets the application do something between two turns. Bytes that it sends leave in the next turn,
    /// which then does not wait. The time that it takes counts as time of that turn.
    pub fn with_app<R>(&mut self, visit: impl FnOnce(&mut A, &mut Context<'_>) -> R) -> R {
        let began_us = self.net.now_us();
        self.core.tick(self.net.now(), self.net.unix_ms());
        let given = visit(&mut self.app, &mut Context { core: &mut self.core });
        self.visited_us += self.net.now_us().saturating_sub(began_us);
        given
    }

    /// The time of the last turn, or of a later `with_app`, `drain` or `drain_now`.
    pub const fn now(&self) -> Time {
        self.core.now
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.core.connections.len() - self.core.branch_count
    }

    /// Timers in the wheel. The timer of a closed connection stays until its time is past.
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

    /// Whether work is left for the next turn, which then does not wait.
    pub fn is_busy(&self) -> bool {
        let core = &self.core;
        !core.dirty.is_empty()
            || !core.again.is_empty()
            || !self.waiting.is_empty()
            || !self.unwritten.is_empty()
            || !core.closed.is_empty()
            || !core.drained.is_empty()
            || !core.gone.is_empty()
            || !self.fired.is_empty()
            || core.comes_back
    }

    /// How long the next turn may wait.
    fn wait(&self, wait_max: Option<Duration>) -> Option<Duration> {
        let core = &self.core;
        if self.is_busy() {
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
            if self.quota.open() >= self.core.limits.connections_max {
                return self.rest_accepting();
            }
            match self.net.accept() {
                Ok(Some(accepted)) => self.admit(accepted),
                Ok(None) => return,
                // Out of descriptors or memory: open connections stay open, and the backlog waits
                // until one of them closes, or ACCEPT_REST_MS have passed.
                Err(_) => return self.rest_accepting(),
            }
        }
    }

    fn rest_accepting(&mut self) {
        self.core.stats.accept_pauses += 1;
        self.accept_from = self.core.now + ACCEPT_REST_MS;
    }

    fn admit(&mut self, accepted: Accepted<N::Socket>) {
        let Accepted { mut socket, peer, listener } = accepted;
        self.core.budget.spend(CONNECTION_UNITS);
        let rules = self.core.listeners.get(listener);
        let Some(standing) = rules.map_or(Some(Standing::Client), |it| it.admit(peer.ip())) else {
            self.core.stats.proxies_refused += 1;
            return self.net.close(socket);
        };
        // [server:address-bound]
        if !self.enter(peer, standing) {
            self.core.stats.crowded_out += 1;
            return self.net.close(socket);
        }
        let of = Peer::new(peer, listener, standing);
        let key = self.core.connections.insert(Connection::new(of, self.core.now));
        if self.net.register(&mut socket, key).is_err() {
            self.core.connections.remove(key);
            self.leave(peer, standing);
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

    /// Counts a connection. Returns false if its address has as many as it may have.
    fn enter(&self, peer: SocketAddr, standing: Standing) -> bool {
        if standing.is_counted() {
            return self.quota.enter(peer.ip(), self.core.limits.connections_per_address_max);
        }
        // [server:proxy-uncounted]
        self.quota.enter_uncounted();
        true
    }

    /// Takes a connection off the count.
    fn leave(&self, peer: SocketAddr, standing: Standing) {
        match standing.is_counted() {
            true => self.quota.leave(peer.ip()),
            false => self.quota.leave_uncounted(),
        }
    }

    fn run_timers(&mut self) {
        self.core.wheel.advance(self.core.now, &mut self.fired);
        self.core.budget.begin(Phase::Timers, &self.core.limits);
        let mut done = 0;
        let fired = core::mem::take(&mut self.fired);
        for &(key, at) in &fired {
            let awaited = if N::Socket::BUFFERS { self.awaited(key) } else { None };
            timers::fire(&mut self.core, &mut self.app, key, at);
            if let Some(awaited) = awaited.filter(|_| self.awaited(key).is_none()) {
                self.note_late(key, awaited);
            }
            self.core.budget.spend(STREAM_UNITS);
            done += 1;
            // [server:turn-bounded]
            if self.core.budget.is_spent() {
                break;
            }
        }
        self.fired = fired;
        self.fired.drain(..done);
    }

    fn run_app(&mut self) {
        self.core.budget.begin(Phase::Application, &self.core.limits);
        let mut context = Context { core: &mut self.core };
        if self.app.deadline() <= context.now() {
            self.app.on_timer(&mut context);
        }
        self.app.on_turn(&mut context);
        self.core.budget.begin(Phase::Ends, &self.core.limits);
        self.tell_drained();
        self.tell_closed();
    }

    fn tell_drained(&mut self) {
        let mut context = Context { core: &mut self.core };
        // A wish that the application makes inside `on_drained` is served in the next turn.
        let mut drained = core::mem::take(&mut context.core.drained);
        let mut done = 0;
        for &stream in &drained {
            if context.core.take_notice(stream) {
                self.app.on_drained(stream, &mut context);
            }
            context.core.budget.spend(STREAM_UNITS);
            done += 1;
            if context.core.budget.is_spent() {
                break;
            }
        }
        drained.drain(..done);
        drained.append(&mut context.core.drained);
        context.core.drained = drained;
    }

    fn tell_closed(&mut self) {
        let mut context = Context { core: &mut self.core };
        // The application may close other streams inside `on_close`; their closes follow here.
        while let Some((stream, cause)) = context.core.closed.pop_front() {
            self.app.on_close(stream, cause, &mut context);
            context.core.ids.give_back(stream.id);
            context.core.budget.spend(STREAM_UNITS);
            if context.core.budget.is_spent() {
                return;
            }
        }
    }
}
