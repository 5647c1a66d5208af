//! The way of a request through proxies, as `X-Forwarded-For` or `Forwarded` tells it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Network, trusts};

/// Hops that are remembered: the last ones.
const HOPS_MAX: usize = 32;

/// A header field in which each proxy names the address that spoke to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HopField {
    /// `X-Forwarded-For`: a list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), of which only the parameter `for` is read.
    Forwarded,
}

impl HopField {
    /// The name of the field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "X-Forwarded-For",
            Self::Forwarded => "Forwarded",
        }
    }
}

/// The hops of a request, from the client's end to ours: the last 32, in fixed memory.
///
/// The list grows at its right end, and anybody may send its beginning. So only the right end is worth
/// anything, as far as those who wrote it are trusted.
#[derive(Clone, Debug)]
pub struct Hops {
    /// A ring. A hop without an address is one that nobody can tell (`unknown`), or no address at all.
    last: [Option<IpAddr>; HOPS_MAX],
    count: usize,
}

impl Hops {
    /// No hops.
    pub const fn new() -> Self {
        Self { last: [None; HOPS_MAX], count: 0 }
    }

    /// Adds the hops of one header line. Its lines come in the order in which they stand in the head.
    pub fn add(&mut self, field: HopField, value: &[u8]) {
        match field {
            HopField::XForwardedFor => self.add_list(value),
            HopField::Forwarded => self.add_forwarded(value),
        }
    }

    /// The client of a request that came from `peer`: the last hop that is not in `trusted`. A proxy is
    /// believed about the hop before it, so the walk goes on only while the hop is trusted. It ends at the
    /// last trusted hop if what that one told is no address.
    pub fn client(&self, peer: IpAddr, trusted: &[Network]) -> IpAddr {
        let mut client = peer.to_canonical();
        let known = self.count.min(HOPS_MAX);
        for back in 1..=known {
            // [proxy:rightmost-untrusted]
            if !trusts(trusted, client) {
                break;
            }
            let at = self.count.saturating_sub(back) % HOPS_MAX;
            match self.last.get(at).copied().flatten() {
                Some(hop) => client = hop,
                // [proxy:untold-hop]
                None => break,
            }
        }
        client
    }

    fn push(&mut self, hop: Option<IpAddr>) {
        if let Some(place) = self.last.get_mut(self.count % HOPS_MAX) {
            // Nobody has the unspecified address.
            *place = hop.map(|hop| hop.to_canonical()).filter(|hop| !hop.is_unspecified());
        }
        // The place in the ring goes on by one, however long the list.
        self.count = match self.count.checked_add(1) {
            Some(count) if count < 2 * HOPS_MAX => count,
            _ => HOPS_MAX,
        };
    }

    fn add_list(&mut self, value: &[u8]) {
        for hop in value.split(|byte| *byte == b',') {
            match trim(hop) {
                // RFC 9110 §5.6.1: an empty element is none.
                b"" => {}
                hop => self.push(core::str::from_utf8(hop).ok().and_then(address)),
            }
        }
    }

    fn add_forwarded(&mut self, value: &[u8]) {
        let before = self.clone();
        let mut rest = value;
        loop {
            match element(&mut rest) {
                Some(Element { is_empty: true, .. }) => {}
                Some(Element { hop, .. }) => self.push(hop),
                // Where a line is malformed, the borders of its elements are not known. One hop stands for
                // all of it, which nobody can tell. [proxy:untold-hop]
                None => {
                    *self = before;
                    return self.push(None);
                }
            }
            match rest.split_first() {
                Some((b',', others)) => rest = others,
                Some(_) | None => return,
            }
        }
    }
}

impl Default for Hops {
    fn default() -> Self {
        Self::new()
    }
}

/// One element of `Forwarded`: `for=192.0.2.43;proto=http`.
struct Element {
    is_empty: bool,
    hop: Option<IpAddr>,
}

/// Takes an element off the front of `rest`, up to its comma or the end. `None`: it is malformed.
fn element(rest: &mut &[u8]) -> Option<Element> {
    let mut element = Element { is_empty: true, hop: None };
    let mut has_for = false;
    loop {
        *rest = trim_start(rest);
        if !matches!(rest.first(), None | Some(b',' | b';')) {
            let name = take_token(rest)?;
            *rest = rest.strip_prefix(b"=")?;
            let value = take_value(rest)?;
            element.is_empty = false;
            if name.eq_ignore_ascii_case(b"for") {
                // RFC 7239 §4: a parameter stands once in an element.
                if core::mem::replace(&mut has_for, true) {
                    return None;
                }
                element.hop = value.text().and_then(node);
            }
            *rest = trim_start(rest);
        }
        match rest.first() {
            Some(b';') => *rest = rest.get(1..).unwrap_or_default(),
            None | Some(b',') => return Some(element),
            Some(_) => return None,
        }
    }
}

/// Bytes of a value that may be an address: an IPv6 address in brackets with a port, and some more.
const VALUE_MAX: usize = 64;

/// The beginning of a value, without its quotes.
struct Value {
    bytes: [u8; VALUE_MAX],
    len: usize,
}

impl Value {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    /// `None` if it is too long for an address.
    fn text(&self) -> Option<&str> {
        core::str::from_utf8(self.bytes.get(..self.len)?).ok()
    }
}

/// Takes a token or a quoted string.
fn take_value(rest: &mut &[u8]) -> Option<Value> {
    let mut value = Value { bytes: [0; VALUE_MAX], len: 0 };
    if rest.first() != Some(&b'"') {
        take_token(rest)?.iter().for_each(|byte| value.push(*byte));
        return Some(value);
    }
    let mut bytes = rest.iter().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                *rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
                return Some(value);
            }
            b'\\' => value.push(*bytes.next()?.1),
            byte => value.push(*byte),
        }
    }
    None
}

/// Takes a token (RFC 9110 §5.6.2), one byte at least.
fn take_token<'v>(rest: &mut &'v [u8]) -> Option<&'v [u8]> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let len = rest.iter().position(|byte| !is_token(byte)).unwrap_or(rest.len());
    let (token, others) = rest.split_at_checked(len)?;
    *rest = others;
    if token.is_empty() { None } else { Some(token) }
}

/// A node of RFC 7239 §6: an IPv6 address stands in brackets.
fn node(text: &str) -> Option<IpAddr> {
    match text.starts_with('[') || !text.contains("::") && text.split(':').count() <= 2 {
        true => address(text),
        false => None,
    }
}

/// An address with or without a port, an IPv6 address with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    // An obfuscated port: RFC 7239 §6.
    let (host, port) = text.rsplit_once(':')?;
    if !port.starts_with('_') {
        return None;
    }
    match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [inner @ .., b' ' | b'\t'] = bytes {
        bytes = inner;
    }
    bytes
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', inner @ ..] = bytes {
        bytes = inner;
    }
    bytes
}
