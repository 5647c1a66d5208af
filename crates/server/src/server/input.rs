//! Input: one read of each connection that has some, and the recipient of the bytes.

use std::io::ErrorKind;

use sockeye_reactor::{Key, Net, Ready, Socket};

use super::Server;
use crate::app::App;
use crate::budget;
use crate::cause::CloseCause;
use crate::connection::{Connection, Phase, Rare, Single};
use crate::context::Context;
use crate::http2::input;
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
    /// The streams of a trunk.
    Trunk,
    WebSocket(StreamKey),
    Tunnel(StreamKey),
    /// None: the bytes are kept for later, or discarded.
    Nobody,
    /// None, and more bytes were discarded than `discard_bytes_max`.
    Excess,
}

impl<N: Net, A: App> Server<N, A> {
    /// Visits the connections that the poller reported, and those that wait since an earlier turn, within
    /// the budget of the turn.
    ///
    /// While a turn reaches all of them, their order does not matter. Those that a turn does not reach wait
    /// in a fair queue, together with all that come later.
    pub(super) fn read(&mut self) {
        let mut ready = core::mem::take(&mut self.ready);
        self.core.budget.begin(budget::Phase::Visits, &self.core.limits);
        if self.waiting.is_empty() {
            self.visit_all(&ready);
        } else {
            self.put_off(&ready);
            self.wait_in_line();
            self.visit_by_holder();
        }
        self.core.stats.read_stops += u64::from(!self.waiting.is_empty());
        ready.clear();
        self.ready = ready;
    }

    /// Visits all connections, and puts those that the budget does not reach in the fair queue.
    fn visit_all(&mut self, ready: &[Ready]) {
        let mut listed = self.core.again.len();
        let share = self.core.budget.share_of_each(ready.len() + listed, &self.core.limits);
        let mut done = 0;
        for ready in ready {
            self.visit(ready.key, Some(*ready), share);
            done += 1;
            // [server:turn-bounded]
            if self.core.budget.is_spent() {
                break;
            }
        }
        let mut is_stopped = done > 0 && self.core.budget.is_spent();
        while listed > 0 && !is_stopped {
            let Some(key) = self.core.again.pop() else { break };
            self.visit(key, None, share);
            listed -= 1;
            is_stopped = self.core.budget.is_spent();
        }
        if listed > 0 || done < ready.len() {
            // Those that had no visit come before those that want another one.
            let visited = self.core.again.len();
            self.put_off(&ready[done..]);
            self.core.again.rotate(listed, visited);
            self.wait_in_line();
        }
    }

    /// Visits connections of the fair queue as far as the budget reaches. A connection that wants another
    /// visit goes back to the queue at once, so that the only one of its holder gets the holder's whole part.
    fn visit_by_holder(&mut self) {
        let share = self.core.budget.share_of_each(self.waiting.len(), &self.core.limits);
        while let Some((key, turn)) = self.waiting.take() {
            let before = self.core.budget.billed();
            self.visit(key, None, share);
            self.wait_in_line();
            self.waiting.done(key, turn, self.core.budget.billed() - before);
            // [server:turn-bounded]
            if self.core.budget.is_spent() {
                return;
            }
        }
    }

    /// Lists connections that this turn does not reach.
    fn put_off(&mut self, ready: &[Ready]) {
        let core = &mut self.core;
        for ready in ready {
            let Some(connection) = core.connections.get_mut(ready.key) else { continue };
            let is_next = note_ready(connection, ready.key, Some(*ready), &mut core.dirty);
            if is_next && connection.readiness.readable() {
                core.again.add(ready.key, &mut connection.readiness);
            }
        }
    }

    /// Puts all listed connections in the fair queue.
    fn wait_in_line(&mut self) {
        while let Some(key) = self.core.again.pop() {
            let Some(connection) = self.core.connections.get(key) else { continue };
            self.waiting.add(key, connection, &self.app);
        }
    }

    /// Reads one connection once, or goes on with bytes of an earlier read. The poller reported it as
    /// `ready`, or it was listed for another visit. It may spend `share` units.
    fn visit(&mut self, key: Key, ready: Option<Ready>, share: u64) {
        let Some(mut connection) = self.core.connections.get_mut(key) else { return };
        if !note_ready(connection, key, ready, &mut self.core.dirty) {
            return;
        }
        self.core.budget.begin_visit(share);
        if N::Socket::BUFFERS {
            if !self.shake_hands(key) {
                return;
            }
            let Some(found) = self.core.connections.get_mut(key) else { return };
            connection = found;
        }
        if connection.has_leftover() {
            return self.go_on(key);
        }
        let room = room(self.core.leftover_bytes, &self.core.limits, &self.buffer);
        let bytes_max = connection.read_bytes_max(&self.core.limits).min(room);
        if !connection.readiness.readable() || bytes_max == 0 {
            return;
        }
        let Some(Some(socket)) = self.sockets.get_mut(key.index()) else {
            return self.end_branch(key);
        };
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
            Err(error) => self.core.fail_socket(key, &error),
        }
        self.end_visit(key);
    }

    /// The peer has ended its direction of the branch `key`, and everything before that is served.
    #[cold]
    fn end_branch(&mut self, key: Key) {
        let Some(connection) = self.core.connections.get_mut(key) else { return };
        connection.readiness.after_end();
        self.receive_end(key);
        self.end_visit(key);
    }

    /// Counts a visit that has spent the connection's share, if input is left.
    #[cold]
    pub(super) fn note_share(&mut self, key: Key) {
        let Some(connection) = self.core.connections.get(key) else { return };
        self.core.stats.share_stops += u64::from(connection.readiness.is_listed());
    }

    /// Lets the connection go on with the bytes that it has, unless they stay unread.
    fn go_on(&mut self, key: Key) {
        let (core, app) = (&mut self.core, &mut self.app);
        let Some(connection) = core.connections.get(key) else { return };
        if connection.is_halted() {
            return;
        }
        match (connection.stream_key(key), &connection.phase) {
            (Some(stream), _) => {
                let before = core.branch(key).map(|branch| (branch, core.leftover_len(stream)));
                websocket::go_on(core, app, stream);
                if let Some((branch, before)) = before {
                    let used = before.saturating_sub(core.leftover_len(stream));
                    input::give_credit(core, (branch.trunk, branch.stream), used);
                }
            }
            (None, Phase::Rare(Rare::Http2(_))) => input::go_on(core, app, key),
            (None, _) => http::receive(core, app, key, &[]),
        }
        self.end_visit(key);
    }

    /// The peer has ended its direction: the request or stream on the connection decides what follows.
    fn receive_end(&mut self, key: Key) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        let Phase::Single(Single { stream: Some(stream), .. }) = &mut connection.phase else {
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
        Phase::Single(Single { stream: Some(stream), requests }) => {
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
        Phase::Single(_) => Recipient::Requests,
        Phase::Rare(Rare::Http2(_)) => Recipient::Trunk,
        Phase::Rare(Rare::Content(_)) => Recipient::Nobody,
        Phase::Rare(Rare::Over(over)) => {
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
        Recipient::Trunk => input::receive(core, app, key, bytes),
        Recipient::WebSocket(stream) => websocket::receive(core, app, stream, bytes),
        Recipient::Tunnel(stream) => app.on_bytes(stream, bytes, &mut Context { core }),
        Recipient::Nobody => {}
        Recipient::Excess => core.abort(key, CloseCause::Ended),
    }
}
