//! Bytes on their way to one socket.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Deref;
use std::sync::Arc;

use crate::memory::Warm;
use crate::{Lent, Socket};

/// Slices handed to one vectored write; more only cost stack.
const SLICES: usize = 64;
/// Shared bytes shorter than this are copied to what waits already. From about here on a reference
/// costs less (42 ns against 90 at 1 KiB, 42 against 140 at 4 KiB, a thousand outboxes in a row), and a
/// slow reader's backlog is no copy. Below, several messages in a flush go out in one plain write,
/// which is 200 to 300 ns less than a vectored one.
const SHARED_BYTES_MIN: usize = 1024;
/// Sent bytes at the front of a buffer that are not worth moving the others for.
const SENT_BYTES_MAX: usize = 64 * 1024;
/// Buffers a pool keeps: a message to a crowd lies in as many outboxes at a time, and making them
/// anew takes as long as all else that is done for a recipient.
const POOLED_MAX: usize = 2048;
/// Memory that a pool keeps in all: enough for a few large messages, whose memory would
/// otherwise be mapped and given back for each of them.
const POOLED_BYTES_MAX: usize = 4 << 20;

/// Bytes that several outboxes hold at once: encoded once, sent to many.
#[derive(Clone, PartialEq, Eq)]
pub struct Shared(Arc<Box<[u8]>>);

impl Shared {
    /// Takes `bytes` into memory of its own, which is counted.
    pub fn new(bytes: &[u8]) -> Self {
        // A reference is one pointer wide, as every outbox has room for one.
        Self(Arc::new(Box::from(bytes)))
    }
}

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// The bytes one socket still has to take, in order: owned ones, shared ones and lent ones.
///
/// An outbox with nothing in it is two null pointers. Its body comes from a [`Pool`] with the
/// first byte and returns there with the last one sent, so a steady exchange of small messages
/// allocates nothing and an idle connection owns nothing.
#[derive(Default)]
pub struct Outbox {
    /// All that waits, as long as that is one shared message: most outboxes of a fan-out never need
    /// a body, and thousands of bodies are more memory than a cache holds. There is no body beside it.
    lone: Option<Shared>,
    body: Option<Box<Body>>,
}

#[derive(Default)]
struct Body {
    /// Segments before `tail`.
    segments: VecDeque<Segment>,
    /// The last segment: where bytes are appended. With `segments` empty it is also the first.
    tail: Vec<u8>,
    /// Bytes of the first segment that are sent already.
    sent: usize,
    /// Unsent bytes in `segments` (not counting `tail`), `sent` already taken off.
    queued: usize,
}

enum Segment {
    Owned(Vec<u8>),
    Shared(Shared),
    Lent(Lent),
}

impl Deref for Segment {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Lent(bytes) => bytes,
        }
    }
}

/// The drained bodies of a loop's outboxes, and memory for large messages: kept warm for the next
/// ones.
#[derive(Default)]
pub struct Pool {
    #[expect(clippy::vec_box, reason = "an outbox holds its body by one pointer")]
    bodies: Vec<Box<Body>>,
    /// The memory of all of them.
    bytes: usize,
    large: Warm,
}

/// How a [`Outbox::flush`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing is left.
    All,
    /// The socket took `bytes` and will say when it takes more.
    Blocked {
        /// Bytes written by this flush; zero means no progress.
        bytes: usize,
    },
}

impl Outbox {
    /// An empty outbox; allocates nothing.
    pub const fn new() -> Self {
        Self { lone: None, body: None }
    }

    /// Bytes not yet sent.
    #[inline]
    pub fn len(&self) -> usize {
        match (&self.body, &self.lone) {
            (Some(body), _) => body.len(),
            (None, Some(lone)) => lone.len(),
            (None, None) => 0,
        }
    }

    /// Whether everything is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where to append: a vector that holds unsent bytes only from [`Pool`]'s warm memory.
    ///
    /// The caller may only append. What the vector holds already belongs to earlier writers and
    /// may be sent in part.
    #[inline]
    pub fn tail(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        let body = self.body(pool);
        if body.sent > SENT_BYTES_MAX {
            body.make_room();
        }
        &mut body.tail
    }

    /// Appends `bytes`: by reference, unless they are few and something waits already.
    #[inline]
    pub fn push_shared(&mut self, bytes: &Shared, pool: &mut Pool) {
        if self.body.is_none() && self.lone.is_none() && !bytes.is_empty() {
            self.lone = Some(bytes.clone());
        } else {
            self.body(pool).push_shared(bytes);
        }
    }

