//! Why a request opens no WebSocket.

use core::fmt;

use axum_core::response::{IntoResponse, Response};
use http::header::{ALLOW, CONNECTION, HOST, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, StatusCode};
use sockeye_handshake::Reject;

/// Why a request opens no WebSocket. As a response it is the status that fits, with the header lines that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketUpgradeRejection {
    /// The request misses a clause of the handshake, or comes from an origin that is not allowed.
    Handshake(Reject),
    /// `Host` is missing, repeated or malformed. 400.
    Host,
    /// The target is absolute, and no URL of HTTP. 400.
    Target,
    /// The server does not upgrade this connection. 426.
    NotUpgradable,
}

impl WebSocketUpgradeRejection {
    /// The status of the response.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Handshake(reject) => StatusCode::from_u16(reject.status().code())
                .expect("the handshake has statuses of HTTP"),
            Self::Host | Self::Target => StatusCode::BAD_REQUEST,
            Self::NotUpgradable => StatusCode::UPGRADE_REQUIRED,
        }
    }
}

impl IntoResponse for WebSocketUpgradeRejection {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, self.to_string()).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            // [rfc9110:15.5.6-allow]
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        if status == StatusCode::UPGRADE_REQUIRED {
            // [rfc9110:15.5.22-upgrade]
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        if let Self::Handshake(Reject::Version | Reject::VersionUnsupported) = self {
            // [rfc6455:4.2.2-version-header]
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

impl From<Reject> for WebSocketUpgradeRejection {
    fn from(reject: Reject) -> Self {
        Self::Handshake(reject)
    }
}

impl fmt::Display for WebSocketUpgradeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(reject) => reject.fmt(f),
            Self::Host => write!(f, "{HOST} must be one name or address."),
            Self::Target => {
                f.write_str("The request's target must be a path, or an http or https URL.")
            }
            Self::NotUpgradable => f.write_str("This connection cannot be upgraded."),
        }
    }
}

impl core::error::Error for WebSocketUpgradeRejection {}
