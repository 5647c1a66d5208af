use sockeye_http1::Error as HttpError;

use super::Exchange;
use crate::{Error, Limits};

/// What became of a response: its status, its body, and whether it was over at its end.
#[derive(Debug, PartialEq)]
struct Read {
    status: u16,
    body: Vec<u8>,
    over: bool,
    /// Bytes behind the response.
    behind: usize,
}

/// Reads a response that comes in pieces of that size.
fn read(method: &'static str, bytes: &[u8], piece: usize) -> Result<Read, Error> {
    let mut exchange = Exchange::new(method, Limits::DEFAULT);
    let (mut status, mut body, mut behind) = (0, Vec::new(), 0);
    for chunk in bytes.chunks(piece) {
        let mut chunk = chunk.to_vec();
        let mut input = &mut chunk[..];
        if !exchange.take_head(&mut input)? {
            assert!(input.is_empty(), "an unfinished head takes everything");
            continue;
        }
        status = exchange.with_head(|head| head.status().code());
        let mut rest = &*input;
        while let Some(piece) = exchange.body(&mut rest)? {
            body.extend_from_slice(piece);
        }
        assert!(rest.is_empty() || exchange.is_over(), "input is left behind the end only");
        behind += rest.len();
    }
    Ok(Read { status, body, over: exchange.is_over(), behind })
}

/// Method, bytes, body, whether the response is over at their end, and bytes behind it.
type Case = (&'static str, &'static [u8], &'static [u8], bool, usize);

#[test]
fn every_split_gives_the_same_response() {
    let cases: [Case; 8] = [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, more", b"hello", true, 6),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx", b"", true, 1),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nx", b"abcde", true, 1),
        ("GET", b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end", false, 0),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", b"", true, 0),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"", true, 0),
        ("GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00", b"", true, 2),
        ("CONNECT", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntunnel", b"", true, 6),
    ];
    for (method, bytes, body, over, behind) in cases {
        let whole = read(method, bytes, bytes.len()).expect("a response");
        assert_eq!((whole.body.as_slice(), whole.over, whole.behind), (body, over, behind));
        for piece in 1..bytes.len() {
            assert_eq!(read(method, bytes, piece).as_ref(), Ok(&whole), "pieces of {piece}");
        }
    }
}

#[test]
fn what_is_no_response_is_an_error() {
    let interim = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(9);
    let long = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 20_000]].concat();
    let cases: [(&[u8], Error); 5] = [
        (b"SSH-2.0-OpenSSH_9\r\n", Error::Http(HttpError::FirstByte)),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            Error::Http(HttpError::ContentLength),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz",
            Error::Http(HttpError::ChunkSize),
        ),
        (&interim, Error::InterimResponses),
        (&long, Error::Http(HttpError::HeadTooLong)),
    ];
    for (bytes, error) in cases {
        for piece in [1, 7, bytes.len()] {
            assert_eq!(read("GET", bytes, piece), Err(error.clone()), "pieces of {piece}");
        }
    }
}

/// Whoever is told has not asked for rules of HTTP.
#[test]
fn what_is_no_response_has_words() {
    let words = |bytes| read("GET", bytes, 7).map_err(|error| error.to_string());
    assert_eq!(words(b"SSH-2.0-OpenSSH_9\r\n"), Err("the server's answer is no HTTP".to_owned()));
    let old = words(b"HTTP/1.1 20 OK\r\n\r\n");
    assert_eq!(old, Err("the server's answer cannot be taken: malformed status line".to_owned()));
    let proxy = crate::ProxyError::Http(HttpError::FirstByte);
    assert_eq!(proxy.to_string(), "the proxy's answer is no HTTP");
}

#[test]
fn the_end_of_the_connection_means_what_the_framing_says() {
    for (bytes, why) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], Error::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", Error::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Error::Ended),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Error::Truncated),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", Error::Ended),
    ] {
        let mut exchange = Exchange::new("GET", Limits::DEFAULT);
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        if exchange.take_head(&mut input).expect("a head") {
            let mut rest = &*input;
            while exchange.body(&mut rest).expect("a body").is_some() {}
        }
        assert_eq!(exchange.at_eof(), why);
    }
}

#[test]
fn a_head_is_held_no_further_than_its_bound() {
    let mut exchange = Exchange::new("GET", Limits::DEFAULT);
    let mut bytes =
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec(), vec![b'x'; 100_000]]
            .concat();
    let mut input = &mut bytes[..];
    assert_eq!(exchange.take_head(&mut input), Ok(true));
    assert_eq!(input.len(), 100_000, "the body is not the head's");
    assert!(exchange.head.len() < 100);
}
