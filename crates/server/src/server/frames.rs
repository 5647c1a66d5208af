//! Output of connections that speak HTTP/2: the bytes of streams become frames just before a write.
//!
//! Control frames and heads are in the trunk's outbox already. Behind them the branches that have
//! something to send take turns of one frame, until enough bytes for a write are there.

use sockeye_http2::{ContentHead, EndStream};
use sockeye_reactor::{Key, Net, Socket as _, Time};

use super::Server;
use crate::app::App;
use crate::budget::{self, FRAME_UNITS, WRITE_UNITS};
use crate::cause::Deadline;
use crate::connection::{Connection, Phase, Rare, life};
use crate::timers;
use crate::websocket;

/// [server:http2-one-write] Unsent bytes of a trunk behind which no branch gets another turn before a write.
const WRITE_BYTES: usize = 32 * 1024;

/// Writes of one trunk in a flush.
const WRITES_MAX: usize = 16;

/// The outcome of a branch's turn.
enum Turn {
    /// Everything is sent, or its window is shut.
    Over,
    /// More is left.
    Again,
    /// The window of the connection is shut. The branch may have `sent` something before.
    Stopped { sent: bool },
}

impl<N: Net, A: App> Server<N, A> {
    /// Replaces branches in the list of outboxes to flush by their trunks.
    pub(super) fn gather(&mut self, list: &mut Vec<Key>) {
        let core = &mut self.core;
        let mut at = 0;
        for index in 0..list.len() {
            let key = list[index];
            let Some(branch) = core.branch(key) else {
                list[at] = key;
                at += 1;
                continue;
            };
            let Some(connection) = core.connections.get_mut(branch.trunk) else { continue };
            let Phase::Rare(Rare::Http2(trunk)) = &mut connection.phase else { continue };
            trunk.ready.push_back(key);
            if !core::mem::replace(&mut connection.dirty, true) {
                // The place of a branch is free, and there are no more trunks than branches.
                list[at] = branch.trunk;
                at += 1;
            }
        }
        list.truncate(at);
    }

    /// Writes out what waits for the trunk `key` and its branches, and lets requests go on that waited for that. The
    /// caller spends the units of one write and of all bytes.
    pub(super) fn flush_trunk(&mut self, key: Key) {
        if self.write_trunk(key) {
            self.core.serve_again(key);
        }
    }

    /// Writes out what waits for the trunk `key` and its branches. Returns whether requests are waiting that
    /// this may let go on.
    /// [server:http2-flush-bounded]
    fn write_trunk(&mut self, key: Key) -> bool {
        let before = self.core.stats.bytes_sent;
        let opened =
            self.core.trunk(key).is_some_and(|trunk| trunk.protocol.connection_capacity() > 0);
        for write in 0..WRITES_MAX {
            if write > 0 {
                let bytes = self.core.stats.bytes_sent - before;
                if self.core.budget.is_spent_but(budget::of_bytes(bytes)) {
                    break;
                }
                self.core.budget.spend(WRITE_UNITS);
            }
            let is_more = self.fill(key, opened);
            let sent = self.core.stats.bytes_sent;
            self.flush_as::<true>(key);
            let core = &mut self.core;
            let Some(connection) = core.connections.get_mut(key) else { return false };
            let is_sent = connection.outbox.is_empty();
            let Phase::Rare(Rare::Http2(trunk)) = &mut connection.phase else { return false };
            if is_sent {
                trunk.protocol.output_sent();
            }
            let has_waiting = trunk.has_waiting();
            if !is_sent && core.stats.bytes_sent > sent {
                core.give_back(key);
            }
            if !is_more || !is_sent {
                return has_waiting;
            }
        }
        self.core.mark_dirty(key);
        true
    }

    /// Lets branches take turns until enough bytes wait for a write. `opened`: the window of the connection was
    /// open before this flush. Returns whether a branch wants another turn. [server:http2-turns]
    fn fill(&mut self, key: Key, opened: bool) -> bool {
        loop {
            let Some(connection) = self.core.connections.get_mut(key) else { return false };
            let Phase::Rare(Rare::Http2(trunk)) = &mut connection.phase else { return false };
            if !connection.readiness.writable() {
                // A read may have sent all that the socket held. The flush finds that out.
                return N::Socket::BUFFERS && !trunk.ready.is_empty();
            }
            if connection.outbox.len() >= WRITE_BYTES {
                return !trunk.ready.is_empty();
            }
            let Some(branch) = trunk.ready.pop_front() else { return false };
            match self.send_frame(key, branch) {
                Turn::Over => {}
                Turn::Again => {
                    if let Some(trunk) = self.core.trunk(key) {
                        trunk.ready.push_back(branch);
                    }
                }
                Turn::Stopped { sent } => {
                    if let Some(trunk) = self.core.trunk(key) {
                        // A branch that has sent something goes behind those that wait.
                        match sent {
                            true => trunk.ready.push_back(branch),
                            false => trunk.ready.push_front(branch),
                        }
                    }
                    self.note_stopped(key, opened);
                    return false;
                }
            }
        }
    }

