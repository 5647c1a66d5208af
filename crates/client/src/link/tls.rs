//! TLS towards the server, on the adapter that servers have, too.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ClientConfig, RootCertStore};
use sockeye_reactor::Socket as _;
use sockeye_tls::{ClientError, ConnectError, Connector, Protocol, TlsSocket};

use crate::{Error, HttpVersions, TlsError};

/// A TLS connection to a server.
pub(super) type Tls = TlsSocket<TcpStream>;

/// Trusts the authorities that the system trusts.
pub(crate) fn system_config() -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    // Certificates that rustls cannot parse are left out.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::Tls(TlsError::Roots));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Tls(TlsError::Protocol))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Begins a handshake that asks for `host`, and offers these versions of HTTP.
pub(super) fn begin(
    socket: TcpStream,
    config: Arc<ClientConfig>,
    host: &str,
    versions: HttpVersions,
) -> Result<Tls, Error> {
    let offered: &[Protocol] = match versions {
        HttpVersions::Http1 => &[Protocol::Http11],
        HttpVersions::Negotiated => &[Protocol::Http2, Protocol::Http11],
        HttpVersions::Http2 => &[Protocol::Http2],
    };
    Connector::new(config).connect(socket, host, offered).map_err(|error| {
        Error::Tls(match error {
            ConnectError::Name => TlsError::Name,
            _ => TlsError::Protocol,
        })
    })
}

/// Goes on with the handshake as far as it goes without waiting; true once it is complete.
pub(super) fn advance(tls: &mut Tls) -> Result<bool, Error> {
    tls.handshake().map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Error::Tls(TlsError::Ended),
        _ => explain(&error),
    })?;
    match tls.protocol() {
        _ if tls.is_handshaking() => Ok(false),
        None => Ok(true),
        Some(name) if [Protocol::Http11, Protocol::Http2].iter().any(|it| it.name() == name) => {
            Ok(true)
        }
        Some(_) => Err(Error::Tls(TlsError::Protocol)),
    }
}

/// Whether the server has chosen HTTP/2.
pub(super) fn is_http2(tls: &Tls) -> bool {
    tls.protocol() == Some(Protocol::Http2.name())
}

/// The client's error for `error`.
pub(super) fn explain(error: &io::Error) -> Error {
    let why = error.get_ref().and_then(|it| it.downcast_ref());
    match (why, error.kind()) {
        (Some(ClientError { error, has_spoken }), _) => {
            Error::Tls(TlsError::of(error, *has_spoken))
        }
        (None, ErrorKind::UnexpectedEof) => Error::Truncated,
        (None, kind) => Error::Transport(kind),
    }
}
