//! Methods (RFC 9110 §9).

use core::fmt;

use crate::{UsageError, grammar};

/// The method of a request: a token. Methods are case-sensitive (RFC 9110 §9.1).
///
/// A newtype and not an enum, because the registry grows.
///
/// # Examples
/// ```
/// use sockeye_http::{Method, UsageError};
/// assert_eq!(Method::new("GET"), Ok(Method::GET));
/// assert_ne!(Method::new("get"), Ok(Method::GET));
/// assert_eq!(Method::new("GET /"), Err(UsageError::Method));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method<'a>(&'a str);

impl Method<'static> {
    /// `GET`: transfers a representation of the target.
    pub const GET: Self = Self("GET");
    /// `HEAD`: as `GET`, without the content.
    pub const HEAD: Self = Self("HEAD");
    /// `POST`: has the target process the content.
    pub const POST: Self = Self("POST");
    /// `PUT`: replaces the target.
    pub const PUT: Self = Self("PUT");
    /// `DELETE`: removes the target.
    pub const DELETE: Self = Self("DELETE");
    /// `CONNECT`: makes a tunnel to the target.
    pub const CONNECT: Self = Self("CONNECT");
    /// `OPTIONS`: asks for the communication options of the target.
    pub const OPTIONS: Self = Self("OPTIONS");
    /// `PATCH`: changes a part of the target (RFC 5789).
    pub const PATCH: Self = Self("PATCH");
}

impl<'a> Method<'a> {
    /// Checks a method.
    ///
    /// # Errors
    /// [`UsageError::Method`] if it is not a token.
    pub const fn new(text: &'a str) -> Result<Self, UsageError> {
        if grammar::is_token(text.as_bytes()) { Ok(Self(text)) } else { Err(UsageError::Method) }
    }

    /// Checks a method that a peer sent; `None` if it is not a token.
    #[must_use]
    #[inline]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        // `GET` is the most frequent method, and the one that opens a WebSocket on HTTP/1.1.
        if bytes == b"GET" {
            return Some(Method::GET);
        }
        grammar::token(bytes).map(Self)
    }

    /// Returns the token.
    #[must_use]
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}
