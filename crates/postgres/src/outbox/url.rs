//! The URL of an outbox.

use core::fmt;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::config::{PostgresConfig, PostgresLimits};
use crate::url::{self, UrlError};

/// The name of the table, if the URL names none.
pub const DEFAULT_OUTBOX: &str = "sockeye_outbox";

/// The servers, the database, the table, the login and the patience of an [`Outbox`](super::Outbox).
#[derive(Clone)]
pub struct OutboxConfig {
    pub(super) postgres: PostgresConfig,
}

impl OutboxConfig {
    /// Reads a URL as [`PostgresConfig::from_url`] does; the table that is not named is [`DEFAULT_OUTBOX`].
    ///
    /// # Errors
    /// As [`UrlError`].
    pub fn from_url(text: &str) -> Result<Self, UrlError> {
        Ok(Self { postgres: url::parse(text, DEFAULT_OUTBOX)? })
    }

    /// The name of the table.
    pub fn table(&self) -> &str {
        self.postgres.table()
    }

    /// Sets the user's password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.postgres = self.postgres.with_password(password);
        self
    }

    /// Sets how TLS begins, and whom it trusts.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.postgres = self.postgres.with_tls(tls);
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.postgres.uses_tls()
    }

    /// Sets how long a connection or a statement may take, in milliseconds.
    #[must_use]
    pub fn with_patience_ms(mut self, patience_ms: u64) -> Self {
        let limits = PostgresLimits::default().with_patience_ms(patience_ms);
        self.postgres = self.postgres.with_limits(limits);
        self
    }
}

/// Shows no password.
impl fmt::Debug for OutboxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OutboxConfig").field(&self.postgres).finish()
    }
}
