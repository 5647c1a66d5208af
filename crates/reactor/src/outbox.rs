//! The unsent bytes of one socket.

use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::sync::Arc;
use std::{fmt, mem};

use crate::segment_queue::{Segment, SegmentQueue};
use crate::{Pool, PooledBytes, Socket};

/// Bytes that are encoded once and sent by many outboxes.
#[derive(Clone, PartialEq, Eq)]
pub struct Shared(Arc<Box<[u8]>>);

impl Shared {
    /// Copies `bytes` into memory whose references are counted.
    pub fn new(bytes: &[u8]) -> Self {
        // A reference is one pointer wide, because every outbox has room for one.
        Self(Arc::new(Box::from(bytes)))
    }
}

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// The unsent bytes of one socket, in order: owned, shared and pooled ones, and the number of those
/// that the socket [holds](Socket::held_output).
///
/// An empty outbox owns nothing. Its queue comes from a [`Pool`] with the first byte and returns there
/// with the last one sent, so a steady exchange of small messages allocates nothing, and the
/// outbox of an idle connection is two words.
#[derive(Default)]
pub struct Outbox(Waiting);

#[derive(Default)]
enum Waiting {
    #[default]
    Nothing,
    /// One shared message and nothing else: most outboxes of a fan-out never need a queue, and thousands
    /// of queues are more memory than a cache holds. The socket holds nothing.
    Lone(Shared),
    Queue(Box<SegmentQueue>),
}

/// How an [`Outbox::flush`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing is left, neither here nor in the socket.
    All,
    /// The socket takes no more now. The poller reports when it takes bytes again.
    Blocked {
        /// Bytes that this flush has moved: those that the socket took, and those that the system took out
        /// of the socket's own buffer. Zero means no progress.
        bytes: usize,
    },
}

impl Outbox {
    /// An empty outbox; allocates nothing.
    pub const fn new() -> Self {
        Self(Waiting::Nothing)
    }

