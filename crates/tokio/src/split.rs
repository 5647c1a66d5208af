//! The two halves of a WebSocket, for two tasks.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_core::Stream;
use futures_sink::Sink;
use sockeye_endpoint::{
    CloseCode, CloseReason, Closed, Error, Fin, Message, MessageRef, Outgoing, Part,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::core::Core;

/// Locked for one poll or one call at a time, never over an `await`.
type Shared<S> = Arc<Mutex<Core<S>>>;

/// The receiving half of a [`WebSocket`](crate::WebSocket). It also answers Pings and keeps the deadlines.
///
/// Its futures are as cancel safe as those of the whole.
pub struct Receiver<S> {
    core: Shared<S>,
}

/// The sending half of a [`WebSocket`](crate::WebSocket).
///
/// Its futures are as cancel safe as those of the whole.
pub struct Sender<S> {
    core: Shared<S>,
    /// It was told that a message may be queued, and has queued none since.
    is_promised: bool,
}

pub(crate) fn halves<S>(core: Shared<S>) -> (Receiver<S>, Sender<S>) {
    (Receiver { core: Arc::clone(&core) }, Sender { core, is_promised: false })
}

/// The connection of two halves; the halves again if they are of two connections.
pub(crate) fn whole<S>(
    receiver: Receiver<S>,
    sender: Sender<S>,
) -> Result<Core<S>, (Receiver<S>, Sender<S>)> {
    if !Arc::ptr_eq(&receiver.core, &sender.core) {
        return Err((receiver, sender));
    }
    drop(sender);
    let core = Arc::into_inner(receiver.core).expect("a WebSocket has two halves");
    Ok(core.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<S> {
    /// As [`WebSocket::receive`](crate::WebSocket::receive).
    ///
    /// # Errors
    /// The reason for which the connection ended, once.
    pub async fn receive(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| lock(&self.core).poll_receive(cx)).await
    }

    /// As [`WebSocket::receive_part`](crate::WebSocket::receive_part).
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn receive_part(&mut self) -> Option<Result<Part, Error>> {
        poll_fn(|cx| lock(&self.core).poll_receive(cx)).await
    }

    /// As [`WebSocket::closed`](crate::WebSocket::closed).
    pub fn closed(&self) -> Option<Closed> {
        lock(&self.core).closed()
    }

    /// As [`WebSocket::close_reason`](crate::WebSocket::close_reason).
    pub fn close_reason(&self) -> Option<CloseReason> {
        lock(&self.core).close_reason().copied()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// As [`WebSocket::ready`](crate::WebSocket::ready).
    ///
    /// # Errors
    /// The connection takes no more messages.
    pub async fn ready(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.promise(cx)).await
    }

    /// Ready once a message may be queued: the next one has room, whatever the receiver queues meanwhile.
    fn promise(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let ready = ready!(lock(&self.core).poll_ready(cx));
        self.is_promised = ready.is_ok();
        Poll::Ready(ready)
    }

    /// Queues by `act` as soon as there is room, and flushes. The receiver queues answers to Pings from another task, so
    /// room is looked for and taken in one step.
    async fn queue_by(
        &mut self,
        mut act: impl FnMut(&mut Core<S>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        poll_fn(|cx| {
            let mut core = lock(&self.core);
            ready!(core.poll_ready(cx))?;
            Poll::Ready(act(&mut core))
        })
        .await?;
        self.flush().await
    }

    /// As [`WebSocket::queue`](crate::WebSocket::queue).
    ///
    /// # Errors
    /// As there.
    pub fn queue<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.take_promise(message.into())
    }

    fn take_promise(&mut self, message: Outgoing<'_>) -> Result<(), Error> {
        let mut core = lock(&self.core);
        match core::mem::take(&mut self.is_promised) {
            true => core.queue_promised(message),
            false => core.queue(message),
        }
    }

    /// As [`WebSocket::flush`](crate::WebSocket::flush).
    ///
    /// # Errors
    /// The stream reports one.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| lock(&self.core).poll_flush(cx)).await
    }

    /// As [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// # Errors
    /// As there.
    pub async fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        let mut message = Some(message.into());
        self.queue_by(|core| {
            core.queue(message.take().expect("this runs once: the poll that ran it was ready"))
        })
        .await
    }

    /// As [`WebSocket::send_part`](crate::WebSocket::send_part).
    ///
    /// # Errors
    /// As there.
    pub async fn send_part<'m>(
        &mut self,
        part: impl Into<MessageRef<'m>>,
        fin: Fin,
    ) -> Result<(), Error> {
        let part = part.into();
        self.queue_by(|core| core.queue_part(part, fin)).await
    }

    /// As [`WebSocket::ping`](crate::WebSocket::ping).
    ///
    /// # Errors
    /// As there.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue_by(|core| core.queue_ping(payload)).await
    }

    /// Sends a Close frame behind what is queued. The receiver sees the end: it has to be polled until `None`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a code that must not be sent, or a reason over 123 bytes; [`Error::Transport`] if the
    /// connection ends before the frame is sent, also by a deadline because the peer takes nothing.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        lock(&self.core).queue_close(code, reason)?;
        self.flush().await
    }

    /// As [`WebSocket::queued`](crate::WebSocket::queued).
    pub fn queued(&self) -> u64 {
        lock(&self.core).queued()
    }

    /// As [`WebSocket::unsent_bytes`](crate::WebSocket::unsent_bytes).
    pub fn unsent_bytes(&self) -> usize {
        lock(&self.core).unsent_bytes()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Receiver<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        lock(&self.core).poll_receive(cx)
    }
}

/// `close` sends a Close frame with 1000, and does not wait for the peer's.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for Sender<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.promise(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.take_promise(message.into())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        lock(&self.core).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut core = lock(&self.core);
        core.queue_close(CloseCode::NORMAL, "")?;
        core.poll_flush(cx)
    }
}

impl<S> fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// A half that panicked within a poll leaves the connection to the other one.
fn lock<S>(core: &Shared<S>) -> MutexGuard<'_, Core<S>> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}
