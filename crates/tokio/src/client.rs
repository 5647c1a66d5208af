//! The client's side of the opening handshake (RFC 6455 §4.1).

use sockeye_endpoint::opening::{INTERIM_MAX, Opening};
use sockeye_endpoint::{Address, ConnectOptions, OpenError};
use sockeye_http1::HeadEnd;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::WebSocket;
use crate::core::Opened;
use crate::head::{read_head, within};

/// Connects to a `ws` URL over TCP, without delay of small packets.
///
/// # Errors
/// There is no connection, or no WebSocket on it; [`OpenError::Tls`] for `wss`.
///
/// # Cancel safety
/// The connection is gone when the future is dropped.
pub async fn connect(
    url: &str,
    options: &ConnectOptions,
) -> Result<WebSocket<TcpStream>, OpenError> {
    let address = Address::parse(url)?;
    if address.is_secure {
        return Err(OpenError::Tls);
    }
    within(options.settings.handshake_ms, async {
        let stream = TcpStream::connect((address.host, address.port)).await?;
        stream.set_nodelay(true)?;
        open(stream, &address, options).await
    })
    .await
}

/// Opens a WebSocket on a stream of the caller's, such as one of TLS. `url` names the server and the path; both `ws` and
/// `wss` fit.
///
/// # Errors
/// There is no WebSocket on the stream.
///
/// # Cancel safety
/// The stream is gone when the future is dropped.
pub async fn client<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    url: &str,
    options: &ConnectOptions,
) -> Result<WebSocket<S>, OpenError> {
    let address = Address::parse(url)?;
    within(options.settings.handshake_ms, open(stream, &address, options)).await
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    address: &Address<'_>,
    options: &ConnectOptions,
) -> Result<WebSocket<S>, OpenError> {
    let opening = Opening::new(address, options)?;
    let mut request = Vec::new();
    opening.write(&mut request)?;
    stream.write_all(&request).await?;
    stream.flush().await?;

    let mut early = Vec::new();
    for _ in 0..=INTERIM_MAX {
        let received =
            read_head(&mut stream, HeadEnd::for_response(), &options.head, early).await?;
        early = received.early;
        if let Some(agreed) = opening.read(&received.head)? {
            return Ok(WebSocket::new(Opened { stream, agreed, early }, options.settings));
        }
    }
    Err(OpenError::Http(sockeye_http1::Error::HeadTooLong))
}
