//! Handles sockets that hold bytes, such as TLS: see [`Socket`]. For plain sockets none of this is
//! compiled.

use sockeye_reactor::{Announced, HandshakeFailure, Key, Net, Socket};

use super::Server;
use crate::app::App;
use crate::budget::HANDSHAKE_UNITS;
use crate::cause::{CloseCause, Deadline};
use crate::connection::Connection;
use crate::connection::life::State;
use crate::http2::input;
use crate::listener::Standing;
use crate::state::Core;

/// The protocols that this server speaks, by their ALPN names (RFC 7301 §6, RFC 9113 §3.2).
const HTTP_1_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// What has to come before the first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The header of a trusted proxy.
    Header,
    /// The handshake of TLS.
    Handshake,
}

impl<N: Net, A: App> Server<N, A> {
    /// A connection was accepted on `key`: its handshake comes first, if it has one.
    pub(super) fn begin_handshake(&mut self, key: Key) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        let Some(Some(socket)) = self.sockets.get(key.index()) else { return };
        if socket.is_handshaking() {
            connection.readiness.begin_handshake();
            self.handshakes.begin(key, &core.connections);
            // [server:handshakes-bounded]
            if let Some(oldest) =
                self.handshakes.evict(core.limits.handshakes_max, &core.connections)
            {
                core.stats.handshakes_evicted += 1;
                core.abort(oldest, CloseCause::Timeout(Deadline::Handshake));
            }
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
        let shaken = socket.handshake();
        let (announced, is_encrypted) = (socket.announced(), socket.is_encrypted());
        let is_due = connection.peer.standing() == Standing::Announcing;
        if is_due && !self.take_announced(key, announced) {
            return false;
        }
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return false };
        let Some(socket) = &mut self.sockets[key.index()] else { return false };
        // A visit is billed to its holder: here to the peer's address. [server:handshake-billed]
        if !matches!(shaken, Ok(false)) {
            core.budget.spend(HANDSHAKE_UNITS);
        }
        connection.readiness.after_handshake(socket);
        if connection.readiness.is_handshaking() {
            self.note_held(key);
            return false;
        }
        self.handshakes.end();
        let is_http2 = core.http2.is_some() && socket.protocol() == Some(HTTP_2);
        let speaks_http = is_http2 || socket.protocol().is_none_or(|protocol| protocol == HTTP_1_1);
        // The time of the request begins now, and so does that of output which the handshake left.
        connection.caught_up(core.now, &core.limits);
        connection.readiness.assume_writable();
        let is_good = shaken.is_ok() && speaks_http;
        if is_good {
            core.stats.handshakes += u64::from(is_encrypted);
            core.hosts.set(key, socket.hosts());
            begin_version(core, key, is_http2, is_encrypted);
        } else {
            let kind = shaken.err().as_ref().map(HandshakeFailure::of);
            let kind = kind.unwrap_or(HandshakeFailure::NoProtocol);
            match announced {
                // [server:proxy-garbage]
                Announced::Invalid => core.stats.proxies_refused += 1,
                _ if is_encrypted => self.note_failed(key, kind),
                Announced::Nothing | Announced::Unnamed | Announced::Client(_) => {}
            }
            // The peer may be told why, and has to read that. [server:handshake-refusal]
            self.core.close_gracefully(key, CloseCause::Transport);
        }
        self.core.arm(key);
        self.note_held(key);
        is_good
    }

    /// What has still to come on `key` before its first request.
    pub(super) fn awaited(&self, key: Key) -> Option<Awaited> {
        let connection = self.core.connections.get(key)?;
        let socket = self.sockets.get(key.index()).and_then(Option::as_ref)?;
        if !connection.readiness.is_handshaking() || connection.life() != State::Open {
            return None;
        }
        match connection.peer.standing() {
            Standing::Announcing => Some(Awaited::Header),
            Standing::Client | Standing::Proxy | Standing::Forwarding => {
                socket.is_encrypted().then_some(Awaited::Handshake)
            }
        }
    }

    /// Counts what was awaited on `key`, and did not come in time.
    pub(super) fn note_late(&mut self, key: Key, awaited: Awaited) {
        match awaited {
            // [server:proxy-late]
            Awaited::Header => self.core.stats.proxies_refused += 1,
            Awaited::Handshake => self.note_failed(key, HandshakeFailure::Timeout),
        }
    }

    /// Counts a failed handshake of TLS. [server:handshake-failures]
    pub(super) fn note_failed(&mut self, key: Key, kind: HandshakeFailure) {
        let Some(connection) = self.core.connections.get(key) else { return };
        self.core.stats.handshakes_failed.note(kind);
        self.failed_handshake.note(connection.peer.address(), kind);
    }

    /// A trusted proxy has said for whom it speaks on `key`, or not yet. Returns false if that client has as
    /// many connections as it may have: the connection is gone.
    fn take_announced(&mut self, key: Key, announced: Announced) -> bool {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return false };
        let client = match announced {
            Announced::Nothing | Announced::Invalid => return true,
            Announced::Unnamed => {
                connection.peer = connection.peer.with_standing(Standing::Proxy);
                return true;
            }
            Announced::Client(client) => client,
        };
        let rules = core.listeners.get(connection.peer.listener());
        let standing = rules.map_or(Standing::Client, |it| it.named(client.ip()));
        // [server:proxy-client] The client counts from here on, and not the proxy.
        let max = core.limits.connections_per_address_max;
        if standing.is_counted() {
            if !self.quota.enter(client.ip(), max) {
                core.stats.crowded_out += 1;
                core.abort(key, CloseCause::Transport);
                return false;
            }
            self.quota.leave_uncounted();
        }
        connection.peer = connection.peer.with_standing(standing);
        if standing != Standing::Proxy {
            connection.peer = connection.peer.at(client);
        }
        true
    }

    /// Notes how much output the socket holds, and lists `key` for the next flush. A read or a handshake
    /// may have made or sent some. Returns whether there is any. [server:held-output]
    pub(super) fn note_held(&mut self, key: Key) -> bool {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return false };
        let Some(Some(socket)) = self.sockets.get(key.index()) else { return false };
        let waited = !connection.outbox.is_empty();
        let holds_output = connection.outbox.note_held(socket, &mut core.pool);
        if holds_output || waited {
            connection.mark_dirty(key, &mut core.dirty);
        }
        holds_output
    }
}

/// Begins the version of HTTP that the handshake of `key` has agreed on.
fn begin_version(core: &mut Core, key: Key, is_http2: bool, is_encrypted: bool) {
    let requests = core.connections.get_mut(key).and_then(Connection::requests);
    match requests {
        _ if is_http2 => input::begin(core, key),
        // [server:http2-alpn] (RFC 9113 §3.2) Over TLS nothing but ALPN makes it HTTP/2.
        Some((requests, _)) if is_encrypted => requests.expect_http1(),
        Some(_) | None => {}
    }
}
