//! Branches in the table of connections: their beginning, the answers on them, and their end.

use sockeye_http::Status;
use sockeye_http2::{EndStream, ErrorCode, FieldBlock, StreamId};
use sockeye_reactor::{Key, Time};

use crate::answer::{Header, Reply};
use crate::cause::CloseCause;
use crate::connection::{Connection, Phase, Rare, life};
use crate::state::Core;
use crate::trunk::{Branch, Trunk};

impl Core {
    /// The place of the branch `key`; `None` if it is no branch.
    pub(crate) fn branch(&self, key: Key) -> Option<Branch> {
        self.branches.get(key.index()).copied().flatten()
    }

    /// The trunk `key`; `None` if the connection is none.
    pub(crate) fn trunk(&mut self, key: Key) -> Option<&mut Trunk> {
        match &mut self.connections.get_mut(key)?.phase {
            Phase::Rare(Rare::Http2(trunk)) => Some(trunk),
            Phase::Single(_) | Phase::Rare(Rare::Content(_) | Rare::Over(_)) => None,
        }
    }

    /// Counts the streams of the trunk `key` that were reset since the last call.
    pub(crate) fn count_resets(&mut self, key: Key) {
        let new = self.trunk(key).map_or(0, Trunk::new_resets);
        self.stats.http2_resets_sent += new;
    }

    /// Runs `act` with the protocol's state of the trunk `key` and the bytes that wait for its socket.
    pub(crate) fn with_trunk<R>(
        &mut self,
        key: Key,
        act: impl FnOnce(&mut Trunk, &mut Vec<u8>) -> R,
    ) -> Option<R> {
        let connection = self.connections.get_mut(key)?;
        let Phase::Rare(Rare::Http2(trunk)) = &mut connection.phase else { return None };
        let done = act(trunk, connection.outbox.tail(&mut self.pool));
        connection.settle(key, &mut self.pool, &mut self.dirty);
        Some(done)
    }

    /// Adds a branch for `stream` of the trunk `key`.
    pub(crate) fn add_branch(&mut self, key: Key, stream: StreamId) -> Option<Key> {
        let trunk = self.connections.get(key)?;
        let branch = Connection::branch(trunk, self.now);
        let branch = self.connections.insert(branch);
        if self.branches.len() <= branch.index() {
            self.branches.resize(branch.index() + 1, None);
        }
        self.branches[branch.index()] = Some(Branch { trunk: key, stream, answer: 0 });
        self.branch_count += 1;
        self.stats.http2_streams += 1;
        self.trunk(key)?.add(stream, branch);
        Some(branch)
    }

    /// Takes the branch `key` out of the table. A stream that still lives is reset.
    pub(crate) fn drop_branch(&mut self, key: Key) {
        let Some(branch) = self.branch(key) else { return };
        let Some(mut connection) = self.connections.remove(key) else { return };
        debug_assert!(connection.stream().is_none(), "its end was told");
        let waited = if connection.is_stalled() { 0 } else { connection.outbox.len() };
        connection.outbox.clear(&mut self.pool);
        self.leave_line(branch, waited);
        self.note_answer(key, 0);
        self.branches[key.index()] = None;
        self.branch_count -= 1;
        self.stats.http2_streams_closed += 1;
        let has_ended = connection.over().is_some_and(|over| over.until != Time::NEVER);
        let code = if has_ended { ErrorCode::NO_ERROR } else { ErrorCode::CANCEL };
        let now = self.now;
        let is_over = self.with_trunk(branch.trunk, |trunk, out| {
            trunk.remove(branch.stream, now);
            // [server:http2-reset] A stream that has ended in both directions needs no reset.
            let _ = trunk.protocol.reset(branch.stream, code, out);
            trunk.protocol.is_over()
        });
        match is_over {
            Some(true) => self.close_gracefully(branch.trunk, CloseCause::Finished),
            Some(false) => {
                self.arm(branch.trunk);
                self.answer_again(branch.trunk);
            }
            None => {}
        }
    }

