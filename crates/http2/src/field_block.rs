//! Fields to send, encoded once for any number of connections.

use alloc::vec::Vec;
use core::fmt;

use sockeye_hpack as hpack;
use sockeye_http::{Date, HeaderName, HeaderValue, Method, Status, Target};

use crate::UsageError;

/// The fields of a head or of trailers, without pseudo-fields, encoded. No argument can make an invalid
/// field.
///
/// The encoding does not depend on a connection, so one block serves many: a server encodes the head of
/// its event streams once.
///
/// # Examples
/// ```
/// use sockeye_http::{HeaderName, HeaderValue};
/// use sockeye_http2::FieldBlock;
/// const TYPE: HeaderName<'_> = HeaderName::from_static("Content-Type");
/// const EVENTS: HeaderValue<'_> = HeaderValue::from_static("text/event-stream");
/// let block = FieldBlock::new().field(TYPE, EVENTS).content_length(5);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FieldBlock {
    bytes: Vec<u8>,
}

impl FieldBlock {
    /// Makes an empty block.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a field. `authorization`, `cookie` and `set-cookie` are never indexed by intermediaries.
    #[must_use]
    pub fn field(mut self, name: HeaderName<'_>, value: HeaderValue<'_>) -> Self {
        hpack::write_field(&mut self.bytes, name.as_str().as_bytes(), value.as_bytes());
        self
    }

    /// Adds a field with a secret: intermediaries never index it.
    #[must_use]
    pub fn secret(mut self, name: HeaderName<'_>, value: HeaderValue<'_>) -> Self {
        hpack::write_never_indexed(&mut self.bytes, name.as_str().as_bytes(), value.as_bytes());
        self
    }

    /// Adds `date`.
    #[must_use]
    pub fn date(mut self, date: Date) -> Self {
        hpack::write_field(&mut self.bytes, b"date", date.as_bytes());
        self
    }

    /// Adds `content-length`, in bytes.
    #[must_use]
    pub fn content_length(mut self, bytes: u64) -> Self {
        hpack::write_field(&mut self.bytes, b"content-length", decimal(bytes, &mut [0; 20]));
        self
    }

    /// Returns the encoded fields.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for FieldBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldBlock({} bytes)", self.bytes.len())
    }
}

/// The digits of a number.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    for digit in digits.iter_mut().rev() {
        // A remainder is one digit.
        *digit = b'0'.wrapping_add((number % 10).to_le_bytes()[0]);
        number /= 10;
        at = at.saturating_sub(1);
        if number == 0 {
            break;
        }
    }
    digits.get(at..).unwrap_or_default()
}

/// The pseudo-fields of a request: method and target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// The method. CONNECT needs [`protocol`](Self::protocol).
    pub method: Method<'a>,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The authority, `host[:port]`.
    pub authority: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The protocol of a CONNECT by RFC 8441, as `websocket`.
    pub protocol: Option<&'a str>,
}

impl RequestLine<'_> {
    /// Checks the parts together.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        let is_connect = self.method == Method::CONNECT;
        let is_token =
            self.protocol.is_none_or(|it| sockeye_http::grammar::is_token(it.as_bytes()));
        let is_target = Target::absolute(self.scheme, self.authority, self.path).is_some();
        // [http2:8441.4-client-target]
        if !is_target || self.path.is_empty() || is_connect != self.protocol.is_some() || !is_token
        {
            return Err(UsageError::Target);
        }
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in [
            (":method", Some(self.method.as_str())),
            (":protocol", self.protocol),
            (":scheme", Some(self.scheme)),
            (":authority", Some(self.authority)),
            (":path", Some(self.path)),
        ] {
            if let Some(value) = value {
                hpack::write_field(out, name.as_bytes(), value.as_bytes());
            }
        }
    }
}

/// Appends `:status`.
pub(crate) fn write_status(status: Status, out: &mut Vec<u8>) {
    hpack::write_field(out, b":status", &status.digits());
}
