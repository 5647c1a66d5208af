//! The request-target in its four forms (RFC 9112 §3.2), and the authority inside it and `Host`.

use core::fmt;
use core::net::Ipv6Addr;

use crate::grammar::ByteSet;

/// The request-target, taken apart.
///
/// # RFC
/// RFC 9112 §3.2.
/// Deviation: path and query may hold every visible ASCII character but `#`, also those that
/// RFC 3986 wants percent-encoded (`|`, `[`, `"`, …): browsers send some of them as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target<'b> {
    /// `/path?query`, the usual form.
    Origin {
        /// Begins with `/`.
        path: &'b str,
        /// What follows the first `?`, without it.
        query: Option<&'b str>,
    },
    /// `http://host/path?query`, as sent to proxies; only `http` and `https` are allowed.
    Absolute {
        /// In the case it was sent in.
        scheme: &'b str,
        /// The authority, which outranks `Host`.
        authority: &'b str,
        /// Begins with `/`; an empty path is given as `/`.
        path: &'b str,
        /// What follows the first `?`, without it.
        query: Option<&'b str>,
    },
    /// `host:port`, for CONNECT only.
    Authority(&'b str),
    /// `*`, for OPTIONS only.
    Asterisk,
}

impl<'b> Target<'b> {
    /// Takes a request-target apart; `None` if the method does not allow it.
    pub(crate) fn parse(method: &str, target: &'b str) -> Option<Self> {
        // No fragment, no control byte, no space, nothing beyond ASCII. [rfc9112:3.2-target-bytes]
        if !target.bytes().all(|byte| TARGET.has(byte)) {
            return None;
        }
        if method == "CONNECT" {
            // [rfc9112:3.2.3-authority-form-connect] [rfc9110:9.3.6-connect-port]
            let port = authority_port(target)??;
            return (!port.is_empty()).then_some(Self::Authority(target));
        }
        if target == "*" {
            // [rfc9112:3.2.4-asterisk-form-options]
            return (method == "OPTIONS").then_some(Self::Asterisk);
        }
        if target.starts_with('/') {
            let (path, query) = split_query(target);
            return Some(Self::Origin { path, query });
        }
        Self::parse_absolute(target)
    }

    fn parse_absolute(target: &'b str) -> Option<Self> {
        let (scheme, rest) = target.split_once("://")?;
        // [rfc9112:3.2.2-absolute-form]
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(authority_len)?;
        if !is_authority(authority) {
            return None;
        }
        let (path, query) = split_query(rest);
        let path = if path.is_empty() { "/" } else { path };
        Some(Self::Absolute { scheme, authority, path, query })
    }

    /// Returns the path: `*` for the asterisk form, empty for the authority form.
    #[must_use]
    pub const fn path(self) -> &'b str {
        match self {
            Self::Origin { path, .. } | Self::Absolute { path, .. } => path,
            Self::Authority(_) => "",
            Self::Asterisk => "*",
        }
    }

    /// Returns the query, without the `?`; `None` if there is no `?`.
    #[must_use]
    pub const fn query(self) -> Option<&'b str> {
        match self {
            Self::Origin { query, .. } | Self::Absolute { query, .. } => query,
            Self::Authority(_) | Self::Asterisk => None,
        }
    }

    /// Returns the authority that the target itself names.
    #[must_use]
    pub const fn authority(self) -> Option<&'b str> {
        match self {
            Self::Absolute { authority, .. } | Self::Authority(authority) => Some(authority),
            Self::Origin { .. } | Self::Asterisk => None,
        }
    }
}

/// Shows the query's length only: queries hold credentials.
impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query_len = self.query().map(str::len);
        match self {
            Self::Origin { path, .. } => {
                f.debug_struct("Origin").field("path", path).field("query_len", &query_len).finish()
            }
            Self::Absolute { scheme, authority, path, .. } => f
                .debug_struct("Absolute")
                .field("scheme", scheme)
                .field("authority", authority)
                .field("path", path)
                .field("query_len", &query_len)
                .finish(),
            Self::Authority(authority) => f.debug_tuple("Authority").field(authority).finish(),
            Self::Asterisk => f.write_str("Asterisk"),
        }
    }
}

/// Every visible character of ASCII but `#`.
static TARGET: ByteSet = ByteSet::alphanumeric_and(b"!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~");

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// Returns whether the text is `uri-host [ ":" port ]` with a host that is not empty.
pub(crate) fn is_authority(text: &str) -> bool {
    authority_port(text).is_some()
}

/// Checks `uri-host [ ":" port ]` and returns the port's text if there is a colon; `None` if the
/// text is no authority.
///
/// Without userinfo, which RFC 9110 §4.2.4 wants treated as an error [rfc9110:4.2.4-no-userinfo],
/// and never with an empty host [rfc9110:4.2.1-no-empty-host]. The host is a name, an IPv4 address
/// (which is also a name by its grammar) or an IPv6 address in brackets; the "future" address form,
/// of which none exists, is refused.
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
