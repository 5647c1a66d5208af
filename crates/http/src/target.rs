//! The target of a request, taken apart, and the authority inside it (RFC 9110 §4.2, §7.1).

use core::fmt;
use core::net::Ipv6Addr;

use crate::grammar::ByteSet;

/// The target of a request: scheme, authority, path and query, as far as the request names them.
///
/// HTTP/1.1 writes it in four forms (RFC 9112 §3.2), and each form has a constructor: [`origin`],
/// [`absolute`], [`connect`] and [`ASTERISK`]. HTTP/2 sends scheme, authority and path as pseudo-header
/// fields (RFC 9113 §8.3.1): use [`absolute`], or [`connect`] for CONNECT.
///
/// [`origin`]: Self::origin
/// [`absolute`]: Self::absolute
/// [`connect`]: Self::connect
/// [`ASTERISK`]: Self::ASTERISK
///
/// # RFC
/// RFC 9110 §7.1.
/// Deviation: path and query may hold every visible ASCII character but `#`, also those that
/// RFC 3986 wants percent-encoded (`|`, `[`, `"`, …): browsers send some of them as they are.
///
/// # Examples
/// ```
/// use sockeye_http::Target;
/// let target = Target::origin("/chat?room=1").unwrap();
/// assert_eq!((target.path(), target.query()), ("/chat", Some("room=1")));
/// let target = Target::absolute("https", "a.example:8443", "/chat").unwrap();
/// assert_eq!((target.scheme(), target.authority()), (Some("https"), Some("a.example:8443")));
/// assert_eq!(Target::origin("/chat#end"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Target<'b> {
    scheme: Option<&'b str>,
    authority: Option<&'b str>,
    path: &'b str,
    query: Option<&'b str>,
}

impl<'b> Target<'b> {
    /// The server as a whole, `*`; for OPTIONS only.
    pub const ASTERISK: Self = Self { scheme: None, authority: None, path: "*", query: None };

    /// Takes `/path?query` apart, the usual form; `None` if it does not begin with `/` or holds a
    /// byte that no target may hold.
    #[must_use]
    pub fn origin(path_and_query: &'b str) -> Option<Self> {
        if !path_and_query.starts_with('/') || !is_visible(path_and_query) {
            return None;
        }
        let (path, query) = split_query(path_and_query);
        Some(Self { scheme: None, authority: None, path, query })
    }

    /// Puts the parts of an `http` or `https` URI together; `None` if one of them is invalid.
    /// An empty path is given as `/`.
    #[must_use]
    pub fn absolute(scheme: &'b str, authority: &'b str, path_and_query: &'b str) -> Option<Self> {
        // [rfc9112:3.2.2-absolute-form]
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        if !is_authority(authority) || !is_visible(path_and_query) {
            return None;
        }
        let (path, query) = match split_query(path_and_query) {
            ("", query) => ("/", query),
            parts => parts,
        };
        path.starts_with('/').then_some(Self {
            scheme: Some(scheme),
            authority: Some(authority),
            path,
            query,
        })
    }

    /// Makes the target of CONNECT from `host:port`; `None` unless both are there.
    #[must_use]
    pub fn connect(authority: &'b str) -> Option<Self> {
        // [rfc9112:3.2.3-authority-form-connect] [rfc9110:9.3.6-connect-port]
        let port = authority_port(authority)??;
        let target = Self { scheme: None, authority: Some(authority), path: "", query: None };
        (!port.is_empty()).then_some(target)
    }

    /// Sets the authority to the one that `Host` names, unless the target has an authority of its own.
    #[must_use]
    #[inline]
    pub const fn with_host(self, host: Option<&'b str>) -> Self {
        // [rfc9112:3.2.2-authority-outranks-host]
        match self.authority {
            Some(_) => self,
            None => Self { authority: host, ..self },
        }
    }

    /// Returns the same target without its scheme: what the origin form and `Host` say.
    #[must_use]
    #[inline]
    pub const fn without_scheme(self) -> Self {
        Self { scheme: None, ..self }
    }

    /// Returns the scheme, in the case it was sent in, if the request names one.
    #[must_use]
    pub const fn scheme(self) -> Option<&'b str> {
        self.scheme
    }

    /// Returns the authority, if the request names one.
    #[must_use]
    #[inline]
    pub const fn authority(self) -> Option<&'b str> {
        self.authority
    }

    /// Returns the path, still percent-encoded: it begins with `/`, is `*` for
    /// [`ASTERISK`](Self::ASTERISK), and empty for [`connect`](Self::connect).
    #[must_use]
    #[inline]
    pub const fn path(self) -> &'b str {
        self.path
    }

    /// Returns the query, still percent-encoded, without the `?`; `None` if there is no `?`.
    #[must_use]
    #[inline]
    pub const fn query(self) -> Option<&'b str> {
        self.query
    }
}

/// Shows the query's length only: queries hold credentials.
impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("scheme", &self.scheme)
            .field("authority", &self.authority)
            .field("path", &self.path)
            .field("query_len", &self.query.map(str::len))
            .finish()
    }
}

/// Returns whether the text has visible ASCII characters only, and no `#` (a fragment).
fn is_visible(text: &str) -> bool {
    // Every visible character of ASCII but `#`.
    static TARGET: ByteSet = ByteSet::alphanumeric_and(b"!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
    // [rfc9112:3.2-target-bytes]
    text.bytes().all(|byte| TARGET.has(byte))
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// Returns whether the text is `uri-host [ ":" port ]` with a host that is not empty. The port may be
/// empty, as in `a.example:`.
#[must_use]
pub fn is_authority(text: &str) -> bool {
    authority_port(text).is_some()
}

/// Returns the host of an [authority](is_authority), without its port and without the brackets of an IPv6
/// address.
///
/// ```
/// assert_eq!(sockeye_http::host("a.example:443"), "a.example");
/// assert_eq!(sockeye_http::host("[::1]:443"), "::1");
/// ```
#[must_use]
pub fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Checks `uri-host [ ":" port ]` and returns the port's text if there is a colon; `None` if the
/// text is no authority.
///
/// It refuses userinfo, an error by RFC 9110 §4.2.4 [rfc9110:4.2.4-no-userinfo], and an empty host
/// [rfc9110:4.2.1-no-empty-host]. The host is a name, an IPv4 address
/// (which is also a name by its grammar) or an IPv6 address in brackets. `IPvFuture`
/// (RFC 3986 §3.2.2) is refused: no such address exists.
fn authority_port(text: &str) -> Option<Option<&str>> {
    let (host_is_valid, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
            (address.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (is_reg_name(host), Some(port)),
            None => (is_reg_name(text), None),
        },
    };
    (host_is_valid && port.is_none_or(is_port)).then_some(port)
}

/// Returns whether the text is a registered name (RFC 3986 §3.2.2) that is not empty: unreserved,
/// sub-delims and percent-encoded bytes.
fn is_reg_name(text: &str) -> bool {
    static PLAIN: ByteSet = ByteSet::alphanumeric_and(b"-._~!$&'()*+,;=");
    if text.bytes().all(|byte| PLAIN.has(byte)) {
        return !text.is_empty();
    }
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match tail {
            _ if PLAIN.has(byte) => tail,
            [high, low, tail @ ..]
                if byte == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                tail
            }
            _ => return false,
        };
    }
    !text.is_empty()
}

/// Returns whether the text is a port: digits, possibly none, of at most 65535.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.is_empty() || text.parse::<u16>().is_ok())
}
