//! The properties of `sockeye_deflate::properties`, on random input.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_deflate::properties;

fn seed() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..32)
}

/// Bytes that often make sense to an inflater: pieces of real blocks between arbitrary ones.
fn deflate_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => vec(any::<u8>(), 1..12),
        1 => Just(b"\0".to_vec()),
        1 => Just(vec![0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        1 => Just(vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        1 => Just(vec![0xf2, 0x00, 0x11, 0x00, 0x00]),
        1 => Just(vec![0x00, 0x05, 0x00, 0xfa, 0xff, 1, 2, 3, 4, 5]),
        1 => Just(vec![0x01, 0x00, 0x00, 0xff, 0xff]),
        1 => Just(vec![0x03, 0x00]),
        1 => Just(vec![0x00, 0x00, 0x00, 0xff, 0xff]),
    ];
    let message = vec(piece, 0..8).prop_map(|pieces| {
        let mut message = pieces.concat();
        message.truncate(255);
        message.insert(0, u8::try_from(message.len()).unwrap());
        message
    });
    vec(message, 1..5).prop_map(|messages| messages.concat())
}

/// The parameters of an element, mostly such that mean something.
fn element() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(&[
        "; server_no_context_takeover",
        "; client_no_context_takeover",
        "; server_max_window_bits",
        "; client_max_window_bits",
        "=8",
        "=10",
        "=15",
        "=08",
        "=16",
        "=",
        "; x",
    ]);
    vec(piece, 0..6).prop_map(|pieces| ["permessage-deflate", &pieces.concat()].concat())
}

proptest! {
    /// [rfc7692:7-decline-offer] [rfc7692:7-duplicate-parameter] [rfc7692:7.1.2-window-value]
    #[test]
    fn an_offer_gets_what_it_permits(text in element(), own: u8, bits: [u8; 2]) {
        properties::offers::offer_gets_what_it_permits(&text, own, bits);
    }

    #[test]
    fn a_response_gets_what_was_offered(text in element(), own: u8, bits: [u8; 2]) {
        properties::offers::response_gets_what_was_offered(&text, own, bits);
    }

    #[test]
    fn messages_round_trip(
        number: u8, level in 1..=9_u8, messages in vec(vec(any::<u8>(), 0..300), 0..5),
    ) {
        properties::messages_round_trip(number, level, &[], &messages);
    }

    /// [rfc7692:7.2.3.2-window] [rfc7692:7.1.2-distance]
    #[test]
    fn round_trip(number: u8, level in 1..=9_u8, plain in vec(any::<u8>(), 0..5), seed in seed()) {
        properties::round_trip(number, level, &plain, &seed);
    }

    #[test]
    fn sessions_do_not_mix(seed in vec(any::<u8>(), 0..64)) {
        properties::sessions_do_not_mix(&seed);
    }

    #[test]
    fn shared_messages(number: u8, seed in vec(any::<u8>(), 0..48)) {
        properties::shared_messages(number, &seed);
    }

    #[test]
    fn any_bytes_get_the_verdict_of_the_oracle(
        number: u8, bytes_max in 0..3000_u64, data in vec(any::<u8>(), 0..300),
    ) {
        properties::inflate_any(number, bytes_max, &data);
    }

    /// [rfc7692:7.2.3.4-bfinal] [rfc7692:7.2.1-complete] [rfc7692:6.2-limit]
    #[test]
    fn almost_valid_bytes_get_the_verdict_of_the_oracle(
        number: u8, bytes_max in 0..3000_u64, data in deflate_like(),
    ) {
        properties::inflate_any(number, bytes_max, &data);
    }

    #[test]
    fn like_a_private_stream(number: u8, level in 1..=9_u8, seed in seed()) {
        properties::like_a_private_stream(number, level, &seed);
    }

    /// [gzip:independent-blocks]
    #[test]
    fn gzip_streams_share_blocks(
        level: u8, least: u8, seed in seed(), picks in vec(any::<u8>(), 0..40),
    ) {
        properties::gzip::streams(level, least, &seed, &picks);
    }
}
