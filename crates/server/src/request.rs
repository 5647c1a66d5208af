//! What the server tells an application about a request, and about the stream that it opened.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use sockeye_http::{RequestHead, Status};

use crate::addresses::origin;
use crate::key::StreamKey;

/// A complete request.
pub struct Request<'r> {
    /// The head: method, target, headers, whichever version of HTTP carried it.
    pub head: &'r RequestHead<'r, 'r>,
    /// The body, whatever its transfer coding was; often empty.
    pub body: &'r [u8],
    /// The client: the other end of the socket, or the address that [trusted proxies](crate::Listener) name.
    /// Its port is then 0, unless the PROXY protocol tells it.
    pub peer: SocketAddr,
    /// The number of the listening socket: see [`Net::accept`](crate::Net::accept).
    pub listener: usize,
}

impl Request<'_> {
    /// The address that [`Limits::connections_per_address_max`](crate::Limits) counts: an IPv4 address,
    /// or the network part of an IPv6 address. An IPv4 address in IPv6 form counts as the IPv4 address.
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
            .field("listener", &self.listener)
            .finish()
    }
}

/// A refusal that the server makes by itself.
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
    /// more, and [`Hold::headers`](crate::Hold::headers) are in the response anyway.
    pub stream: Option<StreamKey>,
    /// The bound that the request is over, if [`Limits`](crate::Limits) can have another. The reason says how much it is.
    pub bound: Option<Bound>,
}

/// A bound of [`Limits`](crate::Limits) on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// [`Limits::body_bytes_max`](crate::Limits::body_bytes_max).
    Body,
    /// The bounds of fields in [`Limits::http2`](crate::Limits::http2).
    Http2Fields,
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
