//! Networks: which addresses are those of proxies that are trusted.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::NetworkError;

/// A network of addresses, such as `10.0.0.0/8`, `2001:db8::/32` or the one address `192.0.2.7`.
///
/// An IPv4 address in IPv6 form (`::ffff:10.0.0.1`) is the same address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first address of the network.
    first: IpAddr,
    /// The length of the prefix, in bits of an address of its family.
    prefix: u8,
}

impl Network {
    /// The network of `address` and all others whose first `prefix` bits are the same. An IPv4 address in IPv6
    /// form makes a network that contains nothing here: [`FromStr`] takes that form.
    ///
    /// # Errors
    /// [`NetworkError::Prefix`], [`NetworkError::HostBits`].
    pub const fn new(address: IpAddr, prefix: u8) -> Result<Self, NetworkError> {
        let (bits, width) = match address {
            IpAddr::V4(address) => (address.to_bits() as u128, 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        if prefix > width {
            return Err(NetworkError::Prefix);
        }
        if bits & host_mask(width, prefix) != 0 {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { first: address, prefix })
    }

    /// Whether the network has `address`.
    pub const fn contains(&self, address: IpAddr) -> bool {
        let (first, address, width) = match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() as u128, address.to_bits() as u128, 32)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => (first.to_bits(), address.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        (first ^ address) & !host_mask(width, self.prefix) == 0
    }
}

/// The bits behind the prefix of an address of `width` bits.
const fn host_mask(width: u8, prefix: u8) -> u128 {
    match 1_u128.checked_shl(width.saturating_sub(prefix) as u32) {
        Some(bit) => bit.wrapping_sub(1),
        None => u128::MAX,
    }
}

/// Whether one of `networks` has `address`.
pub fn trusts(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Parses an address, or an address and a prefix. An IPv4 network in IPv6 form is refused where it would hold
/// other addresses, too.
impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let prefix = match prefix {
            // The parser of numbers takes a sign.
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(prefix.parse().map_err(|_| NetworkError::Prefix)?)
            }
            Some(_) => return Err(NetworkError::Prefix),
            None => None,
        };
        match (address, address.to_canonical(), prefix) {
            (IpAddr::V6(_), IpAddr::V4(mapped), prefix) => {
                let prefix: u8 = prefix.unwrap_or(128);
                let prefix = prefix.checked_sub(96).ok_or(NetworkError::Prefix)?;
                Self::new(IpAddr::V4(mapped), prefix)
            }
            (IpAddr::V4(_), _, prefix) => Self::new(address, prefix.unwrap_or(32)),
            (IpAddr::V6(_), _, prefix) => Self::new(address, prefix.unwrap_or(128)),
        }
    }
}

/// The network of one address.
impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::from(address),
            IpAddr::V6(address) => Self::from(address),
        }
    }
}

impl From<Ipv4Addr> for Network {
    fn from(address: Ipv4Addr) -> Self {
        Self { first: address.into(), prefix: 32 }
    }
}

impl From<Ipv6Addr> for Network {
    fn from(address: Ipv6Addr) -> Self {
        Self { first: address.into(), prefix: 128 }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({self})")
    }
}
