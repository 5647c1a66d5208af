//! Where a head ends, and how early an impossible one is refused.

use sockeye_http::Status;
use sockeye_http1::{Error, HeadEnd, HeaderStorage, Limits, RequestHead};

const HEAD: &[u8] = b"GET /a HTTP/1.1\r\nHost: a.example\r\nX:\t1\r\n\r\n";

fn find(bytes: &[u8]) -> Result<Option<usize>, Error> {
    HeadEnd::new().find(bytes, &Limits::DEFAULT)
}

/// Feeds byte by byte; returns how many had arrived when the answer came.
fn trickle(bytes: &[u8], limits: &Limits) -> (usize, Result<Option<usize>, Error>) {
    let mut scanner = HeadEnd::new();
    for len in 0..=bytes.len() {
        let found = scanner.find(&bytes[..len], limits);
        if found != Ok(None) {
            return (len, found);
        }
    }
    (bytes.len(), Ok(None))
}

#[test]
fn found_at_the_empty_line_and_not_before() {
    assert_eq!(trickle(HEAD, &Limits::DEFAULT), (HEAD.len(), Ok(Some(HEAD.len()))));
    let with_body = [HEAD, b"\0\n\r body \x16"].concat();
    assert_eq!(find(&with_body), Ok(Some(HEAD.len())));
    assert_eq!(find(b""), Ok(None));
    assert_eq!(find(b"GET / HTTP/1.1\r\n\r\n"), Ok(Some(18)));
}

/// Proves [rfc9112:2.2-leading-empty-line].
#[test]
fn one_empty_line_before_the_request_is_ignored_and_two_are_not() {
    let one = [b"\r\n", HEAD].concat();
    assert_eq!(trickle(&one, &Limits::DEFAULT), (one.len(), Ok(Some(one.len()))));
    assert_eq!(trickle(b"\r\n\r\nGET", &Limits::DEFAULT), (3, Err(Error::FirstByte)));
    assert_eq!(find(b"\r\n\r\n"), Err(Error::FirstByte));
    let response = HeadEnd::for_response().find(b"\r\nHTTP/1.1 200 OK\r\n\r\n", &Limits::DEFAULT);
    assert_eq!(response, Err(Error::FirstByte));
}

/// Proves [rfc9112:2.2-first-byte].
#[test]
fn what_is_not_http_is_refused_at_its_first_byte() {
    for first in 0..=255_u8 {
        let possible = first.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~\r".contains(&first);
        assert_eq!(find(&[first]).is_ok(), possible, "{first:#x}");
    }
    let client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
    assert_eq!(find(client_hello), Err(Error::FirstByte));
    assert_eq!(Error::FirstByte.status(), Status::BAD_REQUEST);
    for response in [&b"GET"[..], b"\x15\x03", b"<html>", b"h"] {
        let found = HeadEnd::for_response().find(response, &Limits::DEFAULT);
        assert_eq!(found, Err(Error::FirstByte));
    }
}

/// Proves [rfc9112:2.2-crlf-only].
#[test]
fn only_crlf_ends_a_line() {
    let (request, field) = (b"GET / HTTP/1.1\r\n".len(), b"GET / HTTP/1.1\r\nHost: a".len());
    let cases: [(&[u8], usize); 8] = [
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 15),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 16),
        (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 16),
        (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", field + 1),
        (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", field + 2),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", field + 3),
        (b"GET / HTTP/1.1\r\n\n", request + 1),
        (b"\nGET / HTTP/1.1\r\n\r\n", 1),
    ];
    for (bytes, seen_at) in cases {
        let answer = trickle(bytes, &Limits::DEFAULT);
        assert_eq!(answer, (seen_at, Err(Error::LineEnd)), "{}", bytes.escape_ascii());
    }
}

