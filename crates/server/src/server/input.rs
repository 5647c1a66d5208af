//! Input: one read of each connection that has some, and the recipient of the bytes.

use std::io::ErrorKind;

use sockeye_reactor::{Key, Net, Ready, Socket};

use super::Server;
use crate::app::App;
use crate::budget;
use crate::cause::CloseCause;
use crate::connection::{Connection, Http1, Phase};
use crate::context::Context;
use crate::key::StreamKey;
use crate::limits::Limits;
use crate::state::Core;
use crate::stream::Kind;
use crate::{http, websocket};

/// What one read brings at the most while many bytes of WebSockets wait for another turn.
const READ_BYTES_SCARCE: usize = 4 * 1024;

/// The recipient of the bytes of a connection.
#[derive(Clone, Copy)]
enum Recipient {
    /// The next request.
    Requests,
    WebSocket(StreamKey),
    Tunnel(StreamKey),
    /// None: the bytes are kept for later, or discarded.
    Nobody,
    /// None, and more bytes were discarded than `discard_bytes_max`.
    Excess,
}

impl<N: Net, A: App> Server<N, A> {
    /// Visits the connections that the poller reported, and those that wait since an earlier turn, within
    /// the budget of the turn. Fresh connections come first, and cannot take the part of the others.
    pub(super) fn read(&mut self) {
        let mut waiting = self.core.again.len();
        let mut ready = core::mem::take(&mut self.ready);
        self.core.budget.begin(budget::Phase::Fresh, &self.core.limits);
        let share = self.core.budget.share_of_each(ready.len(), &self.core.limits);
        let mut done = self.visit_fresh(&ready, share);
        self.core.budget.go_on_with(budget::Phase::Waiting, &self.core.limits);
        let share_of_waiting = self.core.budget.share_of_each(waiting, &self.core.limits);
        while waiting > 0 {
            let Some(key) = self.core.again.pop() else { break };
            self.visit(key, None, share_of_waiting);
            waiting -= 1;
            // [server:turn-bounded]
            if self.core.budget.is_spent() {
                break;
            }
        }
        if done < ready.len() && !self.core.budget.is_spent() {
            done += self.visit_fresh(&ready[done..], share);
        }
        if done < ready.len() {
            self.put_off(&ready[done..], waiting);
        }
        self.core.stats.read_stops += u64::from(waiting > 0 || done < ready.len());
        ready.clear();
        self.ready = ready;
    }

    /// Visits connections that the poller reported, as far as the budget reaches. Returns their number.
    fn visit_fresh(&mut self, ready: &[Ready], share: u64) -> usize {
        for (at, ready) in ready.iter().enumerate() {
            self.visit(ready.key, Some(*ready), share);
            // [server:turn-bounded]
            if self.core.budget.is_spent() {
                return at + 1;
            }
        }
        ready.len()
    }

    /// Lists the connections that this turn does not reach, behind the `waiting` ones that it does not
    /// reach either, and before those that it has visited.
    fn put_off(&mut self, ready: &[Ready], waiting: usize) {
        let core = &mut self.core;
        let listed = core.again.len();
        for ready in ready {
            let Some(connection) = core.connections.get_mut(ready.key) else { continue };
            let is_next = note_ready(connection, ready.key, Some(*ready), &mut core.dirty);
            if is_next && connection.readiness.readable() {
                core.again.add(ready.key, &mut connection.readiness);
            }
        }
        core.again.rotate(waiting, listed);
    }

    /// Reads one connection once, or goes on with bytes of an earlier read. The poller reported it as
    /// `ready`, or it was listed for another visit. It may spend `share` units.
    fn visit(&mut self, key: Key, ready: Option<Ready>, share: u64) {
        let Some(mut connection) = self.core.connections.get_mut(key) else { return };
        if !note_ready(connection, key, ready, &mut self.core.dirty) {
            return;
        }
        if !self.core.debts.is_empty() || N::Socket::BUFFERS {
            if !self.pay(key) || !self.shake_hands(key) {
                return;
            }
            let Some(found) = self.core.connections.get_mut(key) else { return };
            connection = found;
        }
        self.core.budget.begin_visit(share);
        if connection.has_leftover() {
            if !connection.is_halted() {
                self.go_on(key);
                self.end_visit(key);
            }
            return;
        }
        let room = room(self.core.leftover_bytes, &self.core.limits, &self.buffer);
        let bytes_max = connection.read_bytes_max(&self.core.limits).min(room);
        if !connection.readiness.readable() || bytes_max == 0 {
            return;
        }
        let Some(socket) = &mut self.sockets[key.index()] else { return };
        let (direct, into) = match connection.direct() {
            Some(space) => (true, space),
            None => (false, &mut self.buffer[..bytes_max]),
        };
        let bytes_max = into.len();
        match socket.read(into) {
            Ok(0) => {
                connection.readiness.after_end();
                self.receive_end(key);
            }
            Ok(len) => {
                // [server:held-input]
                connection.readiness.after_read(len, bytes_max, socket);
                connection.note_heard(self.core.now);
                self.core.stats.bytes_received += len as u64;
                self.core.budget.spend(budget::of_bytes(len as u64));
                if direct {
                    let Some(stream) = connection.stream_key(key) else { return };
                    websocket::receive_direct(&mut self.core, &mut self.app, stream, len);
                } else {
                    let bytes = &mut self.buffer[..len];
                    let recipient = recipient(connection, key, bytes, &self.core.limits);
                    hand_over(&mut self.core, &mut self.app, key, recipient, bytes);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                connection.readiness.after_read_blocked(socket);
            }
            // [server:hold-peer-gone]
            Err(_) => self.core.abort(key, CloseCause::Transport),
        }
        self.end_visit(key);
    }

    /// Pays a share of the connection's debt, if it has one. Returns whether none is left, so that its
    /// visit is now.
    /// [server:share-debt]
    #[cold]
    fn pay(&mut self, key: Key) -> bool {
        let core = &mut self.core;
        let Some(debt) = core.debts.get_mut(&key) else { return true };
        let Some(connection) = core.connections.get_mut(key) else { return false };
        if !connection.wants_visit(&core.limits) {
            return false;
        }
        *debt = debt.saturating_sub(u64::from(core.limits.connection_units_max.max(1)));
        if *debt > 0 {
            core.again.add(key, &mut connection.readiness);
            core.budget.spend(1);
            return false;
        }
        core.debts.remove(&key);
        true
    }

    /// Notes that the visit of a connection has spent its share: with what it spent above, it pays later.
    #[cold]
    pub(super) fn note_share(&mut self, key: Key) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        let above = core.budget.above_share();
        if above > 0 {
            *core.debts.entry(key).or_default() += above;
        }
        core.stats.share_stops += u64::from(connection.readiness.is_listed());
    }

