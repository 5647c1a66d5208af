//! The opening handshake from the client's side (RFC 6455 §4.1).

use sockeye_deflate::{ClientOffer, EXTENSION_NAME, Params};
use sockeye_handshake::{
    Accepted, Challenge, ClientRequest, Extensions, UsageError as HandshakeUsage, VerifyError,
};
use sockeye_http1::ResponseHead;
use sockeye_reactor::Time;

use super::ConnectOptions;
use crate::exchange::{Exchange, REFUSAL_MS};
use crate::{Deadline, Entropy, Error, Limits, UsageError, headers};

/// The result of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The subprotocol that the server chose among those that were asked for.
    pub subprotocol: Option<String>,
    /// Whether messages may be compressed.
    pub compressed: bool,
    /// The header lines of the server's answer, in their order. What is not UTF-8 in a value has been
    /// replaced.
    pub headers: Vec<(String, String)>,
}

/// One handshake: its request, and the part of the answer that has come.
pub(super) struct Opening {
    challenge: Challenge,
    exchange: Exchange,
    deadline: Time,
    /// The body of a refusal, while more of it is to come.
    refusal: Option<Vec<u8>>,
}

/// The state of the answer.
pub(super) enum Answer {
    /// The answer is not complete.
    Pending,
    /// The handshake is complete.
    Open(Opened, Option<Params>),
    /// There will be no WebSocket.
    Failed(Error),
}

impl Opening {
    /// Writes the request, with a nonce of its own.
    pub(super) fn begin(
        options: &ConnectOptions,
        limits: Limits,
        entropy: &Entropy,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Self {
        // [rfc6455:4.1-nonce-fresh]
        let challenge = Challenge::new(entropy.bytes());
        let written = with_request(options, |request| challenge.write_request(request, out));
        written
            .map(Result::ok)
            .ok()
            .flatten()
            .expect("the request was tried when the options came");
        let exchange = Exchange::new("GET", limits);
        Self { challenge, exchange, deadline: now + limits.head_ms, refusal: None }
    }

    pub(super) const fn deadline(&self) -> Time {
        self.deadline
    }

    /// Takes the answer up to its end, and not a byte further.
    pub(super) fn take(
        &mut self,
        options: &ConnectOptions,
        now: Time,
        input: &mut &mut [u8],
    ) -> Answer {
        match self.exchange.take_head(input) {
            Ok(true) if self.refusal.is_some() => return self.gather(now, input),
            Ok(true) => {}
            Ok(false) if self.deadline <= now => {
                return Answer::Failed(Error::TimedOut(Deadline::Head));
            }
            Ok(false) => return Answer::Pending,
            Err(error) => return Answer::Failed(error),
        }
        let verified = with_request(options, |request| {
            let offer = options.compression.as_ref();
            self.exchange.with_head(|head| verify(&self.challenge, request, offer, head))
        });
        match verified.expect("the request was tried when the options came") {
            Ok((opened, params)) => Answer::Open(opened, params),
            Err(Error::Handshake(VerifyError::Status(_))) => self.gather(now, input),
            Err(error) => Answer::Failed(error),
        }
    }

    /// Waits for the whole refusal, or as much of it as is kept.
    fn gather(&mut self, now: Time, input: &mut &mut [u8]) -> Answer {
        let body = self.refusal.get_or_insert_with(|| {
            self.deadline = self.deadline.min(now + REFUSAL_MS);
            Vec::new()
        });
        if self.exchange.gather(body, input) || self.deadline <= now {
            let body = core::mem::take(body);
            return Answer::Failed(Error::Refused(self.exchange.refusal(body)));
        }
        Answer::Pending
    }

    /// Returns the error for a connection that ends before the handshake is complete.
    pub(super) fn cut(self, why: Error) -> Error {
        match self.refusal {
            // The refusal is worth reporting with the part of its body that came.
            Some(body) => Error::Refused(self.exchange.refusal(body)),
            None if why == Error::Ended => Error::Truncated,
            None => why,
        }
    }
}

/// Says whether a request can be made of these options.
pub(super) fn check(options: &ConnectOptions) -> Result<(), UsageError> {
    if !options.url.is_websocket() {
        return Err(UsageError::Scheme);
    }
    let challenge = Challenge::new([0; 16]);
    let written =
        with_request(options, |request| challenge.write_request(request, &mut Vec::new()))?;
    written.map_err(|error| match error {
        HandshakeUsage::Subprotocols => UsageError::Subprotocols,
        HandshakeUsage::HeaderReserved | HandshakeUsage::Origin => UsageError::Header,
        _ => UsageError::Url,
    })
}

/// Lends the request that the options stand for.
fn with_request<R>(
    options: &ConnectOptions,
    act: impl FnOnce(&ClientRequest<'_>) -> R,
) -> Result<R, UsageError> {
    let headers: Result<Vec<_>, _> = options.headers.iter().map(headers::parse).collect();
    let subprotocols: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
    let extensions = options.compression.as_ref().map_or_else(Extensions::new, offered);
    Ok(act(&ClientRequest {
        origin: options.origin.as_deref(),
        subprotocols: &subprotocols,
        extensions: &extensions,
        headers: &headers?,
        ..ClientRequest::new(options.url.authority(), options.url.target())
    }))
}

fn offered(offer: &ClientOffer) -> Extensions {
    let mut text = Vec::new();
    offer.write(&mut text);
    Extensions::parse([&*text]).expect("an offer is well formed")
}

fn verify(
    challenge: &Challenge,
    request: &ClientRequest<'_>,
    offer: Option<&ClientOffer>,
    head: &ResponseHead<'_, '_>,
) -> Result<(Opened, Option<Params>), Error> {
    let accepted = challenge.verify(head, request).map_err(Error::Handshake)?;
    let params = agreed(&accepted, offer)?;
    let opened = Opened {
        subprotocol: accepted.subprotocol.map(str::to_owned),
        compressed: params.is_some(),
        headers: headers::of_head(head.headers()),
    };
    Ok((opened, params))
}

/// The compression that the server agreed to, held to our offer.
fn agreed(accepted: &Accepted<'_>, offer: Option<&ClientOffer>) -> Result<Option<Params>, Error> {
    let mut named = accepted.extensions.iter().filter(|one| one.name() == EXTENSION_NAME);
    let (Some(offer), Some(answer)) = (offer, named.next()) else { return Ok(None) };
    // [rfc7692:6-rsv1-conflict]
    if named.next().is_some() {
        return Err(Error::Compression);
    }
    offer.accept_response(answer.params()).map(Some).map_err(|_| Error::Compression)
}
