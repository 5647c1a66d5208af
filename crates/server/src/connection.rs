//! One connection: the state of its socket, and the request or stream that it carries.

pub(crate) mod life;

use sockeye_reactor::{Key, Outbox, Pool, Readiness, Slab, Time, Timer};

use crate::cause::Deadline;
use crate::contents::Content;
use crate::key::StreamKey;
use crate::limits::Limits;
use crate::listener::Standing;
use crate::peer::Peer;
use crate::request_reader::RequestReader;
use crate::stream::{Due, Kind, Stream};
use crate::trunk::Trunk;
use life::State;

/// Unsent bytes of answers above which the next pipelined request waits.
pub(crate) const UNREAD_ANSWERS_MAX: usize = 16 * 1024;

/// One connection. The server has its socket, so that this type is not generic.
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    /// Bytes that wait for the socket. HTTP/1.1 carries one stream at a time, so this is the stream's
    /// outbox, too.
    pub(crate) outbox: Outbox,
    pub(crate) readiness: Readiness,
    pub(crate) timer: Timer,
    /// While the peer is stalled: when it last took some of the bytes that wait for it. Otherwise: when
    /// its last bytes came, or when the connection was accepted.
    clock: Time,
    /// Bytes wait, and the socket takes no more.
    stalled: bool,
    /// Listed for the next flush.
    pub(crate) dirty: bool,
    /// Not read from until the outbox has fallen to half of `outbox_pause_bytes`.
    pub(crate) backpressured: bool,
    pub(crate) peer: Peer,
}

/// The work of a connection. The two variants keep the check for the usual one a comparison.
pub(crate) enum Phase {
    Single(Single),
    Rare(Rare),
}

/// The work of connections that are not of HTTP/1.1, or over.
pub(crate) enum Rare {
    /// Many streams, each a branch of its own.
    Http2(Box<Trunk>),
    /// A branch whose request has come in part.
    Content(Box<Content>),
    /// No request or stream any more: the last bytes are in the outbox, or sent.
    Over(Over),
}

/// One request or stream at a time, as HTTP/1.1 serves them. A branch serves one only.
pub(crate) struct Single {
    /// The requests as they arrive. A stream that took the connection over has no use for them.
    pub(crate) requests: Option<Box<RequestReader>>,
    /// The one stream that is open.
    pub(crate) stream: Option<Stream>,
}

/// A connection that carries no request or stream any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) state: State,
    /// Once our direction has ended: until when the peer has to end its own.
    pub(crate) until: Time,
    /// Bytes of input that were discarded.
    pub(crate) discarded: u64,
}

/// An open stream, or what it carries, and where it writes to.
pub(crate) struct OpenStream<'c, T = Stream> {
    /// The connection that carries the stream.
    pub(crate) connection: Key,
    pub(crate) stream: &'c mut T,
    /// Bytes that wait for the peer. On HTTP/1.1 this is the connection's own outbox.
    pub(crate) outbox: &'c mut Outbox,
    dirty: &'c mut bool,
}

/// The open stream that `key` names.
#[inline]
pub(crate) fn find(connections: &mut Slab<Connection>, key: StreamKey) -> Option<OpenStream<'_>> {
    find_as(connections, key, |stream| Some(stream))
}

/// The open stream that `key` names, if it is of the kind that `part` takes out of it. To check the kind
/// here saves a comparison for each message.
#[inline(always)]
pub(crate) fn find_as<T>(
    connections: &mut Slab<Connection>,
    key: StreamKey,
    part: impl FnOnce(&mut Stream) -> Option<&mut T>,
) -> Option<OpenStream<'_, T>> {
    let (connection, carrier) = connections.at_mut(key.connection())?;
    let Phase::Single(Single { stream: Some(stream), .. }) = &mut carrier.phase else {
        return None;
    };
    let id = stream.id;
    let stream = part(stream)?;
    let (outbox, dirty) = (&mut carrier.outbox, &mut carrier.dirty);
    key.names(id).then_some(OpenStream { connection, stream, outbox, dirty })
}

impl<T> OpenStream<'_, T> {
    /// Lists the connection for the next flush. Returns how many bytes wait for the peer; the caller
    /// has to compare them with their bound.
    #[inline]
    pub(crate) fn mark_dirty(&mut self, list: &mut Vec<Key>) -> usize {
        mark_dirty(self.dirty, self.connection, list);
        self.outbox.len()
    }
}

#[inline]
fn mark_dirty(dirty: &mut bool, key: Key, list: &mut Vec<Key>) {
    if !*dirty {
        *dirty = true;
        list.push(key);
    }
}

