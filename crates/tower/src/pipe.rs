//! A connection in memory between a task of tokio and the loop: two bounded queues of bytes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use sockeye_reactor::{Key, Ready, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::Gate;

/// Bytes that a direction holds at the most, as the buffer of a socket would.
const DIRECTION_BYTES: usize = 64 * 1024;

/// An idle direction keeps no larger buffer.
const IDLE_BYTES_MAX: usize = 4 * 1024;

/// One connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct State {
    /// The name by which the loop is told of readiness; none before it asks, and none after it closes.
    key: Option<Key>,
    to_loop: Direction,
    to_task: Direction,
    /// The task, where it waits for bytes, or for room.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The task that waits until the loop has dropped its end.
    watcher: Option<Waker>,
    /// The news that the loop has still to be told.
    news: News,
    /// The loop found no room.
    is_loop_blocked: bool,
}

#[derive(Debug, Default)]
struct Direction {
    bytes: VecDeque<u8>,
    /// The writer will write nothing more.
    is_ended: bool,
    /// Nobody will read any more.
    is_abandoned: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct News {
    /// The pipe is in the gate's list.
    is_listed: bool,
    readable: bool,
    writable: bool,
}

impl Direction {
    fn room(&self) -> usize {
        DIRECTION_BYTES - self.bytes.len()
    }

    /// Takes as many bytes as there is room for.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let len = self.room().min(bytes.len());
        self.bytes.extend(&bytes[..len]);
        len
    }

    /// Moves bytes behind what `buffer` has, as many as it has room for.
    fn take(&mut self, buffer: &mut ReadBuf<'_>) -> usize {
        let (first, second) = self.bytes.as_slices();
        let from_first = first.len().min(buffer.remaining());
        buffer.put_slice(&first[..from_first]);
        let from_second = second.len().min(buffer.remaining());
        buffer.put_slice(&second[..from_second]);
        let len = from_first + from_second;
        self.bytes.drain(..len);
        if self.bytes.is_empty() && self.bytes.capacity() > IDLE_BYTES_MAX {
            self.bytes = VecDeque::new();
        }
        len
    }
}

/// Both ends of a new connection: the task's, and the loop's, which the gate admits.
pub(crate) fn pair(gate: &Arc<Gate>) -> (TaskEnd, LoopEnd) {
    let pipe = Arc::new(Pipe { state: Mutex::default(), gate: Arc::clone(gate) });
    (TaskEnd(Arc::clone(&pipe)), LoopEnd(pipe))
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the loop of news, once until it has taken them.
    fn list(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.key.is_none() || core::mem::replace(&mut state.news.is_listed, true) {
            return;
        }
        drop(state);
        self.gate.list(self);
    }

    /// The news, for the loop; `None` once it has closed the connection.
    pub(crate) fn take_news(&self) -> Option<Ready> {
        let mut state = self.lock();
        let News { readable, writable, .. } = core::mem::take(&mut state.news);
        let read_closed = state.to_loop.is_ended;
        state.key.map(|key| Ready { key, readable, writable, read_closed })
    }
}

/// The loop's end.
#[derive(Debug)]
pub(crate) struct LoopEnd(Arc<Pipe>);

impl LoopEnd {
    /// Reports under `key` from now on.
    pub(crate) fn register(&self, key: Key) {
        let mut state = self.0.lock();
        state.key = Some(key);
        state.news.readable = !state.to_loop.bytes.is_empty() || state.to_loop.is_ended;
        state.news.writable = true;
        self.0.list(state);
    }
}

impl Drop for LoopEnd {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.key = None;
        state.to_task.is_ended = true;
        state.to_loop.is_abandoned = true;
        state.to_loop.bytes = VecDeque::new();
        let wakers = [state.reader.take(), state.writer.take(), state.watcher.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Socket for LoopEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        let len = state.to_loop.take(&mut ReadBuf::new(buffer));
        if len == 0 {
            let is_over = state.to_loop.is_ended || buffer.is_empty();
            return if is_over { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.to_task.is_abandoned || state.to_task.is_ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let len = slices.iter().map(|slice| state.to_task.put(slice)).sum();
        state.is_loop_blocked = state.to_task.room() == 0;
        if len == 0 {
            let is_empty = slices.iter().all(|slice| slice.is_empty());
            return if is_empty { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Ok(len)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.to_task.is_ended = true;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

/// The task's end. Where it is dropped, the connection is over.
#[derive(Debug)]
pub(crate) struct TaskEnd(Arc<Pipe>);

impl TaskEnd {
    /// Ready once the loop has dropped its end.
    pub(crate) fn gone(&self) -> Gone {
        Gone(Arc::clone(&self.0))
    }
}

/// Waits for the loop to drop its end of a connection.
#[derive(Debug)]
pub(crate) struct Gone(Arc<Pipe>);

impl Future for Gone {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.to_loop.is_abandoned {
            return Poll::Ready(());
        }
        state.watcher = Some(context.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for TaskEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        let len = state.to_task.take(buffer);
        if len == 0 && buffer.remaining() > 0 && !state.to_task.is_ended {
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        // A loop that is told of each byte of room would write in small pieces.
        if state.is_loop_blocked && state.to_task.room() >= DIRECTION_BYTES / 2 {
            state.is_loop_blocked = false;
            state.news.writable = true;
            self.0.list(state);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TaskEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.to_loop.is_abandoned || state.to_loop.is_ended {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let len = state.to_loop.put(bytes);
        if len == 0 && !bytes.is_empty() {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        state.news.readable = true;
        self.0.list(state);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        state.to_loop.is_ended = true;
        state.news.readable = true;
        self.0.list(state);
        Poll::Ready(Ok(()))
    }
}

impl Drop for TaskEnd {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.to_loop.is_ended = true;
        state.to_task.is_abandoned = true;
        state.to_task.bytes = VecDeque::new();
        state.news = News { readable: true, writable: true, ..state.news };
        self.0.list(state);
    }
}
