//! Where the log is, and who asks for it.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use rustls::ClientConfig;
use sockeye_backbone::driver::{DriverLimits, Server};

use crate::url::{self, UrlError};

/// The name of the table, if the URL names none.
pub const DEFAULT_TABLE: &str = "sockeye";

/// The servers, the database, the table, the login and the bounds of a [`PostgresEngine`](crate::PostgresEngine).
#[derive(Clone)]
pub struct PostgresConfig {
    pub(crate) servers: Vec<Server>,
    pub(crate) user: Box<str>,
    pub(crate) password: Option<Box<str>>,
    pub(crate) database: Box<str>,
    pub(crate) table: Box<str>,
    pub(crate) uses_tls: bool,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) limits: PostgresLimits,
}

/// Bounds of a [`PostgresEngine`](crate::PostgresEngine). A longer entry that a stranger wrote is read as an empty one.
pub type PostgresLimits = DriverLimits;

impl PostgresConfig {
    /// Reads a URL: `postgres://USER@HOST[:PORT],HOST[:PORT]…[/DATABASE][?table=NAME&sslmode=verify-full]`.
    ///
    /// The hosts are a primary and its standbys: the one that takes writes is found. A database that is not named has
    /// the name of the user. A URL with a password is refused, because lists of processes and logs show URLs.
    ///
    /// # Errors
    /// As [`UrlError`].
    pub fn from_url(text: &str) -> Result<Self, UrlError> {
        url::parse(text, DEFAULT_TABLE)
    }

    /// Sets the user's password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets how TLS begins, and whom it trusts. [`uses_tls`](Self::uses_tls) says whether it is needed.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub const fn with_limits(mut self, limits: PostgresLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.uses_tls
    }

    /// The name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    pub(crate) const fn patience(&self) -> Duration {
        self.limits.patience()
    }
}

/// Shows no password.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("servers", &self.servers)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("table", &self.table)
            .field("uses_tls", &self.uses_tls)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
