//! Handles sockets that hold bytes, such as TLS: see [`Socket`]. For plain sockets none of this is
//! compiled.

use sockeye_reactor::{Key, Net, Socket};

use super::Server;
use crate::app::App;
use crate::cause::CloseCause;

/// The protocol that this server speaks, by its ALPN name (RFC 7301 §6).
const HTTP_1_1: &[u8] = b"http/1.1";

impl<N: Net, A: App> Server<N, A> {
    /// A connection was accepted on `key`: its handshake comes first, if it has one.
    pub(super) fn begin_handshake(&mut self, key: Key) {
        let Some(connection) = self.core.connections.get_mut(key) else { return };
        let Some(socket) = &self.sockets[key.index()] else { return };
        if socket.is_handshaking() {
            connection.readiness.begin_handshake();
        }
        self.note_held(key);
    }

    /// Goes on with the handshake of `key`. Returns true if there is none or it is over, so that data can
    /// be read.
    /// [server:handshake-first]
    pub(super) fn shake_hands(&mut self, key: Key) -> bool {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return false };
        if !connection.readiness.is_handshaking() {
            return true;
        }
        if connection.requests().is_none() {
            return false;
        }
        let Some(socket) = &mut self.sockets[key.index()] else { return false };
        if !connection.readiness.readable() {
            return false;
        }
        if socket.handshake().is_err() {
            core.abort(key, CloseCause::Transport);
            return false;
        }
        connection.readiness.after_handshake(socket);
        let is_over = !connection.readiness.is_handshaking();
        if is_over {
            if socket.protocol().is_some_and(|protocol| protocol != HTTP_1_1) {
                core.abort(key, CloseCause::Transport);
                return false;
            }
            // The time of the request begins now, and so does that of output which the handshake left.
            connection.caught_up(core.now, &core.limits);
            connection.readiness.assume_writable();
            core.arm(key);
        }
        self.note_held(key);
        is_over
    }

    /// Notes how much output the socket holds, and lists `key` for the next flush. A read or a handshake
    /// may have made or sent some. Returns whether there is any. [server:held-output]
    pub(super) fn note_held(&mut self, key: Key) -> bool {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return false };
        let Some(socket) = &self.sockets[key.index()] else { return false };
        let waited = !connection.outbox.is_empty();
        let holds_output = connection.outbox.note_held(socket, &mut core.pool);
        if holds_output || waited {
            connection.mark_dirty(key, &mut core.dirty);
        }
        holds_output
    }
}
