//! Failing the connection (RFC 6455 §7.1.7): the right code, once, and silence after it.

use crate::common::*;
use sockeye_websocket::{CloseCode, FrameError, ProtocolError, State};

/// [rfc6455:7.1.7-fail-sends-close]
#[test]
fn a_broken_frame_is_answered_with_a_close() {
    for (wire, error) in [
        (&b"\x83\x80"[..], FrameError::UnknownOpcode),
        (b"\xC1\x80", FrameError::ReservedBits),
        (b"\x81\x00", FrameError::MaskMissing),
        (b"\x09\x80", FrameError::ControlFragmented),
        (b"\x89\xFE", FrameError::ControlTooLong),
        (b"\x82\xFE\x00\x01", FrameError::LengthNotMinimal),
    ] {
        assert_fails(server(), wire, ProtocolError::Frame(error), 1002);
    }
}

/// [rfc6455:7.1.7-ignore-after-failure]
#[test]
fn events_before_the_error_are_told_and_bytes_behind_it_ignored() {
    let mut end = server();
    let wire = [
        masked(FIN | TEXT, b"good"),
        masked(FIN | PING, b"p"),
        masked(FIN | CONTINUATION, b"bad"),
        masked(FIN | CLOSE, b""),
        masked(FIN | TEXT, b"never"),
    ];
    let (heard, error) = end.try_hear(&wire.concat());
    assert_eq!(heard, [Heard::Text("good".into()), Heard::Ping(b"p".to_vec())]);
    assert_eq!(error, Some(ProtocolError::NothingToContinue));
    let close = plain(FIN | CLOSE, &close_payload(1002, b""));
    assert_eq!(end.said(), [plain(FIN | PONG, b"p"), close].concat());
    assert_eq!(end.hear(&masked(FIN | CLOSE, b"")), []);
    assert_eq!(end.connection.state(), State::Failed);
    assert_eq!(end.eof().code, CloseCode::ABNORMAL);
}

#[test]
fn a_client_fails_on_a_masked_frame() {
    let mut end = client();
    let error = end.error(&masked(FIN | TEXT, b"x"));
    assert_eq!(error, ProtocolError::Frame(FrameError::MaskUnexpected));
    assert_eq!(end.said(), masked(FIN | CLOSE, &close_payload(1002, b"")));
}

#[test]
fn an_outer_layer_fails_the_connection_once() {
    let mut end = server();
    end.connection.fail(CloseCode::INVALID_PAYLOAD, "does not inflate", &mut end.out);
    assert_eq!(end.said(), plain(FIN | CLOSE, &close_payload(1007, b"does not inflate")));
    end.connection.fail(CloseCode::POLICY_VIOLATION, "", &mut end.out);
    assert_eq!(end.hear(&masked(FIN | TEXT, b"x")), []);
    assert_eq!(end.said(), b"");
    assert!(end.connection.expects_eof());
}

#[test]
fn a_long_reason_is_cut_at_a_character() {
    let mut end = server();
    end.connection.fail(CloseCode::INTERNAL_ERROR, &"é".repeat(100), &mut end.out);
    let cut = "é".repeat(61);
    assert_eq!(end.said(), plain(FIN | CLOSE, &close_payload(1011, cut.as_bytes())));
}

#[test]
fn failing_after_our_close_sends_no_second_one() {
    let mut end = server();
    end.connection.close(None, &mut end.out).unwrap();
    end.said();
    end.connection.fail(CloseCode::POLICY_VIOLATION, "", &mut end.out);
    assert_eq!(end.said(), b"");
    assert_eq!(end.connection.state(), State::Failed);
}
