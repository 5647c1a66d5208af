//! A request for an event stream, and the request that follows a redirect.

use sockeye_http::{HeaderName, HeaderValue};
use sockeye_http1::{Body, RequestWriter};

use super::options::EventSourceOptions;
use crate::{Url, headers};

const ACCEPT: HeaderName<'_> = HeaderName::from_static("Accept");
const EVENT_STREAM: HeaderValue<'_> = HeaderValue::from_static(sockeye_sse::MIME_TYPE);
const CACHE_CONTROL: HeaderName<'_> = HeaderName::from_static("Cache-Control");
const NO_CACHE: HeaderValue<'_> = HeaderValue::from_static("no-cache");
const LAST_EVENT_ID: HeaderName<'_> = HeaderName::from_static("Last-Event-ID");

/// The caller's headers that say nothing of the caller, so that they may go anywhere.
const HARMLESS: [&str; 6] = [
    "accept",
    "accept-language",
    "cache-control",
    "content-language",
    "content-type",
    "user-agent",
];

/// The headers that go when the body goes (Fetch, "request-body-header name").
const OF_CONTENT: [&str; 4] =
    ["content-encoding", "content-language", "content-location", "content-type"];

/// Where the next request goes, and how much of the caller's own goes with it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) url: Url,
    content: Content,
    headers: Headers,
}

/// Whether method and body are the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Own,
    /// A redirect has made it a GET.
    Dropped,
}

/// Whether headers that may hold credentials go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headers {
    All,
    Harmless,
}

impl Request {
    /// The request that the caller asked for.
    pub(super) fn first(options: &EventSourceOptions) -> Self {
        Self { url: options.url.clone(), content: Content::Own, headers: Headers::All }
    }

    /// The request that a redirect asks for; `None` if it leads to nothing of ours.
    pub(super) fn redirected(
        &self,
        status: u16,
        location: &[u8],
        options: &EventSourceOptions,
    ) -> Option<Self> {
        let url = self.url.resolve(core::str::from_utf8(location).ok()?).ok()?;
        if url.is_websocket() || !is_writable(&options.method, &url) {
            return None;
        }
        // [fetch:4.4-redirect-method]
        let becomes_get = match status {
            301 | 302 => options.method == "POST",
            303 => options.method != "GET",
            _ => false,
        };
        // [fetch:4.4-redirect-credentials] What was dropped stays dropped, also on the way back.
        let is_foreign = url.peer() != self.url.peer();
        Some(Self {
            url,
            content: if becomes_get { Content::Dropped } else { self.content },
            headers: if is_foreign { Headers::Harmless } else { self.headers },
        })
    }

    /// Appends the request's bytes.
    pub(super) fn write(
        &self,
        options: &EventSourceOptions,
        last_event_id: &str,
        out: &mut Vec<u8>,
    ) {
        let (method, body) = match (self.content, &options.body) {
            (Content::Own, Some(body)) => (options.method.as_str(), Body::Bytes(body)),
            (Content::Own, None) => (options.method.as_str(), Body::Empty),
            (Content::Dropped, _) => ("GET", Body::Empty),
        };
        let request = RequestWriter::new(method, self.url.target(), self.url.authority());
        let mut request = request.expect("method and URL were checked");
        let has = |name| headers::find(&options.headers, name).is_some();
        if !has("accept") {
            request = request.header(ACCEPT, EVENT_STREAM);
        }
        if !has("cache-control") {
            request = request.header(CACHE_CONTROL, NO_CACHE);
        }
        let own = options.headers.iter().filter(|(name, _)| self.takes(name));
        request = headers::add(request, own).expect("the headers were checked");
        // Spaces around a value are no part of it. An ID that cannot stand in a head is left out.
        let id = HeaderValue::new(last_event_id.trim_matches([' ', '\t']));
        if let Some(id) = id.ok().filter(|id| !id.as_bytes().is_empty()) {
            request = request.header(LAST_EVENT_ID, id);
        }
        request.write(body, out);
    }

    /// Whether a header of the caller's goes with this request.
    fn takes(&self, name: &str) -> bool {
        let is_one_of = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        let dropped = self.content == Content::Dropped && is_one_of(&OF_CONTENT);
        !dropped && (self.headers == Headers::All || is_one_of(&HARMLESS))
    }
}

/// Whether a request line can be made of this.
pub(super) fn is_writable(method: &str, url: &Url) -> bool {
    RequestWriter::new(method, url.target(), url.authority()).is_ok()
}
