//! The negotiated parameters, and their form in a header.

use alloc::vec::Vec;
use core::fmt;

use crate::ClientWindowOffer;
use crate::parameter::ParameterList;

/// The name of the extension in `Sec-WebSocket-Extensions`.
///
/// RFC: 7692 §7.
pub const EXTENSION_NAME: &str = "permessage-deflate";

/// The size of an LZ77 window as its base-2 logarithm, 8 to 15.
///
/// RFC: 7692 §7.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32 KiB, the meaning of an absent parameter.
    pub const MAX: Self = Self(15);

    /// The window of `2^bits` bytes, or `None` unless `bits` is between 8 and 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN.0 && bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// The logarithm, as headers carry it.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        self.0
    }

    /// The size of the window in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        1 << self.0
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The parameters of an accepted negotiation: exactly those of the response, which is how
/// `Display` and [`write_response`](Self::write_response) write them.
///
/// A window that is `None` was not limited: it is [`WindowBits::MAX`].
///
/// RFC: 7692 §7.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params {
    /// The server forgets its window after each message.
    pub server_no_context_takeover: bool,
    /// The client forgets its window after each message.
    pub client_no_context_takeover: bool,
    /// The limit of the window that the server compresses with.
    pub server_max_window_bits: Option<WindowBits>,
    /// The limit of the window that the client compresses with.
    pub client_max_window_bits: Option<WindowBits>,
}

impl Params {
    /// Appends the element of `Sec-WebSocket-Extensions` that answers the offer.
    pub fn write_response(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(alloc::format!("{self}").as_bytes());
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client_window = self.client_max_window_bits;
        let list = ParameterList {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: self.server_max_window_bits,
            client_max_window_bits: client_window
                .map_or(ClientWindowOffer::Absent, ClientWindowOffer::AtMost),
        };
        list.fmt(f)
    }
}
