//! The address of a hub.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use sockeye_client::Url;
use sockeye_http1::{Body, RequestWriter};

use super::Break;
use crate::{Failure, OrFail};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// Host and port, and the path that the hub's own paths stand behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    is_secure: bool,
    /// As it stands in the URL.
    pub(super) authority: String,
    prefix: String,
}

impl Address {
    /// Reads a URL. Nothing of one with credentials in it is ever shown.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let address = Self::parse_any(url)?;
        if address.is_secure {
            let hint = "use http:// to a proxy that does";
            return Err(Failure(format!("TLS is not there yet for this; {hint}")));
        }
        Ok(address)
    }

    /// The same, also of one that wants TLS.
    pub(super) fn parse_any(url: &str) -> Result<Self, Failure> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            Failure("a URL begins with http://, like http://127.0.0.1:8080".into())
        })?;
        let is_secure = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(Failure("the URL has to begin with http:// or ws://".into())),
        };
        if rest.contains('@') {
            let hint = "use --api-key or --token, or their variables in the environment";
            return Err(Failure(format!("credentials cannot stand in the URL; {hint}")));
        }
        if rest.contains(['?', '#']) {
            return Err(Failure("the URL cannot have a query or a fragment".into()));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let address = Self {
            is_secure,
            authority: authority.to_owned(),
            prefix: path.trim_end_matches('/').to_owned(),
        };
        let target = address.target("/");
        match RequestWriter::new("GET", &target, authority) {
            Ok(writer) if !authority.is_empty() => {
                writer.write(Body::Empty, &mut Vec::new());
                Ok(address)
            }
            _ => Err(Failure(format!("not the URL of a server: {}", super::plain(url)))),
        }
    }

    /// The same for a client that knows them itself.
    pub(super) fn url(&self) -> Result<Url, Failure> {
        let scheme = if self.is_secure { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://{}{}", self.authority, self.prefix));
        url.or_fail(|| format!("not the URL of a server: {}", super::plain(&self.authority)))
    }

    /// A path of the hub's, with its query, as a request's target.
    pub(super) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Connects to the first of the host's addresses that answers.
    pub(super) fn connect(&self) -> Result<TcpStream, Break> {
        let has_port = self.authority.rsplit_once(':').is_some_and(|(_, port)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let host = self.authority.trim_end_matches(':');
        let target = if has_port { host.to_owned() } else { format!("{host}:80") };
        let found = target
            .to_socket_addrs()
            .map_err(|error| Break::Nobody(format!("cannot find {}: {error}", self.authority)))?;
        let mut failed = None;
        for addr in found {
            match TcpStream::connect_timeout(&addr, CONNECT) {
                Ok(socket) => {
                    // Requests are written whole; only waiting could delay them.
                    let _ = socket.set_nodelay(true);
                    return Ok(socket);
                }
                Err(error) => failed = Some(error),
            }
        }
        let why = match failed {
            None => "it has no address".to_owned(),
            Some(error) if error.kind() == ErrorKind::ConnectionRefused => {
                "nobody listens there. Is the server running? (`sockeye serve` starts one, --url \
                 names another)"
                    .to_owned()
            }
            Some(error) => error.to_string(),
        };
        Err(Break::Nobody(format!("cannot connect to {}: {why}", self.authority)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_taken() {
        for (url, authority, target) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "/v1/sse"),
            ("ws://hub.example/", "hub.example", "/v1/sse"),
            ("http://[::1]:81/hub/", "[::1]:81", "/hub/v1/sse"),
        ] {
            let address = Address::parse(url).expect("a URL");
            assert_eq!((&*address.authority, &*address.target("/v1/sse")), (authority, target));
            let url = address.url().expect("a URL").to_string();
            assert!(url.starts_with(&format!("http://{authority}/")), "{url}");
        }
    }

    #[test]
    fn tls_is_for_those_who_can() {
        for url in ["https://hub.example:81/a", "wss://hub.example:81/a/"] {
            let address = Address::parse_any(url).expect("a URL");
            assert_eq!(address.url().expect("a URL").to_string(), "https://hub.example:81/a");
        }
    }

    #[test]
    fn urls_that_are_refused_in_one_line_without_credentials() {
        for (url, reason) in [
            ("127.0.0.1:8080", "begins with http://"),
            ("ftp://a", "http:// or ws://"),
            ("https://a", "TLS is not there yet"),
            ("wss://a", "TLS is not there yet"),
            ("http://user:secret@a", "cannot stand in the URL"),
            ("http://a?token=secret", "query or a fragment"),
            ("http:///x", "not the URL"),
            ("http://a b", "not the URL"),
            ("http://a\nb/", "not the URL"),
        ] {
            let failure = Address::parse(url).expect_err(url).to_string();
            assert!(failure.contains(reason), "{url}: {failure}");
            assert!(!failure.contains("secret") && !failure.contains('\n'), "{failure}");
        }
    }
}
