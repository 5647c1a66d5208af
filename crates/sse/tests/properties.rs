//! The properties over generated streams.
//!
//! [html:9.2.5-utf8-partial-kept] [html:9.2.5-crlf-across-chunks] [html:9.2.5-bom-once]
//! [html:9.2.6-blank-dispatches] [html:9.2.6-dispatch-id-first] [html:9.2.6-dispatch-clears]
//! [html:9.2.6-retry-at-line-end] [html:9.2.6-eof-discards] [sse:limit-while-arriving]
//! [sse:limit-borrowed] [html:9.2.5-encode-lines] [html:9.2.5-encode-comment-lines]

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_sse::properties;

/// Pieces that streams are made of, whole ones and broken ones.
const PIECES: &[&[u8]] = &[
    b"data",
    b"data:",
    b"data: ",
    b"event: ",
    b"event",
    b"id: ",
    b"id",
    b"id:7\n",
    b"retry: ",
    b"retry:1",
    b":",
    b": note",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\r",
    b"\0",
    b"x",
    b"9",
    b"0000",
    b"unknown: y\n",
    b"event: t\n",
    b"event\n",
    b"data: v\n",
    b"data: value\n\n",
    b"event: t\ndata: v\n\n",
    b"\xEF\xBB\xBF",
    b"\xEF",
    b"\xBB",
    b"\xE2\x82\xAC",
    b"\xE2\x82",
    b"\xF0\x9F\x98\x80",
    b"\xF0\x9F",
    b"\xFF",
    b"\xC0\x80",
    b"\x80",
    b"dat",
    b"a: x\n",
    b"99999999999999999999",
    b"\xE2\x80\xA8",
    b"a longer piece of text, so that the wide scan has something to walk over, and once more, yes",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn text() -> impl Strategy<Value = String> {
    vec(prop_oneof![Just('\r'), Just('\n'), Just(' '), Just(':'), any::<char>()], 0..30)
        .prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn agrees_with_oracle(input in stream(), cuts in vec(0..9_u8, 0..12)) {
        properties::agrees_with_oracle(&input, &cuts);
    }

    #[test]
    fn agrees_with_oracle_in_long_chunks(input in stream(), cuts in vec(any::<u8>(), 0..12)) {
        properties::agrees_with_oracle(&input, &cuts);
    }

    #[test]
    fn agrees_with_oracle_on_any_bytes(
        input in vec(any::<u8>(), 0..200),
        cuts in vec(0..40_u8, 0..12),
    ) {
        properties::agrees_with_oracle(&input, &cuts);
    }

    #[test]
    fn stays_within_limit(input in stream(), cuts in vec(0..30_u8, 0..12), max in 0..60_usize) {
        properties::stays_within_limit(&input, &cuts, max);
    }

    #[test]
    fn round_trips(
        name in text(),
        id in text(),
        retry_ms in any::<u64>(),
        data in text(),
        comment in text(),
    ) {
        properties::round_trips(&name, &id, retry_ms, &data, &comment);
    }
}
