//! The server's side of the opening handshake.

use core::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_handshake::{Accept, Extensions, decide};
use sockeye_http::{Date, HeaderName, HeaderValue, Status};
use sockeye_http1::{Body, HeadEnd, HeaderStorage, Persistence, RequestHead, Response};
use sockeye_websocket::Role;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::compressor::Compressor;
use crate::core::Opened;
use crate::head::{Received, part, read_head, within};
use crate::{OpenError, Policy, WebSocket};

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
                    part(&mut stream, &bare(error.status())).await;
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
        match self.decide(policy, headers) {
            Ok(Decision { answer, compressor, subprotocol }) => {
                let Self { mut stream, received, .. } = self;
                within(policy.settings.handshake_ms, async {
                    stream.write_all(&answer).await?;
                    Ok(stream.flush().await?)
                })
                .await?;
                let early = received.early;
                let opened = Opened { stream, role: Role::Server, compressor, subprotocol, early };
                Ok(WebSocket::new(opened, policy.settings))
            }
            Err((error, answer)) => {
                part(&mut self.stream, &answer).await;
                Err(error)
            }
        }
    }

    /// Refuses the request with a status.
    pub async fn refuse(mut self, status: Status) -> OpenError {
        part(&mut self.stream, &bare(status)).await;
        OpenError::Refused(status)
    }

    /// The answer that accepts, or the error and the answer that refuses.
    fn decide(
        &self,
        policy: &Policy<'_>,
        headers: &[(HeaderName<'_>, HeaderValue<'_>)],
    ) -> Result<Decision, (OpenError, Vec<u8>)> {
        let mut answer = Vec::new();
        match self.with_head(|head| agree(head, policy, headers, &mut answer)) {
            Ok((compressor, subprotocol)) => Ok(Decision { answer, compressor, subprotocol }),
            Err(error) => Err((error, answer)),
        }
    }
}

/// What goes with an answer that accepts.
struct Decision {
    answer: Vec<u8>,
    compressor: Option<Compressor>,
    subprotocol: Option<Box<str>>,
}

/// Decides on a request, and appends the answer to it either way.
fn agree(
    head: &RequestHead<'_, '_>,
    policy: &Policy<'_>,
    headers: &[(HeaderName<'_>, HeaderValue<'_>)],
    answer: &mut Vec<u8>,
) -> Result<(Option<Compressor>, Option<Box<str>>), OpenError> {
    let Policy { subprotocols, origins, .. } = *policy;
    let terms = sockeye_handshake::Policy { subprotocols, origins };
    let accept = decide(head, &terms).map_err(|reject| {
        reject.write_response(Some(now()), answer);
        OpenError::Reject(reject)
    })?;
    let (extensions, compressor) = negotiate(&accept, policy);
    accept.write_response(&extensions, headers, answer).map_err(|error| {
        answer.extend(bare(Status::INTERNAL_SERVER_ERROR));
        OpenError::Usage(error)
    })?;
    Ok((compressor, accept.subprotocol().map(Box::from)))
}

/// The first offer that we can agree to; a client lists them by preference.
#[cfg(feature = "deflate")]
fn negotiate(accept: &Accept<'_>, policy: &Policy<'_>) -> (Extensions, Option<Compressor>) {
    use sockeye_deflate::{EXTENSION_NAME, accept_offer};

    let params = policy.compression.and_then(|config| {
        let mut offers = accept.offers().iter().filter(|offer| offer.name() == EXTENSION_NAME);
        offers.find_map(|offer| accept_offer(offer.params(), &config))
    });
    let Some(params) = params else { return (Extensions::new(), None) };
    let answer = params.to_string();
    let extensions = Extensions::parse([answer.as_bytes()]).expect("an answer is well formed");
    (extensions, Some(Compressor::new(Role::Server, params, &policy.settings)))
}

#[cfg(not(feature = "deflate"))]
const fn negotiate(_: &Accept<'_>, _: &Policy<'_>) -> (Extensions, Option<Compressor>) {
    (Extensions::new(), None)
}

/// An answer without content, behind which the connection ends.
fn bare(status: Status) -> Vec<u8> {
    let mut answer = Vec::new();
    let response = Response::new(status).date(now()).connection(Persistence::Close);
    response.write(Body::Empty, &mut answer);
    answer
}

/// The present, which a server with a clock states (RFC 9110 §6.6.1).
fn now() -> Date {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Date::from_unix(since_epoch.as_secs())
}

impl<S> fmt::Debug for Upgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").finish_non_exhaustive()
    }
}
