//! The WebSocket that a handler gets.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use axum_core::Error;
use futures_core::FusedStream;
use futures_sink::Sink;
use http::HeaderValue;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sockeye_tokio::CloseCode;

use crate::ws::Message;

/// The stream that hyper leaves of an upgraded connection.
pub type Stream = TokioIo<Upgraded>;

/// A WebSocket: a `Stream` of messages and a `Sink` for them.
///
/// Pings and Close frames are answered while somebody receives, and silence is asked after: see
/// [`Settings`](crate::ws::Settings).
///
/// # Cancel safety
/// Every future may be dropped at any `await`. A message that is received is not lost, and one that is sent is queued as a
/// whole or not at all.
pub struct WebSocket {
    inner: sockeye_tokio::WebSocket<Stream>,
    protocol: Option<HeaderValue>,
    /// The stream of messages has ended.
    ended: bool,
}

impl WebSocket {
    pub(crate) const fn new(
        inner: sockeye_tokio::WebSocket<Stream>,
        protocol: Option<HeaderValue>,
    ) -> Self {
        Self { inner, protocol, ended: false }
    }

    /// The next message or control frame. `None` when the connection has ended, and after an error.
    ///
    /// # Errors
    /// The reason for which the connection ended, once: a [`sockeye_tokio::Error`].
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        core::future::poll_fn(|cx| self.poll_message(cx)).await
    }

    /// Sends a message or a control frame.
    ///
    /// # Errors
    /// The connection takes no more messages; or a control frame has more than 125 bytes, or a number that must not be
    /// sent.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        if !matches!(message, Message::Close(_)) {
            self.inner.ready().await.map_err(Error::new)?;
        }
        self.queue(message)?;
        self.inner.flush().await.map_err(Error::new)
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub const fn protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }

    /// Whether permessage-deflate was agreed on.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        self.inner.is_compressed()
    }

    /// The WebSocket below: halves for two tasks, messages in parts, how the connection ended.
    #[must_use]
    pub fn into_inner(self) -> sockeye_tokio::WebSocket<Stream> {
        self.inner
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        let incoming = ready!(self.inner.poll_receive_any(cx));
        self.ended = incoming.is_none();
        Poll::Ready(incoming.map(|it| it.map(Message::from).map_err(Error::new)))
    }

    fn queue(&mut self, message: Message) -> Result<(), Error> {
        let inner = &mut self.inner;
        let queued = match message {
            Message::Text(text) => match text.into_string() {
                Ok(text) => inner.queue(text),
                Err(shared) => inner.queue(shared.as_str()),
            },
            Message::Binary(bytes) => match bytes.try_into_mut() {
                Ok(bytes) => inner.queue(Vec::from(bytes)),
                Err(shared) => inner.queue(&shared[..]),
            },
            Message::Ping(payload) => inner.queue_ping(&payload),
            Message::Pong(payload) => inner.queue_pong(&payload),
            Message::Close(None) => inner.queue_close(CloseCode::NO_STATUS, ""),
            Message::Close(Some(frame)) => {
                inner.queue_close(CloseCode::new(frame.code), &frame.reason)
            }
        };
        queued.map_err(Error::new)
    }
}

impl futures_core::Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

/// `close` sends a Close frame with 1000 and does not wait for the peer's: receive until `None` after it.
impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_ready(cx).map_err(Error::new)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.queue(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_flush(cx).map_err(Error::new)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_close(cx).map_err(Error::new)
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}
