//! The rules of a listener, and how connections of it count.

use std::net::IpAddr;

use sockeye_http::RequestHead;
use sockeye_proxy::{HopField, Hops, Network, trusts};

/// The rules of a listener. By default it trusts nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// Proxies that are believed when they name the client for which they speak: in a header of the PROXY
    /// protocol, in [`hop_field`](Self::hop_field) of each request, or first in the one and then in the other.
    /// [`UNIX_PEER`](crate::UNIX_PEER) stands for everybody on a Unix socket.
    pub trusted_proxies: Vec<Network>,
    /// Connections begin with a header of the PROXY protocol: [`ProxyNet`](crate::ProxyNet) reads it. A
    /// connection from somebody who is no trusted proxy is closed as soon as it is accepted.
    pub proxy_protocol: bool,
    /// The header field by which trusted proxies name the client of a request; `None`: no field is read. With
    /// [`proxy_protocol`](Self::proxy_protocol) it is read if the connection's client is a trusted proxy itself.
    pub hop_field: Option<HopField>,
}

/// How the address of a connection's peer counts. It has to fit into two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Standing {
    /// A client: it counts against the bound of its address.
    Client = 0,
    /// A trusted proxy that has not said yet for whom it speaks.
    Announcing,
    /// A trusted proxy that speaks for itself, or for a client that it does not name.
    Proxy,
    /// A trusted proxy that names the client in each request.
    Forwarding,
}

impl Listener {
    /// How a connection from `address` begins. `None`: it is refused.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Standing> {
        match (trusts(&self.trusted_proxies, address), self.proxy_protocol) {
            (true, true) => Some(Standing::Announcing),
            (true, false) if self.hop_field.is_none() => Some(Standing::Proxy),
            (true, false) => Some(Standing::Forwarding),
            (false, false) => Some(Standing::Client),
            // [server:proxy-strangers]
            (false, true) => None,
        }
    }

    /// The standing of a connection for which a trusted proxy has named `client`.
    pub(crate) fn named(&self, client: IpAddr) -> Standing {
        if client.is_unspecified() {
            // Nobody has this address, and ours for Unix sockets must not come from outside.
            Standing::Proxy
        } else if self.hop_field.is_some() && trusts(&self.trusted_proxies, client) {
            // [server:proxy-behind-proxy]
            Standing::Forwarding
        } else {
            Standing::Client
        }
    }

    /// The client of a request on a connection of the trusted proxy `peer`. [server:forwarded-client]
    pub(crate) fn client(&self, peer: IpAddr, head: &RequestHead<'_, '_>) -> IpAddr {
        let Some(field) = self.hop_field else { return peer };
        let mut hops = Hops::new();
        for line in head.headers().all(field.name()) {
            hops.add(field, line);
        }
        hops.client(peer, &self.trusted_proxies)
    }
}

impl Standing {
    /// All, by their numbers.
    pub(crate) const ALL: [Self; 4] =
        [Self::Client, Self::Announcing, Self::Proxy, Self::Forwarding];

    /// Whether the connection counts against the bound of its peer's address.
    pub(crate) const fn is_counted(self) -> bool {
        match self {
            Self::Client => true,
            Self::Announcing | Self::Proxy | Self::Forwarding => false,
        }
    }
}
