//! The closing handshake as the peer sees it (RFC 6455 §5.5.1, §7.1).

use crate::common::*;
use sockeye_websocket::{
    CloseCode, CloseFrame, Closed, FrameError, Kind, Message, ProtocolError, State, UsageError,
};

fn closing_server() -> End {
    let mut end = server();
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "bye").unwrap();
    end.connection.close(Some(frame), &mut end.out).unwrap();
    assert_eq!(end.said(), plain(FIN | CLOSE, &close_payload(1001, b"bye")));
    assert_eq!(end.connection.state(), State::CloseSent);
    assert!(!end.connection.expects_eof());
    end
}

/// [rfc6455:5.5.1-close-answered]
#[test]
fn a_close_is_answered_in_kind() {
    let mut end = server();
    let heard = end.hear(&masked(FIN | CLOSE, &close_payload(4321, "so long".as_bytes())));
    assert_eq!(heard, [Heard::Close(Some((4321, "so long".into())))]);
    assert_eq!(end.said(), plain(FIN | CLOSE, &close_payload(4321, b"so long")));
    assert!(end.connection.expects_eof());
    let closed = Closed { code: CloseCode::new(4321), clean: true, truncated: false };
    assert_eq!(end.eof(), closed);
    assert_eq!(end.eof(), closed, "asked again");
    assert!(!end.connection.expects_eof());
}

#[test]
fn an_empty_close_is_answered_by_an_empty_one() {
    let mut end = server();
    assert_eq!(end.hear(&masked(FIN | CLOSE, b"")), [Heard::Close(None)]);
    assert_eq!(end.said(), plain(FIN | CLOSE, b""));
    assert_eq!(end.eof(), Closed { code: CloseCode::NO_STATUS, clean: true, truncated: false });
}

#[test]
fn a_client_masks_its_answer() {
    let mut end = client();
    end.hear(&plain(FIN | CLOSE, &close_payload(1000, b"")));
    assert_eq!(end.said(), masked(FIN | CLOSE, &close_payload(1000, b"")));
}

/// [rfc6455:7.1.3-simultaneous-close]
#[test]
fn a_close_that_crosses_ours_is_not_answered() {
    let mut end = closing_server();
    let heard = end.hear(&masked(FIN | CLOSE, &close_payload(1000, b"")));
    assert_eq!(heard, [Heard::Close(Some((1000, String::new())))]);
    assert_eq!(end.said(), b"");
    assert_eq!(end.connection.state(), State::Closed);
    assert!(end.connection.expects_eof());
}

#[test]
fn a_close_inside_a_fragmented_message_is_answered_at_once() {
    let mut end = server();
    let wire = [masked(TEXT, b"a"), masked(FIN | CLOSE, &close_payload(1000, b""))].concat();
    let heard = end.hear(&wire);
    assert_eq!(heard[0], Heard::Piece(Kind::Text, "first", b"a".to_vec()));
    assert_eq!(heard[1], Heard::Close(Some((1000, String::new()))));
    assert_eq!(end.said(), plain(FIN | CLOSE, &close_payload(1000, b"")));
    assert_eq!(end.eof(), Closed { code: CloseCode::NORMAL, clean: true, truncated: true });
}

#[test]
fn data_after_our_close_are_checked_and_discarded() {
    let mut end = closing_server();
    let wire = [
        masked(FIN | TEXT, b"late"),
        masked(BINARY, b"a"),
        masked(FIN | PONG, b"z"),
        masked(FIN | CONTINUATION, b"b"),
    ];
    assert_eq!(end.hear(&wire.concat()), [Heard::Pong(b"z".to_vec())]);
    assert_eq!(end.error(&masked(FIN | TEXT, b"\xFF")), ProtocolError::InvalidUtf8);
    assert_eq!(end.connection.state(), State::Failed);
    assert_eq!(end.said(), b"", "no second Close");
}

/// [rfc6455:1.4-ignore-after-close]
#[test]
fn what_follows_the_close_of_the_peer_is_ignored() {
    let close = masked(FIN | CLOSE, &close_payload(1000, b""));
    for mut end in [server(), closing_server()] {
        let wire = [&close[..], &masked(FIN | TEXT, b"x"), &[0xFF; 40], &close].concat();
        assert_eq!(end.hear(&wire).len(), 1);
        end.said();
        assert_eq!(end.hear(&[0xFF; 1000]), []);
        assert_eq!(end.said(), b"");
        assert_eq!(end.connection.state(), State::Closed);
    }
}