impl Connection {
    pub(crate) fn new(peer: Peer, now: Time) -> Self {
        let mut readiness = Readiness::default();
        // A new socket is writable. The poller reports when it is readable.
        readiness.assume_writable();
        let requests = Some(Box::new(RequestReader::new(now)));
        Self {
            phase: Phase::Single(Single { requests, stream: None }),
            outbox: Outbox::new(),
            readiness,
            timer: Timer::default(),
            clock: now,
            stalled: false,
            dirty: false,
            backpressured: false,
            peer,
        }
    }

    /// A stream of HTTP/2 on `trunk`.
    pub(crate) fn branch(trunk: &Self, now: Time) -> Self {
        Self {
            phase: Phase::Single(Single { requests: None, stream: None }),
            outbox: Outbox::new(),
            readiness: Readiness::without_socket(),
            timer: Timer::default(),
            clock: now,
            stalled: false,
            dirty: false,
            backpressured: false,
            peer: trunk.peer,
        }
    }

    /// Whether the connection is a branch: a stream of HTTP/2, without a socket of its own.
    #[inline]
    pub(crate) const fn is_branch(&self) -> bool {
        !self.readiness.has_socket()
    }

    /// How far the connection is from its end.
    pub(crate) const fn life(&self) -> State {
        match &self.phase {
            Phase::Single(_) | Phase::Rare(Rare::Http2(_) | Rare::Content(_)) => State::Open,
            Phase::Rare(Rare::Over(over)) => over.state,
        }
    }

    /// The stream that the connection carries.
    #[inline]
    pub(crate) const fn stream(&self) -> Option<&Stream> {
        match &self.phase {
            Phase::Single(http) => http.stream.as_ref(),
            Phase::Rare(_) => None,
        }
    }

    /// The connection carries nothing from here on, and is in `state`.
    pub(crate) fn close_down(&mut self, state: State) {
        match &mut self.phase {
            Phase::Rare(Rare::Over(over)) => over.state = state,
            Phase::Single(_) | Phase::Rare(Rare::Http2(_) | Rare::Content(_)) => {
                self.phase =
                    Phase::Rare(Rare::Over(Over { state, until: Time::NEVER, discarded: 0 }));
            }
        }
        self.backpressured = false;
    }

    /// The key of the stream that the connection carries; `key` is the connection's own.
    pub(crate) fn stream_key(&self, key: Key) -> Option<StreamKey> {
        self.stream().map(|stream| StreamKey::new(stream.id, key))
    }

    /// The memory for the next read, if the bytes can only belong to the message in progress.
    #[inline]
    pub(crate) fn direct(&mut self) -> Option<&mut [u8]> {
        match &mut self.phase {
            Phase::Single(http) => http.stream.as_mut()?.direct(),
            Phase::Rare(_) => None,
        }
    }

    /// The state of the connection's end, once it carries nothing any more.
    pub(crate) const fn over(&mut self) -> Option<&mut Over> {
        match &mut self.phase {
            Phase::Single(_) | Phase::Rare(Rare::Http2(_) | Rare::Content(_)) => None,
            Phase::Rare(Rare::Over(over)) => Some(over),
        }
    }

    /// The reader of requests, and the outbox for their answers; `None` while a stream is open.
    pub(crate) fn requests(&mut self) -> Option<(&mut RequestReader, &mut Outbox)> {
        match &mut self.phase {
            Phase::Single(Single { requests: Some(requests), stream: None }) => {
                Some((requests, &mut self.outbox))
            }
            Phase::Single(_) | Phase::Rare(_) => None,
        }
    }

    /// Lists the connection for the next flush. Returns how many bytes wait for the peer; the caller
    /// has to compare them with their bound.
    #[inline]
    pub(crate) fn mark_dirty(&mut self, key: Key, list: &mut Vec<Key>) -> usize {
        mark_dirty(&mut self.dirty, key, list);
        self.outbox.len()
    }

    /// Lists the connection for the next flush if something waits, as [`Connection::mark_dirty`]
    /// does. Otherwise gives the outbox's memory back.
    #[inline]
    pub(crate) fn settle(&mut self, key: Key, pool: &mut Pool, list: &mut Vec<Key>) -> usize {
        let waiting = self.outbox.len();
        if waiting == 0 {
            self.outbox.clear(pool);
        } else {
            mark_dirty(&mut self.dirty, key, list);
        }
        waiting
    }

    /// Notes that bytes of the peer came.
    #[inline]
    pub(crate) const fn note_heard(&mut self, now: Time) {
        // While the peer is stalled the clock measures the stall. Every clock starts afresh after it.
        if !self.stalled {
            self.clock = now;
        }
    }

    /// Notes that bytes were written to the peer.
    #[inline]
    pub(crate) const fn note_written(&mut self) {
        if let Phase::Single(Single { stream: Some(stream), .. }) = &mut self.phase {
            stream.told_drained = false;
        }
    }