    /// Sends one frame of the branch `key`, as long as its windows and the frame allow.
    fn send_frame(&mut self, of: Key, key: Key) -> Turn {
        let core = &mut self.core;
        let Some(place) = core.branch(key) else { return Turn::Over };
        let Some(connection) = core.connections.get_mut(key) else { return Turn::Over };
        if connection.life() == life::State::Gone {
            connection.dirty = false;
            return Turn::Over;
        }
        let (owes_end, is_in_line) = (connection.owes_end(), !connection.is_stalled());
        let mut outbox = core::mem::take(&mut connection.outbox);
        let waiting = outbox.len();
        let Some(carrier) = core.connections.get_mut(of) else { return Turn::Over };
        let Phase::Rare(Rare::Http2(trunk)) = &mut carrier.phase else { return Turn::Over };
        let end = if owes_end { EndStream::Yes } else { EndStream::No };
        let out = carrier.outbox.tail(&mut core.pool);
        let written = trunk.protocol.write_content_head(place.stream, outbox.len(), end, out);
        let is_stopped = trunk.protocol.connection_capacity() == 0;
        let head = written.unwrap_or_else(|_| {
            // The stream is gone, and nobody takes what waits for it.
            outbox.clear(&mut core.pool);
            ContentHead { len: 0, is_end: false, is_shut: true }
        });
        if head.len > 0 || head.is_end {
            core.budget.spend(FRAME_UNITS);
            outbox.move_to(&mut carrier.outbox, head.len, &mut core.pool);
        }
        if is_in_line && place.answer > 0 {
            core.leave_line(place, waiting - outbox.len());
        }
        let Some(connection) = core.connections.get_mut(key) else { return Turn::Over };
        connection.outbox = outbox;
        if head.len > 0 {
            connection.note_written();
        }
        if connection.outbox.is_empty() {
            connection.dirty = false;
            // Most branches of a fan-out wait for nothing.
            if head.is_end || connection.awaits_flush() {
                self.branch_sent(key, head.is_end);
            }
            return Turn::Over;
        }
        if head.is_shut && is_stopped {
            if head.len > 0 {
                // The peer took something: its clock starts afresh.
                self.note_shut(key, head.len);
            }
            return Turn::Stopped { sent: head.len > 0 };
        }
        if head.is_shut {
            connection.dirty = false;
            self.note_shut(key, head.len);
            return Turn::Over;
        }
        core.wait_for_turn(key, place);
        Turn::Again
    }

    /// Everything that waited for the branch `key` is in frames.
    fn branch_sent(&mut self, key: Key, ended: bool) {
        if ended {
            return self.core.note_end_sent(key);
        }
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        let stream = connection.stream_key(key);
        if connection.is_stalled() {
            connection.caught_up(core.now, &core.limits);
            core.arm(key);
        }
        if let Some(stream) = stream {
            websocket::flush_replies(core, stream);
        }
        self.after_flush(key);
    }

    /// The window of the branch `key` is shut, after `bytes` bytes. [server:http2-shut-window]
    fn note_shut(&mut self, key: Key, bytes: usize) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get_mut(key) else { return };
        let was_in_line = !connection.is_stalled();
        if connection.note_blocked(bytes, core.now, &core.limits) {
            return timers::give_up(core, &mut self.app, key, Deadline::WriteStall);
        }
        // [server:http2-spare-memory]
        connection.outbox.give_back();
        let waiting = connection.outbox.len();
        if let (true, Some(branch)) = (was_in_line, core.branch(key)) {
            core.leave_line(branch, waiting);
        }
        core.arm(key);
        self.after_flush(key);
    }

    /// The window of the connection is shut: the clocks of all branches that wait for it begin. If the peer
    /// had `opened` it before, they start afresh: it takes what it gets, and their turns will come. The end of a
    /// branch has no bytes and waits for nothing (RFC 9113 §6.9.1). [server:http2-shut-window]
    fn note_stopped(&mut self, key: Key, opened: bool) {
        let Some(trunk) = self.core.trunk(key) else { return };
        let mut waiting = core::mem::take(&mut trunk.ready);
        // Branches that are gone would stand in line for as long as the window is shut.
        waiting.retain(|branch| {
            let waits = self.core.connections.get(*branch).map(|it| !it.outbox.is_empty());
            if waits == Some(false) {
                self.send_frame(key, *branch);
            }
            waits == Some(true)
        });
        for branch in &waiting {
            let Some(connection) = self.core.connections.get_mut(*branch) else { continue };
            if !connection.is_stalled() {
                self.note_shut(*branch, 0);
            } else if opened {
                connection.note_progress(self.core.now);
            }
        }
        if let Some(trunk) = self.core.trunk(key) {
            waiting.append(&mut trunk.ready);
            trunk.ready = waiting;
        }
    }
}

impl Connection {
    /// Whether a branch has still to end its direction on the wire.
    pub(crate) const fn owes_end(&self) -> bool {
        match &self.phase {
            Phase::Rare(Rare::Over(over)) => {
                over.until.as_millis() == Time::NEVER.as_millis()
                    && matches!(over.state, life::State::Closing | life::State::Ending)
            }
            Phase::Single(_) | Phase::Rare(Rare::Content(_) | Rare::Http2(_)) => false,
        }
    }

    /// Whether a branch has something to send.
    pub(crate) fn has_output(&self) -> bool {
        !self.outbox.is_empty() || self.owes_end()
    }
}
