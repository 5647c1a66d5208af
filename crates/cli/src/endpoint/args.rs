//! The options that `connect` and `events` share: headers, credentials, proxy, TLS.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use sockeye_client::{HttpVersions, Network, Proxy, Url, UsageError};
use sockeye_http::{HeaderName, HeaderValue, UsageError as NotAHeader};
use sockeye_terminal::{Secret, plain::plain, values};

use super::words::Way;
use super::{Problem, tls};

/// Largest file of headers, or of a name and a password.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Who asks, and which way.
#[derive(Debug, Args)]
pub(crate) struct EndpointOptions {
    /// Header of the request, as 'Name: value'. @FILE takes one from each line of a file, where other
    /// users of the machine cannot see it.
    #[arg(short = 'H', long = "header", value_name = "HEADER", help_heading = "Request")]
    headers: Vec<Secret>,

    /// NAME:PASSWORD for Basic authentication; @FILE reads it from a file.
    #[arg(long, value_name = "USER", help_heading = "Request")]
    user: Option<Secret>,

    /// Go through this proxy, http://HOST:PORT, by CONNECT.
    #[arg(long, value_name = "URL", help_heading = "Request")]
    proxy: Option<String>,

    /// NAME:PASSWORD for the proxy; @FILE reads it from a file.
    #[arg(long, value_name = "USER", help_heading = "Request", requires = "proxy")]
    proxy_user: Option<Secret>,

    /// For https:// and wss://, trust the authorities in this PEM file, instead of the system's.
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    cacert: Option<PathBuf>,

    #[command(flatten)]
    http: HttpOptions,

    /// No notices on standard error; errors are still told.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// The version of HTTP.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct HttpOptions {
    /// Speak HTTP/1.1. Without this and --http2, a server behind TLS chooses.
    #[arg(long = "http1.1", help_heading = "HTTP", conflicts_with = "http2")]
    http1: bool,

    /// Speak HTTP/2: with http:// and ws:// the server has to expect it. A WebSocket that it does not
    /// take falls back to HTTP/1.1.
    #[arg(long, help_heading = "HTTP")]
    http2: bool,
}

impl HttpOptions {
    pub(crate) const fn versions(self) -> HttpVersions {
        match self {
            Self { http1: true, .. } => HttpVersions::Http1,
            Self { http2: true, .. } => HttpVersions::Http2,
            Self { http1: false, http2: false } => HttpVersions::Negotiated,
        }
    }
}

const SCHEMES: &str = ": it begins with ws://, wss://, http:// or https://";

/// The URL that stands on the command line.
pub(crate) fn url(text: &str) -> Result<Url, Problem> {
    Url::parse(text).map_err(|error| {
        let hint = match error {
            UsageError::Scheme => {
                // 12 letters at most: what stands there may be a secret in the wrong place.
                let scheme: String =
                    text.split(':').next().unwrap_or_default().chars().take(12).collect();
                return Problem::usage(format_args!(
                    "no such scheme, {}://{SCHEMES}",
                    plain(&scheme)
                ));
            }
            _ if !text.contains("://") => SCHEMES,
            _ if values::has_strange_port(text) => {
                return Problem::usage(format_args!("{error}: {}", values::STRANGE_PORT));
            }
            UsageError::Credentials => "; --user gives them",
            _ => "",
        };
        Problem::usage(format_args!("{error}{hint}"))
    })
}

impl EndpointOptions {
    /// The headers of the request, in their order.
    pub(crate) fn headers(&self) -> Result<Vec<(String, String)>, Problem> {
        let mut headers = Vec::new();
        for (index, given) in self.headers.iter().enumerate() {
            let given = given.reveal();
            // Only a file has several; one that came from elsewhere has no business to bring another along.
            if !given.starts_with('@') && given.contains(['\r', '\n']) {
                return Err(Problem::usage(format_args!(
                    "header number {} has a line end",
                    index + 1
                )));
            }
            let text = read(given)?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            for line in lines {
                // The value may be a credential, so it is not shown.
                headers.push(header(line).map_err(|why| {
                    Problem::usage(format_args!("header number {} {why}", index + 1))
                })?);
            }
        }
        if let Some(user) = &self.user {
            headers.push(("Authorization".to_owned(), basic(user)?));
        }
        Ok(headers)
    }

