//! The server's side of the opening handshake.

use core::fmt;
use sockeye_endpoint::opening::{decide, refusal};
use sockeye_endpoint::{HeaderName, HeaderValue, OpenError, Policy, RequestHead, Status};
use sockeye_http1::{HeadEnd, HeaderStorage};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::WebSocket;
use crate::core::Opened;
use crate::head::{Received, part, read_head, within};

/// Accepts a WebSocket on a stream that a client has just opened, whatever the path.
///
/// A client that asks for something else is answered by the fitting status. To look at the request first, take
/// [`Upgrade::read`].
///
/// # Errors
/// The stream is not one of a WebSocket, or the handshake took longer than `handshake_ms`.
///
/// # Cancel safety
/// The stream is gone when the future is dropped.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    policy: &Policy<'_>,
) -> Result<WebSocket<S>, OpenError> {
    Upgrade::read(stream, policy).await?.accept(policy, &[]).await
}

/// A client's request, before the answer.
///
/// # Examples
/// ```
/// use sockeye_tokio::{OpenError, Policy, Status, Upgrade, WebSocket};
/// use tokio::net::TcpStream;
///
/// async fn chat(stream: TcpStream) -> Result<WebSocket<TcpStream>, OpenError> {
///     let policy = Policy::default();
///     let request = Upgrade::read(stream, &policy).await?;
///     match request.with_head(|head| head.path() == "/chat") {
///         true => request.accept(&policy, &[]).await,
///         false => Err(request.refuse(Status::NOT_FOUND).await),
///     }
/// }
/// ```
pub struct Upgrade<S> {
    stream: S,
    limits: sockeye_http1::Limits,
    received: Received,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Upgrade<S> {
    /// Reads a request. One that is not HTTP/1.1 is answered by the fitting status.
    ///
    /// # Errors
    /// There is no request, or it took longer than `handshake_ms`.
    pub async fn read(mut stream: S, policy: &Policy<'_>) -> Result<Self, OpenError> {
        let limits = policy.head;
        let ms = policy.settings.handshake_ms;
        let read = within(ms, read_head(&mut stream, HeadEnd::new(), &limits, Vec::new())).await;
        let checked = read.and_then(|received| {
            let mut storage = HeaderStorage::new();
            RequestHead::parse(&received.head, &mut storage, &limits)?;
            Ok(received)
        });
        match checked {
            Ok(received) => Ok(Self { stream, limits, received }),
            Err(error) => {
                if let OpenError::Http(error) = error {
                    part(&mut stream, &refusal(error.status())).await;
                }
                Err(error)
            }
        }
    }

    /// Lends the head of the request: path, query, headers.
    pub fn with_head<R>(&self, read: impl FnOnce(&RequestHead<'_, '_>) -> R) -> R {
        let mut storage = HeaderStorage::new();
        let head = RequestHead::parse(&self.received.head, &mut storage, &self.limits);
        read(&head.expect("the head was parsed when it was read"))
    }

    /// Accepts the request, if it opens a WebSocket and the policy allows it. `headers` are the application's own, a
    /// cookie for example.
    ///
    /// # Errors
    /// The request was refused, and answered; or the stream failed.
    pub async fn accept(
        mut self,
        policy: &Policy<'_>,
        headers: &[(HeaderName<'_>, HeaderValue<'_>)],
    ) -> Result<WebSocket<S>, OpenError> {
        let mut answer = Vec::new();
        match self.with_head(|head| decide(head, policy, headers, &mut answer)) {
            Ok(agreed) => {
                let Self { mut stream, received, .. } = self;
                within(policy.settings.handshake_ms, async {
                    stream.write_all(&answer).await?;
                    Ok(stream.flush().await?)
                })
                .await?;
                let early = received.early;
                Ok(WebSocket::new(Opened { stream, agreed, early }, policy.settings))
            }
            Err(error) => {
                part(&mut self.stream, &answer).await;
                Err(error)
            }
        }
    }

    /// Refuses the request with a status.
    pub async fn refuse(mut self, status: Status) -> OpenError {
        part(&mut self.stream, &refusal(status)).await;
        OpenError::Refused(status)
    }
}

impl<S> fmt::Debug for Upgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").finish_non_exhaustive()
    }
}