/// [rfc6455:7.4-invalid-close-refused]
#[test]
fn an_invalid_close_is_refused() {
    let bad_code = ProtocolError::Frame(FrameError::CloseCodeInvalid);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535] {
        assert_fails(server(), &masked(FIN | CLOSE, &close_payload(code, b"")), bad_code, 1002);
    }
    let half = ProtocolError::Frame(FrameError::CloseCodeTruncated);
    assert_fails(server(), &masked(FIN | CLOSE, &[3]), half, 1002);
    let text = ProtocolError::Frame(FrameError::InvalidUtf8);
    assert_fails(server(), &masked(FIN | CLOSE, &close_payload(1000, b"\xFF")), text, 1007);
    for code in [1000, 1003, 1007, 1010, 1011, 1012, 1013, 1014, 3000, 4999] {
        assert_eq!(server().hear(&masked(FIN | CLOSE, &close_payload(code, b""))).len(), 1);
    }
}

/// [rfc6455:7.1.5-abnormal]
#[test]
fn the_end_without_a_close_is_1006() {
    let abnormal = |truncated| Closed { code: CloseCode::ABNORMAL, clean: false, truncated };
    assert_eq!(server().eof(), abnormal(false));
    assert_eq!(closing_server().eof(), abnormal(false));
    let whole = masked(FIN | BINARY, b"abc");
    for cut in 1..whole.len() {
        let mut end = server();
        end.hear(&whole[..cut]);
        assert_eq!(end.eof(), abnormal(true), "inside a frame, after {cut} bytes");
        assert_eq!(end.eof(), abnormal(true), "asked again");
        assert_eq!(end.connection.state(), State::Ended);
    }
    let mut end = server();
    end.hear(&whole);
    assert_eq!(end.eof(), abnormal(false));
    let mut end = server();
    end.hear(&masked(BINARY, b"abc"));
    assert_eq!(end.eof(), abnormal(true), "inside a message");
    let mut end = server();
    end.error(&[0xFF]);
    assert_eq!(end.eof(), abnormal(false), "a failed connection is not truncated");
    assert_eq!(end.eof(), abnormal(false), "asked again");
}

/// [rfc6455:5.5.1-no-data-after-close]
#[test]
fn nothing_is_sent_after_our_close() {
    let mut failed = server();
    failed.connection.fail(CloseCode::POLICY_VIOLATION, "", &mut failed.out);
    let mut closed = server();
    closed.hear(&masked(FIN | CLOSE, b""));
    let mut ended = server();
    ended.eof();
    for mut end in [closing_server(), failed, closed, ended] {
        end.said();
        let (connection, out) = (&mut end.connection, &mut end.out);
        assert_eq!(connection.send(Message::Text("x"), out), Err(UsageError::Closed));
        assert_eq!(connection.ping(b"", out), Err(UsageError::Closed));
        assert_eq!(connection.pong(b"", out), Err(UsageError::Closed));
        assert_eq!(connection.close(None, out), Err(UsageError::Closed));
        let begun = connection.begin(Kind::Text, 1, sockeye_websocket::Fin::Final);
        assert_eq!(begun.err(), Some(UsageError::Closed));
        assert_eq!(end.said(), b"");
    }
}

/// [rfc6455:7.4.1-local-codes-never-sent]
#[test]
fn local_codes_never_get_on_the_wire() {
    for code in [0, 1004, 1005, 1006, 1015, 2000, 5000] {
        assert!(CloseFrame::new(CloseCode::new(code), "").is_err());
        let mut end = server();
        end.connection.fail(CloseCode::new(code), "why", &mut end.out);
        assert_eq!(end.said(), plain(FIN | CLOSE, &close_payload(1011, b"why")));
    }
}

/// [rfc6455:7.4.1-mandatory-extension-by-client]
#[test]
fn only_a_client_sends_1010() {
    let frame = CloseFrame::new(CloseCode::MANDATORY_EXTENSION, "").unwrap();
    let mut end = server();
    let refused = end.connection.close(Some(frame), &mut end.out);
    assert_eq!(refused, Err(UsageError::InvalidCloseCode));
    assert_eq!(end.connection.state(), State::Open);
    let mut end = client();
    end.connection.close(Some(frame), &mut end.out).unwrap();
    assert_eq!(end.said(), masked(FIN | CLOSE, &close_payload(1010, b"")));
}
