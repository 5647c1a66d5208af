//! Parses the URL of the server under load, and finds its address.

use std::net::{SocketAddr, ToSocketAddrs};

use sockeye_http1::RequestWriter;
use sockeye_terminal::{Failure, OrFail, plain::plain, values};
use sockeye_tls::Connector;

/// The protocol of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `ws`, `wss`: a WebSocket.
    WebSocket,
    /// `http`, `https`: an event stream, or publications.
    Http,
    /// `tcp`: bytes as they are, to measure what the system itself costs.
    Tcp,
}

/// A URL of a server.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its protocol.
    pub scheme: Scheme,
    /// Host and port as they stand in the URL.
    pub authority: String,
    /// Path and query, beginning with a slash.
    pub path: String,
    /// The address of its host.
    pub addr: SocketAddr,
    /// How TLS begins, if the URL wants it.
    pub tls: Option<Connector>,
}

/// Whether only this machine may be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Loopback,
    Anywhere,
}

impl Target {
    /// Reads a URL with one of `schemes`, and finds its host. `tls` is called if the URL wants it.
    pub(super) fn parse(
        url: &str,
        schemes: &[Scheme],
        (reach, tls): (Reach, impl FnOnce() -> Result<Connector, Failure>),
    ) -> Result<Self, Failure> {
        let Split { scheme, is_secure, authority, path } = split(url, schemes)
            .map_err(|why| Failure(format!("not a URL for this: {}: {why}", plain(url))))?;
        let addr = find(&authority, if is_secure { 443 } else { 80 })?;
        if reach == Reach::Loopback && !addr.ip().is_loopback() {
            let hint = "load goes to other machines only with --allow-remote";
            return Err(Failure(format!("{authority} is not this machine; {hint}")));
        }
        let tls = if is_secure { Some(tls()?) } else { None };
        Ok(Self { scheme, authority, path, addr, tls })
    }

    /// The host as a certificate names it.
    pub(super) fn host(&self) -> &str {
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let parts = self.authority.rsplit_once(':').filter(|(_, port)| is_port(port));
        let host = parts.map_or(&*self.authority, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// The parts of a URL.
pub(super) struct Split {
    scheme: Scheme,
    is_secure: bool,
    authority: String,
    path: String,
}

/// Reads a URL with one of `schemes`, without a lookup of the host.
pub(super) fn split(url: &str, schemes: &[Scheme]) -> Result<Split, &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
    let is_secure = matches!(scheme, "wss" | "https");
    let scheme = match scheme {
        "ws" | "wss" => Scheme::WebSocket,
        "http" | "https" => Scheme::Http,
        "tcp" => Scheme::Tcp,
        _ => return Err("its scheme is none of ws, wss, http, https and tcp"),
    };
    if !schemes.contains(&scheme) {
        return Err("its scheme is another");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if values::has_strange_port(url) {
        return Err(values::STRANGE_PORT);
    }
    if authority.is_empty() || RequestWriter::new("GET", &path, authority).is_err() {
        return Err("host or path cannot stand in a request");
    }
    Ok(Split { scheme, is_secure, authority: authority.to_owned(), path })
}

/// The first address of a host, with the port that the URL names or else this one.
fn find(authority: &str, port: u16) -> Result<SocketAddr, Failure> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let host = authority.trim_end_matches(':');
    let with_port = if has_port { host.to_owned() } else { format!("{host}:{port}") };
    let mut found = with_port.to_socket_addrs().or_fail(|| format!("cannot find {authority}"))?;
    found.next().ok_or_else(|| Failure(format!("{authority} has no address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Scheme; 3] = [Scheme::WebSocket, Scheme::Http, Scheme::Tcp];

    fn parse(url: &str, schemes: &[Scheme], reach: Reach) -> Result<Target, Failure> {
        Target::parse(url, schemes, (reach, || Ok(Connector::without_verification())))
    }

    #[test]
    fn urls_that_are_taken() {
        for (url, authority, host, path, port) in [
            ("ws://127.0.0.1:81/echo?a=b", "127.0.0.1:81", "127.0.0.1", "/echo?a=b", 81),
            ("http://127.0.0.1?channel=a", "127.0.0.1", "127.0.0.1", "/?channel=a", 80),
            ("tcp://[::1]:7", "[::1]:7", "::1", "/", 7),
            ("wss://[::1]/x", "[::1]", "::1", "/x", 443),
            ("https://localhost:8443", "localhost:8443", "localhost", "/", 8443),
        ] {
            let target = parse(url, &ALL, Reach::Loopback).expect(url);
            assert_eq!(target.host(), host, "{url}");
            assert_eq!(target.tls.is_some(), url.starts_with("wss") || url.starts_with("https"));
            assert_eq!((&*target.authority, &*target.path), (authority, path));
            assert_eq!(target.addr.port(), port);
        }
    }

    #[test]
    fn urls_that_are_refused() {
        for (url, why) in [
            ("127.0.0.1:80", "no scheme"),
            ("ftp://127.0.0.1", "none of ws, wss"),
            ("ws:///x", "cannot stand in a request"),
            ("ws://127.0.0.1/a b", "cannot stand in a request"),
            ("ws://192.0.2.1/echo", "--allow-remote"),
        ] {
            let failure = parse(url, &ALL, Reach::Loopback).expect_err(url).to_string();
            assert!(failure.contains(why), "{url}: {failure}");
        }
        let only = [Scheme::WebSocket];
        assert!(parse("http://127.0.0.1/", &only, Reach::Loopback).is_err());
        assert!(parse("ws://192.0.2.1/", &only, Reach::Anywhere).is_ok());
    }
}
