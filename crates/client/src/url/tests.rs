use super::{Scheme, Url};
use crate::UsageError;

fn parse(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn urls_are_taken_apart() {
    for (text, scheme, host, port, authority, target) in [
        ("http://a.example", Scheme::Plain, "a.example", 80, "a.example", "/"),
        ("HTTP://A.Example:80/X", Scheme::Plain, "a.example", 80, "a.example", "/X"),
        ("https://a:8443?q=1#part", Scheme::Secure, "a", 8443, "a:8443", "/?q=1"),
        ("ws://127.0.0.1:9001/x?y=1", Scheme::Plain, "127.0.0.1", 9001, "127.0.0.1:9001", "/x?y=1"),
        ("wss://[::1]/", Scheme::Secure, "::1", 443, "[::1]", "/"),
        ("ws://[::1]:81", Scheme::Plain, "::1", 81, "[::1]:81", "/"),
        ("http://a:/b/./c/../d", Scheme::Plain, "a", 80, "a", "/b/d"),
        ("http://a/é x?ü=\"", Scheme::Plain, "a", 80, "a", "/%C3%A9%20x?%C3%BC=%22"),
        ("http://a/%2e%7E", Scheme::Plain, "a", 80, "a", "/%2e%7E"),
    ] {
        let url = parse(text);
        let peer = url.peer();
        assert_eq!((peer.scheme, peer.host.as_str(), peer.port), (scheme, host, port), "{text}");
        assert_eq!((url.authority(), url.target()), (authority, target), "{text}");
    }
}

#[test]
fn what_is_no_url_is_refused() {
    for (text, error) in [
        ("a.example", UsageError::Url),
        ("http:/a", UsageError::Url),
        ("ftp://a", UsageError::Scheme),
        ("http://", UsageError::Url),
        ("http:///x", UsageError::Url),
        ("http://a b/", UsageError::Url),
        ("http://é/", UsageError::Url),
        ("http://a:99999", UsageError::Url),
        ("http://a:0", UsageError::Url),
        ("http://a:+1", UsageError::Url),
        ("http://[::1", UsageError::Url),
        ("http://[::1]8", UsageError::Url),
        ("http://[x]", UsageError::Url),
        ("http://user:secret@a/", UsageError::Credentials),
        ("http://a/\r\nX: y", UsageError::Url),
        ("ws://a/#part", UsageError::Fragment),
    ] {
        assert_eq!(Url::parse(text), Err(error), "{text:?}");
    }
}

/// The examples of RFC 3986 §5.4, without those that have another scheme or parameters of no meaning here.
#[test]
fn references_are_resolved() {
    let base = parse("http://a/b/c/d;p?q");
    for (reference, target) in [
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("?y", "/b/c/d;p?y"),
        ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"),
        ("g#s", "/b/c/g"),
        (";x", "/b/c/;x"),
        ("g;x", "/b/c/g;x"),
        ("", "/b/c/d;p?q"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../g", "/g"),
        ("../../../g", "/g"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("g.", "/b/c/g."),
        ("..g", "/b/c/..g"),
        ("./g/.", "/b/c/g/"),
        ("g/./h", "/b/c/g/h"),
        ("g/../h", "/b/c/h"),
        ("g?y/../x", "/b/c/g?y/../x"),
    ] {
        let url = base.resolve(reference).unwrap_or_else(|error| panic!("{reference}: {error}"));
        assert_eq!(url.target(), target, "{reference}");
        assert_eq!(url.peer(), base.peer(), "{reference}");
    }
    assert_eq!(base.resolve("//g").map(|url| url.to_string()), Ok("http://g/".to_owned()));
    assert_eq!(
        base.resolve("https://g:1/x").map(|url| url.to_string()),
        Ok("https://g:1/x".to_owned())
    );
    assert_eq!(base.resolve("mailto:x"), Err(UsageError::Url));
    assert_eq!(base.resolve("ftp://g/"), Err(UsageError::Scheme));
    assert_eq!(parse("ws://a/x").resolve("y#z"), Err(UsageError::Fragment));
}

#[test]
fn a_scheme_may_be_changed() {
    let url = parse("https://a:444/x");
    assert_eq!(url.to_websocket().to_string(), "wss://a:444/x");
    assert_eq!(url.to_websocket().to_http(), url);
    assert_eq!(
        url.with_target("/y?z").map(|url| url.to_string()),
        Ok("https://a:444/y?z".to_owned())
    );
    assert_eq!(url.with_target("y"), Err(UsageError::Url));
    assert_eq!(url.with_target("/a/../b/."), parse("https://a:444/b/").with_target("/b/"));
}

#[test]
fn a_query_is_not_shown_by_accident() {
    assert_eq!(format!("{:?}", parse("ws://a/x?token=secret")), "ws://a/x?…");
}
