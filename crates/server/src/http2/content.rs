//! The sum of the requests that are not complete, or wait.

use sockeye_http2::{ErrorCode, FieldBuffer, StreamId};
use sockeye_reactor::Key;

use crate::cause::CloseCause;
use crate::connection::{Phase, Rare, Single, life};
use crate::contents::Content;
use crate::state::Core;
use crate::trunk::Branch;

impl Core {
    /// Keeps the request on the branch `key`, whose content may follow.
    pub(crate) fn begin_content(&mut self, key: Key, fields: &FieldBuffer) {
        let Some(branch) = self.branch(key) else { return };
        // The loop's own buffer may have the room of a larger head. A clone has just its own.
        let content = Content { fields: fields.clone(), body: Vec::new() };
        let (now, bytes) = (self.now, content.bytes());
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.phase = Phase::Rare(Rare::Content(Box::new(content)));
        let Some(trunk) = self.trunk(branch.trunk) else { return };
        trunk.contents.add(branch.stream, now);
        self.bound_contents(branch.trunk, bytes);
        self.arm(branch.trunk);
    }

    /// The request on the branch `key` is complete, and waits until the peer has taken answers.
    pub(crate) fn put_off(&mut self, key: Key) {
        let Some(Branch { trunk, stream, .. }) = self.branch(key) else { return };
        // Above the bound of all contents it is gone already.
        let is_kept = self.connections.get(key).is_some_and(|it| it.life() == life::State::Open);
        if let (true, Some(trunk)) = (is_kept, self.trunk(trunk)) {
            trunk.contents.complete(stream);
        }
    }

    /// Refuses a request on `stream` of the trunk `key`. The client may send it again (RFC 9113 §8.7).
    pub(crate) fn refuse_stream(&mut self, key: Key, stream: StreamId) {
        self.stats.refused += 1;
        self.with_trunk(key, |trunk, out| {
            let _ = trunk.protocol.reset(stream, ErrorCode::REFUSED_STREAM, out);
        });
    }

    /// Counts `bytes` more of the contents of the trunk `key`. Above their bound the youngest request is
    /// refused, so that the oldest can be completed. The client may send it again (RFC 9113 §8.7).
    /// [server:http2-contents-bounded]
    pub(crate) fn bound_contents(&mut self, key: Key, bytes: usize) {
        let Some(trunk) = self.trunk(key) else { return };
        trunk.contents.count(bytes);
        loop {
            let Some(trunk) = self.trunk(key) else { return };
            let max = trunk.protocol.limits().connection_window_bytes as usize;
            let Some(stream) = trunk.contents.excess(max) else { return };
            let Some(branch) = trunk.branch(stream) else { return };
            self.refuse_stream(key, stream);
            self.abort(branch, CloseCause::Overflow);
        }
    }

    /// The content of the branch `key` is kept no longer, if there was any.
    pub(crate) fn end_content(&mut self, key: Key) {
        let Some(Branch { trunk, stream, .. }) = self.branch(key) else { return };
        let Some(connection) = self.connections.get(key) else { return };
        let Phase::Rare(Rare::Content(content)) = &connection.phase else { return };
        let bytes = content.bytes();
        if let Some(trunk) = self.trunk(trunk) {
            trunk.contents.remove(stream, bytes);
        }
    }

    /// Takes the request of the branch `key`, whose content is complete or refused.
    pub(crate) fn take_content(&mut self, key: Key) -> Option<Box<Content>> {
        self.end_content(key);
        let phase = &mut self.connections.get_mut(key)?.phase;
        if !matches!(phase, Phase::Rare(Rare::Content(_))) {
            return None;
        }
        let single = Phase::Single(Single { requests: None, stream: None });
        match core::mem::replace(phase, single) {
            Phase::Rare(Rare::Content(content)) => Some(content),
            Phase::Single(_) | Phase::Rare(_) => None,
        }
    }

    /// The branch whose content is due, if one is.
    pub(crate) fn late_content(&mut self, key: Key) -> Option<Key> {
        let late = self.now;
        let body_ms = self.limits.body_ms;
        let trunk = self.trunk(key)?;
        let stream = trunk.contents.first()?;
        (trunk.contents.oldest() + body_ms <= late).then(|| trunk.branch(stream)).flatten()
    }
}
