//! Writes the requests of a subscription: their headers, paths and queries.

use sockeye_http1::{Body, RequestWriter};

use super::options::{Credentials, SubscriptionOptions};
use crate::{UsageError, headers};

/// The header lines of every request.
pub(super) fn headers(options: &SubscriptionOptions) -> Vec<(String, String)> {
    let value = match &options.credentials {
        Some(Credentials::Token(token)) => Some(format!("Bearer {token}")),
        Some(Credentials::ApiKey(key)) => Some(format!("ApiKey {key}")),
        Some(Credentials::Ticket(_)) | None => None,
    };
    let mut headers = options.headers.clone();
    headers.extend(value.map(|value| ("Authorization".to_owned(), value)));
    headers
}

/// Appends a GET request for one of the hub's paths, with its query.
///
/// # Errors
/// The part that cannot be written. The options were checked and the query is encoded, so no case is known.
pub(super) fn get(
    options: &SubscriptionOptions,
    path: &str,
    header: Option<(String, String)>,
    out: &mut Vec<u8>,
) -> Result<(), UsageError> {
    let (target, mut lines) = (options.path(path), headers(options));
    lines.extend(header);
    let writer = RequestWriter::new("GET", &target, options.url.authority());
    let writer = writer.map_err(|_| UsageError::Url)?;
    headers::add(writer, lines.iter())?.write(Body::Empty, out);
    Ok(())
}

/// Appends channels, a cursor and a ticket to a path that has a query already.
pub(super) fn add_query(
    path: &mut String,
    wanted: &[String],
    cursor: Option<&str>,
    credentials: Option<&Credentials>,
) {
    let channels = wanted.iter().map(|channel| ("channel", &**channel));
    let ticket = match credentials {
        Some(Credentials::Ticket(ticket)) => Some(("ticket", &**ticket)),
        _ => None,
    };
    for (name, value) in channels.chain(cursor.map(|it| ("cursor", it))).chain(ticket) {
        path.push('&');
        path.push_str(name);
        path.push('=');
        encode(value, path);
    }
}

/// Percent-encodes the characters that have a meaning in a query (RFC 3986 §2).
fn encode(value: &str, out: &mut String) {
    for &byte in value.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Url;

    #[test]
    fn a_request_says_what_is_wanted_and_who_asks() {
        let url = Url::parse("https://hub.example/base/").expect("a URL");
        let mut options = SubscriptionOptions::new(url, &["a"]);
        options.headers.push(("X-More".to_owned(), "1".to_owned()));
        options.credentials = Some(Credentials::Token("t.o.k".to_owned()));
        let mut path = "/v1/poll?wait=0".to_owned();
        add_query(
            &mut path,
            &["a:b/c&d=é *>".to_owned()],
            Some("1a-1~p~q"),
            options.credentials.as_ref(),
        );
        let mut out = Vec::new();
        let header = ("If-None-Match".to_owned(), "\"x\"".to_owned());
        get(&options, &path, Some(header), &mut out).expect("a request");
        let wanted = "GET /base/v1/poll?wait=0&channel=a:b%2Fc%26d%3D%C3%A9%20%2A%3E&cursor=1a-1~p~q \
                      HTTP/1.1\r\nHost: hub.example\r\nX-More: 1\r\nAuthorization: Bearer t.o.k\r\n\
                      If-None-Match: \"x\"\r\n\r\n";
        assert_eq!(String::from_utf8(out).expect("text"), wanted);
    }

    #[test]
    fn a_line_that_cannot_be_written_is_an_error() {
        let url = Url::parse("http://hub.example").expect("a URL");
        let options = SubscriptionOptions::new(url, &["a"]);
        let header = ("If-None-Match".to_owned(), "\"x\"\r\nA: b".to_owned());
        let mut out = Vec::new();
        let got = get(&options, "/v1/poll?wait=0", Some(header), &mut out);
        assert_eq!((got, out), (Err(UsageError::Header), Vec::new()));
    }

    #[test]
    fn a_ticket_stands_in_the_query_only() {
        let ticket = Credentials::Ticket("t-1".to_owned());
        let mut path = "/v1/sse?x=1".to_owned();
        add_query(&mut path, &["a".to_owned()], None, Some(&ticket));
        assert_eq!(path, "/v1/sse?x=1&channel=a&ticket=t-1");
        let url = Url::parse("http://hub.example").expect("a URL");
        let mut options = SubscriptionOptions::new(url, &["a"]);
        options.credentials = Some(ticket);
        assert_eq!(headers(&options), []);
    }
}
