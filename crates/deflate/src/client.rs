//! The client's side of the negotiation.

use alloc::vec::Vec;
use core::fmt;

use crate::parameter::ParameterList;
use crate::{NegotiationError, Params, WindowBits};

/// A client's offer: one element of `Sec-WebSocket-Extensions`, written by `Display`.
///
/// The default is what browsers send: `permessage-deflate; client_max_window_bits`.
///
/// RFC: 7692 §7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOffer {
    /// Asks the server to forget its window after each message.
    pub server_no_context_takeover: bool,
    /// We forget our window after each message, whatever the server answers.
    pub client_no_context_takeover: bool,
    /// The largest window that the server may compress with; `None` is 32 KiB.
    pub server_max_window_bits: Option<WindowBits>,
    /// Whether the server may limit our window, and our own limit.
    pub client_max_window_bits: ClientWindowOffer,
}

/// The parameter `client_max_window_bits` of an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientWindowOffer {
    /// Absent: the server must not limit the client's window.
    #[default]
    Absent,
    /// The name without a value: the server may limit the window.
    Supported,
    /// With a value: the client uses no larger window, and the server may limit it further.
    AtMost(WindowBits),
}

impl Default for ClientOffer {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: ClientWindowOffer::Supported,
        }
    }
}

impl ClientOffer {
    /// Appends the offer as an element of `Sec-WebSocket-Extensions`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(alloc::format!("{self}").as_bytes());
    }

    /// Checks the parameters of the server's answer to this offer.
    ///
    /// The result also holds what this offer promised on its own: a window limit or a
    /// no-context-takeover hint of ours binds us even where the response is silent.
    ///
    /// # Errors
    /// The response is not one that this offer permits. The client has to fail the connection
    /// (RFC 7692 §7).
    pub fn accept_response<'r>(
        &self,
        params: impl Iterator<Item = (&'r str, Option<&'r str>)>,
    ) -> Result<Params, NegotiationError> {
        // [rfc7692:7-fail-response] RFC 7692 §7: unknown, repeated or invalid fails.
        let response = ParameterList::read(params)?;
        // RFC 7692 §7.1.1.1: a server that accepts the offer confirms this.
        // [rfc7692:7.1.1.1-confirmed]
        if self.server_no_context_takeover && !response.server_no_context_takeover {
            return Err(NegotiationError::Missing);
        }
        Ok(Params {
            server_no_context_takeover: response.server_no_context_takeover,
            // [rfc7692:7.1.1.2-obey] RFC 7692 §7.1.1.2: unasked or hinted, it binds us.
            client_no_context_takeover: response.client_no_context_takeover
                || self.client_no_context_takeover,
            server_max_window_bits: self.server_window(response.server_max_window_bits)?,
            client_max_window_bits: self.client_window(response.client_max_window_bits)?,
        })
    }

    /// [rfc7692:7.1.2.1-confirmed] RFC 7692 §7.1.2.1: an offered limit comes back, not enlarged.
    fn server_window(
        &self,
        answer: Option<WindowBits>,
    ) -> Result<Option<WindowBits>, NegotiationError> {
        match (self.server_max_window_bits, answer) {
            (Some(_), None) => Err(NegotiationError::Missing),
            (Some(offered), Some(bits)) if bits > offered => Err(NegotiationError::WindowTooLarge),
            (_, answer) => Ok(answer),
        }
    }

    fn client_window(
        &self,
        answer: ClientWindowOffer,
    ) -> Result<Option<WindowBits>, NegotiationError> {
        let bits = match answer {
            ClientWindowOffer::Absent => None,
            // [rfc7692:7.1.2.2-response-value] RFC 7692 §7.1.2.2: a response needs the value.
            ClientWindowOffer::Supported => return Err(NegotiationError::InvalidValue),
            ClientWindowOffer::AtMost(bits) => Some(bits),
        };
        match (self.client_max_window_bits, bits) {
            (ClientWindowOffer::Absent | ClientWindowOffer::Supported, None) => Ok(None),
            // [rfc7692:7.1.2.2-unsolicited] RFC 7692 §7.1.2.2: only if it was offered.
            (ClientWindowOffer::Absent, Some(_)) => Err(NegotiationError::Unsolicited),
            (ClientWindowOffer::Supported, Some(bits)) => Ok(Some(bits)),
            (ClientWindowOffer::AtMost(offered), None) => Ok(Some(offered)),
            (ClientWindowOffer::AtMost(offered), Some(bits)) if bits > offered => {
                Err(NegotiationError::WindowTooLarge)
            }
            (ClientWindowOffer::AtMost(_), Some(bits)) => Ok(Some(bits)),
        }
    }
}

impl fmt::Display for ClientOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = ParameterList {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: self.server_max_window_bits,
            client_max_window_bits: self.client_max_window_bits,
        };
        list.fmt(f)
    }
}