    /// Our direction of the branch `key` has ended on the wire. The branch goes as soon as the peer's
    /// has ended, too, or at its deadline.
    pub(crate) fn note_end_sent(&mut self, key: Key) {
        self.note_answer(key, 0);
        let Some(Branch { trunk, stream, .. }) = self.branch(key) else { return };
        let lives = self.trunk(trunk).is_some_and(|trunk| trunk.protocol.has_stream(stream));
        if !lives {
            return self.drop_branch(key);
        }
        let until = self.now + self.limits.close_ms;
        if let Some(over) = self.connections.get_mut(key).and_then(Connection::over) {
            let (next, _) = life::step(over.state, life::Input::Flushed);
            (over.state, over.until) = (next, until);
            if next == life::State::Gone {
                return self.drop_branch(key);
            }
        }
        self.arm(key);
    }

    /// Notes that `bytes` of an answer wait on the branch `key`.
    fn note_answer(&mut self, key: Key, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Some(Some(branch)) = self.branches.get_mut(key.index()) else { return };
        let before = core::mem::replace(&mut branch.answer, bytes);
        let of = branch.trunk;
        if before != bytes
            && let Some(trunk) = self.trunk(of)
        {
            trunk.answer_bytes = trunk.answer_bytes + bytes as usize - before as usize;
            // A new answer waits for its turn.
            trunk.lined_up_bytes += bytes.saturating_sub(before) as usize;
        }
    }

    /// Notes that `bytes` of the answer on `branch` wait for their turn no longer, if it has one.
    pub(crate) fn leave_line(&mut self, branch: Branch, bytes: usize) {
        if branch.answer > 0
            && let Some(trunk) = self.trunk(branch.trunk)
        {
            trunk.lined_up_bytes = trunk.lined_up_bytes.saturating_sub(bytes);
        }
    }

    /// The window of the branch `key` at `place` is open, and only its turn is awaited.
    pub(crate) fn wait_for_turn(&mut self, key: Key, place: Branch) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if !connection.is_stalled() {
            return;
        }
        connection.caught_up(self.now, &self.limits);
        let waiting = connection.outbox.len();
        if place.answer > 0
            && let Some(trunk) = self.trunk(place.trunk)
        {
            trunk.lined_up_bytes += waiting;
        }
        self.arm(key);
    }

    /// Visits the trunk `key` again if requests wait there and the peer has taken enough answers.
    pub(crate) fn answer_again(&mut self, key: Key) {
        if self.trunk(key).is_some_and(|trunk| trunk.has_waiting()) {
            self.serve_again(key);
        }
    }

    /// Visits the trunk `key` again if requests wait there that may be answered now.
    #[cold]
    pub(crate) fn serve_again(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let may_serve = !connection.owes_reading(&self.limits);
        let may_answer = !connection.puts_off(&self.limits);
        let Phase::Rare(Rare::Http2(trunk)) = &mut connection.phase else { return };
        let is_complete = trunk.contents.next_complete().is_some();
        if may_serve && is_complete || may_answer && !trunk.put_off.is_empty() {
            trunk.answers_again = true;
            self.look_again(key);
        }
    }

    /// The socket of the trunk `key` takes no more now. Its branches give back memory that their unsent bytes do not
    /// need: the rest of a long answer may be short. [server:http2-spare-memory]
    #[cold]
    pub(crate) fn give_back(&mut self, key: Key) {
        let Some(trunk) = self.trunk(key) else { return };
        let ready = core::mem::take(&mut trunk.ready);
        for branch in &ready {
            if let Some(branch) = self.connections.get_mut(*branch) {
                branch.outbox.give_back();
            }
        }
        if let Some(trunk) = self.trunk(key) {
            trunk.ready = ready;
        }
    }

    /// Gives the branch `key` its turn at the next flush of its trunk.
    pub(crate) fn line_up(&mut self, key: Key) {
        let Some(Branch { trunk: of, .. }) = self.branch(key) else { return };
        let Some(trunk) = self.trunk(of) else { return };
        trunk.ready.push_back(key);
        if let Some(connection) = self.connections.get_mut(of) {
            connection.mark_dirty(of, &mut self.dirty);
        }
    }

    /// Lists the branch `key` for the next flush if it has something to send: its window has opened.
    pub(crate) fn wake_branch(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.has_output() {
            self.mark_dirty(key);
        }
    }
}

