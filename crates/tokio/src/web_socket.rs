//! A WebSocket as one value, for both directions.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::{Arc, Mutex};

use futures_core::Stream;
use futures_sink::Sink;
use sockeye_endpoint::{
    Agreed, CloseCode, CloseReason, Closed, Error, Fin, Incoming, Message, MessageRef, Outgoing,
    Part, Role, Settings,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::core::{Core, Opened};
use crate::split::{self, Receiver, Sender};

/// One end of a WebSocket: a [`Stream`] of messages and a [`Sink`] for them.
///
/// Pings are answered, silence is asked after, and a Close frame is answered while somebody receives. A receiver that
/// waits also sends what is queued.
///
/// # Cancel safety
/// The futures hold nothing but the caller's message: all progress is kept in the connection. Each may be dropped at any
/// point, and the next call goes on from there. No message is cut or sent twice.
///
/// | future | when it is dropped |
/// |---|---|
/// | [`receive`](Self::receive), [`receive_part`](Self::receive_part), [`receive_any`](Self::receive_any), `Stream::next` | no message was taken |
/// | [`ready`](Self::ready), [`flush`](Self::flush) | nothing has changed; the queue is as long, or shorter |
/// | [`send`](Self::send), [`send_part`](Self::send_part), [`ping`](Self::ping) | the message is queued as a whole, or not at all: [`queued`](Self::queued) tells. One that was handed over and not queued is gone: lend it if it may have to be sent again |
/// | [`close`](Self::close) | the Close frame is queued; a receiver or another `close` goes on |
pub struct WebSocket<S> {
    core: Core<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) fn new(opened: Opened<S>, settings: Settings) -> Self {
        Self { core: Core::new(opened, settings) }
    }

    /// A WebSocket on a stream whose opening handshake is done, without extensions. `early` is what was read behind the
    /// peer's head.
    pub fn after_handshake(stream: S, role: Role, early: Vec<u8>, settings: Settings) -> Self {
        Self::new(Opened { stream, agreed: Agreed::new(role), early }, settings)
    }

    /// A WebSocket on a stream whose opening handshake is done, and which agreed on permessage-deflate.
    #[cfg(feature = "deflate")]
    pub fn after_handshake_with(
        stream: S,
        role: Role,
        early: Vec<u8>,
        params: sockeye_endpoint::Params,
        settings: Settings,
    ) -> Self {
        let agreed = Agreed::new(role).with_compression(Some(params));
        Self::new(Opened { stream, agreed, early }, settings)
    }

    /// The next message. `None` when the closing handshake is done, and after an error.
    ///
    /// The last call returns when the stream below has ended, or after `close_ms`, so the WebSocket may be dropped then.
    ///
    /// # Errors
    /// The reason for which the connection ended, once.
    pub async fn receive(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| self.core.poll_receive(cx)).await
    }

    /// The next part of a message, as it arrives: memory does not grow with the message. Small and compressed messages
    /// come as one part, and so does a message of which `receive` has seen the beginning.
    ///
    /// `settings.limits` bounds the whole message. A [`receive`](Self::receive) drops the rest of a message that was
    /// begun here.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn receive_part(&mut self) -> Option<Result<Part, Error>> {
        poll_fn(|cx| self.core.poll_receive(cx)).await
    }

    /// The next message or control frame, for an application that looks at these, too. They are answered either way.
    ///
    /// Once a Close frame is handed over, the answer to it is with the stream, if that took it at once.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn receive_any(&mut self) -> Option<Result<Incoming, Error>> {
        poll_fn(|cx| self.core.poll_incoming(cx)).await
    }

    /// As [`receive_any`](Self::receive_any), for a `Stream` around this.
    pub fn poll_receive_any(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Incoming, Error>>> {
        self.core.poll_incoming(cx)
    }

    /// Waits until fewer than `unsent_bytes_max` bytes wait to be sent.
    ///
    /// # Errors
    /// The connection takes no more messages.
    pub async fn ready(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.core.poll_ready(cx)).await
    }

    /// Queues a message, compressed if that was agreed on and helps. All that is queued goes out in one write, with
    /// [`flush`](Self::flush) or when a receiver has to wait. A message of 8 KiB or more that
    /// is handed over is not copied, unless compression was agreed on, or the stream takes no several slices.
    ///
    /// # Errors
    /// [`Error::Full`] while `unsent_bytes_max` bytes wait: a message that was handed over is dropped then; [`Error::Usage`] once the connection closes, or inside a
    /// message of [`send_part`](Self::send_part).
    pub fn queue<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.core.queue(message.into())
    }

    /// Waits until all that was queued is with the stream.
    ///
    /// # Errors
    /// The stream reports one.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.core.poll_flush(cx)).await
    }

    /// Sends a message: [`ready`](Self::ready), [`queue`](Self::queue) and [`flush`](Self::flush).
    ///
    /// # Errors
    /// As those.
    pub async fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.ready().await?;
        self.core.queue(message)?;
        self.flush().await
    }

    /// Sends a part of a message as a frame of its own, uncompressed. The parts of a text are texts. Between parts,
    /// only Pings may be sent.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`Error::Usage`] also if the part is of another kind than those before.
    pub async fn send_part<'m>(
        &mut self,
        part: impl Into<MessageRef<'m>>,
        fin: Fin,
    ) -> Result<(), Error> {
        let part = part.into();
        self.ready().await?;
        self.core.queue_part(part, fin)?;
        self.flush().await
    }

    /// Sends a Ping of at most 125 bytes. Its Pong only shows that the peer lives.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.ready().await?;
        self.core.queue_ping(payload)?;
        self.flush().await
    }

    /// Queues a Ping, as [`queue`](Self::queue) queues a message.
    ///
    /// # Errors
    /// As there; [`Error::Usage`] also beyond 125 bytes.
    pub fn queue_ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.core.queue_ping(payload)
    }

    /// Queues a Pong that answers nothing: a heartbeat that wants no answer. Pings are answered without this.
    ///
    /// # Errors
    /// As [`queue_ping`](Self::queue_ping).
    pub fn queue_pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.core.queue_pong(payload)
    }

    /// Queues a Close frame. [`flush`](Self::flush), and receive until `None`; [`close`](Self::close) is all of it.
    ///
    /// # Errors
    /// As [`close`](Self::close), for the arguments.
    pub fn queue_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.core.queue_close(code, reason)
    }

    /// Closes: sends what is queued and a Close frame, waits for the peer's, and for the end of the stream. Messages
    /// that come meanwhile are dropped. [`CloseCode::NO_STATUS`] sends an empty Close frame.
    ///
    /// If the connection closes already, this waits for its end.
    ///
    /// # Errors
    /// [`Error::Usage`] for a code that must not be sent, or a reason over 123 bytes; or the error that ended the
    /// connection.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error> {
        self.core.queue_close(code, reason)?;
        poll_fn(|cx| self.core.poll_closed(cx)).await
    }

    /// Two halves, for two tasks.
    pub fn split(self) -> (Receiver<S>, Sender<S>) {
        split::halves(Arc::new(Mutex::new(self.core)))
    }

    /// The whole of two halves.
    ///
    /// # Errors
    /// The halves, if they are not of one WebSocket.
    pub fn unite(
        receiver: Receiver<S>,
        sender: Sender<S>,
    ) -> Result<Self, (Receiver<S>, Sender<S>)> {
        split::whole(receiver, sender).map(|core| Self { core })
    }

    /// The stream below: for the peer's address, say. What is read from it, or written to it, is lost for the WebSocket.
    pub const fn stream(&self) -> &S {
        self.core.stream()
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.core.subprotocol()
    }

    /// Whether permessage-deflate was agreed on.
    pub const fn is_compressed(&self) -> bool {
        self.core.is_compressed()
    }

    /// How the connection ended, once it has. The code is the one that the peer sent (RFC 6455 §7.1.5): 1006 where this
    /// side failed the connection. The error of the last read says why; [`Error::Protocol`] and [`Error::Message`] have the
    /// code that was sent, by their `close_code`.
    pub fn closed(&self) -> Option<Closed> {
        self.core.closed()
    }

    /// The reason in the peer's Close frame, once it came.
    pub const fn close_reason(&self) -> Option<&CloseReason> {
        self.core.close_reason()
    }

    /// How many messages were queued in the life of the connection.
    pub const fn queued(&self) -> u64 {
        self.core.queued()
    }

    /// How many bytes are queued and not sent.
    pub const fn unsent_bytes(&self) -> usize {
        self.core.unsent_bytes()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.core.poll_receive(cx)
    }
}

/// `close` sends a Close frame with 1000 and does not wait for the peer's: receive until `None` after it.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.core.poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.core.queue(message.into())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.core.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.core.queue_close(CloseCode::NORMAL, "")?;
        self.core.poll_flush(cx)
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}
