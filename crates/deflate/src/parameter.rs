//! The four parameters: their names and values. Each may appear at most once.

use core::fmt;

use crate::{ClientWindowOffer, EXTENSION_NAME, WindowBits};

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The error of an unacceptable parameter list.
///
/// A server declines such an offer; a client fails the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// RFC 7692 does not define a parameter of this name.
    UnknownParameter,
    /// A parameter is repeated.
    DuplicateParameter,
    /// A value is missing, superfluous, or not a number from 8 to 15 without leading zeros.
    InvalidValue,
    /// `client_max_window_bits` answers an offer that did not contain it.
    Unsolicited,
    /// A window is larger than the offer allows.
    WindowTooLarge,
    /// A parameter of the offer had to be confirmed and was not.
    Missing,
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownParameter => "unknown permessage-deflate parameter",
            Self::DuplicateParameter => "permessage-deflate parameter given twice",
            Self::InvalidValue => "invalid value of a permessage-deflate parameter",
            Self::Unsolicited => "client_max_window_bits was not offered",
            Self::WindowTooLarge => "the window is larger than offered",
            Self::Missing => "an offered parameter was not confirmed",
        })
    }
}

impl core::error::Error for NegotiationError {}

/// A well-formed parameter list, of an offer or of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParameterList {
    pub(crate) server_no_context_takeover: bool,
    pub(crate) client_no_context_takeover: bool,
    pub(crate) server_max_window_bits: Option<WindowBits>,
    pub(crate) client_max_window_bits: ClientWindowOffer,
}

impl ParameterList {
    pub(crate) fn read<'p>(
        params: impl Iterator<Item = (&'p str, Option<&'p str>)>,
    ) -> Result<Self, NegotiationError> {
        let mut list = Self::default();
        for (name, value) in params {
            match name {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    flag(&mut list.server_no_context_takeover, value)?;
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    flag(&mut list.client_no_context_takeover, value)?;
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = window_bits(value.ok_or(NegotiationError::InvalidValue)?)?;
                    once(list.server_max_window_bits.is_none())?;
                    list.server_max_window_bits = Some(bits);
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let offer = match value {
                        None => ClientWindowOffer::Supported,
                        Some(value) => ClientWindowOffer::AtMost(window_bits(value)?),
                    };
                    once(list.client_max_window_bits == ClientWindowOffer::Absent)?;
                    list.client_max_window_bits = offer;
                }
                // [rfc7692:7-unknown-parameter] RFC 7692 §7: only what the section defines.
                _ => return Err(NegotiationError::UnknownParameter),
            }
        }
        Ok(list)
    }
}

/// As an element of `Sec-WebSocket-Extensions`.
impl fmt::Display for ParameterList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXTENSION_NAME)?;
        if self.server_no_context_takeover {
            write!(f, "; {SERVER_NO_CONTEXT_TAKEOVER}")?;
        }
        if self.client_no_context_takeover {
            write!(f, "; {CLIENT_NO_CONTEXT_TAKEOVER}")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; {SERVER_MAX_WINDOW_BITS}={bits}")?;
        }
        match self.client_max_window_bits {
            ClientWindowOffer::Absent => Ok(()),
            ClientWindowOffer::Supported => write!(f, "; {CLIENT_MAX_WINDOW_BITS}"),
            ClientWindowOffer::AtMost(bits) => write!(f, "; {CLIENT_MAX_WINDOW_BITS}={bits}"),
        }
    }
}

/// A parameter that takes no value.
fn flag(seen: &mut bool, value: Option<&str>) -> Result<(), NegotiationError> {
    // [rfc7692:7.1.1-no-value] RFC 7692 §7.1.1.1, §7.1.1.2: neither takes a value.
    if value.is_some() {
        return Err(NegotiationError::InvalidValue);
    }
    once(!*seen)?;
    *seen = true;
    Ok(())
}

/// [rfc7692:7-duplicate-parameter] RFC 7692 §7: a name stands in a list at most once.
const fn once(first: bool) -> Result<(), NegotiationError> {
    if first { Ok(()) } else { Err(NegotiationError::DuplicateParameter) }
}

/// [rfc7692:7.1.2-window-value] RFC 7692 §7.1.2.1, §7.1.2.2: decimal, 8 to 15, no leading zeros.
fn window_bits(value: &str) -> Result<WindowBits, NegotiationError> {
    let bits = match value.as_bytes() {
        [digit @ b'8'..=b'9'] => digit.wrapping_sub(b'0'),
        [b'1', digit @ b'0'..=b'5'] => digit.wrapping_sub(b'0').wrapping_add(10),
        _ => return Err(NegotiationError::InvalidValue),
    };
    WindowBits::new(bits).ok_or(NegotiationError::InvalidValue)
}
