//! Which web pages may connect (RFC 6455 §4.2.1 (7), §10.2; RFC 6454).

/// Which origins a server serves.
///
/// A browser names in `Origin` the page that opens the connection, and no script can forge it:
/// the check keeps foreign pages from using a visitor's cookies. Other clients may send any
/// `Origin` or none. A request without `Origin` therefore passes under every variant, and must be
/// authenticated by other means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins<'p> {
    /// Every origin, `null` among them.
    Any,
    /// Only pages from the host and port that the request itself addresses.
    ///
    /// The scheme must be `http` or `https`, whichever; behind a proxy the server cannot know
    /// which it should be. Hosts are compared without regard to ASCII case. A port that is absent
    /// or empty, on either side, stands for the default port of the origin's scheme, so
    /// `https://example.com` and `Host: example.com:443` are the same, and
    /// `https://example.com` and `Host: example.com:80` are not. `null` is nobody's host.
    SameHost,
    /// Only these origins, each written as browsers send it: `https://example.com`,
    /// `http://localhost:8080`, `null`. Compared as a whole without regard to ASCII case; there
    /// are no patterns and no prefixes.
    List(&'p [&'p str]),
}

impl Origins<'_> {
    /// Whether a request to `host` may come from `origin`.
    pub fn allow(self, origin: &str, host: Option<&str>) -> bool {
        // [rfc6455:10.2-origin-policy]
        match self {
            Self::Any => true,
            Self::SameHost => host.is_some_and(|host| is_same_host(origin, host)),
            Self::List(origins) => origins.iter().any(|one| one.eq_ignore_ascii_case(origin)),
        }
    }
}

fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port_default = if scheme.eq_ignore_ascii_case("https") {
        443
    } else if scheme.eq_ignore_ascii_case("http") {
        80
    } else {
        return false;
    };
    match (split_port(authority, port_default), split_port(host, port_default)) {
        (Some((theirs, their_port)), Some((ours, our_port))) => {
            !ours.is_empty() && theirs.eq_ignore_ascii_case(ours) && their_port == our_port
        }
        _ => false,
    }
}

/// The host of `host [ ":" port ]`, and its port or the default; nothing if the port is no port.
fn split_port(authority: &str, port_default: u16) -> Option<(&str, u16)> {
    match authority.rsplit_once(':') {
        Some((host, "")) => Some((host, port_default)),
        // A colon before the closing bracket belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| port.parse().ok()).flatten().map(|port| (host, port))
        }
        Some(_) | None => Some((authority, port_default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [rfc6455:10.2-origin-policy]
    #[test]
    fn same_host_compares_host_and_port() {
        let table = [
            ("http://example.com", "example.com", true),
            ("https://example.com", "example.com", true),
            ("HTTPS://EXAMPLE.com", "Example.COM", true),
            ("http://example.com:80", "example.com", true),
            ("http://example.com", "example.com:80", true),
            ("https://example.com", "example.com:443", true),
            ("http://example.com:", "example.com:", true),
            ("http://localhost:8080", "localhost:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://[::1]", "[::1]:80", true),
            ("https://example.com", "example.com:80", false),
            ("http://example.com", "example.com:443", false),
            ("http://localhost:8080", "localhost", false),
            ("http://localhost", "localhost:8080", false),
            ("http://example.com.evil.test", "example.com", false),
            ("http://evil.test/example.com", "example.com", false),
            ("http://evil.test#example.com", "example.com", false),
            ("http://example.com@evil.test", "example.com", false),
            ("http://example.com/", "example.com", false),
            ("http://sub.example.com", "example.com", false),
            ("http://example.com http://evil.test", "example.com", false),
            ("http://example.com:+80", "example.com", false),
            ("http://example.com:65616", "example.com", false),
            ("http://[::1]", "[::2]", false),
            ("ftp://example.com", "example.com", false),
            ("//example.com", "example.com", false),
            ("example.com", "example.com", false),
            ("null", "null", false),
            ("http://", "", false),
            ("", "", false),
        ];
        for (origin, host, expected) in table {
            let allowed = Origins::SameHost.allow(origin, Some(host));
            assert_eq!(allowed, expected, "{origin} at {host}");
            assert!(Origins::Any.allow(origin, Some(host)));
        }
        assert!(!Origins::SameHost.allow("http://example.com", None));
    }

    /// [rfc6455:10.2-origin-policy]
    #[test]
    fn a_list_holds_whole_origins() {
        let list = Origins::List(&["https://example.com", "null"]);
        let table = [
            ("https://example.com", true),
            ("https://EXAMPLE.com", true),
            ("null", true),
            ("http://example.com", false),
            ("https://example.com:8443", false),
            ("https://example.com.evil.test", false),
            ("https://example", false),
            ("", false),
        ];
        for (origin, expected) in table {
            assert_eq!(list.allow(origin, Some("example.com")), expected, "{origin}");
        }
        assert!(!Origins::List(&[]).allow("null", None));
    }
}
