//! Where the log is, and the login.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use async_nats::ConnectOptions;
use rustls::ClientConfig;
use sockeye_backbone::driver::{DriverLimits, Server};

use crate::url::{self, UrlError};

/// The name of the stream, if the URL names none.
pub const DEFAULT_STREAM: &str = "sockeye";

/// The servers, the stream, the login and the bounds of a [`NatsEngine`](crate::NatsEngine).
#[derive(Clone)]
pub struct NatsConfig {
    pub(crate) servers: Vec<Server>,
    pub(crate) uses_tls: bool,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) login: Login,
    pub(crate) stream: Box<str>,
    pub(crate) replicas: u32,
    pub(crate) limits: NatsLimits,
    /// Where the rights are listed that a user needs.
    pub(crate) manual: &'static str,
}

/// A user and a password, a token, or the text of a file of credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<Box<str>>,
    /// The token, if there is no user.
    pub(crate) password: Option<Box<str>>,
    pub(crate) credentials: Option<Box<str>>,
}

/// Bounds of a [`NatsEngine`](crate::NatsEngine). The look-up of a server's name and the connections to all its addresses
/// may take twice the patience together. The server has a bound for entries, too (`max_payload`): the lower one counts.
pub type NatsLimits = DriverLimits;

/// The text is not a file of credentials: it lacks a JWT or a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialsError;

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not credentials of NATS (expected: a JWT and a seed, as `nsc generate creds` writes them)")
    }
}

impl core::error::Error for CredentialsError {}

impl NatsConfig {
    /// Reads a URL: `nats://[USER@]HOST[:PORT],HOST[:PORT]…[?stream=NAME&replicas=N]`, or `tls://…`.
    ///
    /// The hosts are servers of one cluster. A URL with a password is refused, because lists of processes and logs
    /// show URLs.
    ///
    /// # Errors
    /// As [`UrlError`].
    pub fn from_url(text: &str) -> Result<Self, UrlError> {
        url::parse(text)
    }

    /// Sets the user's password; without a user in the URL, the token.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.login.password = Some(password.into());
        self
    }

    /// Sets the text of a file of credentials. It counts instead of user and password.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn with_credentials(mut self, text: &str) -> Result<Self, CredentialsError> {
        ConnectOptions::with_credentials(text).map_err(|_| CredentialsError)?;
        self.login.credentials = Some(text.into());
        Ok(self)
    }

    /// Sets how TLS begins, and whom it trusts. [`uses_tls`](Self::uses_tls) says whether it is needed.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets how many copies the stream has to have at least; 0 asks for none.
    #[must_use]
    pub const fn with_replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub const fn with_limits(mut self, limits: NatsLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.uses_tls
    }

    /// The name of the stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// What the one subject of the stream begins with. One word follows.
    pub(crate) fn subject_prefix(&self) -> String {
        format!("{}.log.", self.stream)
    }

    pub(crate) const fn patience(&self) -> Duration {
        self.limits.patience()
    }
}

/// Shows no secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Shows no secret.
impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("servers", &self.servers)
            .field("uses_tls", &self.uses_tls)
            .field("login", &self.login)
            .field("stream", &self.stream)
            .field("replicas", &self.replicas)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
