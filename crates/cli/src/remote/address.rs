//! The address of a hub.

use sockeye_client::{Peer, Scheme, Url};
use sockeye_http1::{Body, RequestWriter};
use sockeye_terminal::{Failure, values};

/// Host and port, and the path that the hub's own paths stand behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// For a client that knows the hub's paths itself.
    pub(super) url: Url,
    /// As it stands in the URL.
    pub(super) authority: String,
    prefix: String,
}

impl Address {
    /// Reads a URL. Nothing of one with credentials in it is ever shown.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            Failure("a URL begins with http://, like http://127.0.0.1:8080".into())
        })?;
        let scheme = match scheme {
            "http" | "ws" => "http",
            "https" | "wss" => "https",
            _ => return Err(Failure("the URL has to begin with http:// or https://".into())),
        };
        if rest.contains('@') {
            let hint = "use --api-key or --token, or their variables in the environment";
            return Err(Failure(format!("credentials cannot stand in the URL; {hint}")));
        }
        if rest.contains(['?', '#']) {
            return Err(Failure("the URL cannot have a query or a fragment".into()));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let prefix = path.trim_end_matches('/').to_owned();
        let port = match values::has_strange_port(url) {
            true => format!(": {}", values::STRANGE_PORT),
            false => String::new(),
        };
        let strange = || Failure(format!("not the URL of a server: {}{port}", super::plain(url)));
        let parsed =
            Url::parse(&format!("{scheme}://{authority}{prefix}")).map_err(|_| strange())?;
        let address = Self { url: parsed, authority: authority.to_owned(), prefix };
        let target = address.target("/");
        let writer = RequestWriter::new("GET", &target, authority).map_err(|_| strange())?;
        writer.write(Body::Empty, &mut Vec::new());
        Ok(address)
    }

    /// Host, port, and whether it is TLS.
    pub(super) const fn peer(&self) -> &Peer {
        self.url.peer()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.peer().scheme == Scheme::Secure
    }

    /// A path of the hub's, with its query, as a request's target.
    pub(super) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
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
            let url = address.url.to_string();
            assert!(url.starts_with(&format!("http://{authority}/")), "{url}");
        }
    }

    #[test]
    fn ports_are_the_schemes_own() {
        for (url, is_secure, host, port) in [
            ("http://a", false, "a", 80),
            ("https://a", true, "a", 443),
            ("wss://[::1]/hub", true, "::1", 443),
            ("https://a:81", true, "a", 81),
            ("http://a:", false, "a", 80),
        ] {
            let address = Address::parse(url).expect("a URL");
            let peer = address.peer();
            assert_eq!((address.is_secure(), &*peer.host, peer.port), (is_secure, host, port));
        }
    }

    #[test]
    fn secure_urls_are_kept() {
        for url in ["https://hub.example:81/a", "wss://hub.example:81/a/"] {
            let address = Address::parse(url).expect("a URL");
            assert_eq!(address.url.to_string(), "https://hub.example:81/a");
        }
    }

    #[test]
    fn urls_that_are_refused_in_one_line_without_credentials() {
        for (url, reason) in [
            ("127.0.0.1:8080", "begins with http://"),
            ("ftp://a", "http:// or https://"),
            ("https:///x", "not the URL"),
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
