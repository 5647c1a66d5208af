//! Users, hosts and percent-encoding in URLs.

use core::fmt;
use core::net::Ipv6Addr;

/// A server's name or address, and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The name or the address, without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

/// The user and the servers of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The user; `None` if there is none, or an empty one.
    pub user: Option<Box<str>>,
    /// The servers, of which there is one at least.
    pub servers: Vec<Server>,
}

/// The parts of `SCHEME://AUTHORITY[/PATH][?QUERY]`. What is not there is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlParts<'u> {
    /// The scheme, in small letters.
    pub scheme: String,
    /// The user and the servers: see [`Authority::parse`].
    pub authority: &'u str,
    /// The path without its first `/`.
    pub path: &'u str,
    /// The query: see [`url_options`].
    pub query: &'u str,
}

impl<'u> UrlParts<'u> {
    /// Splits a URL; `None` if it has no `://`.
    pub fn split(text: &'u str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self { scheme: scheme.to_ascii_lowercase(), authority, path, query })
    }
}

/// The options of a query, `NAME=VALUE` or `NAME`, as they are written.
pub fn url_options(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let options = query.split('&').filter(|option| !option.is_empty());
    options.map(|option| option.split_once('=').unwrap_or((option, "")))
}

/// The part of an address that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// There is a password, which lists of processes and logs would show.
    Password,
    /// The host is missing, or is none.
    Host,
    /// The port is none.
    Port,
    /// A `%` is not followed by two hexadecimal digits, or the bytes are no text.
    Percent,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => {
                "the URL has a password, which lists of processes and logs would show: give it apart"
            }
            Self::Host => {
                "the URL lacks a host, or has one with a character that is not allowed (allowed: a name, an IPv4 address, \
                 [IPv6])"
            }
            Self::Port => "the URL has a port that is no number from 1 to 65535",
            Self::Percent => "the URL has a % without two hexadecimal digits, or no text behind it",
        })
    }
}

impl core::error::Error for AddressError {}

impl Authority {
    /// Reads `[USER@]HOST[:PORT],HOST[:PORT]…`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let (user, hosts) = match text.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(AddressError::Password),
            Some((user, hosts)) => (Some(percent_decoded(user)?), hosts),
            None => (None, text),
        };
        let servers = hosts.split(',').map(|host| Server::parse(host, default_port));
        Ok(Self {
            user: user.filter(|user| !user.is_empty()),
            servers: servers.collect::<Result<_, _>>()?,
        })
    }
}

impl Server {
    /// Reads `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(AddressError::Host)?;
                host.parse::<Ipv6Addr>().map_err(|_| AddressError::Host)?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(AddressError::Host),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_named =
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
        if !is_named {
            return Err(AddressError::Host);
        }
        let port = match port {
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or(AddressError::Port)?,
            None => default_port,
        };
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text without percent-encoding (RFC 3986 §2.1).
///
/// # Errors
/// [`AddressError::Percent`].
pub fn percent_decoded(text: &str) -> Result<Box<str>, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
        let value = value.and_then(|value| u8::try_from(value).ok());
        bytes.push(value.ok_or(AddressError::Percent)?);
    }
    String::from_utf8(bytes).map(Into::into).map_err(|_| AddressError::Percent)
}
