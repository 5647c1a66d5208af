//! The client's side of the opening handshake (RFC 6455 §4.1).

use sockeye_handshake::{Accepted, Challenge, ClientRequest, Extensions, VerifyError};
use sockeye_http::{HeaderName, HeaderValue, Headers};
use sockeye_http1::{HeadEnd, HeaderStorage, ResponseHead};
use sockeye_websocket::Role;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::address::Address;
use crate::compressor::Compressor;
use crate::core::Opened;
use crate::head::{Received, read_head, within};
use crate::{Answer, ConnectOptions, OpenError, WebSocket, entropy};

/// So many interim responses (100, 103) are passed over.
const INTERIM_MAX: usize = 16;

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
    let target = address.target();
    let asked = Asked::of(options)?;
    let subprotocols: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
    let request = ClientRequest {
        origin: options.origin.as_deref(),
        subprotocols: &subprotocols,
        extensions: &asked.extensions,
        headers: &asked.headers,
        ..ClientRequest::new(address.authority, &target)
    };
    // [rfc6455:4.1-nonce-fresh]
    let challenge = Challenge::new(entropy::bytes());
    let mut out = Vec::new();
    challenge.write_request(&request, &mut out)?;
    stream.write_all(&out).await?;
    stream.flush().await?;

    let received = read_answer(&mut stream, options).await?;
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(&received.head, &mut storage, &options.head)?;
    let accepted = challenge.verify(&head, &request).map_err(|error| match error {
        VerifyError::Status(status) => {
            OpenError::Answer(Box::new(Answer { status, headers: lines(head.headers()) }))
        }
        error => OpenError::Verify(error),
    })?;
    let compressor = agreed(&accepted, options)?;
    let subprotocol = accepted.subprotocol.map(Box::from);
    let early = received.early;
    let opened = Opened { stream, role: Role::Client, compressor, subprotocol, early };
    Ok(WebSocket::new(opened, options.settings))
}

/// Reads the final head, behind the interim ones.
async fn read_answer<S: AsyncRead + Unpin>(
    stream: &mut S,
    options: &ConnectOptions,
) -> Result<Received, OpenError> {
    let mut early = Vec::new();
    for _ in 0..=INTERIM_MAX {
        let received = read_head(stream, HeadEnd::for_response(), &options.head, early).await?;
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(&received.head, &mut storage, &options.head)?;
        if !head.status().is_informational() || head.status().code() == 101 {
            return Ok(received);
        }
        early = received.early;
    }
    Err(OpenError::Http(sockeye_http1::Error::HeadTooLong))
}

/// The parts of a request that the options hold as text.
struct Asked<'o> {
    extensions: Extensions,
    headers: Vec<(HeaderName<'o>, HeaderValue<'o>)>,
}

impl<'o> Asked<'o> {
    fn of(options: &'o ConnectOptions) -> Result<Self, OpenError> {
        let usage = |error| OpenError::Usage(sockeye_handshake::UsageError::Http(error));
        let header = |(name, value): &'o (String, String)| {
            let name = HeaderName::new(name).map_err(usage)?;
            Ok((name, HeaderValue::new(value).map_err(usage)?))
        };
        let headers = options.headers.iter().map(header).collect::<Result<_, OpenError>>()?;
        Ok(Self { extensions: offered(options), headers })
    }
}

#[cfg(feature = "deflate")]
fn offered(options: &ConnectOptions) -> Extensions {
    let Some(offer) = &options.compression else { return Extensions::new() };
    Extensions::parse([offer.to_string().as_bytes()]).expect("an offer is well formed")
}

#[cfg(not(feature = "deflate"))]
const fn offered(_: &ConnectOptions) -> Extensions {
    Extensions::new()
}

/// The compression that the server agreed to, held to our offer.
#[cfg(feature = "deflate")]
fn agreed(
    accepted: &Accepted<'_>,
    options: &ConnectOptions,
) -> Result<Option<Compressor>, OpenError> {
    use sockeye_deflate::EXTENSION_NAME;

    let mut named = accepted.extensions.iter().filter(|one| one.name() == EXTENSION_NAME);
    let (Some(offer), Some(answer)) = (options.compression, named.next()) else { return Ok(None) };
    // [rfc7692:6-rsv1-conflict]
    if named.next().is_some() {
        return Err(OpenError::Compression);
    }
    let params = offer.accept_response(answer.params()).map_err(|_| OpenError::Compression)?;
    Ok(Some(Compressor::new(Role::Client, params, &options.settings)))
}

#[cfg(not(feature = "deflate"))]
fn agreed(_: &Accepted<'_>, _: &ConnectOptions) -> Result<Option<Compressor>, OpenError> {
    Ok(None)
}

/// Header lines as texts. What is not UTF-8 in a value is replaced.
fn lines(headers: Headers<'_, '_>) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}
