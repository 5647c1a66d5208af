//! The questions one asks of header lines.

use sockeye_http::{HeaderError, HeaderLine, Headers};

/// Looks at `Host: a` and the given lines.
fn with<T>(lines: &[u8], look: impl FnOnce(Headers<'_, '_>) -> T) -> T {
    let text = [b"Host: a\r\n", lines].concat();
    let lines: Vec<_> = text.split_inclusive(|&byte| byte == b'\n').map(line).collect();
    look(Headers::new(&lines))
}

fn line(text: &[u8]) -> HeaderLine<'_> {
    let text = text.strip_suffix(b"\r\n").expect("lines end in CRLF");
    let colon = text.iter().position(|&byte| byte == b':').expect("a colon");
    HeaderLine { name: &text[..colon], value: &text[colon + 1..] }
}

#[test]
fn names_are_compared_without_case() {
    with(b"ACCEPT: 1\r\nx: \t y z \t\r\naccept:\r\n", |headers| {
        assert_eq!(headers.all("Accept").collect::<Vec<_>>(), [&b"1"[..], b""]);
        assert_eq!(headers.single("X"), Ok(Some("y z")));
        assert!(headers.contains("aCCept") && !headers.contains("accep"));
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Host", "ACCEPT", "x", "accept"]);
        assert_eq!((headers.len(), headers.is_empty()), (4, false));
    });
}

#[test]
fn a_single_header_stands_once_and_is_ascii() {
    with(b"a: 1\r\nb: 1\r\nB: 1\r\nc: \xe4\r\nd: x\ty\r\ne:\r\n", |headers| {
        assert_eq!(headers.single("a"), Ok(Some("1")));
        assert_eq!(headers.single("b"), Err(HeaderError::Repeated));
        assert_eq!(headers.single("c"), Err(HeaderError::NotAscii));
        assert_eq!(headers.single("d"), Ok(Some("x\ty")));
        assert_eq!(headers.single("e"), Ok(Some("")));
        assert_eq!(headers.single("f"), Ok(None));
    });
}

/// Proves [rfc9110:5.3-lines-are-one-list] and [rfc9110:5.6.1-empty-elements].
#[test]
fn a_list_goes_on_over_all_lines() {
    with(b"l: a ,\tb\r\nx: no\r\nL: , c,,\r\nl:\r\n", |headers| {
        assert_eq!(headers.tokens("l").collect::<Vec<_>>(), ["a", "b", "c"]);
        let elements: Vec<_> = headers.elements("l").collect();
        assert_eq!(elements, [&b"a"[..], b"b", b"", b"c", b"", b"", b""]);
        assert_eq!(headers.tokens("absent").count(), 0);
    });
}

#[test]
fn a_token_is_a_whole_element() {
    let has = |value: &[u8]| {
        with(&[b"Connection: ", value, b"\r\n"].concat(), |headers| {
            headers.has_token("connection", "upgrade")
        })
    };
    for value in
        [&b"upgrade"[..], b"keep-alive, Upgrade", b"UPGRADE\t,x", b",,upgrade", b"\xe4,upgrade"]
    {
        assert!(has(value), "{}", value.escape_ascii());
    }
    for value in [
        &b"notupgrade"[..],
        b"upgrade-insecure",
        b"\"upgrade\"",
        b"\"a, upgrade\"",
        b"up,grade",
        b"",
        b"upgrade x",
        b"upgrade;x",
        b"\"x, upgrade",
        b"upgrade\xe4",
    ] {
        assert!(!has(value), "{}", value.escape_ascii());
    }
}

/// Proves [rfc9110:5.6.4-quoted-comma].
#[test]
fn a_comma_in_a_quoted_string_separates_nothing() {
    with(b"e: a;b=\"x, \\\" ,y\", c;d=\"\\\\\", f\\,g\r\n", |headers| {
        let elements: Vec<_> = headers.tokens("e").collect();
        assert_eq!(elements, ["a;b=\"x, \\\" ,y\"", "c;d=\"\\\\\"", "f\\", "g"]);
    });
}

#[test]
fn an_element_beyond_ascii_is_no_token() {
    with(b"p: a, \xc3\xa4, b\r\n", |headers| {
        assert_eq!(headers.tokens("p").collect::<Vec<_>>(), ["a", "\u{FFFD}", "b"]);
    });
}
