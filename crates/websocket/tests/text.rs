//! Text is UTF-8 (RFC 6455 §5.6, §8.1).

use crate::common::*;
use sockeye_websocket::{Kind, ProtocolError};

/// [rfc6455:8.1-utf8-message]
#[test]
fn invalid_text_fails_with_1007() {
    for bad in [&b"\xC0\x80"[..], b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"ok\xFF", b"cut\xE2\x82"] {
        assert_fails(server(), &masked(FIN | TEXT, bad), ProtocolError::InvalidUtf8, 1007);
        let split = [masked(TEXT, &bad[..1]), masked(FIN | CONTINUATION, &bad[1..])].concat();
        let mut end = server();
        assert_eq!(end.error(&split), ProtocolError::InvalidUtf8);
    }
}

/// Inside a frame, at the first byte that cannot be: Autobahn's 6.4.
#[test]
fn invalid_text_fails_before_its_frame_ends() {
    let wire = masked(FIN | TEXT, b"\xCE\xBA\xE1\xBD\xB9\xF4\x90\x80\x80rest");
    let header = 6;
    let mut end = server();
    for byte in &wire[..header + 6] {
        assert_eq!(end.try_hear(&[*byte]).1, None);
    }
    // F4 is possible, 90 after it is not.
    assert_eq!(end.error(&wire[header + 6..=header + 6]), ProtocolError::InvalidUtf8);
    assert_eq!(end.said(), plain(FIN | CLOSE, &close_payload(1007, b"")));
}

/// [rfc6455:5.6-utf8-across-fragments]
#[test]
fn a_frame_may_end_inside_a_character() {
    let text = "κόσμε 🐟";
    for cut in 0..=text.len() {
        let (head, tail) = text.as_bytes().split_at(cut);
        let wire = [masked(TEXT, head), masked(FIN | CONTINUATION, tail)].concat();
        let heard = server().hear(&wire);
        assert_eq!(heard[0], Heard::Piece(Kind::Text, "first", head.to_vec()));
        assert_eq!(heard[1], Heard::Piece(Kind::Text, "last", tail.to_vec()));
    }
}

#[test]
fn a_message_must_not_end_inside_a_character() {
    let wire = [masked(TEXT, b"\xF0\x9F"), masked(FIN | CONTINUATION, b"\x90")].concat();
    assert_eq!(server().error(&wire), ProtocolError::InvalidUtf8);
    // A partial message does not leak into the next one.
    let wire = [masked(FIN | BINARY, b"\xF0\x9F"), masked(FIN | TEXT, b"a")].concat();
    assert_eq!(server().hear(&wire)[1], Heard::Text("a".into()));
}

#[test]
fn binary_is_not_judged() {
    let wire = [masked(FIN | BINARY, b"\xFF"), masked(BINARY, b"\xFF"), masked(FIN, b"\xFE")];
    assert_eq!(server().hear(&wire.concat()).len(), 3);
}

#[test]
fn empty_text_and_a_byte_order_mark_are_text() {
    let wire = [masked(FIN | TEXT, b""), masked(FIN | TEXT, "\u{FEFF}".as_bytes())].concat();
    assert_eq!(server().hear(&wire), [Heard::Text(String::new()), Heard::Text("\u{FEFF}".into())]);
}
