//! The bounds on a peer (RFC 6455 §10.4).

use crate::common::*;
use sockeye_websocket::{Connection, FrameError, Limits, ProtocolError};

fn limited(limits: Limits) -> End {
    End::new(Connection::server(&config(limits)))
}

#[test]
fn a_frame_over_its_limit_fails_at_its_header() {
    let mut limits = Limits::DEFAULT;
    limits.frame_bytes_max = 5;
    assert_eq!(limited(limits).hear(&masked(FIN | BINARY, b"12345")).len(), 1);
    let error = ProtocolError::Frame(FrameError::FrameTooBig);
    assert_fails(limited(limits), &masked(FIN | BINARY, b"123456")[..2], error, 1009);
}

/// [rfc6455:10.4-message-limit]
#[test]
fn a_message_over_its_limit_fails_at_the_header_that_exceeds_it() {
    let mut limits = Limits::DEFAULT;
    limits.message_bytes_max = 8;
    let start = masked(BINARY, b"1234");
    let fits = [&start[..], &masked(FIN | CONTINUATION, b"5678")].concat();
    assert_eq!(limited(limits).hear(&[&fits[..], &fits].concat()).len(), 4);
    let over = masked(CONTINUATION, b"56789");
    let wire = [&start[..], &over[..6]].concat();
    assert_fails(limited(limits), &wire, ProtocolError::MessageTooBig, 1009);
    let alone = masked(FIN | BINARY, b"123456789");
    assert_eq!(limited(limits).error(&alone), ProtocolError::Frame(FrameError::FrameTooBig));
}

#[test]
fn sums_do_not_overflow() {
    let limits = {
        let mut limits = Limits::DEFAULT;
        limits.frame_bytes_max = u64::MAX;
        limits.message_bytes_max = u64::MAX >> 1;
        limits
    };
    let mut end = limited(limits);
    end.hear(&masked(BINARY, b"1"));
    let huge = [&[0x80, 0xFF, 0x7F][..], &[0xFF; 7], &KEY].concat();
    assert_eq!(end.error(&huge), ProtocolError::MessageTooBig);
}

/// [rfc6455:10.4-fragment-limit]
#[test]
fn too_many_fragments_fail_with_1008() {
    let mut limits = Limits::DEFAULT;
    limits.fragments_max = 3;
    let mut wire = masked(TEXT, b"");
    wire.extend(masked(CONTINUATION, b""));
    let fits = [&wire[..], &masked(FIN | CONTINUATION, b"")].concat();
    assert_eq!(limited(limits).hear(&[&fits[..], &fits].concat()).len(), 6);
    wire.extend(masked(CONTINUATION, b""));
    wire.extend(masked(CONTINUATION, b""));
    assert_fails(limited(limits), &wire, ProtocolError::TooManyFragments, 1008);
}

/// [rfc6455:10.4-overhead-limit]
#[test]
fn too_much_overhead_fails_with_1008() {
    // Three headers of six bytes.
    let mut limits = Limits::DEFAULT;
    limits.overhead_bytes_max = 18;
    let mut wire =
        [masked(TEXT, b""), masked(CONTINUATION, b"a"), masked(CONTINUATION, b"b")].concat();
    assert_eq!(limited(limits).hear(&wire).len(), 3);
    wire.extend(masked(FIN | CONTINUATION, b""));
    assert_fails(limited(limits), &wire, ProtocolError::TooMuchOverhead, 1008);
}

#[test]
fn the_least_limits_let_single_frames_pass() {
    let mut limits = Limits::DEFAULT;
    limits.fragments_max = 0;
    limits.overhead_bytes_max = 0;
    let wire = masked(FIN | TEXT, b"hello");
    assert_eq!(limited(limits).hear(&wire).len(), 1);
    let mut end = limited(limits);
    for byte in &wire {
        end.hear(&[*byte]);
    }
}

#[test]
fn the_sizes_that_autobahn_asks_for_are_possible_settings() {
    let mut limits = Limits::DEFAULT;
    limits.frame_bytes_max = 16 << 20;
    limits.message_bytes_max = 16 << 20;
    limits.fragments_max = 65_537;
    limits.overhead_bytes_max = 65_537 * 14;
    let mut end = limited(limits);
    assert_eq!(end.hear(&masked(FIN | BINARY, &vec![0; 16 << 20])).len(), 1);
    let mut wire = masked(BINARY, &[0; 64]);
    for _ in 1..65_536 {
        wire.extend(masked(CONTINUATION, &[0; 64]));
    }
    wire.extend(masked(FIN | CONTINUATION, b""));
    assert_eq!(end.hear(&wire).len(), 65_537);
}
