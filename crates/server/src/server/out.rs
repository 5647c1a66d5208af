//! The end of a turn: outboxes are written out, and connections that are gone are taken down.

use sockeye_reactor::{Flushed, Key, Net, Socket, Time};

use super::Server;
use crate::app::App;
use crate::budget::{self, CONNECTION_UNITS, STREAM_UNITS, WRITE_UNITS};
use crate::cause::{CloseCause, Deadline};
use crate::connection::{Connection, Over, Phase, Rare, life};
use crate::{timers, websocket};

/// [server:long-answers] If at least so many bytes wait for a peer after a visit, they are written at once.
const ANSWER_BYTES_MIN: usize = 4 * 1024;

/// Outboxes that are written before the budget is looked at again.
const WRITES_AT_ONCE: usize = 16;

/// Outboxes that a turn has left, and that wait first in, first out. They are a few turns at the most.
const FEW_MAX: usize = 512;

/// Connections taken down in one turn.
const BURIALS_MAX: usize = 128;

/// Branches that cost as much as one of these. A turn may open and reset some 700 of them, and the end of all
/// must keep up.
const BRANCHES_PER_BURIAL: usize = 8;

impl<N: Net, A: App> Server<N, A> {
    /// Writes out what was appended, once for each connection, within the budget of the turn. Outboxes
    /// of this turn come first, and outboxes that an earlier turn has left get half of the budget. If many are
    /// left, holders have their turns alternately from then on, until none is left.
    pub(super) fn flush(&mut self) {
        self.core.budget.begin(budget::Phase::Writes, &self.core.limits);
        let mut dirty = core::mem::take(&mut self.core.dirty);
        if self.core.branch_count > 0 {
            self.gather(&mut dirty);
        }
        match self.unwritten.is_crowd() {
            true => {
                self.add_to_crowd(dirty.drain(..));
                self.flush_crowd();
            }
            false => self.flush_few(&mut dirty),
        }
        self.core.stats.write_stops += u64::from(!self.unwritten.is_empty());
        // Connections that the flush itself listed wait for the next turn.
        dirty.append(&mut self.core.dirty);
        self.core.dirty = dirty;
    }

    /// Writes out connections while few are left from earlier turns.
    fn flush_few(&mut self, dirty: &mut Vec<Key>) {
        let mut late = core::mem::take(&mut self.unwritten.few);
        let reserve = if late.is_empty() { 0 } else { self.core.budget.left() / 2 };
        let mut done = self.flush_all(dirty, reserve);
        let written = self.flush_all(late.make_contiguous(), 0);
        late.drain(..written);
        if done < dirty.len() && !self.core.budget.is_spent() {
            done += self.flush_all(&dirty[done..], 0);
        }
        late.extend(dirty.drain(..).skip(done));
        if late.len() > FEW_MAX {
            self.add_to_crowd(late.drain(..));
        }
        self.unwritten.few = late;
    }

    fn add_to_crowd(&mut self, keys: impl Iterator<Item = Key>) {
        for key in keys {
            if let Some(connection) = self.core.connections.get(key) {
                self.unwritten.add(key, connection, &self.app);
            }
        }
    }

    /// Writes out these connections, until no more than `reserve` of the budget is left. Returns their
    /// number.
    fn flush_all(&mut self, keys: &[Key], reserve: u64) -> usize {
        let mut done = 0;
        for some in keys.chunks(WRITES_AT_ONCE) {
            let before = self.core.stats.bytes_sent;
            for key in some {
                self.flush_one(*key);
            }
            self.note_writes(some.len(), before);
            done += some.len();
            // [server:writes-bounded]
            if self.core.budget.is_spent_but(reserve) {
                break;
            }
        }
        done
    }

    /// Writes out connections of a crowd, until the budget is spent.
    fn flush_crowd(&mut self) {
        while let Some(key) = self.unwritten.take() {
            let (spent, bytes) = (self.core.budget.spent(), self.core.stats.bytes_sent);
            self.flush_one(key);
            self.note_writes(1, bytes);
            self.unwritten.done(self.core.budget.spent() - spent);
            // [server:writes-bounded]
            if self.core.budget.is_spent() {
                break;
            }
        }
    }

    /// Spends the units of `writes` outboxes; `before` is the number of bytes sent before these.
    #[inline]
    fn note_writes(&mut self, writes: usize, before: u64) {
        let bytes = self.core.stats.bytes_sent - before;
        self.core.budget.spend(writes as u64 * WRITE_UNITS + budget::of_bytes(bytes));
    }

    /// Ends a visit, whether its bytes were read now or have waited since an earlier turn.
    #[inline(always)]
    pub(super) fn end_visit(&mut self, key: Key) {
        if N::Socket::BUFFERS {
            self.note_held(key);
        }
        if self.core.after_visit(key) >= ANSWER_BYTES_MIN {
            self.flush_answer(key);
        }
        // [server:share-bounded]
        if self.core.budget.share_is_spent() {
            self.note_share(key);
        }
    }

    /// Writes out at once a long answer that a visit has caused: its bytes are still in the cache, and
    /// their memory serves the next connection.
    #[inline(never)]
    fn flush_answer(&mut self, key: Key) {
        // A connection that was listed earlier in the turn keeps its place in the list.
        if self.core.dirty.pop_if(|last| *last == key).is_some() {
            let before = self.core.stats.bytes_sent;
            self.flush_one(key);
            self.note_writes(1, before);
        }
    }