/// Adds the fields of `headers`.
pub(crate) fn add<'h>(to: FieldBlock, headers: impl IntoIterator<Item = &'h Header>) -> FieldBlock {
    headers.into_iter().map(Header::parts).fold(to, |to, (name, value)| to.field(name, value))
}

/// Sends the head of the answer on the branch `key`.
pub(crate) fn send_head(
    core: &mut Core,
    key: Key,
    status: Status,
    fields: &FieldBlock,
    end: EndStream,
) {
    let Some(Branch { trunk, stream, .. }) = core.branch(key) else { return };
    core.with_trunk(trunk, |trunk, out| {
        // A stream that the peer has reset takes no answer.
        let _ = trunk.protocol.respond(stream, status, fields, end, out);
    });
}

/// Answers the request on the branch `key`, with `more` headers behind those of `reply`, and ends our
/// direction behind it.
pub(crate) fn answer(core: &mut Core, key: Key, is_head: bool, reply: &Reply, more: &[Header]) {
    let Reply { status, headers, body } = reply;
    if status.code() >= 400 {
        core.stats.refused += 1;
    }
    let mut fields = add(FieldBlock::new().date(core.date), headers);
    fields = add(fields, more);
    if !status.is_bodiless() {
        fields = fields.content_length(body.len() as u64);
    }
    send_whole(core, key, (*status, &fields), if is_head { &[] } else { body });
}

/// Sends a head and all the content behind it.
pub(crate) fn send_whole(
    core: &mut Core,
    key: Key,
    (status, fields): (Status, &FieldBlock),
    body: &[u8],
) {
    let is_empty = body.is_empty() || status.is_bodiless();
    let end = if is_empty { EndStream::Yes } else { EndStream::No };
    send_head(core, key, status, fields, end);
    let Some(connection) = core.connections.get_mut(key) else { return };
    if !is_empty {
        connection.outbox.tail(&mut core.pool).extend_from_slice(body);
        core.note_answer(key, body.len());
    }
    core.close_gracefully(key, CloseCause::Finished);
    if is_empty {
        core.note_end_sent(key);
    }
}

#[cfg(test)]
mod tests {
    use sockeye_reactor::Outbox;

    use super::*;
    use crate::limits::Limits;
    use crate::listener::Standing;
    use crate::peer::Peer;

    /// [server:http2-spare-memory]
    #[test]
    fn the_rest_of_a_long_answer_keeps_little_memory() {
        let mut core = Core::new(Time::from_millis(0), 0, Limits::default());
        let peer = Peer::new(([127, 0, 0, 1], 1).into(), 0, Standing::Client);
        let key = core.connections.insert(Connection::new(peer, core.now));
        let config = core.http2.clone().expect("it is spoken by default");
        let trunk = Trunk::new(&config, core.now, &mut Vec::new());
        let connection = core.connections.get_mut(key).expect("it is there");
        connection.phase = Phase::Rare(Rare::Http2(Box::new(trunk)));
        let branch = core.add_branch(key, StreamId::new(1)).expect("its trunk is there");
        let Core { connections, pool, .. } = &mut core;
        let outbox = &mut connections.get_mut(branch).expect("it is there").outbox;
        outbox.tail(pool).extend_from_slice(&[0; 65_000]);
        outbox.move_to(&mut Outbox::new(), 64_900, pool);
        assert!(outbox.tail(pool).capacity() >= 65_000);
        core.trunk(key).expect("it is one").ready.push_back(branch);
        core.give_back(key);
        assert_eq!(core.trunk(key).expect("it is one").ready, [branch]);
        let Core { connections, pool, .. } = &mut core;
        let outbox = &mut connections.get_mut(branch).expect("it is there").outbox;
        assert_eq!((outbox.len(), outbox.tail(pool).capacity() < 9_000), (100, true));
    }
}
