//! Bytes on their way to one socket.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Deref;
use std::sync::Arc;

use crate::Socket;

/// Slices handed to one vectored write; more only cost stack.
const SLICES: usize = 64;
/// Sent bytes at the front of a buffer that are not worth moving the others for.
const SENT_BYTES_MAX: usize = 64 * 1024;
/// Buffers a pool keeps; a loop rarely has more sockets with unsent bytes at a time.
const POOLED_MAX: usize = 256;
/// Capacity that a pool keeps in all: enough for a few large messages, whose memory would
/// otherwise be mapped and given back for each of them.
const POOLED_BYTES_MAX: usize = 4 << 20;

/// Bytes that several outboxes hold at once: encoded once, sent to many.
#[derive(Clone, PartialEq, Eq)]
pub struct Shared(Arc<[u8]>);

impl Shared {
    /// Takes `bytes` into one reference-counted allocation.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }
}

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// The bytes one socket still has to take, in order: owned ones and shared ones.
///
/// An outbox with nothing in it is one null pointer. Its body comes from a [`Pool`] with the
/// first byte and returns there with the last one sent, so a steady exchange of small messages
/// allocates nothing and an idle connection owns nothing.
#[derive(Default)]
pub struct Outbox {
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
}

impl Deref for Segment {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// The drained bodies of a loop's outboxes, kept warm for the next ones.
#[derive(Default)]
pub struct Pool {
    #[expect(clippy::vec_box, reason = "an outbox holds its body by one pointer")]
    bodies: Vec<Box<Body>>,
    /// The capacity of all of them.
    bytes: usize,
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
        Self { body: None }
    }

    /// Bytes not yet sent.
    #[inline]
    pub fn len(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.len())
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
        let body = self.body.get_or_insert_with(|| pool.take());
        body.make_room();
        &mut body.tail
    }

    /// Appends `bytes` by reference, without copying them.
    pub fn push_shared(&mut self, bytes: &Shared, pool: &mut Pool) {
        if bytes.is_empty() {
            return;
        }
        let body = self.body.get_or_insert_with(|| pool.take());
        body.seal_tail();
        body.queued += bytes.len();
        body.segments.push_back(Segment::Shared(bytes.clone()));
    }

    /// Writes until everything is sent or the socket takes no more.
    ///
    /// # Errors
    /// What the socket says, `WouldBlock` excepted; a socket that takes zero bytes is `WriteZero`.
    pub fn flush(&mut self, socket: &mut impl Socket, pool: &mut Pool) -> io::Result<Flushed> {
        let Some(body) = &mut self.body else { return Ok(Flushed::All) };
        let mut written = 0;
        while body.len() > 0 {
            let expected = body.next_write_len();
            match body.write(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    body.advance(bytes);
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

    /// Forgets everything unsent and gives the memory back.
    pub fn clear(&mut self, pool: &mut Pool) {
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

    /// Keeps a tail that is sent bit by bit from growing at its end for ever. Each byte is moved
    /// at most once for each byte sent.
    fn make_room(&mut self) {
        if self.segments.is_empty() && self.sent > SENT_BYTES_MAX && self.sent > self.tail.len() / 2
        {
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

    /// The bytes that the next write offers.
    fn next_write_len(&self) -> usize {
        if self.segments.len() < SLICES {
            return self.len();
        }
        let offered: usize = self.segments.iter().take(SLICES).map(|segment| segment.len()).sum();
        offered - self.sent
    }

    fn write(&self, socket: &mut impl Socket) -> io::Result<usize> {
        if self.segments.is_empty() {
            return socket.write(&self.tail[self.sent..]);
        }
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

    /// Takes `bytes` sent bytes off the front.
    fn advance(&mut self, mut bytes: usize) {
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
            self.segments.pop_front();
        }
        self.sent += bytes;
    }
}

impl Pool {
    /// An empty pool; allocates nothing.
    pub const fn new() -> Self {
        Self { bodies: Vec::new(), bytes: 0 }
    }

    fn take(&mut self) -> Box<Body> {
        let body = self.bodies.pop().unwrap_or_default();
        self.bytes -= body.tail.capacity();
        body
    }

    fn put(&mut self, mut body: Box<Body>) {
        let bytes = self.bytes + body.tail.capacity();
        if self.bodies.len() >= POOLED_MAX || bytes > POOLED_BYTES_MAX {
            return;
        }
        self.bytes = bytes;
        body.segments.clear();
        body.segments.shrink_to(SLICES);
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
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Outbox, POOLED_BYTES_MAX, POOLED_MAX, Pool};

    fn drained(pool: &mut Pool, outboxes: usize, bytes: usize) {
        let mut full: Vec<Outbox> = (0..outboxes).map(|_| Outbox::new()).collect();
        full.iter_mut().for_each(|outbox| outbox.tail(pool).resize(bytes, 0));
        full.iter_mut().for_each(|outbox| outbox.clear(pool));
    }

    #[test]
    fn a_pool_keeps_large_buffers_within_its_bound() {
        let mut pool = Pool::new();
        let large = POOLED_BYTES_MAX / 4;
        drained(&mut pool, 9, large);
        assert_eq!((pool.bodies.len(), pool.bytes), (4, POOLED_BYTES_MAX));
        assert_eq!(Outbox::new().tail(&mut pool).capacity(), large, "warm memory");
        assert_eq!((pool.bodies.len(), pool.bytes), (3, 3 * large));
    }

    #[test]
    fn a_pool_keeps_no_crowd_of_small_buffers() {
        let mut pool = Pool::new();
        drained(&mut pool, POOLED_MAX + 9, 1);
        assert_eq!(pool.bodies.len(), POOLED_MAX);
    }
}
