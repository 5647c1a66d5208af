//! The server under test: where it listens and how patient we are with it.

use core::time::Duration;
use std::sync::OnceLock;

pub(crate) use sockeye_cases::Url;

/// The server under test.
pub(crate) struct Target {
    pub(crate) echo: Url,
    pub(crate) sse: Option<Url>,
    pub(crate) timeout: Duration,
    /// Whether plain `permessage-deflate` is accepted; asked once.
    pub(crate) deflate: OnceLock<bool>,
    /// Whether requests without an upgrade are answered at all; asked once.
    pub(crate) plain_http: OnceLock<bool>,
}

impl Target {
    pub(crate) fn new(echo: Url, sse: Option<Url>, timeout: Duration) -> Self {
        Self { echo, sse, timeout, deflate: OnceLock::new(), plain_http: OnceLock::new() }
    }
}
