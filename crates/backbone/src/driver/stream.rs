//! Sockets of tokio, with or without TLS.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::Server;
use super::quoted;
use crate::{Trouble, TroubleKind};

/// A connected socket, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The protocol below that of the server.
#[derive(Clone, Copy, Debug)]
pub enum Security<'c> {
    /// There is none.
    Plain,
    /// TLS begins at once, if it is configured.
    Tls(Option<&'c Arc<ClientConfig>>),
}

/// Connects to a server, and begins TLS if that is asked for. The caller bounds the time.
///
/// # Errors
/// The trouble that the owner is told.
pub async fn connect(server: &Server, security: Security<'_>) -> Result<Box<dyn Stream>, Trouble> {
    let socket = TcpStream::connect((&*server.host, server.port)).await;
    let socket = socket.map_err(|error| trouble_of(&error, server))?;
    socket.set_nodelay(true).map_err(|error| trouble_of(&error, server))?;
    let tls = match security {
        Security::Plain => return Ok(Box::new(socket)),
        Security::Tls(Some(tls)) => Arc::clone(tls),
        Security::Tls(None) => {
            let text = "no authorities for TLS are configured";
            return Err(Trouble::new(TroubleKind::Login, text));
        }
    };
    let name = ServerName::try_from(server.host.to_string()).map_err(|_| {
        let text = format!("{server} has a name that no certificate can have");
        Trouble::new(TroubleKind::Login, text)
    })?;
    let sealed = TlsConnector::from(tls).connect(name, socket).await;
    Ok(Box::new(sealed.map_err(|error| trouble_of(&error, server))?))
}

/// The trouble that an error of a socket is.
pub fn trouble_of(error: &io::Error, server: &Server) -> Trouble {
    let (kind, what) = match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            (TroubleKind::Unreachable, "closed the connection".to_owned())
        }
        // Errors of rustls come as this kind.
        io::ErrorKind::InvalidData => (
            TroubleKind::Login,
            format!(
                "begins no TLS, or has a certificate that the configured authorities do not vouch for: {}",
                quoted(&error.to_string())
            ),
        ),
        _ => (TroubleKind::Unreachable, format!("is not reached: {}", quoted(&error.to_string()))),
    };
    Trouble::new(kind, format!("{server} {what}"))
}
