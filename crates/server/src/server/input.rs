//! Input: one read of each connection that has some, and the recipient of the bytes.

use std::io::ErrorKind;

use sockeye_reactor::{Key, Net, Ready, Socket};

use super::Server;
use crate::app::App;
use crate::cause::CloseCause;
use crate::connection::{Connection, Http1, Phase};
use crate::context::Context;
use crate::key::StreamKey;
use crate::limits::Limits;
use crate::state::Core;
use crate::stream::Kind;
use crate::{http, websocket};

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
    /// Visits every connection that the poller reported, and those left over from the last turn.
    pub(super) fn read(&mut self) {
        let mut visits = core::mem::take(&mut self.visits);
        self.core.again.take(&mut visits);
        let mut ready = core::mem::take(&mut self.ready);
        for ready in ready.drain(..) {
            self.visit(ready.key, Some(ready));
        }
        self.ready = ready;
        for &key in &visits {
            self.visit(key, None);
        }
        self.visits = visits;
    }

    /// Reads one connection once, or goes on with bytes of an earlier read. The poller reported it as
    /// `ready`, or it was listed for another visit.
    fn visit(&mut self, key: Key, ready: Option<Ready>) {
        let Some(mut connection) = self.core.connections.get_mut(key) else { return };
        if !note_ready(connection, key, ready, &mut self.core.dirty) {
            return;
        }
        if N::Socket::BUFFERS {
            if !self.shake_hands(key) {
                return;
            }
            let Some(found) = self.core.connections.get_mut(key) else { return };
            connection = found;
        }
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
        if N::Socket::BUFFERS {
            self.note_held(key);
        }
        self.end_visit(key);
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
#[inline]
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

#[inline]
fn hand_over<A: App>(core: &mut Core, app: &mut A, key: Key, to: Recipient, bytes: &mut [u8]) {
    match to {
        Recipient::Requests => http::receive(core, app, key, bytes),
        Recipient::WebSocket(stream) => websocket::receive(core, app, stream, bytes),
        Recipient::Tunnel(stream) => app.on_bytes(stream, bytes, &mut Context { core }),
        Recipient::Nobody => {}
        Recipient::Excess => core.abort(key, CloseCause::Ended),
    }
}
