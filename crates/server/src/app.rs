//! What an application is to the server, and what it may answer.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sockeye_deflate::ServerConfig;
use sockeye_http1::{HeaderName, HeaderValue, RequestHead, Status, UsageError};
use sockeye_reactor::{Key, Time};
use sockeye_websocket::{CloseCode, Message, ProtocolError};

use crate::Context;
use crate::addresses::origin;

/// Names one stream of messages or events for as long as it is open, and nothing afterwards.
///
/// A stream is not a socket. On HTTP/1.1 it lasts as long as its socket does; the key holds both, for
/// protocols on which a socket carries several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    pub(crate) socket: Key,
    pub(crate) serial: u32,
}

impl StreamKey {
    /// The key as one number, for logs.
    pub const fn to_u128(self) -> u128 {
        (self.socket.to_u64() as u128) << 32 | self.serial as u128
    }

    /// A small number that no other stream has at the same time; for tables beside the server.
    /// A stream that is gone may have had the same one, so what is found by it has to be compared.
    pub const fn index(self) -> usize {
        self.socket.index()
    }
}

/// The application behind a [`Server`](crate::Server).
///
/// Every call is made from the one thread of the loop and must not block. Whatever is sent
/// through the [`Context`] is appended to outboxes, which the loop flushes at the end of the turn, or
/// after a read of the peer for whom much waits.
pub trait App {
    /// What a request tells the stream that its answer opens; `()` for nothing.
    type Pending;

    /// Answers a complete request, its body included.
    ///
    /// Where the answer opens a stream, [`App::on_open`] is the very next call of this application,
    /// with what the answer carries. Where it does not open one after all, [`App::on_unopened`] is.
    fn on_request(
        &mut self,
        request: &Request<'_>,
        context: &mut Context<'_>,
    ) -> Answer<Self::Pending>;

    /// Words a refusal that the server makes by itself: of what is no request, or too much, or too
    /// late. `None` is a line of plain text.
    ///
    /// Only the words are asked for: the status, the end of the connection and what the protocol
    /// wants besides (`Retry-After`, `Allow`, `Upgrade`) are the server's.
    fn refusal(&mut self, refused: &Refused<'_>) -> Option<Wording> {
        let _ = refused;
        None
    }

    /// The stream that the last [`App::on_request`] asked for is open. No other call comes between
    /// the two.
    fn on_open(
        &mut self,
        stream: StreamKey,
        pending: Self::Pending,
        open: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
        let _ = (stream, pending, open, context);
    }

    /// The stream that the last [`App::on_request`] asked for does not open: the handshake was
    /// refused, or the request was HEAD. By default `pending` is dropped.
    fn on_unopened(&mut self, pending: Self::Pending, context: &mut Context<'_>) {
        let _ = (pending, context);
    }

