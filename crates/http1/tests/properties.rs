//! The properties, on generated input that is close enough to valid to get deep.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sockeye_http1::{Limits, Persistence, properties};

/// Bytes out of an alphabet in which the interesting ones are frequent.
fn bytes_of(alphabet: &'static [u8], len: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(select(alphabet), 0..len)
}

/// Joined fragments: mostly lines that are right, some that are nearly.
fn fragments(list: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    vec(select(list), 0..12).prop_map(|parts| parts.concat().into_bytes())
}

const REQUEST: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b=%20+c HTTP/1.1\r\n",
    "GET http://h/ HTTP/1.0\r\n",
    "Host: a\r\n",
    "Host: [::1]:80\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: x\r\n",
    "Transfer-Encoding: gzip,chunked\r\n",
    "Connection: close, \"a,b\"\r\n",
    "X:\t\u{e4} \r\n",
    "\r\n",
    "\r\n\r\n",
    " ",
    "\t",
    "\r",
    "\n",
    "a",
    ":",
    "\0",
    "aaaaaaaaaaaaaaaaaaa",
];

const RESPONSE: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 204 \r\n",
    "HTTP/1.1 304\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "\r\n",
    "\r\n\r\n",
    "a: b\r\n",
    " ",
    "9",
];

const CHUNKED: &[&str] = &[
    "1\r\nx\r\n",
    "A;e=\"f\"\r\n0123456789\r\n",
    "5 ;\r\nhello\r\n",
    "0\r\n",
    "A: b\r\n",
    "\r\n",
    "0\r\n\r\n",
    "f",
    "\t",
    ";",
    "x",
    "\n",
    "\r",
    "0000000000000002\r\n\r\n\r\n",
];

fn lens() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(0..4_u8, 0..64), vec(any::<u8>(), 0..8), Just(vec![1; 2048])]
}

fn tight() -> impl Strategy<Value = Limits> {
    (0..200_usize, 0..8_usize, 0..40_usize).prop_map(|(head, headers, line)| {
        let mut limits = Limits::DEFAULT;
        (limits.head_bytes_max, limits.headers_max) = (head, headers);
        (limits.line_bytes_max, limits.target_bytes_max) = (line, line);
        limits
    })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        fragments(REQUEST),
        fragments(RESPONSE),
        fragments(CHUNKED),
        bytes_of(b"\r\nGH: \t/a\0\x80\x7f", 48),
        bytes_of(b"\r\n05aF;: \tx", 48),
        vec(any::<u8>(), 0..256),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof!["[!-~]{1,12}", ".{0,6}", Just("X\r\nY".to_owned())];
    let value = prop_oneof![
        "[ -~]{0,24}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..24),
        bytes_of(b"\r\n\0:a ", 12),
    ];
    vec((name, value), 0..8)
}

fn borrow(headers: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}

proptest! {
    #[test]
    fn head_end_is_split_independent(bytes in any_bytes(), lens in lens(), limits in tight()) {
        properties::head_end_is_split_independent(&bytes, &lens, &Limits::DEFAULT);
        properties::head_end_is_split_independent(&bytes, &lens, &limits);
    }

    #[test]
    fn head_end_matches_oracle(bytes in any_bytes()) {
        properties::head_end_matches_oracle(&bytes);
    }

    #[test]
    fn parsed_request_is_unambiguous(bytes in any_bytes()) {
        properties::parsed_request_is_unambiguous(&bytes);
        let request = [b"GET / HTTP/1.1\r\nHost: a\r\n", &bytes[..], b"\r\n\r\n"].concat();
        properties::parsed_request_is_unambiguous(&request);
    }

    #[test]
    fn parsed_response_answers(bytes in any_bytes()) {
        properties::parsed_response_answers(&bytes);
        let response = [b"HTTP/1.1 200 OK\r\n", &bytes[..], b"\r\n\r\n"].concat();
        properties::parsed_response_answers(&response);
    }

    #[test]
    fn chunked_is_split_independent(bytes in any_bytes(), lens in lens()) {
        properties::chunked_is_split_independent(&bytes, &lens);
    }

    #[test]
    fn chunked_matches_oracle(bytes in any_bytes()) {
        properties::chunked_matches_oracle(&bytes);
    }

    #[test]
    fn chunk_extensions_match_the_oracle(extensions in "[;=\"\\\\ \ta]{0,12}") {
        let bytes = format!("1;{extensions}\r\nx\r\n0\r\n\r\n");
        properties::chunked_matches_oracle(bytes.as_bytes());
    }

    #[test]
    fn chunked_round_trip(data in vec(any::<u8>(), 0..600), chunk_lens in lens(), lens in lens()) {
        properties::chunked_round_trip(&data, &chunk_lens, &lens);
    }

    #[test]
    fn response_round_trip(
        code in 100..600_u16,
        headers in headers(),
        connection in select(&[Persistence::Persist, Persistence::KeepAlive, Persistence::Close][..]),
        body in vec(any::<u8>(), 0..32),
    ) {
        properties::response_round_trip(code, &borrow(&headers), connection, &body);
    }

    #[test]
    fn request_round_trip(
        method in prop_oneof!["GET|CONNECT|OPTIONS|POST", ".{0,4}"],
        target in prop_oneof!["/[!-~]{0,20}", "[*a-z]{0,4}", "https?://[a-z0-9.:\\[\\]@]{0,9}/.{0,3}", ".{0,9}"],
        host in prop_oneof!["[a-z]{1,8}(:[0-9]{0,6})?", "[ -~]{0,8}", ".{0,8}"],
        headers in headers(),
        body in vec(any::<u8>(), 0..32),
    ) {
        properties::request_round_trip([&method, &target, &host], &borrow(&headers), &body);
    }
}
