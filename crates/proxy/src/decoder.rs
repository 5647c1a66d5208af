//! The header of the PROXY protocol as it arrives, of either version.

use core::net::SocketAddr;

use crate::{Error, v1, v2};

/// A version of the PROXY protocol. A receiver expects one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text.
    V1,
    /// A binary header.
    V2,
}

/// The bounds of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a header of version 2 behind its first 16: addresses and additional fields. A longer length
    /// is refused as soon as it is read. A header of version 1 has 107 bytes at the most, by its definition.
    pub v2_bytes_max: u16,
}

impl Limits {
    /// 2 KiB: room for the addresses and for certificates' names.
    pub const DEFAULT: Self = Self { v2_bytes_max: 2_048 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The statement of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The proxy speaks for itself, for example to see whether the server is there (LOCAL).
    Local,
    /// The proxy speaks for a client whose address it does not tell, or that has none in IP over TCP
    /// (UNKNOWN, UNSPEC, UDP, Unix sockets).
    Unknown,
    /// The proxy speaks for a client on TCP.
    Client {
        /// The client's address.
        source: SocketAddr,
        /// The address to which the client connected.
        destination: SocketAddr,
    },
}

/// Reads one header. It keeps at most 107 bytes, and takes no byte behind the header.
#[derive(Clone, Debug)]
pub struct Decoder {
    version: Version,
    limits: Limits,
    /// The bytes that have arrived, up to the first that nothing needs.
    kept: [u8; KEPT_MAX],
    len: usize,
    /// Bytes of the header that are still to come and are not needed.
    skip: usize,
    /// The statement, while bytes behind it are skipped.
    header: Option<Header>,
}

/// A line of version 1, which is longer than what is needed of version 2.
const KEPT_MAX: usize = v1::LINE_MAX;

impl Decoder {
    /// A decoder for one header of this `version`.
    pub const fn new(version: Version, limits: Limits) -> Self {
        Self { version, limits, kept: [0; KEPT_MAX], len: 0, skip: 0, header: None }
    }

    /// Takes bytes of the header off the front of `input`. Returns the statement once the header is complete,
    /// and `None` if more bytes are needed. Do not call it again after a statement or an error.
    ///
    /// # Errors
    /// The bytes are no header. Bytes that cannot become one are refused with the first that is wrong.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Error> {
        while self.header.is_none() {
            let Some((byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            // [proxy:bounded]
            let Some(place) = self.kept.get_mut(self.len) else { return Err(Error::TooLong) };
            *place = *byte;
            self.len = self.len.saturating_add(1);
            let kept = self.kept.get(..self.len).unwrap_or_default();
            match self.version {
                Version::V1 => self.header = v1::read(kept)?,
                Version::V2 => {
                    let read = v2::read(kept, &self.limits)?;
                    if let Some((header, skip)) = read {
                        (self.header, self.skip) = (Some(header), skip);
                    }
                }
            }
        }
        let skipped = self.skip.min(input.len());
        *input = input.get(skipped..).unwrap_or_default();
        self.skip = self.skip.saturating_sub(skipped);
        // [proxy:no-byte-behind]
        Ok(if self.skip == 0 { self.header } else { None })
    }
}
