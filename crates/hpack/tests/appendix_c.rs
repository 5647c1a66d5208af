//! The examples of RFC 7541, appendix C.

use sockeye_hpack::{Decoder, Error, Limits};

use crate::{checks, error, fields, hex, pairs, seen, table};

const AUTHORITY: (&str, &str) = (":authority", "www.example.com");
const NO_CACHE: (&str, &str) = ("cache-control", "no-cache");
const CUSTOM: (&str, &str) = ("custom-key", "custom-value");

/// C.1: 10, 1337 and 42, as the sizes and lengths that they can stand for.
#[test]
fn integers() {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    // 5-bit prefixes: the sizes 10 and 1337.
    assert_eq!(fields(&mut decoder, &hex("2a")), []);
    assert_eq!(fields(&mut decoder, &hex("3f9a0a")), []);
    decoder.table_bytes_acknowledged(1336);
    assert_eq!(error(&mut decoder, &hex("3f9a0a")), Error::TableSizeTooBig);

    // A 7-bit prefix: a value of 42 bytes.
    let mut block = hex("0001 61 2a");
    block.extend([b'x'; 42]);
    let expected = pairs(&[("a", &"x".repeat(42))]);
    assert_eq!(fields(&mut Decoder::new(Limits::DEFAULT), &block), expected);
}

/// C.2: one representation of each kind. [hpack:6.2.3-never-indexed]
#[test]
fn representations() {
    let mut decoder = Decoder::new(Limits::DEFAULT);
    let block = hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
    let expected = [seen("custom-key", "custom-header", false)];
    assert_eq!(checks::decode(&mut decoder, &block), (expected.to_vec(), Ok(())));
    assert_eq!(table(&mut decoder, 1), pairs(&[("custom-key", "custom-header")]));

    let mut decoder = Decoder::new(Limits::DEFAULT);
    for (block, expected) in [
        ("040c 2f73 616d 706c 652f 7061 7468", seen(":path", "/sample/path", false)),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", seen("password", "secret", true)),
        ("82", seen(":method", "GET", false)),
    ] {
        assert_eq!(checks::decode(&mut decoder, &hex(block)), (vec![expected], Ok(())));
    }
    assert_eq!(decoder.memory_bytes(), 0, "none of the three is indexed");
}

/// C.3 and C.4: three requests, plain and with Huffman's code.
#[test]
fn requests() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let (get, http) = ((":method", "GET"), (":scheme", "http"));
    let first = pairs(&[get, http, (":path", "/"), AUTHORITY]);
    let second = pairs(&[get, http, (":path", "/"), AUTHORITY, NO_CACHE]);
    let third = pairs(&[get, (":scheme", "https"), (":path", "/index.html"), AUTHORITY, CUSTOM]);
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(Limits::DEFAULT);
        assert_eq!(fields(&mut decoder, &hex(blocks[0])), first);
        assert_eq!(table(&mut decoder, 1), pairs(&[AUTHORITY]));
        assert_eq!(fields(&mut decoder, &hex(blocks[1])), second);
        assert_eq!(table(&mut decoder, 2), pairs(&[NO_CACHE, AUTHORITY]));
        assert_eq!(fields(&mut decoder, &hex(blocks[2])), third);
        assert_eq!(table(&mut decoder, 3), pairs(&[CUSTOM, NO_CACHE, AUTHORITY]));
        assert_eq!(error(&mut decoder, &[0x80 | 65]), Error::IndexOutOfRange);
    }
}

/// C.5 and C.6: three responses with a table of 256 bytes, which evicts. [hpack:4.4-evict]
#[test]
fn responses_with_eviction() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
         6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
         3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
         9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let private = ("cache-control", "private");
    let dates =
        [("date", "Mon, 21 Oct 2013 20:13:21 GMT"), ("date", "Mon, 21 Oct 2013 20:13:22 GMT")];
    let location = ("location", "https://www.example.com");
    let gzip = ("content-encoding", "gzip");
    let cookie = ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
    let status = |code| (":status", code);
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(Limits::DEFAULT);
        decoder.table_bytes_acknowledged(256);
        assert_eq!(fields(&mut decoder, &hex("3fe101")), []);
        let expected = pairs(&[status("302"), private, dates[0], location]);
        assert_eq!(fields(&mut decoder, &hex(blocks[0])), expected);
        let expected = pairs(&[location, dates[0], private, status("302")]);
        assert_eq!(table(&mut decoder, 4), expected);
        let expected = pairs(&[status("307"), private, dates[0], location]);
        assert_eq!(fields(&mut decoder, &hex(blocks[1])), expected);
        let expected = pairs(&[status("307"), location, dates[0], private]);
        assert_eq!(table(&mut decoder, 4), expected);
        let expected = pairs(&[status("200"), private, dates[1], location, gzip, cookie]);
        assert_eq!(fields(&mut decoder, &hex(blocks[2])), expected);
        assert_eq!(table(&mut decoder, 3), pairs(&[cookie, gzip, dates[1]]));
        assert_eq!(error(&mut decoder, &[0x80 | 65]), Error::IndexOutOfRange);
    }
}
