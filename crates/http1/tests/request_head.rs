//! What a request head may say, and what it then means.

use sockeye_http::{Status, Target};
use sockeye_http1::{Error, HeaderStorage, Limits, Persistence, RequestHead, Version};

/// Parses a head and looks at it, since it cannot outlive its storage.
fn with<T>(head: &str, look: impl FnOnce(RequestHead<'_, '_>) -> T) -> Result<T, Error> {
    with_limits(head, &Limits::DEFAULT, look)
}

fn with_limits<T>(
    head: &str,
    limits: &Limits,
    look: impl FnOnce(RequestHead<'_, '_>) -> T,
) -> Result<T, Error> {
    RequestHead::parse(head.as_bytes(), &mut HeaderStorage::new(), limits).map(look)
}

fn request_line(line: &str) -> Result<(), Error> {
    with(&format!("{line}\r\nHost: a\r\n\r\n"), |_| ())
}

fn host(lines: &str) -> Result<Option<String>, Error> {
    with(&format!("GET / HTTP/1.1\r\n{lines}\r\n"), |head| head.authority().map(String::from))
}

/// Proves [rfc9112:3-request-line].
#[test]
fn the_request_line_has_three_parts_and_single_spaces() {
    assert_eq!(request_line("GET / HTTP/1.1"), Ok(()));
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /\tHTTP/1.1",
        "GET /",
        "GET",
        "GET / ",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "GET / HTTP/11",
        "GET / HTTP/1.x",
        "GET / XTTP/1.1",
        "GET /a b HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET: / HTTP/1.1",
    ] {
        assert_eq!(request_line(line), Err(Error::RequestLine), "{line}");
    }
    assert_eq!(
        with("get / HTTP/1.1\r\nHost: a\r\n\r\n", |head| head.method().as_str() == "get"),
        Ok(true)
    );
}

/// Proves [rfc9112:2.3-version].
#[test]
fn other_versions_are_not_supported() {
    for version in ["0.9", "2.0", "3.0", "9.9"] {
        let line = format!("GET / HTTP/{version}");
        assert_eq!(request_line(&line), Err(Error::Version), "{line}");
    }
    // The preface of HTTP/2.
    assert_eq!(with("PRI * HTTP/2.0\r\n\r\n", |_| ()), Err(Error::Version));
    assert_eq!(Error::Version.status(), Status::HTTP_VERSION_NOT_SUPPORTED);
    assert_eq!(with("GET / HTTP/1.0\r\n\r\n", |head| head.version()), Ok(Version::Http10));
    for version in ["1.1", "1.2", "1.9"] {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n");
        assert_eq!(with(&head, |head| head.version()), Ok(Version::Http11), "{version}");
    }
}

/// Proves [rfc9112:3.2-target-bytes], [rfc9112:3.2.2-absolute-form],
/// [rfc9112:3.2.3-authority-form-connect], [rfc9110:9.3.6-connect-port] and
/// [rfc9112:3.2.4-asterisk-form-options].
#[test]
fn the_target_has_a_form_that_the_method_allows() {
    for (method, target) in [
        ("GET", "/"),
        ("GET", "//not-a-host/x"),
        ("GET", "/a?b?c/%zz{|}[]^`\"<>\\"),
        ("GET", "http://a.example"),
        ("GET", "HTTPS://a.example:443?q"),
        ("GET", "http://[::1]:80/"),
        ("OPTIONS", "*"),
        ("OPTIONS", "/x"),
        ("CONNECT", "a.example:443"),
        ("CONNECT", "[2001:db8::1]:443"),
    ] {
        assert_eq!(request_line(&format!("{method} {target} HTTP/1.1")), Ok(()), "{target}");
    }
    for (method, target) in [
        ("GET", "/a#b"),
        ("GET", "#"),
        ("GET", "/ä"),
        ("GET", "*"),
        ("GET", "**"),
        ("OPTIONS", "*x"),
        ("GET", "a.example"),
        ("GET", "a.example:443"),
        ("GET", "?q"),
        ("GET", "ws://a.example/"),
        ("GET", "ftp://a.example/"),
        ("GET", "file:///etc/passwd"),
        ("GET", "http:/a"),
        ("GET", "http:a"),
        ("GET", "http://"),
        ("GET", "http:///path"),
        ("GET", "http://:80/"),
        ("GET", "http://user@a.example/"),
        ("GET", "http://a.example:99999/"),
        ("CONNECT", "/"),
        ("CONNECT", "*"),
        ("CONNECT", "a.example"),
        ("CONNECT", "a.example:"),
        ("CONNECT", "a.example:x"),
        ("CONNECT", ":443"),
        ("CONNECT", "http://a.example:443"),
    ] {
        let answer = request_line(&format!("{method} {target} HTTP/1.1"));
        assert_eq!(answer, Err(Error::Target), "{method} {target}");
    }
    assert_eq!(Error::Target.status(), Status::BAD_REQUEST);
}