    #[inline(always)]
    fn flush_one(&mut self, key: Key) {
        self.flush_as::<false>(key);
    }

    /// Writes out the outbox of `key`. That of a trunk is `FILLED` first, from those of its branches.
    #[inline(always)]
    pub(super) fn flush_as<const FILLED: bool>(&mut self, key: Key) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        if !FILLED && connection.is_branch() {
            return core.line_up(key);
        }
        connection.dirty = false;
        match &connection.phase {
            Phase::Rare(Rare::Http2(_)) if !FILLED => return self.flush_trunk(key),
            Phase::Rare(Rare::Over(Over { state: life::State::Gone, .. })) => return,
            Phase::Single(_) | Phase::Rare(_) => {}
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
        if written > 0 {
            connection.note_written();
        }
        core.stats.bytes_sent += written as u64;
        // The socket has taken all. No report follows if it did so within a read.
        if N::Socket::BUFFERS && matches!(flushed, Ok(Flushed::All)) {
            connection.readiness.assume_writable();
        }
        match flushed {
            Ok(Flushed::All) if !connection.awaits_flush() => return,
            Ok(Flushed::All) => {
                let stream = connection.stream_key(key);
                if connection.is_stalled() {
                    connection.caught_up(core.now, &core.limits);
                    core.arm(key);
                }
                if let Some(stream) = stream {
                    websocket::flush_replies(core, stream);
                }
            }
            Ok(Flushed::Blocked { bytes }) => {
                connection.readiness.after_short_write();
                // A handshake has a deadline of its own, which progress does not move.
                if N::Socket::BUFFERS && connection.readiness.is_handshaking() {
                    return;
                }
                if connection.note_blocked(bytes, core.now, &core.limits) {
                    return timers::give_up(core, &mut self.app, key, Deadline::WriteStall);
                }
                core.arm(key);
            }
            Err(error) => return core.fail_socket(key, &error),
        }
        self.after_flush(key);
    }

    /// Ends backpressure if the outbox has become short enough, or our direction if the last byte is out.
    pub(super) fn after_flush(&mut self, key: Key) {
        let core = &mut self.core;
        let Some(mut connection) = core.connections.get_mut(key) else { return };
        if let Some(stream) = connection.stream_key(key) {
            core.notice_drained(stream);
            let Some(found) = core.connections.get_mut(key) else { return };
            connection = found;
        }
        if connection.backpressured
            && connection.outbox.len() <= connection.pause_bytes(&core.limits) / 2
        {
            connection.backpressured = false;
            core.look_again(key);
            return;
        }
        if connection.outbox.is_empty() && connection.over().is_some() {
            self.end_our_direction(key);
        }
    }

    /// Ends our direction if nothing more will be written on the connection.
    fn end_our_direction(&mut self, key: Key) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        // A branch has no socket: a frame ends its direction, when its turn comes.
        if connection.is_branch() && connection.owes_end() {
            return;
        }
        let Phase::Rare(Rare::Over(over)) = &mut connection.phase else { return };
        let (next, action) = life::step(over.state, life::Input::Flushed);
        if action != life::Action::ShutDown {
            return;
        }
        let mut failed = false;
        if over.until == Time::NEVER {
            over.until = core.now + core.limits.close_ms;
            let socket = self.sockets[key.index()].as_mut();
            failed = socket.is_none_or(|socket| socket.shutdown_write().is_err());
        }
        // The socket may have a last record of its own to send (close_notify). [server:held-farewell]
        let holds_output = N::Socket::BUFFERS && self.note_held(key);
        let (core, ends) = (&mut self.core, failed || next == life::State::Gone);
        if ends && !holds_output {
            return core.abort(key, CloseCause::Ended);
        }
        if let Some(over) = core.connections.get_mut(key).and_then(Connection::over) {
            over.state = if ends { life::State::Ending } else { next };
        }
        core.arm(key);
    }

    /// Takes down the connections that this turn has given up.
    pub(super) fn bury(&mut self) {
        let mut left = BURIALS_MAX * BRANCHES_PER_BURIAL;
        while left > 0 {
            let Some(key) = self.core.gone.pop_front() else { return };
            let is_branch = self.core.branch(key).is_some();
            left = left.saturating_sub(if is_branch { 1 } else { BRANCHES_PER_BURIAL });
            self.core.budget.spend(if is_branch { STREAM_UNITS } else { CONNECTION_UNITS });
            if is_branch {
                self.waiting.forget(key);
                self.core.drop_branch(key);
                continue;
            }
            let Some(mut connection) = self.core.connections.remove(key) else { continue };
            self.waiting.forget(key);
            debug_assert!(connection.stream().is_none(), "its end was told");
            if N::Socket::BUFFERS && connection.readiness.is_handshaking() {
                self.handshakes.end();
            }
            connection.outbox.clear(&mut self.core.pool);
            self.leave(connection.peer.address(), connection.peer.standing());
            self.core.stats.closed += 1;
            // A descriptor is free again.
            self.accept_from = self.accept_from.min(self.core.now);
            self.core.hosts.set(key, None);
            if let Some(socket) = self.sockets[key.index()].take() {
                self.net.close(socket);
            }
        }
    }
}
