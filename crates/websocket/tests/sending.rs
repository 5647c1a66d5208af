//! The bytes of sent frames (RFC 6455 §5.2 to §5.4, §6.1).

use crate::common::*;
use sockeye_websocket::{Config, Connection, Fin, Kind, Limits, MaskKey, Message, UsageError};

#[test]
fn a_server_sends_plain_frames() {
    let mut end = server();
    for len in [0, 1, 125, 126, 65_535, 65_536] {
        let payload = vec![b'x'; len];
        end.connection.send(Message::Binary(&payload), &mut end.out).unwrap();
        assert_eq!(end.said(), plain(FIN | BINARY, &payload));
    }
    end.connection.send(Message::Text("Hello"), &mut end.out).unwrap();
    assert_eq!(end.said(), [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], "RFC 6455 §5.7");
}

/// [rfc6455:5.3-fresh-mask]
#[test]
fn a_client_masks_every_frame_with_the_next_key() {
    let mut next = 0;
    let masks = Box::new(move || {
        next += 1;
        MaskKey::new([next; 4])
    });
    let mut connection = Connection::client(&Config::default(), masks);
    let mut out = Vec::new();
    connection.send(Message::Text("\u{1}"), &mut out).unwrap();
    connection.ping(&[2], &mut out).unwrap();
    let start = connection.begin(Kind::Binary, 1, Fin::Final).unwrap();
    let mut payload = [3];
    start.apply_mask(&mut payload, 0);
    out.extend_from_slice(start.header());
    out.extend(payload);
    connection.close(None, &mut out).unwrap();
    let frame = |first, key| [first, 0x81, key, key, key, key, 0];
    assert_eq!(out[..7], frame(0x81, 1));
    assert_eq!(out[7..14], frame(0x89, 2));
    assert_eq!(out[14..21], frame(0x82, 3));
    assert_eq!(out[21..], [0x88, 0x80, 4, 4, 4, 4]);
}

#[test]
fn the_masked_example_of_the_rfc() {
    let mut end = client();
    end.connection.send(Message::Text("Hello"), &mut end.out).unwrap();
    let expected = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(end.said(), expected, "RFC 6455 §5.7");
}

#[test]
fn what_stands_in_the_output_is_left_alone() {
    let mut end = client();
    end.out = b"before".to_vec();
    end.connection.send(Message::Binary(b"x"), &mut end.out).unwrap();
    assert_eq!(end.out, [b"before", &masked(FIN | BINARY, b"x")[..]].concat());
}

/// [rfc6455:5.4-fragments-sent]
#[test]
fn fragments_continue_across_calls_and_control_frames() {
    let mut end = server();
    let fragment = |end: &mut End, payload: &[u8], fin| {
        let start = end.connection.begin(Kind::Text, payload.len() as u64, fin).unwrap();
        end.out.extend_from_slice(start.header());
        end.out.extend_from_slice(payload);
    };
    fragment(&mut end, b"a", Fin::More);
    end.connection.ping(b"p", &mut end.out).unwrap();
    end.hear(&masked(FIN | PING, b"q"));
    fragment(&mut end, b"", Fin::More);
    fragment(&mut end, b"b", Fin::Final);
    fragment(&mut end, b"c", Fin::Final);
    let expected = [
        plain(TEXT, b"a"),
        plain(FIN | PING, b"p"),
        plain(FIN | PONG, b"q"),
        plain(CONTINUATION, b""),
        plain(FIN | CONTINUATION, b"b"),
        plain(FIN | TEXT, b"c"),
    ];
    assert_eq!(end.said(), expected.concat());
}

#[test]
fn misuse_inside_a_fragmented_message_is_refused() {
    let mut end = End::new(Connection::server(&compressing()));
    let (connection, out) = (&mut end.connection, &mut end.out);
    let _start = connection.begin(Kind::Text, 1, Fin::More).unwrap();
    assert_eq!(connection.send(Message::Text(""), out), Err(UsageError::MessageUnderWay));
    let compressed = connection.send_compressed(Kind::Text, b"\0", out);
    assert_eq!(compressed, Err(UsageError::MessageUnderWay));
    let changed = connection.begin(Kind::Binary, 1, Fin::Final);
    assert_eq!(changed.err(), Some(UsageError::KindChanged));
    let long = connection.begin(Kind::Text, 1 << 63, Fin::Final);
    assert_eq!(long.err(), Some(UsageError::FrameTooLong));
    assert_eq!(end.said(), b"");
    assert!(end.connection.begin(Kind::Text, 1, Fin::Final).is_ok(), "refusals changed nothing");
}

#[test]
fn a_frame_from_elsewhere_keeps_its_place() {
    let mut limits = Limits::DEFAULT;
    limits.replies_bytes_max = 6;
    let mut end = End::new(Connection::server(&config(limits)));
    end.out = b"unsent".to_vec();
    end.hear(&masked(FIN | PING, b"held back"));
    assert_eq!(end.said(), b"unsent");
    end.connection.admit_message(&mut end.out).unwrap();
    assert_eq!(end.said(), plain(FIN | PONG, b"held back"));
    end.connection.admit_message(&mut end.out).unwrap();
    assert_eq!(end.said(), b"", "the frame is the caller's own");
    let _start = end.connection.begin(Kind::Text, 0, Fin::More).unwrap();
    let inside = end.connection.admit_message(&mut end.out);
    assert_eq!(inside, Err(UsageError::MessageUnderWay));
    let mut end = server();
    end.connection.close(None, &mut end.out).unwrap();
    assert_eq!(end.connection.admit_message(&mut end.out), Err(UsageError::Closed));
}

#[test]
fn a_close_may_cut_a_message_that_we_send() {
    let mut end = server();
    let _start = end.connection.begin(Kind::Text, 0, Fin::More).unwrap();
    end.connection.close(None, &mut end.out).unwrap();
    let begun = end.connection.begin(Kind::Text, 0, Fin::Final);
    assert_eq!(begun.err(), Some(UsageError::Closed));
}

#[test]
fn compressed_messages_carry_rsv1_if_it_was_negotiated() {
    let mut end = server();
    let refused = end.connection.send_compressed(Kind::Text, b"x", &mut end.out);
    assert_eq!(refused, Err(UsageError::CompressionOff));
    let mut end = End::new(Connection::server(&compressing()));
    end.connection.send_compressed(Kind::Binary, b"x", &mut end.out).unwrap();
    assert_eq!(end.said(), plain(FIN | RSV1 | BINARY, b"x"));
}
