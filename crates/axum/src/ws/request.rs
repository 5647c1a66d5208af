//! The opening handshake in a request, and the answer to it.

use axum_core::body::Body;
use axum_core::response::Response;
use http::header::{
    CONNECTION, HOST, HeaderMap, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, StatusCode, Version};
use sockeye_endpoint::opening;
use sockeye_endpoint::{Params, ServerConfig};
use sockeye_handshake::{Extensions, Origins, Policy, Reject, decide_parts};
use sockeye_http::{HeaderLine, Headers, Method, RequestHead, Target, is_authority};

use crate::ws::rejection::WebSocketUpgradeRejection as Rejection;

/// Origins are judged later, when the application has said which it serves.
const TERMS: Policy<'_> = Policy { subprotocols: &[], origins: Origins::Any };

/// A valid request for a WebSocket.
pub(crate) struct Request {
    /// The answer to the client's key; none over HTTP/2.
    accept_key: Option<[u8; 28]>,
    offers: Extensions,
    /// The subprotocols in the client's order.
    pub(crate) subprotocols: Vec<HeaderValue>,
    origin: Option<String>,
    host: Option<String>,
}

impl Request {
    pub(crate) fn read(parts: &Parts) -> Result<Self, Rejection> {
        let host = authority(parts)?;
        let lines = lines(&parts.headers);
        let headers = Headers::new(&lines);
        let target = Target::ASTERISK.with_host(host.as_deref());
        let method = Method::new(parts.method.as_str()).map_err(|_| Reject::Method)?;
        let head = RequestHead::new(method, target, headers);
        let (accept_key, offers) = decide(parts, &head)?;
        let subprotocols = headers.tokens(SEC_WEBSOCKET_PROTOCOL.as_str());
        let subprotocols = subprotocols.filter_map(|name| HeaderValue::from_str(name).ok());
        let subprotocols = subprotocols.collect();
        let origin = headers.single(ORIGIN.as_str()).ok().flatten().map(str::to_owned);
        Ok(Self { accept_key, offers, subprotocols, origin, host })
    }

    /// Whether the page that asks, if it is a page, is one of `origins`.
    pub(crate) fn comes_from(&self, origins: Origins<'_>) -> bool {
        self.origin.as_ref().is_none_or(|origin| origins.allow(origin, self.host.as_deref()))
    }

    /// The first offer of compression that fits; a client lists them by preference.
    pub(crate) fn compression(&self, config: &ServerConfig) -> Option<Params> {
        opening::compression(&self.offers, config)
    }

    /// The answer that accepts.
    pub(crate) fn answer(
        &self,
        subprotocol: Option<&HeaderValue>,
        compression: Option<Params>,
    ) -> Response {
        let mut response = Response::new(Body::empty());
        if let Some(key) = &self.accept_key {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, field(key));
        }
        let headers = response.headers_mut();
        if let Some(subprotocol) = subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol.clone());
        }
        if let Some(params) = compression {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, field(params.to_string().as_bytes()));
        }
        response
    }
}

/// Decides the parts that are alike in every version of HTTP: the answer to the key, and the extensions that are offered.
fn decide(
    parts: &Parts,
    head: &RequestHead<'_, '_>,
) -> Result<(Option<[u8; 28]>, Extensions), Rejection> {
    #[cfg(feature = "http2")]
    if parts.version >= Version::HTTP_2 {
        let protocol = parts.extensions.get::<hyper::ext::Protocol>();
        if protocol.is_none_or(|protocol| protocol.as_str() != "websocket") {
            return Err(Reject::Upgrade.into());
        }
        let terms = sockeye_handshake::decide_connect(head, &TERMS)?;
        return Ok((None, terms.offers().clone()));
    }
    let version = match parts.version {
        Version::HTTP_11 => sockeye_http1::Version::Http11,
        _ => sockeye_http1::Version::Http10,
    };
    let accept = decide_parts(head, version, &TERMS)?;
    Ok((Some(*accept.key()), accept.offers().clone()))
}

/// The host that the request is for. hyper does not look at it.
fn authority(parts: &Parts) -> Result<Option<String>, Rejection> {
    let target = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    if parts.version < Version::HTTP_11 || parts.version > Version::HTTP_11 && target.is_some() {
        return Ok(target);
    }
    // A target that two readers understand differently is a way to smuggle.
    if parts.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(Rejection::Target);
    }
    // Also beside a target with an authority, which then counts.
    // [rfc9112:3.2-host-missing] [rfc9112:3.2-one-host] [rfc9112:3.2-host-valid]
    let host = single(&parts.headers).filter(|host| is_authority(host)).ok_or(Rejection::Host)?;
    Ok(Some(target.unwrap_or_else(|| host.to_owned())))
}

fn single(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(HOST).iter();
    let host = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(host)
}

/// The header lines as our own crates read them.
fn lines(headers: &HeaderMap) -> Vec<HeaderLine<'_>> {
    let lines = headers.iter();
    lines
        .map(|(name, value)| HeaderLine { name: name.as_str().as_bytes(), value: value.as_bytes() })
        .collect()
}

fn field(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).expect("keys and parameters are visible ASCII")
}
