//! A drain, step by step.

use sockeye_reactor::{Key, MioNet, Net, Time, Waker};

use super::Server;
use crate::app::App;
use crate::budget::{Phase as Part, STREAM_UNITS};
use crate::cause::CloseCause;
use crate::connection::{Phase, Rare, Single};
use crate::context::Context;
use crate::drain::{Wish, dismiss};
use crate::handle::Handle;
use crate::key::StreamKey;
use crate::stream::life;

/// Connections taken out of the system's backlog before it is given up, at the most. It is about
/// what a system keeps there.
const BACKLOG_MAX: usize = 4096;

impl<N: Net, A: App> Server<N, A> {
    /// Begins to go away, in three steps.
    ///
    /// 1. For [`Limits::drain_accept_ms`](crate::Limits::drain_accept_ms) the server still accepts, so
    ///    that a load balancer can notice. Each response ends its connection, and a stream that opens
    ///    is told at once.
    /// 2. The server accepts the connections in the backlog, closes the listening socket, and ends kept
    ///    connections. Over [`Limits::drain_window_ms`](crate::Limits::drain_window_ms) it tells the
    ///    streams one by one, at an even rate and in scattered order: [`App::on_goodbye`]. Requests
    ///    under way are answered, and then their connections end.
    /// 3. [`Limits::drain_ms`](crate::Limits::drain_ms) later it cuts the connections that are left.
    ///
    /// Calling it again changes nothing.
    pub fn drain(&mut self) {
        if self.core.draining {
            return;
        }
        self.core.draining = true;
        self.core.tick(self.net.now(), self.net.unix_ms());
        self.drain.window_at = self.core.now + self.core.limits.drain_accept_ms;
        self.drain.window_ms = self.core.limits.drain_window_ms;
        self.app.on_drain(&mut Context { core: &mut self.core });
        self.run_drain();
    }

    /// Cuts a drain short, or begins a short one: accepting ends now, every stream that was not told
    /// yet is told now, and what is left [`Limits::drain_ms`](crate::Limits::drain_ms) from now is
    /// cut.
    pub fn drain_now(&mut self) {
        self.drain();
        self.core.tick(self.net.now(), self.net.unix_ms());
        let now = self.core.now;
        self.drain.window_at = self.drain.window_at.min(now);
        self.drain.window_ms = 0;
        self.drain.cut_at = self.drain.cut_at.min(now + self.core.limits.drain_ms);
        self.run_drain();
    }

    /// Begins the end that a handle has asked for. [server:ended-by-handle]
    pub(crate) fn begin_ending(&mut self) {
        match self.ending.take() {
            Some(Wish::Drain) => self.drain(),
            Some(Wish::DrainNow) => self.drain_now(),
            None => {}
        }
    }

    /// Whether a drain has begun.
    pub const fn is_draining(&self) -> bool {
        self.core.draining
    }

    /// Whether a drain has reached its second step: no connection is accepted any more, and streams
    /// are told to go.
    pub const fn is_closing(&self) -> bool {
        self.drain.is_open
    }

    /// Whether a drain is over: no connection is accepted any more, every connection is gone, and the
    /// application has heard of it.
    pub fn is_drained(&self) -> bool {
        self.drain.is_open && self.core.connections.is_empty() && self.core.closed.is_empty()
    }

    /// Does what is due of a drain.
    pub(crate) fn run_drain(&mut self) {
        let now = self.core.now;
        if !self.drain.is_open {
            // [server:drain-accepts]
            if self.drain.window_at > now {
                return;
            }
            self.accept_backlog();
            self.open_window();
        }
        self.core.budget.begin(Part::Drain, &self.core.limits);
        while let Some(stream) = self.drain.next_told(now) {
            dismiss(&mut self.core, &mut self.app, stream);
            self.core.budget.spend(STREAM_UNITS);
            // [server:turn-bounded]
            if self.core.budget.is_spent() {
                return;
            }
        }
        if self.drain.cut_at <= now {
            self.drain.cut_at = Time::NEVER;
            self.drain.to_cut = self.core.connections.keys().collect();
            self.drain.to_cut.reverse();
        }
        while let Some(key) = self.drain.to_cut.pop() {
            self.core.abort(key, CloseCause::Drained);
            self.core.budget.spend(STREAM_UNITS);
            // [server:turn-bounded]
            if self.core.budget.is_spent() {
                return;
            }
        }
    }

    /// Accepts the connections in the backlog. Closing the listening socket would reset them, and a
    /// client may have sent a request already. [server:drain-backlog]
    fn accept_backlog(&mut self) {
        for _ in 0..BACKLOG_MAX {
            if self.quota.open() >= self.core.limits.connections_max {
                break;
            }
            // The backlog is empty, or descriptors have run out.
            let Ok(Some(accepted)) = self.net.accept() else { break };
            self.admit(accepted);
        }
        self.net.stop_listening();
    }

    /// Ends kept connections and lines up the streams.
    fn open_window(&mut self) {
        let core = &mut self.core;
        let keys: Vec<Key> = core.connections.keys().collect();
        let mut crowd = Vec::new();
        for key in keys {
            let Some(connection) = core.connections.get(key) else { continue };
            match &connection.phase {
                Phase::Single(Single { stream: Some(stream), .. }) => {
                    if stream.applies(life::Input::Dismiss) {
                        crowd.push(StreamKey::new(stream.id, key));
                    }
                }
                Phase::Single(Single { requests: Some(requests), .. }) if requests.is_kept() => {
                    core.close_gracefully(key, CloseCause::Drained);
                }
                // [server:http2-drain]
                Phase::Rare(Rare::Http2(_)) => {
                    core.with_trunk(key, |trunk, out| trunk.protocol.shut_down(out));
                }
                Phase::Single(_) | Phase::Rare(Rare::Content(_) | Rare::Over(_)) => {}
            }
        }
        self.drain.open(crowd, core.now, core.limits.drain_ms);
    }
}

impl<N: Net, A: App> Server<N, A> {
    /// A handle for other threads, which wakes the loop by `waker`: that of the [`MioNet`] inside the network.
    /// It may outlive the server, and then does nothing.
    pub fn handle_with(&self, waker: Waker) -> Handle {
        Handle { ending: self.ending.clone(), waker }
    }
}

impl<A: App> Server<MioNet, A> {
    /// A handle for other threads. It may outlive the server, and then does nothing.
    pub fn handle(&self) -> Handle {
        self.handle_with(self.net.waker())
    }
}
