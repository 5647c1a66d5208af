//! The head of a request as an application sees it, whichever version of HTTP carried it.

use core::fmt;

use crate::{Headers, Method, Target};

/// The head of a request: method, target and header lines.
///
/// A parser of any version of HTTP makes it, so a decision about it holds for all versions. The length
/// of the content and the persistence of the connection belong to the version, and are not in it.
///
/// It borrows from the received bytes (`'b`) and from the parsed lines (`'h`); nothing is copied.
///
/// # Examples
/// ```
/// use sockeye_http::{HeaderLine, Headers, Method, RequestHead, Target};
/// let lines = [HeaderLine { name: b"Accept", value: b"text/event-stream" }];
/// let target = Target::origin("/v1/sse?channel=a").unwrap().with_host(Some("hub.example"));
/// let head = RequestHead::new(Method::GET, target, Headers::new(&lines));
/// assert_eq!((head.method(), head.path()), (Method::GET, "/v1/sse"));
/// assert_eq!((head.authority(), head.query()), (Some("hub.example"), Some("channel=a")));
/// assert!(head.headers().has_token("accept", "text/event-stream"));
/// ```
#[derive(Clone, Copy)]
pub struct RequestHead<'h, 'b> {
    method: Method<'b>,
    target: Target<'b>,
    headers: Headers<'h, 'b>,
}

impl<'h, 'b> RequestHead<'h, 'b> {
    /// Puts a head together from what a parser found.
    #[must_use]
    #[inline]
    pub const fn new(method: Method<'b>, target: Target<'b>, headers: Headers<'h, 'b>) -> Self {
        Self { method, target, headers }
    }

    /// Returns the method.
    #[must_use]
    #[inline]
    pub const fn method(&self) -> Method<'b> {
        self.method
    }

    /// Returns the target, with the authority that the request is for.
    #[must_use]
    #[inline]
    pub const fn target(&self) -> Target<'b> {
        self.target
    }

    /// Returns the authority that the request is for: that of the target, else that of `Host`. Only an
    /// HTTP/1.0 request may have none.
    #[must_use]
    #[inline]
    pub const fn authority(&self) -> Option<&'b str> {
        self.target.authority()
    }

    /// Returns the path of the target, still percent-encoded: see [`Target::path`].
    #[must_use]
    #[inline]
    pub const fn path(&self) -> &'b str {
        self.target.path()
    }

    /// Returns the query of the target, still percent-encoded, without the `?`.
    #[must_use]
    #[inline]
    pub const fn query(&self) -> Option<&'b str> {
        self.target.query()
    }

    /// Returns the header lines.
    #[must_use]
    #[inline]
    pub const fn headers(&self) -> Headers<'h, 'b> {
        self.headers
    }
}

/// Shows neither query nor values: they may hold credentials.
impl fmt::Debug for RequestHead<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