    /// The words for errors on the way to this server.
    pub(crate) fn way(&self, url: Url) -> Way {
        let proxy = self.proxy.as_deref().and_then(|proxy| Url::parse(proxy).ok());
        let proxy = proxy.map(|proxy| format!("{}:{}", proxy.peer().host, proxy.peer().port));
        Way { url, proxy, known: false }
    }

    /// The way to the server.
    pub(crate) fn network(&self) -> Result<Network, Problem> {
        let mut network = Network::default().with_versions(self.http.versions());
        if let Some(path) = &self.cacert {
            network = network.with_tls(tls::trusting(path)?);
        }
        let Some(proxy) = &self.proxy else { return Ok(network) };
        let url = Url::parse(proxy).map_err(|error| proxy_problem(&error))?;
        let mut proxy = Proxy::new(url).map_err(|error| proxy_problem(&error))?;
        if let Some(user) = &self.proxy_user {
            let added = proxy.header("Proxy-Authorization", &basic(user)?);
            proxy = added.map_err(|error| proxy_problem(&error))?;
        }
        Ok(network.through(proxy))
    }
}

fn proxy_problem(error: &UsageError) -> Problem {
    Problem::usage(format_args!("the proxy, which is given as http://HOST:PORT: {error}"))
}

fn header(line: &str) -> Result<(String, String), &'static str> {
    let (name, value) = line.split_once(':').ok_or("is not like 'Name: value'")?;
    let value = value.trim();
    HeaderName::new(name).map_err(|error| match error {
        NotAHeader::HeaderReserved => "is one that the request has itself",
        _ => "is not like 'Name: value'",
    })?;
    HeaderValue::new(value).map_err(|_| "has a control character in its value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The value of `Authorization` for a name and a password (RFC 7617).
fn basic(user: &Secret) -> Result<String, Problem> {
    let text = read(user.reveal())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if !text.contains(':') {
        return Err(Problem::usage("a user is given as NAME:PASSWORD"));
    }
    Ok(format!("Basic {}", STANDARD.encode(text)))
}

/// The text itself, or behind an `@` that of a file.
fn read(text: &str) -> Result<String, Problem> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let bytes = read_file(Path::new(path), FILE_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|_| Problem::usage(format_args!("{path} is not text")))
}

/// Reads a whole file, unless it is larger than the bound.
pub(crate) fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Problem> {
    use std::io::Read as _;

    let shown = path.display();
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|error| Problem::usage(format_args!("cannot read {shown}: {error}")))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Problem::usage(format_args!("{shown} is larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(headers: &[&str], user: Option<&str>) -> EndpointOptions {
        let secret = |text: &str| text.parse::<Secret>().expect("any text");
        EndpointOptions {
            headers: headers.iter().map(|it| secret(it)).collect(),
            user: user.map(secret),
            proxy: None,
            proxy_user: None,
            cacert: None,
            http: HttpOptions::default(),
            quiet: false,
        }
    }

    #[test]
    fn headers_are_split_at_their_first_colon() {
        let given = options(&["X-A: b:c ", "Empty:"], Some("ann:pass:word"));
        let headers = given.headers().expect("headers");
        let expected =
            [("X-A", "b:c"), ("Empty", ""), ("Authorization", "Basic YW5uOnBhc3M6d29yZA==")];
        assert_eq!(headers, expected.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn bad_ones_are_refused_without_being_shown() {
        for given in [
            options(&["secret"], None),
            options(&[": secret"], None),
            options(&["secret word: x"], None),
            options(&[], Some("secret")),
        ] {
            let problem = given.headers().expect_err("refused");
            assert!(
                matches!(&problem, Problem::Usage(why) if !why.contains("secret")),
                "{problem:?}"
            );
            assert!(!format!("{given:?}").contains("secret"));
        }
    }

    #[test]
    fn a_url_without_a_scheme_is_told_what_it_needs() {
        let problem = |text: &str| match url(text) {
            Err(Problem::Usage(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(problem("localhost:8080/x").contains("begins with ws://"));
        assert!(problem("ws://ann:secret@host/").contains("--user"));
        assert!(!problem("ws://ann:secret@host/").contains("secret"));
    }
}
