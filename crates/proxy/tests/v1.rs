use sockeye_proxy::properties::decode;
use sockeye_proxy::{Error, Header, Limits, Version};

fn read(bytes: &[u8]) -> (usize, Result<Option<Header>, Error>) {
    decode(Version::V1, Limits::DEFAULT, bytes, &[])
}

fn client(source: &str, destination: &str) -> Header {
    let [source, destination] = [source, destination].map(|it| it.parse().expect("an address"));
    Header::Client { source, destination }
}

#[test]
fn good_lines() {
    for (line, header) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
            client("192.0.2.1:56324", "198.51.100.7:443"),
        ),
        (
            "PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n",
            client("0.0.0.0:0", "255.255.255.255:65535"),
        ),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", client("[2001:db8::1]:1", "[::1]:2")),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            client(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
        ("PROXY UNKNOWN\r\n", Header::Unknown),
        ("PROXY UNKNOWN ffff::1 anything 1  2 \u{e9}\r\n", Header::Unknown),
    ] {
        let input = format!("{line}GET / HTTP/1.1\r\n");
        assert_eq!(read(input.as_bytes()), (line.len(), Ok(Some(header))), "{line}");
    }
}

/// [proxy:first-wrong-byte] [proxy:bounded]
#[test]
fn bad_lines() {
    let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
    for (line, taken, error) in [
        ("GET / HTTP/1.1\r\n", 1, Error::NoHeader),
        ("PROXXY TCP4", 5, Error::NoHeader),
        ("proxy TCP4", 1, Error::NoHeader),
        ("\r\n\r\n\0\r\nQUIT\n", 1, Error::NoHeader),
        (&*long, 107, Error::TooLong),
        ("PROXY UNKNOWN\n", 14, Error::Malformed),
        ("PROXY UNKNOWN\r\r\n", 15, Error::Malformed),
        ("PROXY UNKNOWN \rx\r\n", 16, Error::Malformed),
        ("PROXY UNKNOWNS\r\n", 16, Error::Malformed),
        ("PROXY \r\n", 8, Error::Malformed),
        ("PROXY TCP4\r\n", 12, Error::Malformed),
        ("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", 36, Error::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", 34, Error::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", 38, Error::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", 37, Error::Malformed),
        ("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", 37, Error::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", 37, Error::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", 37, Error::Malformed),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", 40, Error::Malformed),
        ("PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n", 37, Error::Malformed),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", 24, Error::Malformed),
        ("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", 36, Error::Malformed),
        ("PROXY TCP6 fe80::1%1 ::1 1 2\r\n", 30, Error::Malformed),
    ] {
        assert_eq!(read(line.as_bytes()), (taken, Err(error)), "{line:?}");
    }
    for line in ["", "P", "PROXY ", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2", "PROXY UNKNOWN\r"] {
        assert_eq!(read(line.as_bytes()), (line.len(), Ok(None)), "{line:?}");
    }
}
