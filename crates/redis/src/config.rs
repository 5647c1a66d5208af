//! Where the log is, and who asks for it.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use rustls::ClientConfig;
use sockeye_backbone::driver::{DriverLimits, Server};

use crate::url::{self, UrlError};

/// The key of the stream, if the URL names none.
pub const DEFAULT_KEY: &str = "sockeye";

/// The server, the stream, the login and the bounds of a [`RedisEngine`](crate::RedisEngine).
#[derive(Clone)]
pub struct RedisConfig {
    pub(crate) servers: Vec<Server>,
    /// The name of the primary that Sentinels are asked for. Without it, `servers` is the Redis server itself.
    pub(crate) primary_name: Option<Box<str>>,
    pub(crate) uses_tls: bool,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) login: Login,
    pub(crate) sentinel_login: Login,
    pub(crate) database: u32,
    pub(crate) key: Box<str>,
    pub(crate) replicas: u32,
    pub(crate) limits: RedisLimits,
}

/// A user and a password, each if there is one.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<Box<str>>,
    pub(crate) password: Option<Box<str>>,
}

/// Bounds of a [`RedisEngine`](crate::RedisEngine).
pub type RedisLimits = DriverLimits;

impl RedisConfig {
    /// Reads a URL: `redis://[USER@]HOST[:PORT][/DATABASE][?key=KEY&replicas=N]`.
    ///
    /// `rediss://` uses TLS. `redis-sentinel://[USER@]HOST[:PORT],HOST[:PORT]…/NAME[/DATABASE]` and
    /// `rediss-sentinel://` ask Sentinels for the primary with that name. A URL with a password is refused,
    /// because lists of processes and logs show URLs.
    ///
    /// # Errors
    /// As [`UrlError`].
    pub fn from_url(text: &str) -> Result<Self, UrlError> {
        url::parse(text)
    }

    /// Sets the user's password; without a user in the URL, that of the user `default`.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.login.password = Some(password.into());
        self
    }

    /// Sets the login of the Sentinels. They have none by default.
    #[must_use]
    pub fn with_sentinel_login(mut self, user: Option<&str>, password: &str) -> Self {
        self.sentinel_login = Login { user: user.map(Into::into), password: Some(password.into()) };
        self
    }

    /// Sets how TLS begins, and whom it trusts. [`uses_tls`](Self::uses_tls) says whether it is needed.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets how many replicas have to have an entry before it counts as replicated; 0 asks for none.
    #[must_use]
    pub const fn with_replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub const fn with_limits(mut self, limits: RedisLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.uses_tls
    }

    /// The key of the stream.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(crate) const fn patience(&self) -> Duration {
        self.limits.patience()
    }
}

impl Login {
    /// The user's name for messages.
    pub(crate) fn name(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }
}

/// Shows no password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Shows no password.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("servers", &self.servers)
            .field("primary_name", &self.primary_name)
            .field("uses_tls", &self.uses_tls)
            .field("login", &self.login)
            .field("database", &self.database)
            .field("key", &self.key)
            .field("replicas", &self.replicas)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
