//! Heads are taken apart as httparse takes them apart, which has been looked at by many eyes.

use httparse::{EMPTY_HEADER, Error as Theirs, Header, Status as Parsed};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sockeye_http::Headers;
use sockeye_http1::{Error, HeadEnd, HeaderStorage, Limits, RequestHead, ResponseHead};

/// Pieces of header lines: most are right, some are nearly.
const PIECES: &[&[u8]] = &[
    b"a: b",
    b"\r\n",
    b"\r\n",
    b"x-y:\t \xe4 z\t ",
    b"a",
    b":",
    b" ",
    b"\t",
    b"!#$%&'*+-.^_`|~09AZaz:",
    b"(",
    b"\"",
    b"\x80:",
    b"\x7f",
    b"\0",
    b"\r",
    b"\n",
];

const STATUS_LINES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 404 Not\tFound",
    b"HTTP/1.1 304",
    b"HTTP/1.1 204 ",
    b"HTTP/1.1 299 \xe4",
    b"HTTP/1.1  200 OK",
    b"HTTP/1.1 20",
    b"HTTP/1.1 2000",
    b"HTTP/1.1 600 x",
    b"HTTP/1.1 099 x",
    b"HTTP/1.2 200 OK",
    b"HTTP/2 200 OK",
    b"HTTP/1.1\t200 OK",
    b"HTTP/1.1",
    b"HTTP",
    b"H",
];

fn lines() -> impl Strategy<Value = Vec<u8>> {
    vec(select(PIECES), 0..12).prop_map(|pieces| pieces.concat())
}

/// A head of `first` and `lines`, cut where it ends; `None` if it does not, or must not be parsed.
fn complete(mut scanner: HeadEnd, first: &[u8], lines: &[u8]) -> Option<Vec<u8>> {
    let mut head = [first, b"\r\n", lines, b"\r\n\r\n"].concat();
    let len = scanner.find(&head, &Limits::DEFAULT).ok()??;
    head.truncate(len);
    Some(head)
}

fn assert_same(ours: Headers<'_, '_>, theirs: &[Header<'_>]) {
    let theirs = theirs.iter().map(|line| (line.name, line.value.trim_ascii()));
    assert!(ours.iter().eq(theirs), "{ours:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn header_lines(lines in lines()) {
        // HTTP/1.0, so that `Host` is no matter.
        const FIRST: &[u8] = b"GET / HTTP/1.0";
        let Some(head) = complete(HeadEnd::new(), FIRST, &lines) else { return Ok(()) };
        let mut slots = [EMPTY_HEADER; 64];
        let theirs = httparse::parse_headers(&head[FIRST.len() + 2..], &mut slots);
        let mut storage = HeaderStorage::new();
        match (RequestHead::parse(&head, &mut storage, &Limits::DEFAULT), theirs) {
            (Ok(ours), Ok(Parsed::Complete((_, theirs)))) => assert_same(ours.headers(), theirs),
            (Err(Error::Header), Err(_)) => {}
            (ours, theirs) => panic!("{ours:?}, {theirs:?}"),
        }
    }

    #[test]
    fn responses(first in select(STATUS_LINES), lines in lines()) {
        let Some(head) = complete(HeadEnd::for_response(), first, &lines) else { return Ok(()) };
        let mut slots = [EMPTY_HEADER; 64];
        let mut theirs = httparse::Response::new(&mut slots);
        let parsed = theirs.parse(&head);
        let mut storage = HeaderStorage::new();
        match (ResponseHead::parse(&head, &mut storage, &Limits::DEFAULT), parsed) {
            (Ok(ours), Ok(Parsed::Complete(_))) => {
                assert_same(ours.headers(), theirs.headers);
                assert_eq!(Some(ours.status().code()), theirs.code);
                assert_eq!(Some(ours.reason()), theirs.reason);
                assert_eq!(Some(ours.version() as u8), theirs.version);
            }
            (Err(Error::Header), Err(Theirs::HeaderName | Theirs::HeaderValue)) => {}
            (Err(Error::Version), Err(Theirs::Version)) => {}
            (Err(Error::StatusLine), Err(Theirs::Status | Theirs::Token | Theirs::NewLine)) => {}
            // No status has such a number; httparse does not look.
            (Err(Error::StatusLine), Ok(_)) => assert!(matches!(theirs.code, Some(99 | 600))),
            (ours, theirs) => panic!("{ours:?}, {theirs:?}"),
        }
    }
}