    /// Appends `bytes` where they lie, without copying them.
    pub fn push_lent(&mut self, bytes: &Lent, pool: &mut Pool) {
        self.push(Segment::Lent(bytes.clone()), pool);
    }

    fn push(&mut self, segment: Segment, pool: &mut Pool) {
        if segment.is_empty() {
            return;
        }
        self.body(pool).push(segment);
    }

    #[inline]
    fn body(&mut self, pool: &mut Pool) -> &mut Body {
        let body = self.body.get_or_insert_with(|| pool.take());
        if let Some(lone) = self.lone.take() {
            body.push_shared(&lone);
        }
        body
    }

    /// Writes until everything is sent or the socket takes no more.
    ///
    /// # Errors
    /// What the socket says, `WouldBlock` excepted; a socket that takes zero bytes is `WriteZero`.
    pub fn flush(&mut self, socket: &mut impl Socket, pool: &mut Pool) -> io::Result<Flushed> {
        if self.lone.is_some() {
            return self.flush_lone(socket, pool);
        }
        let Some(body) = &mut self.body else { return Ok(Flushed::All) };
        let mut written = 0;
        loop {
            let expected = body.next_write_len();
            if expected == 0 {
                break;
            }
            match body.write(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    body.advance(bytes, pool);
                    written += bytes;
                    if bytes < expected {
                        return Ok(Flushed::Blocked { bytes: written });
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Flushed::Blocked { bytes: written });
                }
                Err(error) => return Err(error),
            }
        }
        self.clear(pool);
        Ok(Flushed::All)
    }

    /// The same for a lone message, of which a socket that does not take all leaves a segment.
    #[inline]
    fn flush_lone(&mut self, socket: &mut impl Socket, pool: &mut Pool) -> io::Result<Flushed> {
        let Some(lone) = self.lone.take() else { return Ok(Flushed::All) };
        let bytes = match socket.write(&lone) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(bytes) if bytes == lone.len() => return Ok(Flushed::All),
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        };
        let body = self.body.get_or_insert_with(|| pool.take());
        body.push(Segment::Shared(lone));
        let bytes = bytes?;
        body.advance(bytes, pool);
        Ok(Flushed::Blocked { bytes })
    }

    /// Forgets everything unsent and gives the memory back.
    pub fn clear(&mut self, pool: &mut Pool) {
        self.lone = None;
        if let Some(body) = self.body.take() {
            pool.put(body);
        }
    }
}

impl Body {
    fn len(&self) -> usize {
        match self.segments.is_empty() {
            true => self.tail.len() - self.sent,
            false => self.queued + self.tail.len(),
        }
    }

    fn push_shared(&mut self, bytes: &Shared) {
        if bytes.len() < SHARED_BYTES_MIN {
            self.tail.extend_from_slice(bytes);
        } else {
            self.push(Segment::Shared(bytes.clone()));
        }
    }

    fn push(&mut self, segment: Segment) {
        self.seal_tail();
        self.queued += segment.len();
        self.segments.push_back(segment);
    }

