//! The streams of a connection: those that live, and what is remembered of those that do not.

use alloc::vec::Vec;

use crate::life::State;
use crate::{Role, StreamId};

/// `Stream::content_left` of content that ends with END_STREAM only.
pub(crate) const UNKNOWN_LENGTH: u64 = u64::MAX;

/// Streams remembered after they ended in order. Only the code of an error depends on them.
const ENDED_MAX: usize = 16;

/// A stream that lives: 40 bytes.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The window for our content, less the peer's initial window.
    pub(crate) send_delta: i64,
    /// The peer's content that is still to come, if `content-length` said so.
    pub(crate) content_left: u64,
    pub(crate) id: StreamId,
    /// The peer's content that no WINDOW_UPDATE of ours has covered, in bytes.
    pub(crate) received: u32,
    /// The part of `received` that the caller has consumed.
    pub(crate) consumed: u32,
    /// A number of the caller's.
    pub(crate) tag: u32,
    /// [`State::Open`] or one of the half-closed states; [`State::Closed`] until the list is compacted.
    pub(crate) state: State,
    /// Our final head is sent.
    pub(crate) sent_head: bool,
    /// The peer's final head is here.
    pub(crate) received_head: bool,
    /// A CONNECT that is not refused: content both ways, without trailers.
    pub(crate) is_tunnel: bool,
    /// The answer to HEAD has no content.
    pub(crate) is_head: bool,
}

impl Stream {
    pub(crate) const fn new(id: StreamId, state: State) -> Self {
        Self {
            send_delta: 0,
            content_left: UNKNOWN_LENGTH,
            id,
            received: 0,
            consumed: 0,
            tag: 0,
            state,
            sent_head: false,
            received_head: false,
            is_tunnel: false,
            is_head: false,
        }
    }

    const fn lives(&self) -> bool {
        !matches!(self.state, State::Closed)
    }
}

/// The latest identifiers of a kind.
#[derive(Debug, Default)]
struct Ring {
    ids: Vec<StreamId>,
    next: usize,
}

impl Ring {
    fn push(&mut self, id: StreamId, max: usize) {
        if self.ids.len() < max {
            self.ids.push(id);
        } else if let Some(slot) = self.ids.get_mut(self.next) {
            *slot = id;
            self.next = self.next.saturating_add(1).checked_rem(max).unwrap_or(0);
        }
    }

    fn has(&self, id: StreamId) -> bool {
        self.ids.contains(&id)
    }
}

/// All streams of a connection.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// By identifier. A stream that has ended stays until there are enough of them, so that a removal
    /// costs a constant.
    list: Vec<Stream>,
    dead: u32,
    /// Where the last `find_mut` ended. The next one is often for the same stream, and in a fan-out for the one behind
    /// it.
    found_at: usize,
    reset: Ring,
    ended: Ring,
    /// The greatest stream that the client opened.
    last: StreamId,
}

impl Streams {
    /// The greatest stream that the client opened.
    pub(crate) const fn last(&self) -> StreamId {
        self.last
    }

    /// How many live.
    pub(crate) const fn len(&self) -> usize {
        self.list.len().saturating_sub(self.dead as usize)
    }

    /// The state of any stream.
    pub(crate) fn state(&self, id: StreamId, role: Role) -> State {
        if !id.is_from_client() {
            return State::Unopened;
        }
        if id > self.last {
            return match role {
                Role::Client => State::Unopened,
                Role::Server => State::Idle,
            };
        }
        match self.find(id) {
            Some(stream) => stream.state,
            None if self.reset.has(id) => State::Reset,
            None if self.ended.has(id) => State::Closed,
            None => State::Forgotten,
        }
    }

    pub(crate) fn find(&self, id: StreamId) -> Option<&Stream> {
        let at = self.list.binary_search_by_key(&id, |stream| stream.id).ok()?;
        self.list.get(at).filter(|stream| stream.lives())
    }

    pub(crate) fn find_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        let is_at = |at: usize| self.list.get(at).is_some_and(|stream| stream.id == id);
        let (last, next) = (self.found_at, self.found_at.saturating_add(1));
        let at = if is_at(next) {
            next
        } else if is_at(last) {
            last
        } else {
            self.list.binary_search_by_key(&id, |stream| stream.id).ok()?
        };
        self.found_at = at;
        self.list.get_mut(at).filter(|stream| stream.lives())
    }

    /// Notes that the client used an identifier, whatever becomes of the stream.
    pub(crate) fn used(&mut self, id: StreamId) {
        self.last = self.last.max(id);
    }

    /// Adds a stream above all others.
    pub(crate) fn open(&mut self, stream: Stream) {
        self.used(stream.id);
        self.list.push(stream);
    }

    /// Moves a stream to the state that the table says, and forgets it there if that is an end.
    pub(crate) fn set_state(&mut self, id: StreamId, state: State, reset_max: u32) {
        match state {
            State::Open | State::HalfClosedLocal | State::HalfClosedRemote => {
                if let Some(stream) = self.find_mut(id) {
                    stream.state = state;
                }
            }
            State::Reset => {
                self.remove(id);
                self.remember_reset(id, reset_max);
            }
            State::Closed => {
                self.remove(id);
                self.ended.push(id, ENDED_MAX);
            }
            State::Unopened | State::Idle | State::Forgotten => {}
        }
    }

    /// Tolerates late frames on a stream.
    pub(crate) fn remember_reset(&mut self, id: StreamId, max: u32) {
        self.reset.push(id, usize::try_from(max).unwrap_or(usize::MAX));
    }

    /// The greatest `send_delta` of all.
    pub(crate) fn send_delta_max(&self) -> i64 {
        let lives = self.list.iter().filter(|stream| stream.lives());
        lives.map(|stream| stream.send_delta).max().unwrap_or(0)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let ids = self.reset.ids.capacity().saturating_add(self.ended.ids.capacity());
        let streams = self.list.capacity().saturating_mul(size_of::<Stream>());
        streams.saturating_add(ids.saturating_mul(size_of::<StreamId>()))
    }

    /// Removes all streams above one that the peer will process.
    pub(crate) fn remove_above(&mut self, last: StreamId) {
        while let Some(stream) = self.list.pop_if(|stream| stream.id > last) {
            if stream.lives() {
                self.ended.push(stream.id, ENDED_MAX);
            } else {
                self.dead = self.dead.saturating_sub(1);
            }
        }
    }

    fn remove(&mut self, id: StreamId) {
        let Some(stream) = self.find_mut(id) else { return };
        stream.state = State::Closed;
        self.dead = self.dead.saturating_add(1);
        while self.list.pop_if(|stream| !stream.lives()).is_some() {
            self.dead = self.dead.saturating_sub(1);
        }
        // At most a third of the list is dead, so each removal pays for two moves.
        if self.dead as usize > self.len() / 2 {
            self.list.retain(Stream::lives);
            self.dead = 0;
            if self.list.len() < self.list.capacity() / 4 {
                self.list.shrink_to(self.list.len().saturating_mul(2));
            }
        }
    }
}