    /// The other end of the socket. On a connection of a trusted proxy, the peer is the client of the last
    /// request.
    pub(crate) fn proxy(&mut self) -> Peer {
        match &mut self.phase {
            Phase::Single(Single { requests: Some(requests), .. }) => {
                *requests.proxy.get_or_insert(self.peer)
            }
            // A branch has one request only.
            Phase::Single(_) | Phase::Rare(_) => self.peer,
        }
    }

    /// Whether the connection is a trusted proxy's, and no client of its own is known.
    pub(crate) fn is_of_many(&self) -> bool {
        match (self.peer.standing(), &self.phase) {
            (Standing::Client, _) => false,
            (Standing::Announcing | Standing::Proxy, _) => true,
            (Standing::Forwarding, Phase::Single(Single { requests: Some(requests), .. })) => {
                requests.proxy.is_none()
            }
            (Standing::Forwarding, Phase::Rare(Rare::Http2(_))) => true,
            (Standing::Forwarding, Phase::Single(_) | Phase::Rare(_)) => false,
        }
    }

    pub(crate) const fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// The socket took `bytes` now and takes no more. Returns whether the peer has been stalled for too
    /// long.
    pub(crate) fn note_blocked(&mut self, bytes: usize, now: Time, limits: &Limits) -> bool {
        if bytes > 0 || !self.stalled {
            (self.stalled, self.clock) = (true, now);
            return false;
        }
        self.clock + limits.write_stall_ms <= now
    }

    /// The peer of a stalled connection makes progress elsewhere: the clock of the stall starts afresh.
    pub(crate) const fn note_progress(&mut self, now: Time) {
        self.clock = now;
    }

    /// The peer has taken everything that waited, or is read again, or its handshake is over: the clocks
    /// that stood still start afresh.
    pub(crate) fn caught_up(&mut self, now: Time, limits: &Limits) {
        (self.stalled, self.clock) = (false, now);
        match &mut self.phase {
            Phase::Single(Single { stream: Some(stream), .. }) => stream.restart(now, limits),
            Phase::Single(Single { requests: Some(requests), .. }) => requests.restart(now),
            Phase::Rare(Rare::Http2(trunk)) => trunk.restart(now),
            Phase::Single(_) | Phase::Rare(Rare::Content(_) | Rare::Over(_)) => {}
        }
    }

    /// Whether the connection has work to do once its outbox is empty. Usually it has none.
    #[inline]
    pub(crate) fn awaits_flush(&self) -> bool {
        let carried = match &self.phase {
            Phase::Single(http) => http.stream.as_ref().is_some_and(Stream::awaits_flush),
            Phase::Rare(Rare::Http2(_) | Rare::Content(_)) => false,
            Phase::Rare(Rare::Over(_)) => true,
        };
        carried || self.backpressured || self.stalled
    }

    /// Whether a visit in the next turn would find something.
    #[inline]
    pub(crate) fn wants_visit(&self, limits: &Limits) -> bool {
        self.readiness.readable() && self.read_bytes_max(limits) > 0
            || self.has_leftover() && !self.is_halted()
    }

    /// Whether the server may answer input. If not, the connection is read even under backpressure:
    /// its input adds no output, and the peer's end may be behind it.
    pub(crate) const fn may_answer(&self) -> bool {
        match &self.phase {
            Phase::Single(Single { stream: Some(stream), .. }) => stream.may_answer(),
            Phase::Single(_) | Phase::Rare(Rare::Http2(_)) => true,
            Phase::Rare(Rare::Content(_) | Rare::Over(_)) => false,
        }
    }

    /// Whether input stays unread: too much output waits, or the application has paused the stream.
    #[inline]
    pub(crate) fn is_halted(&self) -> bool {
        self.backpressured || self.stream().is_some_and(|stream| stream.paused != Time::NEVER)
    }

    /// Unsent bytes above which the connection is not read from. Between two requests the mark is lower:
    /// a client that pipelines requests reads their answers first, all of them if its socket is full.
    pub(crate) fn pause_bytes(&self, limits: &Limits) -> usize {
        match &self.phase {
            // [server:unread-answers]
            Phase::Single(Single { requests: Some(_), stream: None })
                if !self.readiness.writable() =>
            {
                0
            }
            Phase::Single(Single { requests: Some(_), stream: None }) => {
                limits.outbox_pause_bytes.min(UNREAD_ANSWERS_MAX)
            }
            Phase::Single(_) | Phase::Rare(_) => limits.outbox_pause_bytes,
        }
    }

    /// Whether the peer of a trunk has to take answers before it gets others, as on HTTP/1.1: some while the socket
    /// takes nothing, or else a lot. Answers that wait for a window do not count. [server:http2-answers-wait]
    pub(crate) fn owes_reading(&self, limits: &Limits) -> bool {
        let Phase::Rare(Rare::Http2(trunk)) = &self.phase else { return false };
        match self.readiness.writable() {
            true => trunk.lined_up_bytes > limits.outbox_pause_bytes,
            false => trunk.lined_up_bytes > 0 || !self.outbox.is_empty(),
        }
    }

