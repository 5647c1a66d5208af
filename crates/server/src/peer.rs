//! The address of a peer, in little memory.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// A peer's address in 20 bytes instead of 32.
///
/// The flow label is left out, because nothing needs it. The scope is kept for link-local addresses
/// only, because RFC 4291 gives no other address a scope.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    Plain {
        ip: IpAddr,
        port: u16,
    },
    /// In fe80::/64 (RFC 4291 §2.5.6). Each link has such a network.
    LinkLocal {
        interface: [u8; 8],
        scope_id: [u8; 4],
        port: u16,
    },
}

/// The first half of every link-local address.
const LINK_LOCAL: [u8; 8] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0];

impl Peer {
    pub(crate) fn of(address: SocketAddr) -> Self {
        let port = address.port();
        if let SocketAddr::V6(of) = address
            && let Some((&LINK_LOCAL, interface)) = of.ip().octets().split_first_chunk()
        {
            let interface = interface.try_into().expect("the other half");
            return Self::LinkLocal { interface, scope_id: of.scope_id().to_ne_bytes(), port };
        }
        Self::Plain { ip: address.ip(), port }
    }

    pub(crate) fn address(self) -> SocketAddr {
        match self {
            Self::Plain { ip, port } => (ip, port).into(),
            Self::LinkLocal { interface, scope_id, port } => {
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
        for address in all.map(|text| text.parse::<SocketAddr>().expect("an address")) {
            assert_eq!(Peer::of(address).address(), address);
        }
    }
}
