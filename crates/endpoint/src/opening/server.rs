//! The server's side.

use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_handshake::Extensions;
use sockeye_http::{Date, HeaderName, HeaderValue, Status};
use sockeye_http1::{Body, Persistence, RequestHead, Response};
use sockeye_websocket::Role;

use crate::{Agreed, OpenError, Policy};

/// Decides on a request, and appends the answer to it either way. `headers` are the application's own, for an answer that
/// accepts.
///
/// # Errors
/// The answer refuses: the connection ends behind it.
pub fn decide(
    head: &RequestHead<'_, '_>,
    policy: &Policy<'_>,
    headers: &[(HeaderName<'_>, HeaderValue<'_>)],
    answer: &mut Vec<u8>,
) -> Result<Agreed, OpenError> {
    let Policy { subprotocols, origins, .. } = *policy;
    let terms = sockeye_handshake::Policy { subprotocols, origins };
    let accept = sockeye_handshake::decide(head, &terms).map_err(|reject| {
        reject.write_response(Some(now()), answer);
        OpenError::Reject(reject)
    })?;
    let agreed = Agreed::new(Role::Server).with_subprotocol(accept.subprotocol());
    let (agreed, extensions) = with_extensions(agreed, accept.offers(), policy);
    accept.write_response(&extensions, headers, answer).map_err(|error| {
        answer.extend(refusal(Status::INTERNAL_SERVER_ERROR));
        OpenError::Usage(error)
    })?;
    Ok(agreed)
}

#[cfg(feature = "deflate")]
fn with_extensions(
    agreed: Agreed,
    offers: &Extensions,
    policy: &Policy<'_>,
) -> (Agreed, Extensions) {
    let params = policy.compression.and_then(|config| compression(offers, &config));
    let Some(params) = params else { return (agreed, Extensions::new()) };
    let answer = params.to_string();
    let extensions = Extensions::parse([answer.as_bytes()]).expect("an answer is well formed");
    (agreed.with_compression(Some(params)), extensions)
}

#[cfg(not(feature = "deflate"))]
const fn with_extensions(agreed: Agreed, _: &Extensions, _: &Policy<'_>) -> (Agreed, Extensions) {
    (agreed, Extensions::new())
}

/// The first offer of permessage-deflate that fits; a client lists them by preference.
#[cfg(feature = "deflate")]
#[must_use]
pub fn compression(
    offers: &Extensions,
    config: &sockeye_deflate::ServerConfig,
) -> Option<sockeye_deflate::Params> {
    use sockeye_deflate::{EXTENSION_NAME, accept_offer};

    let mut offers = offers.iter().filter(|offer| offer.name() == EXTENSION_NAME);
    offers.find_map(|offer| accept_offer(offer.params(), config))
}

/// An answer without content, behind which the connection ends.
#[must_use]
pub fn refusal(status: Status) -> Vec<u8> {
    let mut answer = Vec::new();
    let response = Response::new(status).date(now()).connection(Persistence::Close);
    response.write(Body::Empty, &mut answer);
    answer
}

/// The present, which a server with a clock states (RFC 9110 §6.6.1).
fn now() -> Date {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Date::from_unix(since_epoch.as_secs())
}
