//! Words the errors of `connect` and `events` for a person.

use sockeye_client::{CertificateError, Error, ProxyError, Refusal, Scheme, TlsError, Url};
use sockeye_http1::Error as HttpError;
use sockeye_terminal::plain::plain;

/// Letters of an answer's body that are shown.
const SHOWN_MAX: usize = 300;

/// Whom a client asks, and which way.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) url: Url,
    /// Host and port of the proxy.
    pub(crate) proxy: Option<String>,
    /// Whether the server has ever answered as it should.
    pub(crate) known: bool,
}

impl Way {
    /// Says why there is no connection, or not any more.
    pub(crate) fn explain(&self, error: &Error) -> String {
        let peer = self.url.peer();
        let host = plain(&peer.host);
        match error {
            Error::Connect(kind) => format!("cannot connect to {host}, port {}: {kind}", peer.port),
            Error::Resolve(_) => format!("the host {host} is not found"),
            Error::Proxy(error) => self.explain_proxy(*error),
            Error::Refused(refusal) => refused(refusal),
            Error::Tls(error) => tls(*error, &host),
            Error::Redirect => {
                "the server redirects to what is not one http:// or https:// URL".to_owned()
            }
            Error::Truncated | Error::Transport(_) | Error::Http(HttpError::FirstByte)
                if peer.scheme == Scheme::Plain && !self.known =>
            {
                format!("{error}; perhaps it wants TLS, https:// or wss://")
            }
            error => error.to_string(),
        }
    }

    fn explain_proxy(&self, error: ProxyError) -> String {
        let proxy = self.proxy.as_deref().map(plain).unwrap_or_default();
        let peer = self.url.peer();
        let target = format!("{}, port {}", plain(&peer.host), peer.port);
        match error {
            ProxyError::Resolve(_) => format!("the proxy {proxy} is not found"),
            ProxyError::Connect(kind) => format!("cannot connect to the proxy {proxy}: {kind}"),
            ProxyError::Status(status) => {
                let hint = match status.code() {
                    407 => "; it asks for credentials: --proxy-user gives them",
                    400 | 404 | 405 | 426 | 501 => "; is it a proxy?",
                    502..=504 => "; it may not reach that server",
                    _ => "",
                };
                let answer = format!("{status} {}", status.reason());
                let answer = answer.trim_end();
                format!("the proxy {proxy} opens no tunnel to {target}: {answer}{hint}")
            }
            ProxyError::Http(error) => format!("{proxy} is no HTTP proxy: {error}"),
            error => format!("{error} ({proxy})"),
        }
    }
}

/// Why nothing is to be seen yet.
pub(crate) const fn waiting(is_connected: bool) -> &'static str {
    if is_connected { "connected; waiting for an answer" } else { "still connecting" }
}

/// Why there is no TLS with this host.
pub(crate) fn tls(error: TlsError, host: &str) -> String {
    match error {
        TlsError::Certificate(why) => {
            format!("the certificate of {host} is not trusted: {}", certificate(why))
        }
        TlsError::Name => format!("no certificate can be for {host}"),
        TlsError::NotTls => {
            format!("{host} answers, but not in TLS; does it speak http:// or ws:// there?")
        }
        TlsError::Alert(code) => format!("{host} refuses TLS: alert {code}{}", alert(code)),
        TlsError::Roots => format!("{error}; --cacert names one"),
        error => format!("{host}: {error}"),
    }
}

const fn certificate(why: CertificateError) -> &'static str {
    match why {
        CertificateError::Issuer => "its authority is unknown; --cacert names one",
        CertificateError::Name => "it is for another name",
        CertificateError::Expired => "it has expired",
        CertificateError::NotYetValid => "it is not valid yet, or the clock here is wrong",
        CertificateError::Authority => {
            "it is an authority's own (CA:TRUE), and a server needs another one, which that has signed"
        }
        CertificateError::Purpose => "it is not for servers",
        CertificateError::Revoked => "it has been revoked",
        _ => "it cannot be verified",
    }
}

/// The name of an alert (RFC 8446 §6.2).
const fn alert(code: u8) -> &'static str {
    match code {
        40 => " (handshake failure)",
        48 => " (unknown authority)",
        70 => " (protocol version)",
        80 => " (internal error)",
        112 => " (unrecognized name)",
        116 => " (certificate required)",
        120 => " (no application protocol)",
        _ => "",
    }
}

/// An answer that was not wanted: its status, what it asks for, and what it says.
pub(crate) fn refused(refusal: &Refusal) -> String {
    let status = refusal.status;
    let mut text = format!("the server answers {status} {}", status.reason());
    text.truncate(text.trim_end().len());
    let shown = |name: &str| refusal.header(name).map(plain);
    match status.code() {
        401 | 407 => {
            let name = if status.code() == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
            let scheme = shown(name).map(|it| format!(" ({it})")).unwrap_or_default();
            text.push_str(&format!("; it asks for credentials{scheme}: --user or -H gives them"));
        }
        300..=399 => match shown("Location") {
            Some(location) => text.push_str(&format!("; it has moved to {location}")),
            None => text.push_str("; it does not say where to"),
        },
        426 => {
            if let Some(wanted) = shown("Upgrade").or_else(|| shown("Sec-WebSocket-Version")) {
                text.push_str(&format!("; it wants {wanted}"));
            }
        }
        _ => {}
    }
    if let Some(after) = shown("Retry-After") {
        text.push_str(&format!("; to be asked again after {after}"));
        if after.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(" s");
        }
    }
    if let Some(said) = said(refusal) {
        text.push_str(&format!(": {said}"));
    }
    text
}

