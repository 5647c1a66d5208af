//! Properties of every input, shared by the tests, the fuzz targets and corpus replays.
//!
//! Each function panics where its property does not hold. The oracle is written for plainness: it sees the
//! whole input at once, and shares no code with the decoder.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    reason = "an oracle should read plainly, and a panic is its way to speak"
)]

pub mod fuzz;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Decoder, Error, Header, HopField, Hops, Limits, Network, Version, write_v1, write_v2};

/// The end of decoding: how many bytes it took, and the result.
pub type Decoded = (usize, Result<Option<Header>, Error>);

/// Decodes `input`, which arrives in pieces of these lengths and then whole.
pub fn decode(version: Version, limits: Limits, input: &[u8], pieces: &[usize]) -> Decoded {
    let mut decoder = Decoder::new(version, limits);
    let mut taken = 0;
    let mut ends: Vec<usize> = Vec::new();
    for piece in pieces {
        ends.push((ends.last().unwrap_or(&0) + piece).min(input.len()));
    }
    ends.push(input.len());
    for end in ends {
        let mut rest = &input[taken..end];
        let offered = rest.len();
        let result = decoder.next(&mut rest);
        taken += offered - rest.len();
        match result {
            Ok(None) => assert!(rest.is_empty(), "it takes all that it needs"),
            done => return (taken, done),
        }
    }
    (taken, Ok(None))
}

/// However the input is cut, the decoder says the same and takes the same bytes. It says what the oracle says,
/// and takes no byte above the bound.
pub fn decoder_equals_oracle(version: Version, limits: Limits, input: &[u8], pieces: &[usize]) {
    let whole = decode(version, limits, input, &[]);
    assert_eq!(decode(version, limits, input, pieces), whole);
    let ones: Vec<usize> = input.iter().map(|_| 1).collect();
    assert_eq!(decode(version, limits, input, &ones), whole);
    let (taken, result) = whole;
    let bound = match version {
        Version::V1 => 107,
        Version::V2 => 16 + usize::from(limits.v2_bytes_max),
    };
    assert!(taken <= bound, "{taken} bytes of a header");
    let oracle = match version {
        Version::V1 => oracle_v1(input),
        Version::V2 => oracle_v2(input, limits),
    };
    match (result, oracle) {
        (Ok(Some(header)), Oracle::Header(len, expected)) => {
            assert_eq!((taken, header), (len, expected));
        }
        (Ok(None), Oracle::Incomplete) | (Err(_), Oracle::Wrong) => {}
        (result, oracle) => panic!("{result:?}, and the oracle: {oracle:?}"),
    }
}

/// What is written is read again, with bytes behind it untouched.
pub fn headers_round_trip(header: Header, fields: &[u8], behind: &[u8]) {
    let limits = Limits { v2_bytes_max: u16::MAX };
    let mixed = matches!(header, Header::Client { source, destination }
        if source.is_ipv4() != destination.is_ipv4());
    let known = if mixed { Header::Unknown } else { header };
    let mut bytes = Vec::new();
    write_v2(&header, fields, &mut bytes);
    let len = bytes.len();
    bytes.extend_from_slice(behind);
    assert_eq!(decode(Version::V2, limits, &bytes, &[]), (len, Ok(Some(known))));
    let known = if known == Header::Local { Header::Unknown } else { known };
    let mut bytes = Vec::new();
    write_v1(&header, &mut bytes);
    let len = bytes.len();
    bytes.extend_from_slice(behind);
    assert_eq!(decode(Version::V1, limits, &bytes, &[]), (len, Ok(Some(known))));
}

/// A client can put anything in front of what a trusted proxy appends, on lines of its own or on the same one.
/// Either the client is the one that the proxy has named, or nobody else than the proxy.
pub fn a_forged_front_names_nobody(field: HopField, front: &[&[u8]]) {
    let peer = IpAddr::from([10, 0, 0, 1]);
    let client = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7]);
    let trusted = [Network::from(peer)];
    let own: &[u8] = match field {
        HopField::XForwardedFor => b"2001:db8::7",
        HopField::Forwarded => b"for=\"[2001:db8::7]\"",
    };
    let mut hops = Hops::new();
    for line in front {
        hops.add(field, line);
    }
    hops.add(field, own);
    assert_eq!(hops.client(peer, &trusted), client, "a line of its own");
    let mut hops = Hops::new();
    let mut same: Vec<u8> = Vec::new();
    for line in front {
        same.extend_from_slice(line);
    }
    same.extend_from_slice(b", ");
    same.extend_from_slice(own);
    hops.add(field, &same);
    let found = hops.client(peer, &trusted);
    let is_list = field == HopField::XForwardedFor;
    assert!(found == client || found == peer && !is_list, "{found} behind {front:?}");
}

