//! The origins of pages whose cookies are accepted.

use core::fmt;

use crate::{Misuse, Refusal};

/// The origins of pages that may bring a cookie.
///
/// A browser sends a site's cookies with each request to it, whichever page makes the request.
/// `Origin` names that page. Nothing else protects a WebSocket from pages of other sites: it has no
/// preflight and no same-origin policy.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<Box<str>>);

impl AllowedOrigins {
    /// Reads origins as browsers write them: `https://example.com`, `http://localhost:8080`.
    ///
    /// # Errors
    /// [`Misuse::Origin`] for anything else: `*`, `null`, a path or a slash at the end, a port
    /// that is the scheme's own, capitals.
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, Misuse> {
        let check =
            |origin: &'a str| is_serialized(origin).then(|| origin.into()).ok_or(Misuse::Origin);
        origins.into_iter().map(check).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a cookie counts, given the request's `Origin` and `Sec-Fetch-Site`.
    ///
    /// A browser sends no `Origin` with a GET to the page's own origin, such as an EventSource's or
    /// a poll's. `Sec-Fetch-Site`, which no script can set, then has to be `same-origin`. A
    /// WebSocket always has an `Origin`: give no `Sec-Fetch-Site` for it.
    ///
    /// # Errors
    /// [`Refusal::Origin`].
    pub fn check(&self, origin: Option<&str>, sec_fetch_site: Option<&str>) -> Result<(), Refusal> {
        // [auth:cookie-origin]
        let counts = match origin {
            Some(origin) => self.0.iter().any(|allowed| **allowed == *origin),
            None => sec_fetch_site == Some("same-origin"),
        };
        if counts { Ok(()) } else { Err(Refusal::Origin) }
    }
}

impl fmt::Debug for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// Whether the text is a tuple origin as RFC 6454 §6.2 writes it.
fn is_serialized(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port = |port: &str| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && !port.starts_with('0') && port.parse::<u16>().is_ok()
    };
    let host_is_good = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(is_address),
        None => !host.is_empty() && host.bytes().all(is_host_byte),
    };
    host_is_good && port.is_none_or(is_port) && !authority.ends_with(default_port)
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
}

fn is_address(address: &str) -> bool {
    let parsed = address.parse::<core::net::Ipv6Addr>();
    parsed.is_ok_and(|parsed| parsed.to_string() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [auth:cookie-origin]
    #[test]
    fn a_cookie_counts_with_an_origin_on_the_list_only() {
        let allowed = AllowedOrigins::new(["https://app.example", "http://[::1]:8080"]).unwrap();
        assert_eq!(allowed.check(Some("https://app.example"), None), Ok(()));
        assert_eq!(allowed.check(Some("http://[::1]:8080"), Some("cross-site")), Ok(()));
        let others = [
            "https://evil.example",
            "https://app.example.evil.example",
            "https://evil.example/https://app.example",
            "https://app.example:444",
            "http://app.example",
            "HTTPS://APP.EXAMPLE",
            "https://app.example, https://evil.example",
            "https://app.example ",
            "null",
            "",
        ];
        for origin in others {
            let site = Some("same-origin");
            assert_eq!(allowed.check(Some(origin), site), Err(Refusal::Origin), "{origin}");
        }
        assert_eq!(allowed.check(None, Some("same-origin")), Ok(()));
        for site in [None, Some("same-site"), Some("cross-site"), Some("none"), Some("")] {
            assert_eq!(allowed.check(None, site), Err(Refusal::Origin), "{site:?}");
        }
        let nobody = AllowedOrigins::default();
        assert_eq!(nobody.check(Some("https://app.example"), None), Err(Refusal::Origin));
        assert_eq!(nobody.check(Some(""), None), Err(Refusal::Origin));
    }

    #[test]
    fn only_origins_are_configured() {
        let good = ["http://localhost:3000", "https://a-b.c", "http://192.0.2.1", "https://[::1]"];
        assert!(AllowedOrigins::new(good).is_ok());
        let bad = [
            "*",
            "null",
            "",
            "example.com",
            "https://",
            "https://example.com/",
            "https://example.com/path",
            "https://Example.com",
            "https://example.com:443",
            "http://example.com:80",
            "http://example.com:",
            "http://example.com:08",
            "http://example.com:65536",
            "https://*.example.com",
            "https://user@example.com",
            "https://b\u{fc}cher.example",
            "https://[::1",
            "https://[0:0::1]",
            "ftp://example.com",
            "https://a b",
        ];
        for origin in bad {
            assert_eq!(AllowedOrigins::new([origin]), Err(Misuse::Origin), "{origin}");
        }
    }
}