/// Proves [rfc9110:5.5-no-control-bytes], at every distance to the word boundaries of the scanner.
#[test]
fn control_bytes_are_refused_where_they_stand() {
    for byte in (0..=31).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
        for before in 0..20 {
            let mut bytes = b"GET / HTTP/1.1\r\nA:".to_vec();
            bytes.resize(bytes.len() + before, b'x');
            bytes.push(byte);
            bytes.extend_from_slice(b" and so on\r\n");
            assert_eq!(find(&bytes), Err(Error::ControlByte));
            let answer = trickle(&bytes, &Limits::DEFAULT);
            assert_eq!(answer, (19 + before, Err(Error::ControlByte)));
        }
    }
    for byte in (32..=255).filter(|&byte| byte != 0x7f) {
        let bytes = [b"GET / HTTP/1.1\r\nA: ", &[byte; 17][..], b"\r\n\r\n"].concat();
        assert_eq!(find(&bytes), Ok(Some(bytes.len())), "{byte:#x}");
    }
}

/// Proves [rfc9112:5.2-no-obs-fold] and [rfc9112:2.2-no-space-before-headers].
#[test]
fn a_header_line_does_not_begin_with_whitespace() {
    for space in [" ", "\t"] {
        let folded = format!("GET / HTTP/1.1\r\nHost: a\r\n{space}b\r\n\r\n");
        assert_eq!(trickle(folded.as_bytes(), &Limits::DEFAULT), (26, Err(Error::LineFolding)));
        let first = format!("GET / HTTP/1.1\r\n{space}Host: a\r\n\r\n");
        assert_eq!(trickle(first.as_bytes(), &Limits::DEFAULT), (17, Err(Error::LineFolding)));
    }
    assert_eq!(find(b"GET / HTTP/1.1\r\n: no name"), Err(Error::Header));
}

/// Proves [rfc9110:5.4-head-bounded].
#[test]
fn the_head_is_bounded_to_the_byte() {
    let limits = |head_bytes_max| {
        let mut limits = Limits::DEFAULT;
        limits.head_bytes_max = head_bytes_max;
        limits
    };
    let len = HEAD.len();
    assert_eq!(trickle(HEAD, &limits(len)), (len, Ok(Some(len))));
    assert_eq!(trickle(HEAD, &limits(len - 1)), (len - 1, Err(Error::HeadTooLong)));
    let more = [HEAD, b"body"].concat();
    assert_eq!(HeadEnd::new().find(&more, &limits(len - 1)), Err(Error::HeadTooLong));
    assert_eq!(Error::HeadTooLong.status().code(), 431);
    assert_eq!(trickle(HEAD, &limits(7)), (7, Err(Error::RequestLineTooLong)));
    assert_eq!(HeadEnd::new().find(b"", &limits(0)), Err(Error::RequestLineTooLong));
}

/// Proves [rfc9112:3-request-line-too-long].
#[test]
fn lines_are_bounded_to_the_byte() {
    let limits = |line_bytes_max| {
        let mut limits = Limits::DEFAULT;
        limits.line_bytes_max = line_bytes_max;
        limits
    };
    assert_eq!(trickle(HEAD, &limits(15)), (HEAD.len(), Ok(Some(HEAD.len()))));
    assert_eq!(trickle(HEAD, &limits(14)), (15, Err(Error::RequestLineTooLong)));
    assert_eq!(Error::RequestLineTooLong.status().code(), 414);
    let long_header = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    assert_eq!(trickle(long_header, &limits(14)), (31, Err(Error::HeaderLineTooLong)));
    assert_eq!(Error::HeaderLineTooLong.status().code(), 431);
    let long_response = b"HTTP/1.1 200 OK OK OK";
    let found = HeadEnd::for_response().find(long_response, &limits(14));
    assert_eq!(found, Err(Error::HeaderLineTooLong));
}