    /// Keeps a tail that is sent bit by bit from growing at its end for ever. Each byte is moved
    /// at most once for each byte sent.
    #[cold]
    fn make_room(&mut self) {
        if self.segments.is_empty() && self.sent > self.tail.len() / 2 {
            self.tail.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Turns the tail into a segment, so that something can follow it.
    fn seal_tail(&mut self) {
        let first = self.segments.is_empty();
        if self.tail.len() == if first { self.sent } else { 0 } {
            if first {
                self.tail.clear();
                self.sent = 0;
            }
            return;
        }
        self.queued += self.tail.len() - if first { self.sent } else { 0 };
        self.segments.push_back(Segment::Owned(core::mem::take(&mut self.tail)));
    }

    /// The bytes that the next write offers; none once everything is sent.
    #[inline]
    fn next_write_len(&self) -> usize {
        if self.segments.len() < SLICES {
            return self.len();
        }
        let offered: usize = self.segments.iter().take(SLICES).map(|segment| segment.len()).sum();
        offered - self.sent
    }

    #[inline]
    fn write(&self, socket: &mut impl Socket) -> io::Result<usize> {
        if self.segments.is_empty() {
            return socket.write(&self.tail[self.sent..]);
        }
        self.write_segments(socket)
    }

    fn write_segments(&self, socket: &mut impl Socket) -> io::Result<usize> {
        // A vectored write costs more, and one shared message to each of many is the usual case.
        if let (1, true, Some(only)) =
            (self.segments.len(), self.tail.is_empty(), self.segments.front())
        {
            return socket.write(&only[self.sent..]);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let parts = self.segments.iter().map(|segment| &**segment).chain([&*self.tail]);
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(if count == 0 { &part[self.sent..] } else { part });
            count += 1;
        }
        socket.write_vectored(&slices[..count])
    }

    /// What it costs to keep it.
    const fn bytes(&self) -> usize {
        size_of::<Self>() + self.tail.capacity()
    }

    /// Takes `bytes` sent bytes off the front.
    #[inline]
    fn advance(&mut self, mut bytes: usize, pool: &mut Pool) {
        while let Some(first) = self.segments.front() {
            let rest = first.len() - self.sent;
            if bytes < rest {
                self.sent += bytes;
                self.queued -= bytes;
                return;
            }
            bytes -= rest;
            self.queued -= rest;
            self.sent = 0;
            if let Some(Segment::Lent(bytes)) = self.segments.pop_front() {
                pool.give_back(bytes);
            }
        }
        self.sent += bytes;
    }
}

impl Pool {
    /// An empty pool; allocates nothing.
    pub const fn new() -> Self {
        Self { bodies: Vec::new(), bytes: 0, large: Warm::new() }
    }

    /// Initialised memory for a message of `bytes_wanted` bytes: what is there, which may be more or
    /// less, or nothing. It is memory that was used and given back; a message for which there is none
    /// has to grow by what arrives.
    pub fn take_memory(&mut self, bytes_wanted: usize) -> Option<Vec<u8>> {
        self.large.take(bytes_wanted)
    }

    /// Keeps `memory` for another message, unless enough is kept.
    pub fn keep_memory(&mut self, memory: Vec<u8>) {
        self.large.keep(memory);
    }

    /// Takes the memory of `bytes` back, if nobody else has it any more.
    pub fn give_back(&mut self, bytes: Lent) {
        if let Some(memory) = bytes.into_memory() {
            self.large.keep(memory);
        }
    }

    fn take(&mut self) -> Box<Body> {
        let Some(body) = self.bodies.pop() else { return Box::default() };
        self.bytes -= body.bytes();
        body
    }

    fn put(&mut self, mut body: Box<Body>) {
        let bytes = self.bytes + body.bytes();
        if self.bodies.len() >= POOLED_MAX || bytes > POOLED_BYTES_MAX {
            return;
        }
        self.bytes = bytes;
        // Most bodies never had a segment.
        if body.segments.capacity() > 0 {
            body.segments.clear();
            body.segments.shrink_to(SLICES);
        }
        body.tail.clear();
        (body.sent, body.queued) = (0, 0);
        self.bodies.push(body);
    }
}

/// Shows the length only: the bytes are somebody's message.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} bytes)", self.len())
    }
}

/// Shows the length only: the bytes are somebody's message.
impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({} bytes)", self.len())
    }
}

/// Shows counts only: what was sent may still lie in the memory.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("bodies", &self.bodies.len())
            .field("bytes", &self.bytes)
            .field("large_bytes", &self.large.bytes())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Outbox, POOLED_BYTES_MAX, POOLED_MAX, Pool};

    fn drained(pool: &mut Pool, outboxes: usize, bytes: usize) {
        let mut full: Vec<Outbox> = (0..outboxes).map(|_| Outbox::new()).collect();
        full.iter_mut().for_each(|outbox| outbox.tail(pool).resize(bytes, 0));
        full.iter_mut().for_each(|outbox| outbox.clear(pool));
    }

    #[test]
    fn a_pool_keeps_large_buffers_within_its_bound() {
        let mut pool = Pool::new();
        let large = POOLED_BYTES_MAX / 4 - size_of::<Body>();
        drained(&mut pool, 9, large);
        assert_eq!((pool.bodies.len(), pool.bytes), (4, POOLED_BYTES_MAX));
        assert_eq!(Outbox::new().tail(&mut pool).capacity(), large, "warm memory");
        assert_eq!((pool.bodies.len(), pool.bytes), (3, POOLED_BYTES_MAX / 4 * 3));
    }

    #[test]
    fn a_pool_keeps_no_crowd_of_small_buffers() {
        let mut pool = Pool::new();
        drained(&mut pool, POOLED_MAX + 9, 1);
        assert_eq!(pool.bodies.len(), POOLED_MAX);
    }
}
