//! What an intermediary changes on heads (RFC 9110 §7.6), and WebSockets of HTTP/2 (RFC 8441).

use http::header::{
    CONNECTION, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, StatusCode, Uri, Version, request, response};

/// Fields of the connection, and not of the message.
const OF_THE_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What a request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A request and an answer, which may be a stream of events.
    Answer,
    /// `Upgrade` of HTTP/1.1.
    Upgrade,
    /// Extended CONNECT of HTTP/2.
    #[cfg(feature = "http2")]
    Connect,
}

/// Makes the head of a request one of HTTP/1.1 for the loop.
pub(crate) fn request(head: &mut request::Parts) -> Opening {
    let upgrade = upgrade(&head.headers);
    remove_connection_fields(&mut head.headers);
    // The server in front has answered it already.
    head.headers.remove(EXPECT);
    // The target's authority counts (RFC 9112 §3.2.2, RFC 9113 §8.3.1). Two lines are the loop's to refuse.
    if head.headers.get_all(HOST).iter().count() < 2
        && let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
    let opening = opening(head, upgrade.as_ref());
    let path = head.uri.path_and_query().cloned();
    head.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    if head.version > Version::HTTP_11 {
        head.version = Version::HTTP_11;
    }
    match opening {
        Opening::Answer => {}
        Opening::Upgrade => ask_for(&mut head.headers, upgrade),
        #[cfg(feature = "http2")]
        Opening::Connect => {
            head.method = Method::GET;
            ask_for(&mut head.headers, Some(HeaderValue::from_static("websocket")));
            // The key guards against intermediaries that do not know WebSockets. The connection in memory has none, so
            // any key will do.
            let key = HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA==");
            head.headers.insert(http::header::SEC_WEBSOCKET_KEY, key);
        }
    }
    opening
}

/// `Upgrade`, if `Connection` names it, too: without that it is for nobody (RFC 9110 §7.8).
fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_named = connection_options(headers).any(|name| name == UPGRADE);
    headers.get(UPGRADE).filter(|_| is_named).cloned()
}

fn opening(head: &request::Parts, upgrade: Option<&HeaderValue>) -> Opening {
    #[cfg(feature = "http2")]
    if head.method == Method::CONNECT
        && head
            .extensions
            .get::<hyper::ext::Protocol>()
            .is_some_and(|it| it.as_str() == "websocket")
    {
        return Opening::Connect;
    }
    let may_upgrade = head.method == Method::GET && head.version == Version::HTTP_11;
    if may_upgrade && upgrade.is_some() { Opening::Upgrade } else { Opening::Answer }
}

fn ask_for(headers: &mut HeaderMap, protocol: Option<HeaderValue>) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.extend(protocol.map(|protocol| (UPGRADE, protocol)));
}

/// Makes the head of the loop's answer one for a client whose request had this version. Returns whether a stream of bytes
/// follows in both directions.
pub(crate) fn response(head: &mut response::Parts, opening: Opening, version: Version) -> bool {
    let is_switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
    match opening {
        Opening::Upgrade if is_switched => return true,
        Opening::Answer | Opening::Upgrade => {}
        #[cfg(feature = "http2")]
        Opening::Connect if is_switched => {
            head.status = StatusCode::OK;
            head.headers.remove(http::header::SEC_WEBSOCKET_ACCEPT);
        }
        #[cfg(feature = "http2")]
        Opening::Connect => {}
    }
    let upgrade = head.headers.get(UPGRADE).cloned();
    remove_connection_fields(&mut head.headers);
    // The client's connection has a version of its own.
    head.version = Version::default();
    if head.status == StatusCode::UPGRADE_REQUIRED {
        match version {
            // It names what would be served (RFC 9110 §15.5.22).
            Version::HTTP_11 => ask_for(&mut head.headers, upgrade),
            // There is nothing to upgrade to: RFC 8441 has CONNECT.
            _ => head.status = StatusCode::BAD_REQUEST,
        }
    }
    is_switched
}

