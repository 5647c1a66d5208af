//! Where the log is, and who asks for it.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use rustls::ClientConfig;
use sockeye_backbone::driver::{DriverLimits, Server};

use crate::url::{self, UrlError};

/// The name of the topic, if the URL names none.
pub const DEFAULT_TOPIC: &str = "sockeye";

/// The servers, the topic, the login and the bounds of a [`KafkaEngine`](crate::KafkaEngine).
#[derive(Clone)]
pub struct KafkaConfig {
    pub(crate) servers: Vec<Server>,
    pub(crate) uses_tls: bool,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The user of SASL; without one there is no login.
    pub(crate) user: Option<Box<str>>,
    pub(crate) password: Option<Box<str>>,
    pub(crate) mechanism: Mechanism,
    pub(crate) topic: Box<str>,
    pub(crate) replicas: u16,
    pub(crate) limits: KafkaLimits,
}

/// How a user logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mechanism {
    /// The password is sent. Without TLS everybody on the way can read it.
    Plain,
    /// RFC 7677.
    ScramSha256,
    /// The same with SHA-512.
    ScramSha512,
}

/// Bounds of a [`KafkaEngine`](crate::KafkaEngine). The topic has a bound for entries, too (`max.message.bytes`): the lower one
/// counts.
pub type KafkaLimits = DriverLimits;

impl KafkaConfig {
    /// Reads a URL: `kafka://[USER@]HOST[:PORT],HOST[:PORT]…[/TOPIC][?replicas=N&sasl=MECHANISM]`, or `kafkas://…` for TLS.
    ///
    /// The hosts are brokers of one cluster. A URL with a password is refused, because lists of processes and logs
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

    /// Sets how many copies the topic has to have at least; 0 asks for none.
    #[must_use]
    pub const fn with_replicas(mut self, replicas: u16) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub const fn with_limits(mut self, limits: KafkaLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.uses_tls
    }

    /// The user of the URL.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether a password is set.
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The name of the topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) const fn patience(&self) -> Duration {
        self.limits.patience()
    }

    /// The copies that have to confirm an entry, if copies are asked for: a majority.
    pub(crate) const fn quorum(&self) -> u16 {
        self.replicas / 2 + 1
    }
}

impl Mechanism {
    /// Its name in SASL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Shows no secret.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("servers", &self.servers)
            .field("uses_tls", &self.uses_tls)
            .field("user", &self.user)
            .field("mechanism", &self.mechanism)
            .field("topic", &self.topic)
            .field("replicas", &self.replicas)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