    /// Lets the connection go on with the bytes that it has.
    fn go_on(&mut self, key: Key) {
        let (core, app) = (&mut self.core, &mut self.app);
        let Some(connection) = core.connections.get(key) else { return };
        match connection.stream_key(key) {
            Some(stream) => websocket::go_on(core, app, stream),
            None => http::receive(core, app, key, &[]),
        }
    }

    /// The peer has ended its direction: the request or stream on the connection decides what follows.
    fn receive_end(&mut self, key: Key) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        let Phase::Http1(Http1 { stream: Some(stream), .. }) = &mut connection.phase else {
            return core.peer_ended(key);
        };
        let of = StreamKey::new(stream.id, key);
        match &mut stream.kind {
            // [server:tunnel-end]
            Kind::Tunnel(_) => core.peer_ended(key),
            // The client may still read, and wait for the answer.
            // [server:hold-half-closed]
            Kind::Held(held) => {
                if !core::mem::replace(&mut held.half_closed, true) {
                    self.app.on_half_close(of, &mut Context { core });
                }
            }
            Kind::WebSocket(_) => websocket::receive_end(core, of),
            // The client went away: nobody reads the bytes that wait.
            Kind::Events(_) => core.abort_stream(of, CloseCause::Ended),
        }
    }
}

/// How many bytes a read of any connection may bring. [server:leftover-bounded]
#[inline(always)]
fn room(leftover_bytes: usize, limits: &Limits, buffer: &[u8]) -> usize {
    if leftover_bytes > limits.leftover_bytes_max {
        return buffer.len().min(READ_BYTES_SCARCE);
    }
    buffer.len()
}

/// Takes note of the poller's report, or takes the connection off the list. Returns whether its visit
/// is now.
#[inline]
fn note_ready(
    connection: &mut Connection,
    key: Key,
    ready: Option<Ready>,
    dirty: &mut Vec<Key>,
) -> bool {
    let Some(ready) = ready else {
        connection.readiness.unlist();
        return true;
    };
    connection.readiness.merge(ready);
    if ready.writable && !connection.outbox.is_empty() {
        connection.mark_dirty(key, dirty);
    }
    // A connection left over from the last turn has a visit of its own, and only that one.
    !connection.readiness.is_listed()
}

/// Finds the recipient of `bytes`. Requests behind a held request are kept.
#[inline(always)]
fn recipient(connection: &mut Connection, key: Key, bytes: &[u8], limits: &Limits) -> Recipient {
    match &mut connection.phase {
        Phase::Http1(Http1 { stream: Some(stream), requests }) => {
            let of = StreamKey::new(stream.id, key);
            match &stream.kind {
                Kind::WebSocket(_) => Recipient::WebSocket(of),
                Kind::Tunnel(_) => Recipient::Tunnel(of),
                Kind::Held(_) => {
                    if let Some(requests) = requests {
                        requests.keep(bytes);
                    }
                    Recipient::Nobody
                }
                // The request is answered by a stream without end: nothing can follow it.
                Kind::Events(_) => Recipient::Nobody,
            }
        }
        Phase::Http1(_) => Recipient::Requests,
        Phase::Over(over) => {
            over.discarded += bytes.len() as u64;
            match over.discarded > limits.discard_bytes_max {
                true => Recipient::Excess,
                false => Recipient::Nobody,
            }
        }
    }
}

#[inline(always)]
fn hand_over<A: App>(core: &mut Core, app: &mut A, key: Key, to: Recipient, bytes: &mut [u8]) {
    match to {
        Recipient::Requests => http::receive(core, app, key, bytes),
        Recipient::WebSocket(stream) => websocket::receive(core, app, stream, bytes),
        Recipient::Tunnel(stream) => app.on_bytes(stream, bytes, &mut Context { core }),
        Recipient::Nobody => {}
        Recipient::Excess => core.abort(key, CloseCause::Ended),
    }
}