#[test]
fn the_target_is_taken_apart() {
    let target = |target: &str| {
        with(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"), |head| {
            let query = head.query().map(String::from);
            (String::from(head.path()), query, head.authority().map(String::from))
        })
        .unwrap()
    };
    let some = |text: &str| Some(String::from(text));
    assert_eq!(target("/a/b"), ("/a/b".into(), None, some("h")));
    assert_eq!(target("/a?"), ("/a".into(), some(""), some("h")));
    assert_eq!(target("/a?b?c"), ("/a".into(), some("b?c"), some("h")));
    assert_eq!(target("http://x:1?q"), ("/".into(), some("q"), some("x:1")));
    assert_eq!(target("http://x/y"), ("/y".into(), None, some("x")));
    let head = "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n";
    let asterisk = Target::ASTERISK.with_host(Some("h"));
    assert_eq!(with(head, |head| head.target() == asterisk && head.path() == "*"), Ok(true));
    let head = "CONNECT x:1 HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(with(head, |head| Some(head.target()) == Target::connect("x:1")), Ok(true));
}

/// Proves [rfc9112:3-target-too-long].
#[test]
fn the_target_is_bounded_to_the_byte() {
    let limits = |target_bytes_max| {
        let mut limits = Limits::DEFAULT;
        limits.target_bytes_max = target_bytes_max;
        limits
    };
    let head = "GET /four HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(with_limits(head, &limits(5), |_| ()), Ok(()));
    assert_eq!(with_limits(head, &limits(4), |_| ()), Err(Error::TargetTooLong));
    assert_eq!(Error::TargetTooLong.status(), Status::URI_TOO_LONG);
}

/// Proves [rfc9112:3.2-host-missing] and [rfc9112:3.2-one-host].
#[test]
fn there_is_exactly_one_host() {
    assert_eq!(host("Host: a\r\n"), Ok(Some("a".into())));
    assert_eq!(host(""), Err(Error::HostMissing));
    assert_eq!(host("Host: a\r\nHost: b\r\n"), Err(Error::HostRepeated));
    assert_eq!(host("Host: a\r\nX: y\r\nhOST: a\r\n"), Err(Error::HostRepeated));
    let absolute = |lines| with(&format!("GET http://a/ HTTP/1.1\r\n{lines}\r\n"), |_| ());
    assert_eq!(absolute(""), Err(Error::HostMissing));
    assert_eq!(absolute("Host: a\r\nHost: a\r\n"), Err(Error::HostRepeated));
    let http10 =
        |lines| with(&format!("GET / HTTP/1.0\r\n{lines}\r\n"), |h| h.authority().is_some());
    assert_eq!(http10(""), Ok(false));
    assert_eq!(http10("Host: a\r\n"), Ok(true));
    assert_eq!(http10("Host: a\r\nHost: a\r\n"), Err(Error::HostRepeated));
    for error in [Error::HostMissing, Error::HostRepeated, Error::HostInvalid] {
        assert_eq!(error.status(), Status::BAD_REQUEST);
    }
}

/// Proves [rfc9112:3.2-host-valid], [rfc9110:4.2.4-no-userinfo] and [rfc9110:4.2.1-no-empty-host].
#[test]
fn the_host_is_an_authority() {
    for valid in [
        "a",
        "a.example",
        "a.example:80",
        "a.example:",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:80",
        "[::ffff:1.2.3.4]",
        "a_b",
        "xn--a",
        "a%20b",
        "a!$&'()*+,;=b",
        "A-1.~",
        "a:00080",
    ] {
        assert_eq!(host(&format!("Host: \t{valid} \r\n")), Ok(Some(valid.into())));
    }
    for invalid in [
        "",
        ":80",
        "a:65536",
        "a:99999999999999999999",
        "a:-1",
        "a:+1",
        "a:8o",
        "a:80:80",
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "u@a",
        "u:p@a",
        "http://a",
        "[::1",
        "::1",
        "[::1]x",
        "[]",
        "[a]",
        "[::1]:x",
        "[1.2.3.4]",
        "[fe80::1%25eth0]",
        "[v1.x]",
        "a%2",
        "a%zz",
        "a\\b",
        "a\"b",
        "a|b",
        "a^b",
        "a`b",
        "ä",
        "a,\tb",
        "<a>",
    ] {
        let answer = host(&format!("Host: {invalid}\r\n"));
        assert_eq!(answer, Err(Error::HostInvalid), "{invalid}");
    }
}