/// RFC 9110 §7.6.1: fields that `Connection` names end here, and so do those that everybody knows.
fn remove_connection_fields(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = connection_options(headers).collect();
    for name in named.iter().chain(&OF_THE_CONNECTION) {
        headers.remove(name);
    }
}

/// The names in `Connection`.
fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(
        version: Version,
        uri: &str,
        fields: &[(&'static str, &'static str)],
    ) -> request::Parts {
        let mut request = http::Request::builder().version(version).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).expect("it is a request").into_parts().0
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_a_connection_is_left_behind() {
        let mut request_head = head(
            Version::HTTP_11,
            "/v1/sse",
            &[
                ("host", "hub.example"),
                ("connection", "close, x-named"),
                ("x-named", "1"),
                ("keep-alive", "5"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("expect", "100-continue"),
                ("upgrade", "h2c"),
                ("last-event-id", "7"),
            ],
        );
        request_head.method = Method::POST;
        assert_eq!(request(&mut request_head), Opening::Answer);
        assert_eq!(names(&request_head.headers), ["host", "last-event-id"]);
    }

    #[test]
    fn a_request_of_http2_gets_its_host_and_loses_its_authority() {
        let mut request_head =
            head(Version::HTTP_2, "https://hub.example:444/v1/sse?channel=a", &[]);
        request(&mut request_head);
        assert_eq!(request_head.headers[HOST], "hub.example:444");
        assert_eq!(
            (request_head.uri.to_string(), request_head.version),
            ("/v1/sse?channel=a".into(), Version::HTTP_11)
        );
    }

    #[test]
    fn an_upgrade_is_passed_on_and_so_is_its_answer() {
        let fields = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        let mut request_head = head(Version::HTTP_11, "/v1/ws", &fields);
        assert_eq!(request(&mut request_head), Opening::Upgrade);
        assert_eq!(request_head.headers[CONNECTION], "upgrade");
        assert_eq!(request_head.headers[UPGRADE], "websocket");
        let (mut answer, ()) = http::Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(UPGRADE, "websocket")
            .body(())
            .expect("it is an answer")
            .into_parts();
        assert!(response(&mut answer, Opening::Upgrade, Version::HTTP_11));
        assert_eq!(answer.headers[UPGRADE], "websocket");
        // Nobody asked for it.
        assert!(response(&mut answer, Opening::Answer, Version::HTTP_11));
        assert!(answer.headers.is_empty());
    }

    #[test]
    fn an_upgrade_that_connection_does_not_name_is_for_nobody() {
        let fields = [("connection", "keep-alive"), ("upgrade", "websocket")];
        let mut request_head = head(Version::HTTP_11, "/v1/ws", &fields);
        assert_eq!(request(&mut request_head), Opening::Answer);
        assert!(request_head.headers.is_empty());
    }

    #[test]
    fn a_426_says_what_is_served_where_something_can_be_upgraded() {
        for (version, status, lines) in [
            (Version::HTTP_11, 426, &["connection", "upgrade"][..]),
            (Version::HTTP_10, 400, &[]),
            (Version::HTTP_2, 400, &[]),
        ] {
            let mut answer = http::Response::builder()
                .status(426)
                .header(UPGRADE, "websocket")
                .header(CONNECTION, "upgrade")
                .body(())
                .expect("it is an answer")
                .into_parts()
                .0;
            assert!(!response(&mut answer, Opening::Answer, version));
            assert_eq!((answer.status.as_u16(), &names(&answer.headers)[..]), (status, lines));
        }
    }

    #[test]
    fn the_authority_of_the_target_counts_and_two_hosts_are_left_to_the_loop() {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let mut one = head(version, "http://a.example/v1/sse", &[("host", "b.example")]);
            request(&mut one);
            assert_eq!(one.headers[HOST], "a.example");
            let two = [("host", "a.example"), ("host", "b.example")];
            let mut two = head(version, "http://a.example/v1/sse", &two);
            request(&mut two);
            assert_eq!(two.headers.get_all(HOST).iter().count(), 2);
        }
        let mut old = head(Version::HTTP_10, "/healthz", &[]);
        request(&mut old);
        assert_eq!((old.version, old.headers.len()), (Version::HTTP_10, 0));
    }
}