    /// Bytes not yet sent, those that the socket holds included.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Waiting::Nothing => 0,
            Waiting::Lone(lone) => lone.len(),
            Waiting::Queue(queue) => queue.len() + queue.held,
        }
    }

    /// Bytes that the socket has not taken.
    #[inline]
    pub fn queued(&self) -> usize {
        match &self.0 {
            Waiting::Nothing => 0,
            Waiting::Lone(lone) => lone.len(),
            Waiting::Queue(queue) => queue.len(),
        }
    }

    /// Notes how much output `socket` holds now: a read or a handshake may have made some. Returns whether
    /// there is any; the owner then has to [flush](Self::flush).
    #[inline]
    pub fn note_held<S: Socket>(&mut self, socket: &S, pool: &mut Pool) -> bool {
        if !S::BUFFERS {
            return false;
        }
        let held = socket.held_output();
        match &mut self.0 {
            Waiting::Queue(queue) => queue.held = held,
            Waiting::Nothing | Waiting::Lone(_) if held > 0 => self.queue(pool).held = held,
            Waiting::Nothing | Waiting::Lone(_) => {}
        }
        held > 0
    }

    /// Whether everything is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The vector to append to. Its memory comes from the [`Pool`].
    ///
    /// The caller may only append. Bytes that are in the vector already belong to earlier writers, and
    /// some of them may be sent.
    #[inline]
    pub fn tail(&mut self, pool: &mut Pool) -> &mut Vec<u8> {
        self.queue(pool).tail()
    }

    /// Appends `bytes` by reference, or copies them if they are few and other bytes wait already.
    #[inline]
    pub fn push_shared(&mut self, bytes: &Shared, pool: &mut Pool) {
        match &mut self.0 {
            Waiting::Nothing if !bytes.is_empty() => self.0 = Waiting::Lone(bytes.clone()),
            Waiting::Queue(queue) => queue.push_shared(bytes),
            Waiting::Nothing | Waiting::Lone(_) => self.queue(pool).push_shared(bytes),
        }
    }

    /// Appends `bytes` by reference.
    pub fn push_pooled(&mut self, bytes: &PooledBytes, pool: &mut Pool) {
        if !bytes.is_empty() {
            self.queue(pool).push(Segment::Pooled(bytes.clone()));
        }
    }

    /// Moves the first `bytes` bytes to the end of `to`, or all if there are fewer. Long shared bytes are
    /// moved by reference, and a part of them, too. What the socket of this outbox holds stays.
    pub fn move_to(&mut self, to: &mut Self, bytes: usize, pool: &mut Pool) {
        if let Waiting::Lone(lone) = &self.0
            && bytes >= lone.len()
        {
            to.push_shared(lone, pool);
            self.0 = Waiting::Nothing;
            return;
        }
        let bytes = bytes.min(self.queued());
        if bytes == 0 {
            return;
        }
        let (from, to) = (self.queue(pool), to.queue(pool));
        from.move_to(to, bytes, pool);
        if self.is_empty() {
            self.clear(pool);
        }
    }

    /// Gives back memory that the unsent bytes do not need. Call it if they may wait for long; a flush that is blocked
    /// does so by itself.
    pub fn give_back(&mut self) {
        if let Waiting::Queue(queue) = &mut self.0 {
            queue.give_back();
        }
    }

    #[inline]
    fn queue(&mut self, pool: &mut Pool) -> &mut SegmentQueue {
        if !matches!(self.0, Waiting::Queue(_)) {
            let mut queue = pool.take();
            if let Waiting::Lone(lone) = &self.0 {
                queue.push_shared(lone);
            }
            self.0 = Waiting::Queue(queue);
        }
        match &mut self.0 {
            Waiting::Queue(queue) => queue,
            Waiting::Nothing | Waiting::Lone(_) => unreachable!("it has just got one"),
        }
    }

    /// Writes until everything is sent or the socket takes no more.
    ///
    /// # Errors
    /// The socket's error, `WouldBlock` excepted; `WriteZero` if it takes zero bytes.
    pub fn flush<S: Socket>(&mut self, socket: &mut S, pool: &mut Pool) -> io::Result<Flushed> {
        if S::BUFFERS {
            return self.flush_through(socket, pool);
        }
        match &mut self.0 {
            Waiting::Nothing => Ok(Flushed::All),
            Waiting::Lone(_) => self.flush_lone(socket, pool),
            Waiting::Queue(queue) => {
                let flushed = queue.flush(socket, pool)?;
                if flushed == Flushed::All {
                    self.clear(pool);
                }
                Ok(flushed)
            }
        }
    }

    /// Flushes into a socket that holds output. Bytes that it took count as sent when it has flushed them.
    fn flush_through<S: Socket>(&mut self, socket: &mut S, pool: &mut Pool) -> io::Result<Flushed> {
        let mut moved = 0;
        loop {
            moved += socket.flush()?;
            if socket.held_output() > 0 || self.queued() == 0 {
                break;
            }
            let queue = self.queue(pool);
            let queued = queue.len();
            match queue.flush(socket, pool)? {
                Flushed::All => {
                    moved += queued;
                    queue.clear();
                }
                Flushed::Blocked { bytes: 0 } => break,
                Flushed::Blocked { bytes } => moved += bytes,
            }
        }
        if self.note_held(socket, pool) || self.queued() > 0 {
            return Ok(Flushed::Blocked { bytes: moved });
        }
        self.clear(pool);
        Ok(Flushed::All)
    }

    /// Flushes a lone message, which gets a queue once a part of it is sent.
    #[inline]
    fn flush_lone(&mut self, socket: &mut impl Socket, pool: &mut Pool) -> io::Result<Flushed> {
        let Waiting::Lone(lone) = &self.0 else { return Ok(Flushed::All) };
        match socket.write(lone) {
            Ok(bytes) if bytes == lone.len() => {
                self.0 = Waiting::Nothing;
                Ok(Flushed::All)
            }
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                self.queue(pool).advance(bytes, pool);
                Ok(Flushed::Blocked { bytes })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Ok(Flushed::Blocked { bytes: 0 })
            }
            Err(error) => Err(error),
        }
    }

    /// Drops everything unsent and gives the memory back.
    pub fn clear(&mut self, pool: &mut Pool) {
        if let Waiting::Queue(queue) = mem::take(&mut self.0) {
            pool.put(queue);
        }
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