/// Proves [rfc9112:3.2.2-authority-outranks-host].
#[test]
fn the_targets_authority_outranks_host() {
    let head = "GET https://real:1/x HTTP/1.1\r\nHost: other\r\n\r\n";
    assert_eq!(with(head, |head| head.authority() == Some("real:1")), Ok(true));
    let invalid = "GET https://real/x HTTP/1.1\r\nHost: a b\r\n\r\n";
    assert_eq!(with(invalid, |_| ()), Err(Error::HostInvalid));
}

/// Proves [rfc9112:5.1-no-space-before-colon].
#[test]
fn a_header_line_is_a_name_a_colon_and_a_value() {
    for line in ["Host : a", "Host\t: a", "Host a", "Ho st: a", "H(st: a", "Höst: a", "Host"] {
        let answer = with(&format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"), |_| ());
        assert_eq!(answer, Err(Error::Header), "{line}");
    }
    assert_eq!(Error::Header.status(), Status::BAD_REQUEST);
}

/// Proves [rfc9112:9.3-close].
#[test]
fn persistence_follows_version_and_connection() {
    let connection = |version: &str, lines: &str| {
        with(&format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"), |head| head.connection())
            .unwrap()
    };
    assert_eq!(connection("1.1", ""), Persistence::Persist);
    assert_eq!(connection("1.1", "Connection: keep-alive\r\n"), Persistence::Persist);
    assert_eq!(connection("1.1", "Connection: x-close, closed\r\n"), Persistence::Persist);
    assert_eq!(connection("1.1", "Connection: upgrade , CLOSE\r\n"), Persistence::Close);
    assert_eq!(connection("1.1", "Connection: a\r\nConnection:\tclose\r\n"), Persistence::Close);
    assert_eq!(connection("1.0", ""), Persistence::Close);
    assert_eq!(connection("1.0", "Connection: Keep-Alive\r\n"), Persistence::KeepAlive);
    assert_eq!(connection("1.0", "Connection: keep-alive, close\r\n"), Persistence::Close);
}

/// Proves [rfc9110:10.1.1-unknown-expectation] and [rfc9110:10.1.1-not-http10].
#[test]
fn only_100_continue_can_be_expected() {
    let expect = |version: &str, lines: &str| {
        with(&format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"), |h| h.expect_continue())
    };
    let body = "Content-Length: 3\r\n";
    assert_eq!(expect("1.1", body), Ok(false));
    assert_eq!(expect("1.1", &format!("{body}Expect: 100-Continue\r\n")), Ok(true));
    assert_eq!(expect("1.0", &format!("{body}Expect: 100-continue\r\n")), Ok(false));
    assert_eq!(expect("1.1", "Expect: 100-continue\r\n"), Ok(false));
    assert_eq!(expect("1.1", "Content-Length: 0\r\nExpect: 100-continue\r\n"), Ok(false));
    for unknown in ["200-ok", "", "100-continue, x", "100-continue;q=1", "\"100-continue\""] {
        let answer = expect("1.1", &format!("{body}Expect: {unknown}\r\n"));
        assert_eq!(answer, Err(Error::Expectation), "{unknown}");
    }
    assert_eq!(Error::Expectation.status(), Status::EXPECTATION_FAILED);
}

#[test]
fn the_bytes_are_exactly_one_head() {
    for head in ["", "GET", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\nx"] {
        assert_eq!(with(head, |_| ()), Err(Error::HeadBoundary), "{head:?}");
    }
    assert_eq!(with("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", |_| ()), Ok(()));
    let bare = "GET / HTTP/1.1\nHost: a\n\n";
    assert_eq!(with(bare, |_| ()), Err(Error::LineEnd));
}

#[test]
fn debug_output_holds_no_values() {
    let head = "GET /p?ticket=secret HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n";
    let shown = with(head, |head| format!("{head:?} {:?}", head.headers())).unwrap();
    assert!(shown.contains("Cookie") && !shown.contains("secret"), "{shown}");
}
