//! The URL of a WebSocket (RFC 6455 §3).

use crate::OpenError;

/// The parts of a `ws` or `wss` URL.
///
/// ```
/// use sockeye_endpoint::Address;
///
/// let address = Address::parse("wss://hub.example/chat?room=7")?;
/// assert_eq!((address.host, address.port, address.is_secure), ("hub.example", 443, true));
/// assert_eq!(address.target(), "/chat?room=7");
/// # Ok::<(), sockeye_endpoint::OpenError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address<'u> {
    /// The scheme is `wss`.
    pub is_secure: bool,
    /// A name or an address; an IPv6 address is without its brackets.
    pub host: &'u str,
    /// The port, that of the scheme if the URL has none.
    pub port: u16,
    /// Host and port as the header `Host` names them: without the port if it is the scheme's.
    pub authority: &'u str,
    /// Path and query without their first slash, if there is one.
    target: &'u str,
}

impl<'u> Address<'u> {
    /// Reads a URL. It has to be in the form that goes on the wire: ASCII, and percent-encoded.
    ///
    /// # Errors
    /// [`OpenError::Url`].
    pub fn parse(url: &'u str) -> Result<Self, OpenError> {
        let (scheme, rest) = url.split_once("://").ok_or(OpenError::Url)?;
        let is_secure = scheme.eq_ignore_ascii_case("wss");
        if !is_secure && !scheme.eq_ignore_ascii_case("ws") {
            return Err(OpenError::Url);
        }
        // [rfc6455:3-no-fragment]
        if rest.contains('#') || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OpenError::Url);
        }
        let len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(len);
        let (host, port) = split_port(authority)?;
        let default = if is_secure { 443 } else { 80 };
        let bare = &authority[..authority.len() - port.map_or(0, |port| port.len() + 1)];
        let port = match port {
            None | Some("") => default,
            Some(port) => read_port(port)?,
        };
        let authority = if port == default { bare } else { authority };
        Ok(Self { is_secure, host, port, authority, target })
    }

    /// Path and query for the request line.
    #[must_use]
    pub fn target(&self) -> String {
        if self.target.starts_with('/') {
            self.target.to_owned()
        } else {
            format!("/{}", self.target)
        }
    }
}

/// The host of an authority, and the text behind its colon.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), OpenError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(OpenError::Url)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| OpenError::Url)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(OpenError::Url),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    // A user's name and password have their place in headers, so '@' is none of a host's bytes.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if host.is_empty() || !host.bytes().all(fits) {
        return Err(OpenError::Url);
    }
    Ok((host, port))
}

fn read_port(text: &str) -> Result<u16, OpenError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port > 0).ok_or(OpenError::Url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        let table = [
            ("ws://hub.example", ("hub.example", 80, "hub.example", "/")),
            ("WS://hub.example:80/a?b", ("hub.example", 80, "hub.example", "/a?b")),
            ("ws://hub.example:81?b", ("hub.example", 81, "hub.example:81", "/?b")),
            ("ws://hub.example:/", ("hub.example", 80, "hub.example", "/")),
            ("ws://[::1]:9/x", ("::1", 9, "[::1]:9", "/x")),
            ("ws://[::1]", ("::1", 80, "[::1]", "/")),
            ("wss://127.0.0.1:443/", ("127.0.0.1", 443, "127.0.0.1", "/")),
            ("wss://127.0.0.1:80/", ("127.0.0.1", 80, "127.0.0.1:80", "/")),
        ];
        for (url, parts) in table {
            let it = Address::parse(url).unwrap();
            assert_eq!((it.host, it.port, it.authority, &*it.target()), parts, "{url}");
            assert_eq!(it.is_secure, url.starts_with("wss"));
        }
    }

    /// [rfc6455:3-no-fragment]
    #[test]
    fn other_urls_are_refused() {
        let table = [
            "",
            "ws:",
            "http://a/",
            "ws://",
            "ws:///a",
            "ws://a#b",
            "ws://a/?b#c",
            "ws://u@a/",
            "ws://a b/",
            "ws://a/é",
            "ws://a/\r\n",
            "ws://a:0/",
            "ws://a:65536/",
            "ws://a:+1/",
            "ws://a:1:2/",
            "ws://[::1/",
            "ws://[a]/",
            "ws://[::1]x/",
            "ws://a\"/",
        ];
        for url in table {
            assert_eq!(Address::parse(url), Err(OpenError::Url), "{url}");
        }
    }
}
