//! The chunked coding, byte by byte.

use sockeye_http::Status;
use sockeye_http1::Error;
use sockeye_http1::chunked::{ChunkHead, Decoder, Event, LAST, Limits, TAIL, encode};

/// Decodes byte by byte; returns the data, and how many bytes had arrived at the end or error.
fn decode(bytes: &[u8], limits: Limits) -> (Vec<u8>, usize, Result<bool, Error>) {
    let mut decoder = Decoder::new(limits);
    let mut data = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match decoder.next(&mut core::slice::from_ref(byte)) {
            Ok(Some(Event::Data(piece))) => data.extend_from_slice(piece),
            Ok(Some(Event::End)) => return (data, at + 1, Ok(true)),
            Ok(None) => {}
            Err(error) => return (data, at + 1, Err(error)),
        }
    }
    (data, bytes.len(), Ok(false))
}

fn refused(body: &str) -> (usize, Error) {
    let (_, seen, outcome) = decode(body.as_bytes(), Limits::DEFAULT);
    (seen, outcome.expect_err(body))
}

fn accepted(body: &str) -> Vec<u8> {
    let (data, seen, outcome) = decode(body.as_bytes(), Limits::DEFAULT);
    assert_eq!((seen, outcome), (body.len(), Ok(true)), "{body:?}");
    data
}

#[test]
fn bodies_are_decoded() {
    assert_eq!(accepted("0\r\n\r\n"), b"");
    assert_eq!(accepted("000\r\n\r\n"), b"");
    assert_eq!(accepted("5\r\nhello\r\n00A\r\n, world!!\n\r\n0\r\n\r\n"), b"hello, world!!\n");
    assert_eq!(accepted("1;a=b;c=\"d;\"\r\nx\r\n1 \t; e\r\ny\r\n0;z\r\n\r\n"), b"xy");
    assert_eq!(accepted("0\r\nA: b\r\nC:\r\n\r\n"), b"");
    assert_eq!(accepted("2\r\n\r\n\r\n0\r\n\r\n"), b"\r\n");
}

/// Proves [rfc9112:7.1-chunk-size-digits].
#[test]
fn a_size_is_hexadecimal_digits() {
    for size in ["", " 5", "+5", "-1", "0x5", "g", "5 ", "5 5", "5\n", "\u{665}", "5_0", ";a"] {
        assert_eq!(refused(&format!("{size}\r\nhello\r\n0\r\n\r\n")).1, Error::ChunkSize, "{size}");
    }
    assert_eq!(refused("5\r5"), (3, Error::ChunkSize));
    assert_eq!(refused("5;a\n"), (4, Error::ChunkExtension));
    assert_eq!(Error::ChunkSize.status(), Status::BAD_REQUEST);
}

/// Proves [rfc9112:7.1-chunk-size-overflow].
#[test]
fn a_size_does_not_wrap() {
    assert_eq!(refused("10000000000000000\r\n"), (17, Error::ChunkSize));
    assert_eq!(refused("00000000000000005\r\n"), (17, Error::ChunkSize));
    let (data, _, outcome) = decode(b"ffffffffffffffff\r\nabc", Limits::DEFAULT);
    assert_eq!((data, outcome), (b"abc".to_vec(), Ok(false)));
    assert_eq!(accepted("0000000000000001\r\nx\r\n0\r\n\r\n"), b"x");
}

/// Proves [rfc9112:7.1-crlf-after-data].
#[test]
fn data_is_followed_by_crlf() {
    assert_eq!(refused("5\r\nhelloo"), (9, Error::ChunkEnd));
    assert_eq!(refused("5\r\nhello\n"), (9, Error::ChunkEnd));
    assert_eq!(refused("5\r\nhello\r0"), (10, Error::ChunkEnd));
    assert_eq!(refused("5\r\nhello0\r\n\r\n"), (9, Error::ChunkEnd));
    assert_eq!(refused("5\r\nhello\r\n\r\n"), (11, Error::ChunkSize));
}

/// Proves [rfc9112:7.1.1-extensions-bounded], over all chunks together.
#[test]
fn extensions_are_bounded_and_ignored() {
    let mut limits = Limits::DEFAULT;
    limits.extension_bytes_max = 4;
    let body = b"1;a\r\nx\r\n1;b\r\ny\r\n0\r\n\r\n";
    assert_eq!(decode(body, limits), (b"xy".to_vec(), body.len(), Ok(true)));
    let over = b"1;a\r\nx\r\n1;bc\r\ny\r\n0\r\n\r\n";
    assert_eq!(decode(over, limits), (b"x".to_vec(), 12, Err(Error::ChunkExtension)));
    let spaces = b"1      ;";
    assert_eq!(decode(spaces, limits), (vec![], 6, Err(Error::ChunkExtension)));
    assert_eq!(refused("1;\0"), (3, Error::ChunkExtension));
}

