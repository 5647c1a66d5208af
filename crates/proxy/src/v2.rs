//! Version 2: a binary header.
//!
//! ```text
//!  0              12        13          14       16
//!  ├──────────────┼─────────┼───────────┼────────┼────────────────────────┬──────────────────┤
//!  │  signature   │ 2 │ cmd │ fam │ tr. │ length │ addresses and ports    │ additional fields│
//! ```

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Error, Header, Limits};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes before the addresses.
const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Bytes of the addresses of both families.
const ADDRESSES_4: usize = 12;
const ADDRESSES_6: usize = 36;

/// Reads the bytes that have arrived. Returns the statement once all bytes that it needs are here, with the
/// number of those that follow and are not needed.
pub(crate) fn read(kept: &[u8], limits: &Limits) -> Result<Option<(Header, usize)>, Error> {
    let begun = kept.len().min(SIGNATURE.len());
    // [proxy:first-wrong-byte]
    if kept.get(..begun) != SIGNATURE.get(..begun) {
        return Err(Error::NoHeader);
    }
    let command = kept.get(12).copied().unwrap_or(LOCAL);
    if !matches!(command, LOCAL | PROXY) {
        return Err(Error::Malformed);
    }
    let Some((fixed, addresses)) = kept.split_first_chunk::<FIXED>() else { return Ok(None) };
    let [.., family, high, low] = *fixed;
    let len = u16::from_be_bytes([high, low]);
    if len > limits.v2_bytes_max {
        return Err(Error::TooLong);
    }
    let len = usize::from(len);
    let (needed, other) = match (command, family) {
        // The family of LOCAL says nothing.
        (LOCAL, _) => (0, Header::Local),
        (_, TCP4) => (ADDRESSES_4, Header::Unknown),
        (_, TCP6) => (ADDRESSES_6, Header::Unknown),
        // UNSPEC, and UDP and Unix sockets, which are not over TCP.
        (_, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => (0, Header::Unknown),
        _ => return Err(Error::Malformed),
    };
    if len < needed {
        return Err(Error::Malformed);
    }
    if addresses.len() < needed {
        return Ok(None);
    }
    let header = match needed {
        ADDRESSES_4 => client_4(addresses),
        ADDRESSES_6 => client_6(addresses),
        _ => None,
    };
    Ok(Some((header.unwrap_or(other), len.saturating_sub(needed))))
}

fn client_4(bytes: &[u8]) -> Option<Header> {
    let (source, bytes) = bytes.split_first_chunk::<4>()?;
    let (destination, bytes) = bytes.split_first_chunk::<4>()?;
    let [source, destination] = [*source, *destination].map(|it| IpAddr::V4(Ipv4Addr::from(it)));
    client(source, destination, bytes)
}

fn client_6(bytes: &[u8]) -> Option<Header> {
    let (source, bytes) = bytes.split_first_chunk::<16>()?;
    let (destination, bytes) = bytes.split_first_chunk::<16>()?;
    let [source, destination] = [*source, *destination].map(|it| IpAddr::V6(Ipv6Addr::from(it)));
    client(source, destination, bytes)
}

fn client(source: IpAddr, destination: IpAddr, ports: &[u8]) -> Option<Header> {
    let (from, ports) = ports.split_first_chunk::<2>()?;
    let to = ports.first_chunk::<2>()?;
    Some(Header::Client {
        source: SocketAddr::new(source, u16::from_be_bytes(*from)),
        destination: SocketAddr::new(destination, u16::from_be_bytes(*to)),
    })
}

/// Appends a header of version 2 to `out`, with `fields` as its additional fields. Addresses of different
/// families are written as unknown.
///
/// # Panics
/// The header does not fit into its 16 bits of length: `fields` has more than 65,499 bytes.
pub fn write_v2(header: &Header, fields: &[u8], out: &mut Vec<u8>) {
    let mut addresses = Vec::new();
    let (command, family) = match *header {
        Header::Local => (LOCAL, 0),
        Header::Client { source: SocketAddr::V4(a), destination: SocketAddr::V4(b) } => {
            addresses.extend_from_slice(&a.ip().octets());
            addresses.extend_from_slice(&b.ip().octets());
            addresses.extend_from_slice(&a.port().to_be_bytes());
            addresses.extend_from_slice(&b.port().to_be_bytes());
            (PROXY, TCP4)
        }
        Header::Client { source: SocketAddr::V6(a), destination: SocketAddr::V6(b) } => {
            addresses.extend_from_slice(&a.ip().octets());
            addresses.extend_from_slice(&b.ip().octets());
            addresses.extend_from_slice(&a.port().to_be_bytes());
            addresses.extend_from_slice(&b.port().to_be_bytes());
            (PROXY, TCP6)
        }
        Header::Client { .. } | Header::Unknown => (PROXY, 0),
    };
    let len = addresses.len().saturating_add(fields.len());
    let len = u16::try_from(len).expect("the header fits");
    out.extend_from_slice(&SIGNATURE);
    out.extend_from_slice(&[command, family]);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&addresses);
    out.extend_from_slice(fields);
}
