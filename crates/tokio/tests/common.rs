//! Streams that do everything in small steps, futures that are dropped at any await, and pairs of WebSockets on them.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use sockeye_tokio::{Role, Settings, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

/// Random numbers that a seed decides.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn len_below(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }
}

/// A stream that often makes its task wait for nothing, and reads and writes a few bytes at a time.
pub(crate) struct Choppy<S> {
    pub(crate) stream: S,
    pub(crate) random: Random,
}

impl<S> Choppy<S> {
    pub(crate) const fn new(stream: S, seed: u64) -> Self {
        Self { stream, random: Random::new(seed) }
    }

    /// The bytes of this step; `None`: the task is to come again.
    fn step(&mut self, cx: &Context<'_>) -> Option<usize> {
        if self.random.below(2) == 0 {
            cx.waker().wake_by_ref();
            return None;
        }
        Some(1 + self.random.len_below(24))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Choppy<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(len) = self.step(cx) else { return Poll::Pending };
        let mut some = [0; 24];
        let mut part = ReadBuf::new(&mut some[..len.min(buf.remaining())]);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        buf.put_slice(part.filled());
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Choppy<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(len) = self.step(cx) else { return Poll::Pending };
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..len.min(bytes.len())])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.step(cx).is_none() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.step(cx).is_none() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Both ends of a connection over a pipe of `bytes` bytes each way: the client's, and the server's.
pub(crate) fn pair(
    bytes: usize,
    settings: Settings,
) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (ours, theirs) = duplex(bytes);
    (client_on(ours, settings), server_on(theirs, settings))
}

pub(crate) fn client_on<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    settings: Settings,
) -> WebSocket<S> {
    WebSocket::after_handshake(stream, Role::Client, Vec::new(), settings)
}

pub(crate) fn server_on<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    settings: Settings,
) -> WebSocket<S> {
    WebSocket::after_handshake(stream, Role::Server, Vec::new(), settings)
}

/// Polls a future, and drops it at one of its awaits if chance says so. It is polled again and again until then: two ends
/// that both wait to send are to give up at some time.
pub(crate) async fn cut<F: Future>(random: &mut Random, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if random.below(3) == 0 => Poll::Ready(None),
        Poll::Pending => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Runs a test on one thread, on a clock that goes on when everybody waits.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    runtime.block_on(test)
}
