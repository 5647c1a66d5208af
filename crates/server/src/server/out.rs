//! The end of a turn: what was appended is written out, and who is gone is taken down.

use sockeye_reactor::{Flushed, Key, Net, Socket, Time};

use super::Server;
use crate::connection::{Leaving, Room};
use crate::{App, CloseCause, Deadline, Limits, timers, websocket};

/// [server:long-answers] Where so many bytes wait for a peer after a visit, they are written at once.
const ANSWER_BYTES_MIN: usize = 4 * 1024;

impl<N: Net, A: App> Server<N, A> {
    /// Writes out everything that this turn has appended, once for each connection.
    pub(super) fn flush(&mut self) {
        let mut dirty = core::mem::take(&mut self.core.dirty);
        for key in dirty.drain(..) {
            self.flush_one(key);
        }
        // What the flush itself listed waits for the next turn.
        dirty.append(&mut self.core.dirty);
        self.core.dirty = dirty;
    }

    /// A visit is over, of what was read now or has waited since an earlier turn.
    #[inline]
    pub(super) fn end_visit(&mut self, key: Key) {
        if self.core.after_visit(key) >= ANSWER_BYTES_MIN {
            self.flush_answer(key);
        }
    }

    /// Writes out at once what a visit has made its connection say, where that is much: it is still in
    /// the cache, and its memory serves the next connection.
    #[inline(never)]
    fn flush_answer(&mut self, key: Key) {
        // Who was listed earlier in the turn has its place there.
        if self.core.dirty.pop_if(|last| *last == key).is_some() {
            self.flush_one(key);
        }
    }

    #[inline(always)]
    fn flush_one(&mut self, key: Key) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        connection.dirty = false;
        if matches!(connection.room, Room::Gone) {
            return;
        }
        let waiting = connection.outbox.len();
        // A socket that holds output may have sent the last of it within a read.
        if waiting == 0 && !N::Socket::BUFFERS {
            connection.outbox.clear(&mut core.pool);
            return self.after_flush(key);
        }
        if waiting > 0 && !connection.readiness.writable() {
            return;
        }
        let Some(socket) = &mut self.sockets[key.index()] else { return };
        let queued = connection.outbox.queued();
        let flushed = connection.outbox.flush(socket, &mut core.pool);
        let written = queued - connection.outbox.queued();
        connection.told_drained &= written == 0;
        core.stats.bytes_sent += written as u64;
        match flushed {
            Ok(Flushed::All) if !connection.awaits_flush() => return,
            Ok(Flushed::All) => {
                if connection.stalled != Time::NEVER {
                    connection.caught_up(core.now, &core.limits);
                    core.arm(key);
                }
                websocket::flush_replies(core, key);
            }
            Ok(Flushed::Blocked { bytes }) => {
                connection.readiness.after_short_write();
                // A handshake has a deadline of its own, which progress does not move.
                if N::Socket::BUFFERS && connection.readiness.is_handshaking() {
                    return;
                }
                if bytes > 0 || connection.stalled == Time::NEVER {
                    connection.stalled = core.now;
                } else if connection.stalled + core.limits.write_stall_ms <= core.now {
                    return timers::give_up(core, &mut self.app, key, Deadline::WriteStall);
                }
                core.arm(key);
            }
            Err(_) => return core.cut(key, CloseCause::Transport),
        }
        self.after_flush(key);
    }

    /// The outbox is shorter now: reading may go on, or the last word is said.
    fn after_flush(&mut self, key: Key) {
        let core = &mut self.core;
        core.notice_drained(key);
        let Some(connection) = core.connections.get_mut(key) else { return };
        if connection.paused && connection.outbox.len() <= core.limits.outbox_pause_bytes / 2 {
            connection.paused = false;
            core.look_again(key);
            return;
        }
        if !connection.outbox.is_empty() {
            return;
        }
        if let Room::Leaving(leaving) = &mut connection.room {
            Self::end_our_direction(
                leaving,
                &mut self.sockets[key.index()],
                core.now,
                &core.limits,
            );
            let ended = leaving.ended;
            // The socket may have a farewell of its own to send.
            let holds_output = N::Socket::BUFFERS && self.note_held(key);
            if ended && !holds_output {
                self.core.cut(key, CloseCause::Ended);
            } else {
                self.core.arm(key);
            }
        }
    }

    /// RFC 6455 §7.1.1: the last byte is out, so our direction ends. Closing at once would reset
    /// the connection if the peer had sent something that nobody read, and could destroy that
    /// last byte on its way. [rfc6455:7.1.1-server-closes-first] [rfc9112:9.6-lingering-close]
    fn end_our_direction(
        leaving: &mut Leaving,
        socket: &mut Option<N::Socket>,
        now: Time,
        limits: &Limits,
    ) {
        if leaving.until != Time::NEVER {
            return;
        }
        leaving.until = now + limits.close_ms;
        let ended = socket.as_mut().is_none_or(|socket| socket.shutdown_write().is_err());
        leaving.ended |= ended;
    }

    /// Takes down what this turn has given up.
    pub(super) fn bury(&mut self) {
        for key in core::mem::take(&mut self.core.gone) {
            let Some(mut connection) = self.core.connections.remove(key) else { continue };
            debug_assert!(!self.core.leftovers.contains_key(&key), "the stream's end took it");
            connection.outbox.clear(&mut self.core.pool);
            self.addresses.leave(connection.peer.address().ip());
            self.core.stats.closed += 1;
            // A descriptor is free again.
            self.accept_from = self.accept_from.min(self.core.now);
            if let Some(socket) = self.sockets[key.index()].take() {
                self.net.close(socket);
            }
        }
    }
}
