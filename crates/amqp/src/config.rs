//! Where the log is, and who asks for it.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use rustls::ClientConfig;
use sockeye_backbone::driver::{QueueLimits, Server};

use crate::url::{self, UrlError};

/// The name of the stream, if the URL names none.
pub const DEFAULT_STREAM: &str = "sockeye";

/// The virtual host, if the URL names none; and the user, whose password is the same.
pub(crate) const DEFAULT_VHOST: &str = "/";
const DEFAULT_USER: &str = "guest";

/// The servers, the stream, the login and the bounds of an [`AmqpEngine`](crate::AmqpEngine).
#[derive(Clone)]
pub struct AmqpConfig {
    pub(crate) servers: Vec<Server>,
    pub(crate) uses_tls: bool,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) user: Option<Box<str>>,
    pub(crate) password: Option<Box<str>>,
    pub(crate) vhost: Box<str>,
    pub(crate) stream: Box<str>,
    pub(crate) replicas: u16,
    /// The bytes behind which RabbitMQ drops the oldest segments; `None` lets it drop nothing.
    pub(crate) keep_bytes: Option<u64>,
    pub(crate) limits: AmqpLimits,
}

/// Bounds of an [`AmqpEngine`](crate::AmqpEngine).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AmqpLimits {
    /// How long a connection with its login, or an answer, may take before the server counts as away.
    pub patience_ms: u64,
    /// Appends that wait.
    pub append_entries_max: usize,
    /// Their bytes.
    pub append_bytes_max: usize,
    /// Events that the owner has not taken. The reader stops at the bound; what is on its way may exceed it.
    pub event_entries_max: usize,
    /// Their bytes.
    pub event_bytes_max: usize,
    /// The bytes of one entry. RabbitMQ has a bound, too (`max_message_size`).
    pub entry_bytes_max: usize,
}

impl Default for AmqpLimits {
    fn default() -> Self {
        Self {
            patience_ms: 5_000,
            append_entries_max: 16_384,
            append_bytes_max: 64 * 1024 * 1024,
            event_entries_max: 16_384,
            event_bytes_max: 32 * 1024 * 1024,
            entry_bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl AmqpConfig {
    /// Reads a URL: `amqp://[USER@]HOST[:PORT],HOST[:PORT]…[/VHOST][?stream=NAME&replicas=N&keep_bytes=N]`, or `amqps://…`
    /// for TLS.
    ///
    /// The hosts are servers of one cluster. A URL with a password is refused, because lists of processes and logs
    /// show URLs.
    ///
    /// # Errors
    /// As [`UrlError`].
    pub fn from_url(text: &str) -> Result<Self, UrlError> {
        url::parse(text)
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

    /// Sets how many copies the stream has to be created with; 0 leaves that to the server.
    #[must_use]
    pub const fn with_replicas(mut self, replicas: u16) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub const fn with_limits(mut self, limits: AmqpLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.uses_tls
    }

    /// Whether a password is missing: the URL names a user, and none was set.
    pub const fn lacks_password(&self) -> bool {
        self.user.is_some() && self.password.is_none()
    }

    /// The name of the stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The user; RabbitMQ lets `guest` in from its own machine only.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(DEFAULT_USER)
    }

    pub(crate) fn password(&self) -> &str {
        match (&self.password, &self.user) {
            (Some(password), _) => password,
            (None, Some(_)) => "",
            (None, None) => DEFAULT_USER,
        }
    }

    pub(crate) const fn patience(&self) -> Duration {
        Duration::from_millis(self.limits.patience_ms)
    }
}

impl From<AmqpLimits> for QueueLimits {
    fn from(limits: AmqpLimits) -> Self {
        Self {
            append_entries_max: limits.append_entries_max,
            append_bytes_max: limits.append_bytes_max,
            event_entries_max: limits.event_entries_max,
            event_bytes_max: limits.event_bytes_max,
        }
    }
}

/// Shows no secret.
impl fmt::Debug for AmqpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpConfig")
            .field("servers", &self.servers)
            .field("uses_tls", &self.uses_tls)
            .field("user", &self.user)
            .field("vhost", &self.vhost)
            .field("stream", &self.stream)
            .field("replicas", &self.replicas)
            .field("keep_bytes", &self.keep_bytes)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
