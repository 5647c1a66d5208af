//! The configuration of a client's connections: their limits, their proxy, and their TLS.

use core::fmt;
#[cfg(feature = "rustls")]
use std::sync::Arc;

use crate::{Limits, Scheme, Url, UsageError, headers};

/// The limits of a client's connections, its proxy, and its TLS configuration.
///
/// `Limits` alone make one: `Limits::DEFAULT.into()`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Network {
    /// Every bound of a connection.
    pub limits: Limits,
    /// The proxy that every connection goes through.
    pub proxy: Option<Proxy>,
    /// The versions of HTTP that connections may speak.
    pub versions: HttpVersions,
    /// The TLS configuration; `None` trusts the authorities that the system trusts.
    #[cfg(feature = "rustls")]
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Network {
    /// The defaults with other bounds.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The same through a proxy.
    #[must_use]
    pub fn through(self, proxy: Proxy) -> Self {
        Self { proxy: Some(proxy), ..self }
    }

    /// The same with other versions of HTTP.
    #[must_use]
    pub fn with_versions(self, versions: HttpVersions) -> Self {
        Self { versions, ..self }
    }

    /// The same with a TLS configuration of the caller's, for example with its own roots or a certificate of the
    /// client. The protocols inside (ALPN) follow from [`versions`](Self::versions).
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn with_tls(self, config: Arc<rustls::ClientConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// The TLS configuration: the caller's, or else a new default, for which each call reads the system's authorities.
    ///
    /// # Errors
    /// [`TlsError::Roots`](crate::TlsError::Roots) if the system trusts nobody.
    #[cfg(feature = "rustls")]
    pub fn tls_config(&self) -> Result<Arc<rustls::ClientConfig>, crate::Error> {
        self.tls.as_ref().map_or_else(crate::link::system_tls, |config| Ok(Arc::clone(config)))
    }
}

/// The versions of HTTP that a client may speak.
///
/// A WebSocket falls back to HTTP/1.1 where a server of HTTP/2 does not accept it (RFC 8441), whatever stands here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersions {
    /// HTTP/1.1.
    Http1,
    /// Over TLS, HTTP/2 if the server chooses it (ALPN); without TLS, HTTP/1.1.
    #[default]
    Negotiated,
    /// HTTP/2: over TLS the server has to choose it, and without TLS it has to speak it (prior knowledge).
    Http2,
}

impl From<Limits> for Network {
    fn from(limits: Limits) -> Self {
        Self::new(limits)
    }
}

/// An HTTP proxy that opens tunnels by `CONNECT` (RFC 9110 §9.3.6).
#[derive(Clone)]
pub struct Proxy {
    pub(crate) url: Url,
    pub(crate) headers: Vec<(String, String)>,
}

impl Proxy {
    /// The proxy of an `http` URL; its path means nothing.
    ///
    /// # Errors
    /// [`UsageError::Scheme`] for another scheme.
    pub fn new(url: Url) -> Result<Self, UsageError> {
        if url.is_websocket() || url.peer().scheme == Scheme::Secure {
            return Err(UsageError::Scheme);
        }
        Ok(Self { url, headers: Vec::new() })
    }

    /// Adds a header to each `CONNECT`, for example `Proxy-Authorization`.
    ///
    /// # Errors
    /// [`UsageError::Header`] if it cannot stand there.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, UsageError> {
        let reserved = ["Host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade"];
        if reserved.iter().any(|one| one.eq_ignore_ascii_case(name)) {
            return Err(UsageError::Header);
        }
        let line = (name.to_owned(), value.to_owned());
        headers::parse(&line)?;
        self.headers.push(line);
        Ok(self)
    }
}

/// Shows no values of headers: they hold credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("url", &self.url)
            .field("headers", &self.headers.len())
            .finish()
    }
}