    /// A whole WebSocket message arrived.
    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        let _ = (stream, message, context);
    }

    /// Bytes came on a tunnel: whatever the socket had, cut anywhere.
    fn on_bytes(&mut self, stream: StreamKey, bytes: &[u8], context: &mut Context<'_>) {
        let _ = (stream, bytes, context);
    }

    /// The outbox of a stream has fallen to [`Limits::outbox_refill_bytes`](crate::Limits) or below;
    /// called once for each time that [`Context::notify_drained`] asked for it.
    ///
    /// It comes before the outboxes are flushed, so what is sent here leaves in the same turn. A
    /// stream that is closing meanwhile is not asked any more.
    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let _ = (stream, context);
    }

    /// Nothing was sent on an event stream for [`Limits::heartbeat_ms`](crate::Limits), and nothing
    /// waits: something should be, or proxies drop it. By default a comment.
    fn on_heartbeat(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        // A stream that is gone meanwhile is reported by itself.
        let _ = context.send_comment(stream);
    }

    /// The client of a held request has ended its direction: it waits for the answer, or is gone, and
    /// only writing to it would tell which. Called once for each such stream.
    ///
    /// By default nothing: the request is answered when the application has the answer, or at its
    /// deadline. An answer that may never come had better be given now.
    fn on_half_close(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let _ = (stream, context);
    }

    /// A drain begins: the place to answer requests that are held.
    fn on_drain(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }

    /// The server goes away, and the turn of this stream has come; called at most once for each
    /// stream, and right after [`App::on_open`] for one that is opened during a drain.
    ///
    /// By default it is ended as [`Context::say_goodbye`] does. One that is left open is cut when
    /// the drain's time is over.
    fn on_goodbye(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        context.say_goodbye(stream);
    }

    /// A stream is over; called once for each [`App::on_open`]. The key names nothing any more.
    fn on_close(&mut self, stream: StreamKey, cause: CloseCause, context: &mut Context<'_>) {
        let _ = (stream, cause, context);
    }

    /// The time at which [`App::on_timer`] wants to be called.
    fn deadline(&self) -> Time {
        Time::NEVER
    }

    /// The application's deadline has come.
    fn on_timer(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }

    /// Called once a turn after the outboxes were flushed: what was appended in this turn was offered
    /// to the system. `turn_us` is how long the turn took, in microseconds; a place to count.
    fn on_flushed(&mut self, turn_us: u64) {
        let _ = turn_us;
    }

    /// Called once a turn before the outboxes are flushed; the place to take in what other
    /// threads left behind before they woke the loop.
    fn on_turn(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }
}

/// A complete request.
pub struct Request<'r> {
    /// The head: method, target, headers.
    pub head: &'r RequestHead<'r, 'r>,
    /// The body, whatever its transfer coding was; often empty.
    pub body: &'r [u8],
    /// The other end of the socket.
    pub peer: SocketAddr,
}

impl Request<'_> {
    /// Where it comes from, as [`Limits::connections_per_address_max`](crate::Limits) counts: an
    /// IPv4 address, in whichever form, or the network part of an IPv6 address.
    pub fn origin(&self) -> IpAddr {
        origin(self.peer.ip())
    }
}

/// Shows the body's length only.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("head", self.head)
            .field("body_len", &self.body.len())
            .field("peer", &self.peer)
            .finish()
    }
}

/// What the server refuses by itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused<'r> {
    /// The status that it answers with.
    pub status: Status,
    /// Why, in a few words. They are the server's own: nothing that the peer sent is in them.
    pub reason: &'r str,
    /// The head, if that was complete and in order.
    pub head: Option<&'r RequestHead<'r, 'r>>,
    /// The held request that the application did not answer in time. Its head is not known any
    /// more, and [`Hold::headers`] are in the response anyway.
    pub stream: Option<StreamKey>,
}

/// What a refusal says.
#[derive(Clone, Debug)]
pub struct Wording {
    /// `Content-Type`, and whatever goes with it.
    pub headers: Vec<Header>,
    /// The body. For HEAD it is measured and not sent.
    pub body: Cow<'static, [u8]>,
}

impl Wording {
    pub(crate) fn text(text: &'static str) -> Self {
        Self { headers: vec![TEXT], body: Cow::Borrowed(text.as_bytes()) }
    }
}

/// What becomes of a request. An answer that opens a stream carries what [`App::on_open`] is to get.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer<P = ()> {
    /// A response with a body of known length.
    Reply(Reply),
    /// The opening handshake of a WebSocket; the server checks every clause and refuses by itself.
    WebSocket(Upgrade, P),
    /// A stream of server-sent events.
    EventStream(EventStream, P),
    /// A response that comes later, by [`Context::respond`].
    Hold(Hold, P),
    /// The connection is the application's from here on, as bytes: what comes behind the request goes
    /// to [`App::on_bytes`], and [`Context::send_bytes`] writes what it is given. Nothing is answered
    /// for the application, so the response is its own to write too, from [`App::on_open`] on.
    ///
    /// For protocols that this server does not speak (RFC 9110 §7.8, §9.3.6), and for test hosts that
    /// have to speak them badly.
    Tunnel(P),
}