    /// Whether the peer of a trunk has to take answers before a held request gets one. Those that wait for windows
    /// are bounded, too. [server:http2-held-answers-wait]
    pub(crate) fn puts_off(&self, limits: &Limits) -> bool {
        let Phase::Rare(Rare::Http2(trunk)) = &self.phase else { return false };
        self.owes_reading(limits) || trunk.has_unread_answers()
    }

    /// Whether another request is here that may be answered now.
    pub(crate) fn may_go_on(&self, limits: &Limits) -> bool {
        self.has_leftover() && !self.is_halted() && self.outbox.len() <= self.pause_bytes(limits)
    }

    /// Whether bytes of an earlier read wait to be used. The next visit then needs no read.
    #[inline]
    pub(crate) fn has_leftover(&self) -> bool {
        match &self.phase {
            Phase::Single(Single { stream: Some(stream), .. }) => stream.has_leftover,
            Phase::Single(Single { requests: Some(requests), .. }) => requests.has_leftover(),
            Phase::Rare(Rare::Http2(trunk)) => trunk.leftover.is_some() || trunk.answers_again,
            Phase::Single(_) | Phase::Rare(Rare::Content(_) | Rare::Over(_)) => false,
        }
    }

    /// How many bytes to read at the most. None are read while input stays unread or earlier bytes wait,
    /// and once a closing connection has seen the peer's end. A held request has a bound of its own.
    #[inline]
    pub(crate) fn read_bytes_max(&self, limits: &Limits) -> usize {
        if self.is_halted() || self.has_leftover() {
            return 0;
        }
        match &self.phase {
            // [server:hold-bounded]
            Phase::Single(Single {
                requests: Some(requests),
                stream: Some(Stream { kind: Kind::Held(_), .. }),
            }) => limits.hold_bytes_max.saturating_sub(requests.waiting()),
            Phase::Single(Single { requests: Some(requests), .. }) => requests.read_bytes_max(),
            Phase::Single(_) | Phase::Rare(Rare::Http2(_) | Rare::Content(_)) => usize::MAX,
            Phase::Rare(Rare::Over(over)) => match over.state {
                State::Open | State::Closing | State::Lingering => usize::MAX,
                State::Ending | State::Gone => 0,
            },
        }
    }

    /// The next moment at which something is due. Activity moves it by storing a time, without a call of
    /// the wheel.
    #[inline]
    pub(crate) fn deadline(&self, limits: &Limits) -> (Time, Due) {
        let paused = self.stream().map_or(Time::NEVER, |stream| stream.paused);
        if self.stalled || paused != Time::NEVER {
            return self.halted_deadline(paused, limits);
        }
        match &self.phase {
            // [server:http2-ping] A branch has its own, too: a gateway answers PING for clients that are gone.
            Phase::Single(Single { stream: Some(stream), .. }) => {
                stream.deadline(self.clock, limits)
            }
            // [server:handshake-deadline]
            Phase::Single(_) if self.readiness.is_handshaking() => {
                (self.clock + limits.handshake_ms, Due::GiveUp(Deadline::Handshake))
            }
            Phase::Single(Single { requests: Some(requests), .. }) => {
                let (at, deadline) = requests.deadline(self.clock, limits);
                (at, Due::GiveUp(deadline))
            }
            Phase::Rare(Rare::Http2(trunk)) => trunk.deadline(self.clock, limits),
            // The trunk has the deadline, so a request that comes in time leaves no timer behind.
            Phase::Single(_) | Phase::Rare(Rare::Content(_)) => {
                (Time::NEVER, Due::GiveUp(Deadline::Close))
            }
            Phase::Rare(Rare::Over(over)) => (over.until, Due::GiveUp(Deadline::Close)),
        }
    }

    /// The deadline of a connection that is not read from, or whose peer does not read.
    fn halted_deadline(&self, paused: Time, limits: &Limits) -> (Time, Due) {
        let stall = if self.stalled { self.clock + limits.write_stall_ms } else { Time::NEVER };
        // The connection is not read from, so the peer's silence says nothing.
        if paused != Time::NEVER && paused <= stall {
            return (paused, Due::Resume);
        }
        // While bytes wait for the peer this is the only clock: the peer cannot answer bytes that it
        // has not got yet, and the connection may not even be read from.
        (stall, Due::LastWrite)
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;

    /// A crowd of idle connections is made of these, each with the one stream of HTTP/1.1 inside.
    #[test]
    fn a_connection_is_small() {
        assert_eq!(size_of::<Connection>(), 224);
        assert_eq!(size_of::<Option<Connection>>(), size_of::<Connection>());
    }
}
