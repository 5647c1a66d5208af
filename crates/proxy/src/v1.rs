//! Version 1: a line of text.
//!
//! ```text
//! PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n
//! PROXY UNKNOWN …\r\n
//! ```

use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Error, Header};

/// Bytes of a line, its end included.
pub(crate) const LINE_MAX: usize = 107;

const BEGINNING: &[u8] = b"PROXY ";

/// Reads the bytes that have arrived, of which the last one is new. `None`: the line is not complete.
pub(crate) fn read(line: &[u8]) -> Result<Option<Header>, Error> {
    let begun = line.len().min(BEGINNING.len());
    // [proxy:first-wrong-byte]
    if line.get(..begun) != BEGINNING.get(..begun) {
        return Err(Error::NoHeader);
    }
    match line {
        [text @ .., b'\r', b'\n'] => parse(text).map(Some),
        // An end of line is CR LF, and neither stands alone.
        [.., b'\n'] | [.., b'\r', _] => Err(Error::Malformed),
        _ if line.len() == LINE_MAX => Err(Error::TooLong),
        _ => Ok(None),
    }
}

fn parse(line: &[u8]) -> Result<Header, Error> {
    let text = line.get(BEGINNING.len()..).unwrap_or_default();
    // Nothing behind UNKNOWN is looked at.
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        return Ok(Header::Unknown);
    }
    let text = core::str::from_utf8(text).map_err(|_| Error::Malformed)?;
    addresses(text).ok_or(Error::Malformed)
}

fn addresses(text: &str) -> Option<Header> {
    let mut words = text.split(' ');
    let parse: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return None,
    };
    let (source, destination) = (parse(words.next()?)?, parse(words.next()?)?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then_some(Header::Client {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

/// A decimal number without sign and without zeros before it.
fn port(word: &str) -> Option<u16> {
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = word == "0" || !word.starts_with('0');
    if is_number && is_plain { word.parse().ok() } else { None }
}

/// Appends a header of version 1 to `out`. Addresses of different families are written as unknown.
pub fn write_v1(header: &Header, out: &mut Vec<u8>) {
    let (family, source, destination) = match *header {
        Header::Client { source: a @ SocketAddr::V4(_), destination: b @ SocketAddr::V4(_) } => {
            ("TCP4", a, b)
        }
        Header::Client { source: a @ SocketAddr::V6(_), destination: b @ SocketAddr::V6(_) } => {
            ("TCP6", a, b)
        }
        Header::Client { .. } | Header::Local | Header::Unknown => {
            return out.extend_from_slice(b"PROXY UNKNOWN\r\n");
        }
    };
    let (from, to) = (source.port(), destination.port());
    let mut line = alloc::string::String::new();
    let written =
        write!(line, "PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip());
    written.expect("a string takes everything");
    out.extend_from_slice(line.as_bytes());
}
