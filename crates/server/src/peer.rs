//! The peer of a connection, in little memory: its address, where it came in, and how it counts.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::listener::Standing;

/// A peer in 20 bytes. Its address alone takes 32 elsewhere.
///
/// The flow label is left out, because nothing needs it. The scope is kept for link-local addresses
/// only, because RFC 4291 gives no other address a scope.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    Plain {
        ip: IpAddr,
        port: u16,
        place: Place,
    },
    /// In fe80::/64 (RFC 4291 §2.5.6). Each link has such a network.
    LinkLocal {
        interface: [u8; 8],
        scope_id: [u8; 4],
        port: u16,
        place: Place,
    },
}

/// The number of a listener in six bits, and a standing in two.
#[derive(Clone, Copy)]
pub(crate) struct Place(u8);

impl Place {
    /// # Panics
    /// The number is above 63: a network has no more listeners.
    fn new(listener: usize, standing: Standing) -> Self {
        let listener = u8::try_from(listener).ok().filter(|number| *number < 64);
        Self(listener.expect("a network has 64 listeners at the most") << 2 | standing as u8)
    }
}

/// The first half of every link-local address.
const LINK_LOCAL: [u8; 8] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0];

impl Peer {
    /// The peer at `address`, which came in at the listener with this number.
    pub(crate) fn new(address: SocketAddr, listener: usize, standing: Standing) -> Self {
        Self::of(address, Place::new(listener, standing))
    }

    fn of(address: SocketAddr, place: Place) -> Self {
        let port = address.port();
        if let SocketAddr::V6(of) = address
            && let Some((&LINK_LOCAL, interface)) = of.ip().octets().split_first_chunk()
        {
            let interface = interface.try_into().expect("the other half");
            let scope_id = of.scope_id().to_ne_bytes();
            return Self::LinkLocal { interface, scope_id, port, place };
        }
        Self::Plain { ip: address.ip(), port, place }
    }

    /// The same with another address: that of the client for which the peer speaks.
    pub(crate) fn at(self, address: SocketAddr) -> Self {
        Self::of(address, self.place())
    }

    /// The number of the listener.
    #[inline]
    pub(crate) fn listener(self) -> usize {
        usize::from(self.place().0 >> 2)
    }

    /// How the address counts.
    #[inline]
    pub(crate) fn standing(self) -> Standing {
        Standing::ALL[usize::from(self.place().0 & 3)]
    }

    /// The same with another standing.
    pub(crate) fn with_standing(self, standing: Standing) -> Self {
        Self::new(self.address(), self.listener(), standing)
    }

    #[inline]
    fn place(self) -> Place {
        match self {
            Self::Plain { place, .. } | Self::LinkLocal { place, .. } => place,
        }
    }

    pub(crate) fn address(self) -> SocketAddr {
        match self {
            Self::Plain { ip, port, .. } => (ip, port).into(),
            Self::LinkLocal { interface, scope_id, port, .. } => {
                let mut ip = [0; 16];
                let (network, rest) = ip.split_at_mut(LINK_LOCAL.len());
                network.copy_from_slice(&LINK_LOCAL);
                rest.copy_from_slice(&interface);
                SocketAddrV6::new(ip.into(), port, 0, u32::from_ne_bytes(scope_id)).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::Peer;
    use crate::listener::Standing;

    #[test]
    fn an_address_is_told_as_it_came() {
        let all = [
            "192.0.2.1:80",
            "[::ffff:192.0.2.1]:65535",
            "[2001:db8::1]:1",
            "[fe80::1:2:3:4%7]:9",
            "[fe80::1]:9",
            "[fe81::1]:9",
        ];
        let other: SocketAddr = "192.0.2.9:1".parse().expect("an address");
        for address in all.map(|text| text.parse::<SocketAddr>().expect("an address")) {
            for (listener, standing) in [0, 1, 63].into_iter().zip(Standing::ALL) {
                let peer = Peer::new(address, listener, standing);
                assert_eq!((peer.address(), peer.listener()), (address, listener));
                assert_eq!(peer.standing(), standing);
                let peer = peer.with_standing(Standing::Forwarding).at(other);
                assert_eq!((peer.address(), peer.listener()), (other, listener));
                assert_eq!(peer.standing(), Standing::Forwarding);
            }
        }
        assert_eq!(size_of::<Peer>(), 20);
    }
}
