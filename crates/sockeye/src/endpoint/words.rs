//! What went wrong with a server, in words for a person.

use sockeye_client::{Error, Refusal, Scheme, TlsError, Url};

use crate::plain::plain;

/// Letters of an answer's body that are shown.
const SHOWN_MAX: usize = 300;

/// Says why there is no connection, or not any more.
pub(crate) fn explain(error: &Error, url: &Url) -> String {
    let peer = url.peer();
    match error {
        Error::Connect(kind) => {
            let port = peer.port;
            format!("cannot connect to {}, port {port}: {kind}", plain(&peer.host))
        }
        Error::Resolve(_) => format!("the host {} is not found", plain(&peer.host)),
        Error::Refused(refusal) => refused(refusal),
        Error::Tls(TlsError::Certificate) => untrusted(&plain(&peer.host)),
        Error::Truncated | Error::Http(_) if peer.scheme == Scheme::Plain && peer.port == 443 => {
            format!("{error}; on this port it may have to be https:// or wss://")
        }
        error => error.to_string(),
    }
}

/// Why nothing is said to this host.
pub(crate) fn untrusted(host: &str) -> String {
    format!(
        "the certificate of {host} is not trusted: its authority is unknown, or it is expired or \
         another's; --cacert names an authority"
    )
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
fn said(refusal: &Refusal) -> Option<String> {
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

/// Whether a body is compressed, which nobody asked for.
pub(crate) fn is_coded(refusal: &Refusal) -> bool {
    refusal.header("Content-Encoding").is_some_and(|it| !it.eq_ignore_ascii_case("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, headers: &[(&str, &str)], body: &[u8]) -> Refusal {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Refusal {
            status: sockeye_http1::Status::new(code).expect("a status"),
            headers: headers.collect(),
            body: body.to_vec(),
        }
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
