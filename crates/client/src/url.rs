//! URLs of the four schemes that a client connects by, and references to them (RFC 3986).

use core::fmt;

use crate::UsageError;

/// What a URL's scheme says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `http` or `ws`: plain TCP, port 80.
    Plain,
    /// `https` or `wss`: TLS, port 443.
    Secure,
}

/// The server of a URL: whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Plain or secure.
    pub scheme: Scheme,
    /// A name or an address; an IPv6 address is without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// An absolute URL with the scheme `http`, `https`, `ws` or `wss`.
///
/// # RFC
/// RFC 3986, and RFC 6455 §3 for `ws` and `wss`. Spaces and what is not ASCII are percent-encoded in path and
/// query, as browsers do. Names of hosts have to be ASCII: an international one is given in its `xn--` form.
/// Deviation: a URL with a user or a password is refused, since both would end up in logs; there are headers
/// for credentials.
///
/// ```
/// use sockeye_client::Url;
///
/// let url = Url::parse("wss://hub.example/v1/ws?channel=a")?;
/// assert_eq!((url.peer().host.as_str(), url.peer().port), ("hub.example", 443));
/// assert_eq!(url.target(), "/v1/ws?channel=a");
/// assert_eq!(url.resolve("../next")?.to_string(), "wss://hub.example/next");
/// # Ok::<(), sockeye_client::UsageError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    peer: Peer,
    /// Whether the scheme is one of WebSocket.
    websocket: bool,
    /// Host and port as they go into the header `Host`: without the port if it is the scheme's.
    authority: String,
    /// Path and query; begins with a slash.
    target: String,
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// [`UsageError::Url`] if it is none, [`UsageError::Scheme`] if it is of another scheme,
    /// [`UsageError::Credentials`] if it has a user or a password, [`UsageError::Fragment`] if a `ws` or `wss` URL has
    /// a fragment. The fragment of an `http` URL is dropped.
    pub fn parse(text: &str) -> Result<Self, UsageError> {
        let (scheme, rest) = text.split_once(':').ok_or(UsageError::Url)?;
        let rest = rest.strip_prefix("//").ok_or(UsageError::Url)?;
        let lower = scheme.to_ascii_lowercase();
        let (scheme, websocket) = match lower.as_str() {
            "http" => (Scheme::Plain, false),
            "https" => (Scheme::Secure, false),
            "ws" => (Scheme::Plain, true),
            "wss" => (Scheme::Secure, true),
            _ => return Err(UsageError::Scheme),
        };
        let len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(len);
        let (peer, authority) = read_authority(scheme, authority)?;
        let (path, query) = split_target(without_fragment(target, websocket)?);
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { peer, websocket, authority, target: join(&remove_dots(path), query)? })
    }

    /// Resolves a reference, for example the `Location` of a redirect, against this URL.
    ///
    /// # Errors
    /// As [`Url::parse`].
    ///
    /// # RFC
    /// RFC 3986 §5.2.
    pub fn resolve(&self, reference: &str) -> Result<Self, UsageError> {
        if has_scheme(reference) {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{}:{reference}", self.scheme_name()));
        }
        let (path, query) = split_target(without_fragment(reference, self.websocket)?);
        let (own_path, own_query) = split_target(&self.target);
        let (path, query) = match path {
            "" => (own_path.to_owned(), query.or(own_query)),
            _ if path.starts_with('/') => (path.to_owned(), query),
            // Instead of what stands behind the last slash.
            _ => {
                let folder = own_path.rfind('/').map_or("/", |slash| &own_path[..=slash]);
                (format!("{folder}{path}"), query)
            }
        };
        Ok(Self { target: join(&remove_dots(&path), query)?, ..self.clone() })
    }

    /// The server to connect to.
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Host and port for the header `Host`; the port only if it is not the scheme's.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query for the request line.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether the scheme is `ws` or `wss`.
    pub const fn is_websocket(&self) -> bool {
        self.websocket
    }

    /// The same server, path and query with the scheme `ws` or `wss`.
    #[must_use]
    pub fn to_websocket(&self) -> Self {
        Self { websocket: true, ..self.clone() }
    }

    /// The same server, path and query with the scheme `http` or `https`.
    #[must_use]
    pub fn to_http(&self) -> Self {
        Self { websocket: false, ..self.clone() }
    }

    /// The same server with another path and query. Dot segments are removed from the path.
    ///
    /// # Errors
    /// [`UsageError::Url`] if `target` does not begin with a slash or has a byte that no target may have.
    pub fn with_target(&self, target: &str) -> Result<Self, UsageError> {
        let (path, query) = split_target(target);
        if !path.starts_with('/') || target.contains('#') {
            return Err(UsageError::Url);
        }
        Ok(Self { target: join(&remove_dots(path), query)?, ..self.clone() })
    }

    const fn scheme_name(&self) -> &'static str {
        match (self.peer.scheme, self.websocket) {
            (Scheme::Plain, false) => "http",
            (Scheme::Secure, false) => "https",
            (Scheme::Plain, true) => "ws",
            (Scheme::Secure, true) => "wss",
        }
    }
}

