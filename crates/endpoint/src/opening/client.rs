//! The client's side.

use core::fmt;

use sockeye_handshake::{Accepted, Challenge, ClientRequest, Extensions, VerifyError};
use sockeye_http::{HeaderName, HeaderValue, Headers};
use sockeye_http1::{HeaderStorage, ResponseHead};
use sockeye_websocket::Role;

use crate::{Address, Agreed, Answer, ConnectOptions, OpenError, entropy};

/// So many interim responses (100, 103) are to be passed over, and no more.
pub const INTERIM_MAX: usize = 16;

/// A client's request, and the check of the answer to it.
pub struct Opening<'o> {
    challenge: Challenge,
    options: &'o ConnectOptions,
    authority: &'o str,
    target: String,
    subprotocols: Vec<&'o str>,
    extensions: Extensions,
    headers: Vec<(HeaderName<'o>, HeaderValue<'o>)>,
}

impl<'o> Opening<'o> {
    /// Begins an attempt.
    ///
    /// # Errors
    /// An option cannot stand in a request.
    pub fn new(address: &Address<'o>, options: &'o ConnectOptions) -> Result<Self, OpenError> {
        let usage = |error| OpenError::Usage(sockeye_handshake::UsageError::Http(error));
        let header = |(name, value): &'o (String, String)| {
            let name = HeaderName::new(name).map_err(usage)?;
            Ok((name, HeaderValue::new(value).map_err(usage)?))
        };
        Ok(Self {
            // [rfc6455:4.1-nonce-fresh]
            challenge: Challenge::new(entropy::bytes()),
            options,
            authority: address.authority,
            target: address.target(),
            subprotocols: options.subprotocols.iter().map(String::as_str).collect(),
            extensions: offered(options),
            headers: options.headers.iter().map(header).collect::<Result<_, OpenError>>()?,
        })
    }

    /// Appends the request.
    ///
    /// # Errors
    /// An option cannot stand in a request.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), OpenError> {
        Ok(self.challenge.write_request(&self.request(), out)?)
    }

    /// Reads the head of an answer. `None`: it is an interim one, and another follows.
    ///
    /// # Errors
    /// It does not open the connection.
    pub fn read(&self, head: &[u8]) -> Result<Option<Agreed>, OpenError> {
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(head, &mut storage, &self.options.head)?;
        if head.status().is_informational() && head.status().code() != 101 {
            return Ok(None);
        }
        let accepted =
            self.challenge.verify(&head, &self.request()).map_err(|error| match error {
                VerifyError::Status(status) => {
                    OpenError::Answer(Box::new(Answer { status, headers: lines(head.headers()) }))
                }
                error => OpenError::Verify(error),
            })?;
        let agreed = Agreed::new(Role::Client).with_subprotocol(accepted.subprotocol);
        with_extensions(agreed, &accepted, self.options).map(Some)
    }

    fn request(&self) -> ClientRequest<'_> {
        ClientRequest {
            origin: self.options.origin.as_deref(),
            subprotocols: &self.subprotocols,
            extensions: &self.extensions,
            headers: &self.headers,
            ..ClientRequest::new(self.authority, &self.target)
        }
    }
}

/// Shows neither key nor headers.
impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("authority", &self.authority).finish_non_exhaustive()
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
fn with_extensions(
    agreed: Agreed,
    accepted: &Accepted<'_>,
    options: &ConnectOptions,
) -> Result<Agreed, OpenError> {
    use sockeye_deflate::EXTENSION_NAME;

    let mut named = accepted.extensions.iter().filter(|one| one.name() == EXTENSION_NAME);
    let (Some(offer), Some(answer)) = (options.compression, named.next()) else {
        return Ok(agreed);
    };
    // [rfc7692:6-rsv1-conflict]
    if named.next().is_some() {
        return Err(OpenError::Compression);
    }
    let params = offer.accept_response(answer.params()).map_err(|_| OpenError::Compression)?;
    Ok(agreed.with_compression(Some(params)))
}

#[cfg(not(feature = "deflate"))]
fn with_extensions(
    agreed: Agreed,
    _: &Accepted<'_>,
    _: &ConnectOptions,
) -> Result<Agreed, OpenError> {
    Ok(agreed)
}

/// Header lines as texts. What is not UTF-8 in a value is replaced.
fn lines(headers: Headers<'_, '_>) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}