impl<P> Answer<P> {
    /// The same answer, with something else for the stream that it opens: for an application that
    /// stands before another.
    pub fn map<Q>(self, convert: impl FnOnce(P) -> Q) -> Answer<Q> {
        match self {
            Self::Reply(reply) => Answer::Reply(reply),
            Self::WebSocket(upgrade, pending) => Answer::WebSocket(upgrade, convert(pending)),
            Self::EventStream(stream, pending) => Answer::EventStream(stream, convert(pending)),
            Self::Hold(hold, pending) => Answer::Hold(hold, convert(pending)),
            Self::Tunnel(pending) => Answer::Tunnel(convert(pending)),
        }
    }
}

/// A header of the application's own. It cannot hold what would end a line, nor contradict the
/// headers that the server writes itself (`Connection`, `Content-Length`, `Date`, …).
#[derive(Clone)]
pub struct Header {
    name: Cow<'static, str>,
    value: Cow<'static, [u8]>,
}

impl Header {
    /// A header whose value is not known before run time.
    ///
    /// # Errors
    /// The value cannot stand in a header line (RFC 9110 §5.5).
    pub fn new(name: HeaderName<'static>, value: impl Into<String>) -> Result<Self, UsageError> {
        let value = value.into().into_bytes();
        HeaderValue::from_bytes(&value)?;
        Ok(Self { name: Cow::Borrowed(name.as_str()), value: Cow::Owned(value) })
    }

    /// A header of which neither name nor value is known before run time.
    ///
    /// # Errors
    /// The name is none, or one of those that the server writes itself; or the value cannot stand in
    /// a header line.
    pub fn named(name: impl Into<String>, value: impl Into<String>) -> Result<Self, UsageError> {
        let (name, value) = (name.into(), value.into().into_bytes());
        HeaderName::new(&name)?;
        HeaderValue::from_bytes(&value)?;
        Ok(Self { name: Cow::Owned(name), value: Cow::Owned(value) })
    }

    /// A header that is part of the program; in a `const` the check happens at compile time.
    ///
    /// # Panics
    /// If the name or the value is none that a program may set.
    pub const fn from_static(name: &'static str, value: &'static str) -> Self {
        let value = HeaderValue::from_static(value).as_bytes();
        let name = HeaderName::from_static(name).as_str();
        Self { name: Cow::Borrowed(name), value: Cow::Borrowed(value) }
    }

    /// Whether only the opening handshake may write it.
    pub(crate) fn is_handshakes(&self) -> bool {
        let prefix = "sec-websocket-";
        self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    }

    pub(crate) fn parts(&self) -> (HeaderName<'_>, HeaderValue<'_>) {
        let name = HeaderName::new(&self.name).expect("checked when it was made");
        (name, HeaderValue::from_bytes(&self.value).expect("checked when it was made"))
    }
}

/// Shows the value's length only: values hold credentials.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("name", &self.name)
            .field("value_len", &self.value.len())
            .finish()
    }
}

const TEXT: Header = Header::from_static("Content-Type", "text/plain; charset=utf-8");

/// A response with a body of known length.
#[derive(Clone)]
pub struct Reply {
    /// The status.
    pub status: Status,
    /// Headers beside those that the server writes itself (`Content-Length`, `Date`, `Connection`).
    pub headers: Vec<Header>,
    /// The body. For HEAD it is measured and not sent.
    pub body: Cow<'static, [u8]>,
}

impl Reply {
    /// A response of `status` without content type and content.
    pub const fn empty(status: Status) -> Self {
        Self { status, headers: Vec::new(), body: Cow::Borrowed(&[]) }
    }

    /// A response of `status` with a plain-text body.
    pub fn text(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        let body = match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self::new(status, TEXT, body)
    }

    /// A response of `status` with a body, described by its `Content-Type` header.
    pub fn new(status: Status, content_type: Header, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { status, headers: vec![content_type], body: body.into() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }
}

/// Shows the body's length only.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_len", &self.body.len())
            .finish()
    }
}