/// The oracle's opinion.
#[derive(Debug)]
enum Oracle {
    /// A header of so many bytes.
    Header(usize, Header),
    Incomplete,
    Wrong,
}

fn oracle_v1(input: &[u8]) -> Oracle {
    for (at, byte) in b"PROXY ".iter().enumerate() {
        match input.get(at) {
            None => return Oracle::Incomplete,
            Some(other) if other != byte => return Oracle::Wrong,
            Some(_) => {}
        }
    }
    let line = &input[..input.len().min(107)];
    let Some(end) = line.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if input.len() >= 107 { Oracle::Wrong } else { Oracle::Incomplete };
    };
    match &line[end..] {
        [b'\r'] if line.len() < 107 => return Oracle::Incomplete,
        [b'\r', b'\n', ..] => {}
        _ => return Oracle::Wrong,
    }
    let text = String::from_utf8_lossy(&line[6..end]);
    let words: Vec<&str> = text.split(' ').collect();
    let header = match *words {
        ["UNKNOWN", ..] => Some(Header::Unknown),
        ["TCP4", a, b, c, d] => {
            a.parse::<Ipv4Addr>().ok().zip(b.parse::<Ipv4Addr>().ok()).and_then(|(a, b)| {
                Some(client(
                    SocketAddr::new(a.into(), port(c)?),
                    SocketAddr::new(b.into(), port(d)?),
                ))
            })
        }
        ["TCP6", a, b, c, d] => {
            a.parse::<Ipv6Addr>().ok().zip(b.parse::<Ipv6Addr>().ok()).and_then(|(a, b)| {
                Some(client(
                    SocketAddr::new(a.into(), port(c)?),
                    SocketAddr::new(b.into(), port(d)?),
                ))
            })
        }
        _ => None,
    };
    header.map_or(Oracle::Wrong, |header| Oracle::Header(end + 2, header))
}

fn client(source: SocketAddr, destination: SocketAddr) -> Header {
    Header::Client { source, destination }
}

/// A port is what a number looks like when it is printed.
fn port(word: &str) -> Option<u16> {
    word.parse().ok().filter(|port: &u16| alloc::format!("{port}") == word)
}

fn oracle_v2(input: &[u8], limits: Limits) -> Oracle {
    let signature = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];
    for (at, byte) in signature.iter().enumerate() {
        match input.get(at) {
            None => return Oracle::Incomplete,
            Some(other) if other != byte => return Oracle::Wrong,
            Some(_) => {}
        }
    }
    match input.get(12) {
        None => return Oracle::Incomplete,
        Some(0x20 | 0x21) => {}
        Some(_) => return Oracle::Wrong,
    }
    if input.len() < 16 {
        return Oracle::Incomplete;
    }
    let len = usize::from(input[14]) * 256 + usize::from(input[15]);
    let is_local = input[12] == 0x20;
    let known = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32].contains(&input[13]);
    let needed = match input[13] {
        0x11 => 12,
        0x21 => 36,
        _ => 0,
    };
    if len > usize::from(limits.v2_bytes_max) || !is_local && (!known || len < needed) {
        return Oracle::Wrong;
    }
    if input.len() < 16 + len {
        return Oracle::Incomplete;
    }
    let body = &input[16..16 + len];
    let number = |at: usize| u16::from(body[at]) * 256 + u16::from(body[at + 1]);
    let header = match (is_local, input[13]) {
        (true, _) => Header::Local,
        (false, 0x11) => {
            let ip = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
            client((ip(0), number(8)).into(), (ip(4), number(10)).into())
        }
        (false, 0x21) => {
            let ip = |at: usize| {
                let group = |nth: usize| number(at + 2 * nth);
                Ipv6Addr::new(
                    group(0),
                    group(1),
                    group(2),
                    group(3),
                    group(4),
                    group(5),
                    group(6),
                    group(7),
                )
            };
            client((ip(0), number(32)).into(), (ip(16), number(34)).into())
        }
        (false, _) => Header::Unknown,
    };
    Oracle::Header(16 + len, header)
}
