use sockeye_proxy::properties::decode;
use sockeye_proxy::{Error, Header, Limits, Version};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.v2_bytes_max = 64;
    limits
}

fn read(bytes: &[u8]) -> (usize, Result<Option<Header>, Error>) {
    decode(Version::V2, limits(), bytes, &[])
}

fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[command, family], &len, body].concat()
}

const FOUR: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

/// [proxy:no-byte-behind]
#[test]
fn good_headers() {
    let four = Header::Client {
        source: "192.0.2.1:56324".parse().expect("an address"),
        destination: "198.51.100.7:443".parse().expect("an address"),
    };
    let six = Header::Client {
        source: "[2001:db8::1]:258".parse().expect("an address"),
        destination: "[::1]:772".parse().expect("an address"),
    };
    let mut body = vec![0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    body.extend([0; 15]);
    body.extend([1, 1, 2, 3, 4]);
    // An additional field: ALPN h2.
    let fields = [&FOUR[..], &[1, 0, 2, b'h', b'2']].concat();
    for (bytes, expected) in [
        (header(0x21, 0x11, &FOUR), four),
        (header(0x21, 0x11, &fields), four),
        (header(0x21, 0x21, &body), six),
        (header(0x20, 0x11, &FOUR), Header::Local),
        (header(0x20, 0x00, &[]), Header::Local),
        (header(0x20, 0xff, &[1, 2, 3]), Header::Local),
        (header(0x21, 0x00, &[]), Header::Unknown),
        (header(0x21, 0x00, &fields), Header::Unknown),
        (header(0x21, 0x12, &FOUR), Header::Unknown),
        (header(0x21, 0x31, &[]), Header::Unknown),
        (header(0x21, 0x11, &[&FOUR[..], &[0; 52]].concat()), four),
    ] {
        let input = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read(&input), (bytes.len(), Ok(Some(expected))), "{bytes:02x?}");
        for len in 0..bytes.len() {
            assert_eq!(read(&bytes[..len]), (len, Ok(None)), "{:02x?}", &bytes[..len]);
        }
    }
}

/// [proxy:first-wrong-byte] [proxy:bounded]
#[test]
fn bad_headers() {
    for (bytes, taken, error) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), 1, Error::NoHeader),
        (b"PROXY TCP4 ".to_vec(), 1, Error::NoHeader),
        (b"\r\n\r\n\0\r\nQUIT\r\n".to_vec(), 12, Error::NoHeader),
        (header(0x11, 0x11, &FOUR), 13, Error::Malformed),
        (header(0x22, 0x11, &FOUR), 13, Error::Malformed),
        (header(0x31, 0x11, &FOUR), 13, Error::Malformed),
        (header(0x21, 0x10, &FOUR), 16, Error::Malformed),
        (header(0x21, 0x13, &FOUR), 16, Error::Malformed),
        (header(0x21, 0x41, &FOUR), 16, Error::Malformed),
        (header(0x21, 0x11, &FOUR[..11]), 16, Error::Malformed),
        (header(0x21, 0x21, &[0; 35]), 16, Error::Malformed),
        (header(0x21, 0x11, &[0; 65]), 16, Error::TooLong),
        (header(0x20, 0x00, &[0; 65]), 16, Error::TooLong),
    ] {
        assert_eq!(read(&bytes), (taken, Err(error)), "{bytes:02x?}");
    }
}
