//! The preface of a client.

use sockeye_http2::{PREFACE, Sniffed, sniff};

/// [http2:3.3-prior-knowledge]
#[test]
fn each_prefix_is_undecided_and_each_other_byte_decides() {
    for len in 0..PREFACE.len() {
        let mut bytes = PREFACE[..len].to_vec();
        assert_eq!(sniff(&bytes), Sniffed::Undecided, "{len}");
        bytes.push(PREFACE[len] ^ 0x20);
        assert_eq!(sniff(&bytes), Sniffed::Other, "{len}");
        bytes.extend_from_slice(PREFACE);
        assert_eq!(sniff(&bytes), Sniffed::Other, "{len}");
    }
    let mut bytes = PREFACE.to_vec();
    assert_eq!(sniff(&bytes), Sniffed::Http2);
    bytes.extend_from_slice(b"more");
    assert_eq!(sniff(&bytes), Sniffed::Http2);
}
