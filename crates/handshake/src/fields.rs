//! The headers of the handshake, and which of them the application may not add.

use crate::UsageError;
use sockeye_http::{HeaderName, HeaderValue};

pub(crate) const ACCEPT: HeaderName<'_> = HeaderName::from_static("Sec-WebSocket-Accept");
pub(crate) const EXTENSIONS: HeaderName<'_> = HeaderName::from_static("Sec-WebSocket-Extensions");
pub(crate) const KEY: HeaderName<'_> = HeaderName::from_static("Sec-WebSocket-Key");
pub(crate) const ORIGIN: HeaderName<'_> = HeaderName::from_static("Origin");
pub(crate) const PROTOCOL: HeaderName<'_> = HeaderName::from_static("Sec-WebSocket-Protocol");
pub(crate) const VERSION: HeaderName<'_> = HeaderName::from_static("Sec-WebSocket-Version");

pub(crate) const VERSION_13: HeaderValue<'_> = HeaderValue::from_static("13");
pub(crate) const WEBSOCKET: HeaderValue<'_> = HeaderValue::from_static("websocket");

/// The prefix of every name that the handshake writes, now or in some later standard.
const RESERVED_PREFIX: &str = "sec-websocket-";

/// What else has its own place in a request, or no meaning without content (RFC 9110 §10.1.1).
const RESERVED: [&str; 2] = ["origin", "expect"];

/// Refuses the application's headers if one belongs to the handshake. Those that frame a message
/// or steer its connection, `Upgrade` and `Connection` among them, no [`HeaderName`] can hold.
pub(crate) fn check_application(
    headers: &[(HeaderName<'_>, HeaderValue<'_>)],
) -> Result<(), UsageError> {
    // [rfc6455:4.2.2-reserved-headers]
    if headers.iter().any(|(name, _)| is_reserved(name.as_str())) {
        return Err(UsageError::HeaderReserved);
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    let prefix = name.get(..RESERVED_PREFIX.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED_PREFIX))
        || RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}