/// Proves [rfc9112:7.1.1-extension-grammar]: `*( BWS ";" BWS name [ BWS "=" BWS value ] )`.
#[test]
fn an_extension_is_a_name_with_or_without_a_value() {
    let good = [
        ";a",
        ";a=b",
        ";a;b=c;d",
        " ; a",
        "\t;\ta = b ; c",
        ";a=\"\"",
        ";a=\"b c;\\\"d\\\\\"",
        ";a = \"b\" ;c",
        ";a=\"\u{e9}\\\u{e9}\t\"",
    ];
    for extension in good {
        assert_eq!(accepted(&format!("1{extension}\r\nx\r\n0\r\n\r\n")), b"x", "{extension:?}");
        assert_eq!(accepted(&format!("0{extension}\r\n\r\n")), b"", "{extension:?}");
    }
    let bad = [
        ";",
        ";;a",
        ";a;",
        ";=x",
        ";a=",
        ";a b",
        ";a ",
        ";a=b ",
        ";a=b c",
        ";a=b=c",
        ";a=\"b",
        ";a=\"b\"c",
        ";a=\"b\\\"",
        ";a=\"b\\\0\"",
        ";a=\"\u{7f}\"",
        ";a\u{e9}",
        ";a=\u{e9}",
        ";a,b",
        ";a=\"b\"=c",
        ";\"a\"",
        ";a=(b)",
        ";a\r;b",
    ];
    for extension in bad {
        let (_, error) = refused(&format!("1{extension}\r\nx\r\n0\r\n\r\n"));
        let wanted =
            if extension.contains('\r') { Error::ChunkSize } else { Error::ChunkExtension };
        assert_eq!(error, wanted, "{extension:?}");
    }
}

/// Proves [rfc9112:7.1.2-trailer-valid].
#[test]
fn trailers_obey_the_rules_of_headers() {
    for trailer in
        ["A : b", " A: b", "A\r\n", ": b", "A: b\0", "A: b\n", "A: \rb", "A: b\r\n c", "(: b"]
    {
        assert_eq!(refused(&format!("0\r\n{trailer}\r\n\r\n")).1, Error::Trailer, "{trailer:?}");
    }
    assert_eq!(refused("0\r\n\n"), (4, Error::Trailer));
    assert_eq!(refused("0\r\n\rx"), (5, Error::Trailer));
    assert_eq!(refused("0\r\nA: b\rx"), (9, Error::Trailer));
}

/// Proves [rfc9112:7.1.2-trailers-bounded].
#[test]
fn trailers_are_bounded() {
    let mut limits = Limits::DEFAULT;
    limits.trailer_bytes_max = 8;
    assert_eq!(decode(b"0\r\nA:\r\nB:\r\n\r\n", limits).2, Ok(true));
    assert_eq!(decode(b"0\r\nA:\r\nBc:\r\n\r\n", limits).2, Err(Error::TrailersTooLong));
    assert_eq!(Error::TrailersTooLong.status().code(), 431);
}

#[test]
fn the_next_message_is_left_alone() {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    let mut input = &b"3\r\nabc\r\n0\r\n\r\n0\r\n"[..];
    assert_eq!(decoder.next(&mut input), Ok(Some(Event::Data(b"abc"))));
    assert!(!decoder.is_complete());
    assert_eq!(decoder.next(&mut input), Ok(Some(Event::End)));
    assert_eq!((decoder.next(&mut input), input), (Ok(None), &b"0\r\n"[..]));
    assert!(decoder.is_complete());
}

#[test]
fn data_is_borrowed_in_the_pieces_that_arrive() {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    for (mut input, expected) in
        [(&b"6\r"[..], None), (b"\nabc", Some(&b"abc"[..])), (b"", None), (b"def\r", Some(b"def"))]
    {
        assert_eq!(decoder.next(&mut input), Ok(expected.map(Event::Data)));
    }
}

/// Proves [rfc9112:7.1-no-empty-chunk].
#[test]
fn chunks_are_encoded() {
    let mut out = b"kept".to_vec();
    encode(b"", &mut out);
    assert_eq!(out, b"kept");
    encode(&[b'x'; 26], &mut out);
    assert_eq!(out, b"kept1a\r\nxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
    for (size, head) in [(0, "0\r\n"), (1, "1\r\n"), (9, "9\r\n"), (0xabcdef, "abcdef\r\n")] {
        assert_eq!(&*ChunkHead::new(size), head.as_bytes());
    }
    assert_eq!(&*ChunkHead::new(u64::MAX), b"ffffffffffffffff\r\n");
    assert_eq!([&*ChunkHead::new(0), TAIL].concat(), LAST);
}
