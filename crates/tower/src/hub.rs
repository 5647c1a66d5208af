//! The service: a loop on a thread of its own, and requests that are handed to it.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Extensions, Request, StatusCode};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sockeye_hub::{Config, Epoch};
use sockeye_server::{Handle, Server, UNIX_PEER};
use sockeye_service::Service;
use tokio::sync::watch;

use crate::net::{Gate, NoConnection, PipeNet};
use crate::pipe::Gone;
use crate::{Body, Limits, ServerLimits, forward};

/// An answer of the hub.
pub type Response = http::Response<Body>;

type PeerOf = dyn Fn(&Extensions) -> Option<SocketAddr> + Send + Sync;

/// A hub on a thread of its own, as a tower service. A clone is the same hub. When the last clone is dropped, the hub
/// tells its streams to go, and ends.
///
/// It answers below `/v1`, and `/healthz`, `/readyz` and `/metrics`: route what you want to show. Everything else is 404.
/// Requests keep their path: mount it by `route_service`, and not by `nest_service`, which takes a prefix away.
///
/// It is always ready, and needs a runtime of tokio while it is called.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
    peer_of: Option<Arc<PeerOf>>,
}

struct Inner {
    gate: Arc<Gate>,
    handle: Handle,
    ended: watch::Receiver<bool>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The loop is gone if it cannot be woken.
        let _ = self.handle.drain_now();
    }
}

impl Hub {
    /// A hub whose messages are in memory, with everything as it is by default. Everybody may do everything, if the
    /// request's `Host` is a name of the loopback interface: it is for trying out.
    ///
    /// # Errors
    /// As [`Hub::start`].
    pub fn in_memory() -> io::Result<Self> {
        // An epoch that has not been before: the messages of the last one died with its process.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = Epoch(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let make = move || Service::new(epoch, Config::default(), Limits::default());
        Self::start(ServerLimits::default(), make)
    }

    /// A hub of the service that `make` makes, on the thread of the loop.
    ///
    /// # Errors
    /// The system's error if it has no thread or no poller; one of kind `Other` if `make` panics.
    pub fn start(
        limits: ServerLimits,
        make: impl FnOnce() -> Service + Send + 'static,
    ) -> io::Result<Self> {
        let net = PipeNet::new()?;
        let (gate, waker) = (net.gate(), net.waker());
        let (tell_handle, handle) = std::sync::mpsc::sync_channel(1);
        let (tell_end, ended) = watch::channel(false);
        std::thread::Builder::new().name("sockeye-hub".into()).spawn(move || {
            let mut server = Server::new(net, make(), limits);
            let _ = tell_handle.send(server.handle_with(waker));
            // An error means that the poller is broken: all streams end with the loop.
            let _ = server.run();
            drop(server);
            tell_end.send_replace(true);
        })?;
        // The sender is dropped only if `make` panics.
        let handle = handle.recv().map_err(|_| io::Error::other("the service was not made"))?;
        Ok(Self { inner: Arc::new(Inner { gate, handle, ended }), peer_of: None })
    }

    /// Takes a client's address from what the server in front knows of a request. axum:
    /// `|it| it.get::<ConnectInfo<SocketAddr>>().map(|it| it.0)`.
    ///
    /// Bounds and rates by address need it. Without it all clients have one address, and share them.
    #[must_use]
    pub fn with_peer(
        mut self,
        peer_of: impl Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        self.peer_of = Some(Arc::new(peer_of));
        self
    }

    /// Tells all streams to go, as [`ServerLimits`] says, and waits until the last one has gone. Requests are answered for
    /// `drain_accept_ms`, by default 0, and get 503 after it.
    ///
    /// A server in front that waits for its connections, as axum's graceful shutdown does, should call it first.
    ///
    /// # Cancel safety
    /// The drain goes on if the future is dropped.
    pub async fn drain(&self) {
        // A loop that cannot be woken is over.
        let _ = self.inner.handle.drain();
        let mut ended = self.inner.ended.clone();
        // An error means that the thread is gone.
        let _ = ended.wait_for(|is_over| *is_over).await;
    }

    /// Hands a request to the loop, and comes back with the head of its answer.
    async fn answer<B>(self, mut request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let of_client = hyper::upgrade::on(&mut request);
        let (mut head, body) = request.into_parts();
        let peer = self.peer_of.as_ref().and_then(|peer_of| peer_of(&head.extensions));
        let version = head.version;
        let opening = forward::request(&mut head);
        let request = Request::from_parts(head, body);
        let pipe = match self.inner.gate.connect(peer.unwrap_or(UNIX_PEER)) {
            Ok(pipe) => pipe,
            Err(NoConnection::Closed) => return refuse("the hub is shutting down\n"),
            Err(NoConnection::Busy) => return refuse("too many requests wait for the hub\n"),
        };
        let gone = pipe.gone();
        let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(pipe)).await else {
            return refuse(CUT);
        };
        tokio::spawn(connection.with_upgrades());
        let mut answer = match sender.send_request(request).await {
            Ok(answer) => answer,
            Err(error) if error.is_user() || error.is_body_write_aborted() => return cut_content(),
            Err(_) => return refuse(CUT),
        };
        let of_loop = hyper::upgrade::on(&mut answer);
        let (mut head, body) = answer.into_parts();
        if forward::response(&mut head, opening, version) {
            tokio::spawn(join(of_client, of_loop, gone));
            return Response::from_parts(head, Body::text(""));
        }
        Response::from_parts(head, Body::of_loop(body))
    }
}

/// The answer to a request that the loop could not answer.
const CUT: &str = "the hub ended the connection\n";

/// Copies between both sides of a WebSocket until both have ended, or the loop has dropped its end: a client may neither
/// read nor close, and the loop's deadlines hold for it, too.
async fn join(of_client: OnUpgrade, of_loop: OnUpgrade, gone: Gone) {
    // An error means that one side has gone in the meantime, and then so does the other.
    let Ok(of_loop) = of_loop.await else { return };
    let Ok(of_client) = of_client.await else { return };
    let (mut client, mut hub) = (TokioIo::new(of_client), TokioIo::new(of_loop));
    tokio::select! {
        // The last bytes first.
        biased;
        _ = tokio::io::copy_bidirectional(&mut client, &mut hub) => {}
        () = gone => {}
    }
}

/// The answer where the request's own content failed: a layer in front has bounded it, or the client is gone.
fn cut_content() -> Response {
    let mut answer = refuse("the content of the request ended early\n");
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer.headers_mut().remove(RETRY_AFTER);
    answer
}

fn refuse(why: &'static str) -> Response {
    let mut answer = Response::new(Body::text(why));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("is_over", &*self.inner.ended.borrow()).finish_non_exhaustive()
    }
}

impl<B> tower_service::Service<Request<B>> for Hub
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let hub = self.clone();
        Box::pin(async move { Ok(hub.answer(request).await) })
    }
}