/// The whole URL, query included: it may hold credentials.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme_name(), self.authority, self.target)
    }
}

/// Shows no query: it may hold credentials.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = split_target(&self.target);
        let more = if query.is_some() { "?…" } else { "" };
        write!(f, "{}://{}{path}{more}", self.scheme_name(), self.authority)
    }
}

/// The peer of an authority, and the authority as a header names it.
fn read_authority(scheme: Scheme, text: &str) -> Result<(Peer, String), UsageError> {
    if text.contains('@') {
        return Err(UsageError::Credentials);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(UsageError::Url)?;
            host.parse::<core::net::Ipv6Addr>().map_err(|_| UsageError::Url)?;
            (host, port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (check_name(host)?, port)
        }
    };
    let default = match scheme {
        Scheme::Plain => 80,
        Scheme::Secure => 443,
    };
    // An empty port means that of the scheme. [RFC 3986 §3.2.3]
    let port = match port {
        "" | ":" => default,
        port => read_port(port.strip_prefix(':').ok_or(UsageError::Url)?)?,
    };
    let host = host.to_ascii_lowercase();
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let authority = if port == default { shown } else { format!("{shown}:{port}") };
    Ok((Peer { scheme, host, port }, authority))
}

/// A host that is a name or an IPv4 address.
fn check_name(host: &str) -> Result<&str, UsageError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if host.is_empty() || host.len() > 255 || !host.bytes().all(fits) {
        return Err(UsageError::Url);
    }
    Ok(host)
}

fn read_port(text: &str) -> Result<u16, UsageError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port > 0).ok_or(UsageError::Url)
}

/// Whether a reference begins with a scheme (RFC 3986 §3.1).
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(fits)
}

fn without_fragment(text: &str, websocket: bool) -> Result<&str, UsageError> {
    match text.split_once('#') {
        None => Ok(text),
        // [rfc6455:3-no-fragment]
        Some(_) if websocket => Err(UsageError::Fragment),
        Some((before, _)) => Ok(before),
    }
}

fn split_target(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// Path and query in one, percent-encoded where a request line needs it.
fn join(path: &str, query: Option<&str>) -> Result<String, UsageError> {
    let mut target = String::with_capacity(path.len());
    push_encoded(path, &mut target)?;
    if let Some(query) = query {
        target.push('?');
        push_encoded(query, &mut target)?;
    }
    Ok(target)
}

fn push_encoded(text: &str, out: &mut String) -> Result<(), UsageError> {
    for byte in text.bytes() {
        match byte {
            // A line end in a URL is an attack, or a mistake that is better told.
            0..=31 | 127 => return Err(UsageError::Url),
            b' ' | b'"' | b'<' | b'>' | 128.. => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    Ok(())
}

/// Takes `.` and `..` out of a path (RFC 3986 §5.2.4).
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
#[path = "url/tests.rs"]
mod tests;