impl<P> From<Reply> for Answer<P> {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// A request that is answered later: a stream that ends with its one response.
///
/// What the client has sent behind it waits, and is served in order once the response is written.
/// A client that ends its direction meanwhile still gets the response: [`App::on_half_close`].
#[derive(Clone, Debug)]
pub struct Hold {
    /// After so many milliseconds the server answers by itself: 503 with `Retry-After: 1`. At the
    /// most [`Limits::hold_ms`](crate::Limits).
    pub hold_ms: u64,
    /// Headers that the response gets beside its own, whoever gives it: what is known of the
    /// request now need not be kept by the application.
    pub headers: Vec<Header>,
}

/// Which web pages may open a WebSocket (RFC 6455 §10.2): [`sockeye_handshake::Origins`] with a list
/// that need not be known before run time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Every origin, `null` among them.
    Any,
    /// Only pages from the host and port that the request itself addresses.
    SameHost,
    /// Only these origins, each written as browsers send it: `https://example.com`. An empty list
    /// allows no page.
    List(Arc<[String]>),
}

/// How a WebSocket handshake is to be decided.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// Subprotocols spoken here, most wanted first.
    pub subprotocols: &'static [&'static str],
    /// Which pages may connect.
    pub origins: Origins,
    /// Longest message that is taken on this stream, in bytes, where that is shorter than what
    /// [`Limits::websocket`](crate::Limits::websocket) allows; a longer one is refused with 1009.
    pub message_bytes_max: Option<u64>,
    /// permessage-deflate: what we are willing to do, or `None` to decline every offer.
    pub compression: Option<ServerConfig>,
    /// Headers of the response that accepts, a cookie for example. Those whose name begins with
    /// `Sec-WebSocket-` are the handshake's own to write, and left out.
    pub headers: Vec<Header>,
}

/// The head of an event stream.
#[derive(Clone, Debug, Default)]
pub struct EventStream {
    /// Headers beside `Content-Type`, `Cache-Control` and `X-Accel-Buffering`, which are written
    /// by the server.
    pub headers: Vec<Header>,
}

/// How a stream began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opened<'o> {
    /// A WebSocket, with the subprotocol that was agreed on.
    WebSocket {
        /// The chosen subprotocol.
        subprotocol: Option<&'o str>,
        /// Whether permessage-deflate was agreed on.
        compressed: bool,
    },
    /// An event stream.
    EventStream,
    /// A request that waits for its response.
    Held,
    /// A tunnel: bytes.
    Tunnel,
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseCause {
    /// The peer closed first, with this code ([`CloseCode::NO_STATUS`] if it gave none).
    Remote(CloseCode),
    /// We closed first, with this code, and the peer answered.
    Local(CloseCode),
    /// The peer broke the protocol; it was told by a Close frame.
    Failed(ProtocolError),
    /// A message could not be taken; the peer was told by a Close frame with this code.
    Refused(CloseCode),
    /// A deadline passed.
    Timeout(Deadline),
    /// The peer's stream ended without a Close frame, or the client of an event stream went away.
    Ended,
    /// The socket failed.
    Transport,
    /// The peer did not read: its outbox went over its bound.
    Overflow,
    /// We ended the event stream or the tunnel, or answered the held request.
    Finished,
    /// The server's drain ran out of time.
    Drained,
}

/// The deadlines that can end a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deadline {
    /// The socket's handshake did not end in time.
    Handshake,
    /// The request's head did not come in time.
    Head,
    /// The request's body did not come in time.
    Body,
    /// A message that began did not end in time.
    Message,
    /// No further request came on a kept connection.
    KeepAlive,
    /// No sign of life after a ping.
    Pong,
    /// The peer did not finish the closing handshake, or did not end its stream.
    Close,
    /// The peer took none of the bytes that waited for it.
    WriteStall,
    /// The application did not answer a held request in time.
    Hold,
    /// Nothing went through a tunnel in either direction.
    Tunnel,
}