/// The beginning of the body in one line: of a page only its title.
pub(crate) fn said(refusal: &Refusal) -> Option<String> {
    if is_coded(refusal) {
        return None;
    }
    let body = String::from_utf8_lossy(&refusal.body);
    let is_page = refusal.header("Content-Type").is_some_and(|it| it.starts_with("text/html"));
    let body = if is_page { title(&body)? } else { &body };
    let words: Vec<&str> = body.split_whitespace().collect();
    let line = words.join(" ");
    let mut shown: String = line.chars().take(SHOWN_MAX).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    (!shown.is_empty()).then(|| plain(&shown))
}

fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    rest.split_once("</title>").map(|(title, _)| title)
}

/// Whether a body is compressed, although the client asks for no compression.
pub(crate) fn is_coded(refusal: &Refusal) -> bool {
    refusal.header("Content-Encoding").is_some_and(|it| !it.eq_ignore_ascii_case("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, headers: &[(&str, &str)], body: &[u8]) -> Refusal {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Refusal {
            status: sockeye_http::Status::new(code).expect("a status"),
            headers: headers.collect(),
            body: body.to_vec(),
        }
    }

    fn way(url: &str) -> Way {
        let url = Url::parse(url).expect("a URL");
        Way { url, proxy: Some("proxy.test:3128".to_owned()), known: false }
    }

    #[test]
    fn whose_fault_it_is() {
        let way = way("ws://a.test:81/");
        let refused = std::io::ErrorKind::ConnectionRefused;
        for (error, words) in [
            (Error::Connect(refused), "cannot connect to a.test, port 81: connection refused"),
            (
                Error::Proxy(ProxyError::Connect(refused)),
                "cannot connect to the proxy proxy.test:3128: connection refused",
            ),
            (Error::Proxy(ProxyError::Resolve(refused)), "the proxy proxy.test:3128 is not found"),
            (
                Error::Proxy(ProxyError::TimedOut),
                "the proxy took too long to open a tunnel (proxy.test:3128)",
            ),
            (
                Error::Truncated,
                "the connection ended before its time; perhaps it wants TLS, https:// or wss://",
            ),
            (
                Error::Tls(TlsError::Alert(116)),
                "a.test refuses TLS: alert 116 (certificate required)",
            ),
            (Error::Tls(TlsError::Alert(41)), "a.test refuses TLS: alert 41"),
            (Error::Tls(TlsError::Protocol), "a.test: TLS failed"),
            (
                Error::Tls(TlsError::Roots),
                "the system has no authorities to trust; --cacert names one",
            ),
        ] {
            assert_eq!(way.explain(&error), words);
        }
        let known = Way { known: true, ..way };
        assert_eq!(known.explain(&Error::Truncated), "the connection ended before its time");
    }

    #[test]
    fn what_is_wrong_with_a_certificate() {
        use CertificateError::{
            Authority, Expired, Issuer, Name, NotYetValid, Other, Purpose, Revoked,
        };
        let all = [Issuer, Name, Expired, NotYetValid, Authority, Purpose, Revoked, Other];
        let mut told: Vec<_> = all.into_iter().map(certificate).collect();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), all.len(), "each has its own words: {told:?}");
    }

    #[test]
    fn an_answer_is_told_in_one_line() {
        let page = b"<!doctype html>\n<title>No\n such page</title><p>etc";
        for (refusal, words) in [
            (refusal(404, &[], b"no\nsuch\tthing\n"), "answers 404 Not Found: no such thing"),
            (refusal(599, &[], b""), "the server answers 599"),
            (refusal(403, &[], b"a\x1b[2Jb"), "403 Forbidden: a\\u{1b}[2Jb"),
            (
                refusal(401, &[("www-authenticate", "Basic realm=\"a\"")], b""),
                "(Basic realm=\"a\"): --user or -H gives them",
            ),
            (refusal(302, &[("Location", "/\u{7}x")], b""), "it has moved to /\\u{7}x"),
            (refusal(503, &[("Retry-After", "5")], b"busy"), "asked again after 5 s: busy"),
            (refusal(404, &[("Content-Type", "text/html")], page), "Not Found: No such page"),
        ] {
            let told = refused(&refusal);
            assert!(told.contains(words), "{told}");
            assert!(!told.contains(char::is_control), "{told:?}");
        }
    }

    #[test]
    fn a_long_body_is_cut_and_a_compressed_one_is_not_shown() {
        let told = refused(&refusal(500, &[], &[b'x'; 4096]));
        assert!(told.ends_with("x…") && told.len() < 400, "{told}");
        let told = refused(&refusal(500, &[("Content-Encoding", "gzip")], b"\x1f\x8b\x08"));
        assert_eq!(told, "the server answers 500 Internal Server Error");
    }
}
