//! Headers to write: names and values that cannot end a header line early. `headers` has received ones.

use core::fmt;

use crate::{UsageError, grammar};

/// The names that a caller may not write. The writers of `sockeye-http1` produce six of them from typed
/// arguments (`Connection`, `Content-Length`, `Date`, `Host`, `Transfer-Encoding`, `Upgrade`), so none of
/// these can stand twice or contradict the body. The other four would make claims about the connection
/// or the trailers that no writer fulfils.
const RESERVED: [&str; 10] = [
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The name of a header to write: a token that is not reserved.
///
/// `Connection`, `Content-Length`, `Date`, `Host`, `Transfer-Encoding` and `Upgrade` are reserved, because
/// the writers of `sockeye-http1` produce them from typed arguments. `Keep-Alive`, `Proxy-Connection`, `TE`
/// and `Trailer` are reserved, because no writer implements them.
///
/// # Examples
/// ```
/// use sockeye_http::{HeaderName, UsageError};
/// const RETRY_AFTER: HeaderName<'_> = HeaderName::from_static("Retry-After");
/// assert_eq!(RETRY_AFTER.as_str(), "Retry-After");
/// assert_eq!(HeaderName::new("X-A\r\nX-B"), Err(UsageError::HeaderName));
/// assert_eq!(HeaderName::new("content-length"), Err(UsageError::HeaderReserved));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeaderName<'a>(&'a str);

impl<'a> HeaderName<'a> {
    /// Checks a name.
    ///
    /// # Errors
    /// [`UsageError::HeaderName`] if it is not a token (RFC 9110 §5.1),
    /// [`UsageError::HeaderReserved`] if it is reserved.
    pub const fn new(name: &'a str) -> Result<Self, UsageError> {
        // [rfc9110:5.1-name-is-token]
        if !grammar::is_token(name.as_bytes()) {
            return Err(UsageError::HeaderName);
        }
        let mut rest: &[&str] = &RESERVED;
        while let [reserved, tail @ ..] = rest {
            if grammar::eq_ignore_case(name.as_bytes(), reserved.as_bytes()) {
                return Err(UsageError::HeaderReserved);
            }
            rest = tail;
        }
        Ok(Self(name))
    }

    /// Returns the name as given; names are compared without regard to case.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl HeaderName<'static> {
    /// Checks a name that is part of the program; in a `const` the check happens at compile time.
    ///
    /// # Panics
    /// If [`HeaderName::new`] would refuse it.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        match Self::new(name) {
            Ok(name) => name,
            Err(_) => panic!("not a header name that a program may set"),
        }
    }
}

/// The value of a header to write: no CR, LF, NUL or other control byte, no whitespace at its ends.
///
/// # Examples
/// ```
/// use sockeye_http::{HeaderValue, UsageError};
/// const NO_STORE: HeaderValue<'_> = HeaderValue::from_static("no-store");
/// assert_eq!(NO_STORE.as_bytes(), b"no-store");
/// assert_eq!(HeaderValue::new("a\r\nSet-Cookie: b"), Err(UsageError::HeaderValue));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeaderValue<'a>(&'a [u8]);

impl<'a> HeaderValue<'a> {
    /// Checks a value given as text.
    ///
    /// # Errors
    /// [`UsageError::HeaderValue`] if it cannot stand in a header line (RFC 9110 §5.5).
    pub const fn new(value: &'a str) -> Result<Self, UsageError> {
        Self::from_bytes(value.as_bytes())
    }

    /// Checks a value given as bytes; obs-text (0x80 and above) is allowed.
    ///
    /// # Errors
    /// [`UsageError::HeaderValue`] if it cannot stand in a header line (RFC 9110 §5.5).
    pub const fn from_bytes(value: &'a [u8]) -> Result<Self, UsageError> {
        if grammar::trim_ows(value).len() != value.len() {
            return Err(UsageError::HeaderValue);
        }
        let mut rest = value;
        while let Some((&byte, tail)) = rest.split_first() {
            // [rfc9110:5.5-no-injection]
            if !grammar::is_field_byte(byte) {
                return Err(UsageError::HeaderValue);
            }
            rest = tail;
        }
        Ok(Self(value))
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl HeaderValue<'static> {
    /// Checks a value that is part of the program; in a `const` the check happens at compile time.
    ///
    /// # Panics
    /// If [`HeaderValue::new`] would refuse it.
    #[must_use]
    pub const fn from_static(value: &'static str) -> Self {
        match Self::new(value) {
            Ok(value) => value,
            Err(_) => panic!("not a header value"),
        }
    }
}

/// Shows the length only: values hold credentials.
impl fmt::Debug for HeaderValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderValue({} bytes)", self.0.len())
    }
}