/// Proves [rfc9110:5.4-headers-counted], also for a limit that is set too high.
#[test]
fn header_lines_are_counted() {
    let head = |lines: usize| ["GET / HTTP/1.1\r\n", &"A:\r\n".repeat(lines), "\r\n"].concat();
    let limits = |headers_max| {
        let mut limits = Limits::DEFAULT;
        limits.headers_max = headers_max;
        limits
    };
    for (headers_max, most) in [(0, 0), (1, 1), (64, 64), (128, 128), (usize::MAX, 128)] {
        let fits = head(most);
        assert_eq!(trickle(fits.as_bytes(), &limits(headers_max)).1, Ok(Some(fits.len())));
        let over = trickle(head(most + 1).as_bytes(), &limits(headers_max));
        assert_eq!(over, (16 + 4 * (most + 1), Err(Error::TooManyHeaders)));
    }
    assert_eq!(Error::TooManyHeaders.status().code(), 431);
}

/// A head that trickles in is not scanned anew each time (RUSTSEC-2023-0065).
#[test]
fn work_is_linear_at_one_byte_at_a_time() {
    for filler in ["x", " ", "\u{80}", "a\r\nb:", "\t"] {
        let mut head = String::from("GET / HTTP/1.1\r\na:");
        while head.len() + filler.len() + 4 <= 8192 {
            head.push_str(filler);
        }
        head.push_str("\r\n\r\n");
        let mut limits = Limits::DEFAULT;
        limits.headers_max = usize::MAX;
        limits.line_bytes_max = 8192;
        let mut scanner = HeadEnd::new();
        let mut calls = 0;
        for len in 0..=head.len() {
            calls += 1;
            if scanner.find(&head.as_bytes()[..len], &limits) != Ok(None) {
                break;
            }
        }
        assert!(scanner.examined() <= head.len() + 4 * calls, "{}", scanner.examined());
    }
}

/// Twenty megabytes of header cost what the limit allows, at every size of reads.
#[test]
fn an_endless_header_is_refused_at_the_limit() {
    let mut endless = b"GET / HTTP/1.1\r\nX: ".to_vec();
    endless.resize(20 << 20, b'x');
    let mut limits = Limits::DEFAULT;
    limits.line_bytes_max = usize::MAX;
    assert_eq!(trickle(&endless, &limits), (8192, Err(Error::HeadTooLong)));
    let mut scanner = HeadEnd::new();
    let reads = (0..endless.len()).step_by(4096);
    let refused = reads.map(|len| scanner.find(&endless[..len], &limits)).position(|r| r.is_err());
    assert_eq!(refused, Some(2));
    assert!(scanner.examined() < 8192 + 64);
}

#[test]
fn a_found_request_is_parsed_whether_it_trickled_in_or_not() {
    let limits = Limits::DEFAULT;
    let received = [HEAD, b"what follows"].concat();
    for seen in 0..HEAD.len() {
        let mut scanner = HeadEnd::new();
        assert!(scanner.find_request(&received[..seen], &limits).is_ok_and(|it| it.is_none()));
        let head = scanner.find_request(&received, &limits).unwrap().unwrap();
        assert_eq!(head.len(), HEAD.len());
        let mut storage = HeaderStorage::new();
        let parsed = RequestHead::of(head, &mut storage, &limits).unwrap();
        assert_eq!((parsed.path(), parsed.headers().len()), ("/a", 2));
    }
}

/// A scanner that was shown one thing, and is asked for the head in another.
#[test]
fn no_order_of_calls_gets_an_unchecked_head() {
    let limits = Limits::DEFAULT;
    let seen = HEAD.len() - 2;
    for place in 0..seen {
        let mut changed = HEAD.to_vec();
        changed[place] = 0;
        let shown = || {
            let mut scanner = HeadEnd::new();
            assert_eq!(scanner.find(&HEAD[..seen], &limits), Ok(None));
            scanner
        };
        assert_eq!(shown().find(&changed, &limits), Ok(Some(HEAD.len())), "it believes us");
        assert!(shown().find_request(&changed, &limits).is_err(), "it looks again");
    }
    let mut of_response = HeadEnd::for_response();
    let found = of_response.find_request(b"HTTP/1.1 200 OK\r\n\r\n", &limits).unwrap().unwrap();
    let mut storage = HeaderStorage::new();
    assert!(RequestHead::of(found, &mut storage, &limits).is_err(), "it is no request");
}
