//! The errors of this crate.

use core::fmt;

/// Why bytes are not a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes begin differently: another protocol, or another version of this one.
    NoHeader,
    /// The header is longer than its bound.
    TooLong,
    /// The header breaks the grammar of its version.
    Malformed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => "no header of the PROXY protocol in the version that is expected",
            Self::TooLong => "a header of the PROXY protocol is too long",
            Self::Malformed => "a header of the PROXY protocol is malformed",
        })
    }
}

impl core::error::Error for Error {}

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkError {
    /// The text before the slash is no address.
    Address,
    /// The number behind the slash is no length of a prefix of such an address.
    Prefix,
    /// The address has bits behind the prefix.
    HostBits,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "expected an address or a network, as 10.0.0.0/8 or 2001:db8::/32",
            Self::Prefix => "expected a prefix of up to 32 bits for IPv4, 128 for IPv6",
            Self::HostBits => "the address has bits behind the prefix",
        })
    }
}

impl core::error::Error for NetworkError {}
