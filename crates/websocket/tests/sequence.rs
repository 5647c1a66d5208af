//! Fragmented messages and what may stand between their fragments (RFC 6455 §5.4).

use crate::common::*;
use sockeye_websocket::{Connection, Kind, ProtocolError, State};

/// [rfc6455:5.4-continuation-needs-start]
#[test]
fn continuation_needs_a_start() {
    for first in [CONTINUATION, FIN | CONTINUATION] {
        assert_fails(server(), &masked(first, b"x"), ProtocolError::NothingToContinue, 1002);
    }
    let after_message = [masked(FIN | TEXT, b"a"), masked(FIN | CONTINUATION, b"b")].concat();
    assert_fails(server(), &after_message, ProtocolError::NothingToContinue, 1002);
    let after_fragments =
        [masked(TEXT, b"a"), masked(FIN | CONTINUATION, b"b"), masked(FIN | CONTINUATION, b"c")];
    assert_fails(server(), &after_fragments.concat(), ProtocolError::NothingToContinue, 1002);
}

/// [rfc6455:5.4-no-interleaving]
#[test]
fn a_message_does_not_begin_inside_another() {
    for first in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
        let wire = [masked(TEXT, b"a"), masked(first, b"b")].concat();
        assert_fails(server(), &wire, ProtocolError::MessageInterrupted, 1002);
    }
}

#[test]
fn a_forbidden_frame_fails_at_its_header() {
    // The payload of 100 bytes is never sent.
    let mut end = server();
    assert_eq!(end.error(&[0x80, 0x80 | 100, 1, 2, 3, 4]), ProtocolError::NothingToContinue);
    let mut end = server();
    end.hear(&masked(BINARY, b"a"));
    assert_eq!(end.error(&[0x82, 0x80 | 100, 1, 2, 3, 4]), ProtocolError::MessageInterrupted);
}

#[test]
fn fragments_come_as_pieces_in_order() {
    let wire = [
        masked(BINARY, b"one"),
        masked(CONTINUATION, b""),
        masked(CONTINUATION, b"two"),
        masked(FIN | CONTINUATION, b""),
        masked(FIN | BINARY, b"alone"),
    ];
    assert_eq!(
        server().hear(&wire.concat()),
        [
            Heard::Piece(Kind::Binary, "first", b"one".to_vec()),
            Heard::Piece(Kind::Binary, "middle", b"".to_vec()),
            Heard::Piece(Kind::Binary, "middle", b"two".to_vec()),
            Heard::Piece(Kind::Binary, "last", b"".to_vec()),
            Heard::Binary(b"alone".to_vec()),
        ]
    );
}

/// [rfc6455:5.4-control-between-fragments]
#[test]
fn control_frames_between_fragments_leave_the_message_alone() {
    let eel = "🐟".as_bytes();
    let wire = [
        masked(TEXT, &eel[..1]),
        masked(FIN | PING, b"p"),
        masked(CONTINUATION, &eel[1..3]),
        masked(FIN | PONG, b""),
        masked(FIN | PING, b"q"),
        masked(FIN | CONTINUATION, &eel[3..]),
    ]
    .concat();
    let expected = [
        Heard::Piece(Kind::Text, "first", eel[..1].to_vec()),
        Heard::Ping(b"p".to_vec()),
        Heard::Piece(Kind::Text, "middle", eel[1..3].to_vec()),
        Heard::Pong(vec![]),
        Heard::Ping(b"q".to_vec()),
        Heard::Piece(Kind::Text, "last", eel[3..].to_vec()),
    ];
    let mut end = server();
    assert_eq!(end.hear(&wire), expected);
    let pongs = [plain(FIN | PONG, b"p"), plain(FIN | PONG, b"q")].concat();
    assert_eq!(end.said(), pongs);
}

#[test]
fn control_frames_may_stand_inside_a_compressed_message() {
    let mut end = End::new(Connection::server(&compressing()));
    let wire = [
        masked(RSV1 | TEXT, &[0xF2]),
        masked(FIN | PING, b""),
        masked(FIN | CONTINUATION, &[0x48, 0xCD]),
    ];
    assert_eq!(
        end.hear(&wire.concat()),
        [
            Heard::Piece(Kind::Text, "first", vec![0xF2]),
            Heard::Ping(vec![]),
            Heard::Piece(Kind::Text, "last", vec![0x48, 0xCD]),
        ]
    );
    assert_eq!(end.said(), plain(FIN | PONG, b""));
    assert_eq!(end.connection.state(), State::Open);
}

#[test]
fn compressed_messages_are_marked_and_their_text_is_not_judged() {
    let mut end = End::new(Connection::server(&compressing()));
    let mut wire = masked(FIN | RSV1 | TEXT, &[0xFF, 0xFE]);
    let mut input = &mut wire[..];
    match end.connection.receive(&mut input, &mut end.out) {
        Ok(Some(sockeye_websocket::Event::Piece(piece))) => {
            assert!(piece.compressed && piece.first && piece.last);
        }
        other => panic!("{other:?}"),
    }
    // An uncompressed one may follow, and is judged again.
    assert_eq!(end.hear(&masked(FIN | TEXT, b"a")), [Heard::Text("a".into())]);
    assert_eq!(end.error(&masked(FIN | TEXT, &[0xFF])), ProtocolError::InvalidUtf8);
}

#[test]
fn a_frame_that_arrives_in_parts_comes_as_pieces() {
    let wire = masked(FIN | TEXT, b"hello");
    let mut end = server();
    assert_eq!(end.hear(&wire[..6]), []);
    assert_eq!(end.hear(&wire[6..8]), [Heard::Piece(Kind::Text, "first", b"he".to_vec())]);
    assert_eq!(end.hear(&wire[8..]), [Heard::Piece(Kind::Text, "last", b"llo".to_vec())]);
    assert_eq!(end.hear(&wire), [Heard::Text("hello".into())]);
}
