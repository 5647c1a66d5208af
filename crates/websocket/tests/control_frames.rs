//! Pings, pongs and the room they get (RFC 6455 §5.5.2, §5.5.3).

use crate::common::*;
use sockeye_websocket::{Connection, Limits, Message, State, UsageError};

fn with_room(replies_bytes_max: usize) -> End {
    let mut limits = Limits::DEFAULT;
    limits.replies_bytes_max = replies_bytes_max;
    End::new(Connection::server(&config(limits)))
}

/// [rfc6455:5.5.3-pong-echoes]
#[test]
fn every_ping_is_answered_at_once_with_its_payload() {
    let mut end = server();
    for len in [0, 1, 124, 125] {
        let payload = vec![0xFF; len];
        assert_eq!(end.hear(&masked(FIN | PING, &payload)), [Heard::Ping(payload.clone())]);
        assert_eq!(end.said(), plain(FIN | PONG, &payload));
    }
    let ten: Vec<_> = (0..10).flat_map(|n| masked(FIN | PING, &[n])).collect();
    let pongs: Vec<_> = (0..10).flat_map(|n| plain(FIN | PONG, &[n])).collect();
    assert_eq!(end.hear(&ten).len(), 10);
    assert_eq!(end.said(), pongs);
}

#[test]
fn a_client_masks_its_pong() {
    let mut end = client();
    end.hear(&plain(FIN | PING, b"abc"));
    assert_eq!(end.said(), masked(FIN | PONG, b"abc"));
}

#[test]
fn a_ping_may_arrive_byte_by_byte() {
    let mut end = server();
    for byte in masked(FIN | PING, b"slow") {
        assert_eq!(end.said(), b"");
        end.hear(&[byte]);
    }
    assert_eq!(end.said(), plain(FIN | PONG, b"slow"));
}

#[test]
fn pongs_are_told_and_not_answered() {
    let mut end = server();
    assert_eq!(end.hear(&masked(FIN | PONG, b"x")), [Heard::Pong(b"x".to_vec())]);
    assert_eq!(end.said(), b"");
}

/// [rfc6455:5.5.3-latest-pong]
#[test]
fn without_room_only_the_latest_pong_waits() {
    let mut end = with_room(10);
    end.out = vec![0; 10];
    for n in 0..100 {
        assert_eq!(end.hear(&masked(FIN | PING, &[n])), [Heard::Ping(vec![n])]);
    }
    assert_eq!(end.out.len(), 10, "no room, no reply");
    end.connection.flush_replies(&mut end.out);
    assert_eq!(end.out.len(), 10, "still no room");
    end.out.clear();
    assert_eq!(end.hear(b""), []);
    assert_eq!(end.said(), plain(FIN | PONG, &[99]));
    end.hear(b"");
    assert_eq!(end.said(), b"", "once");
}

#[test]
fn a_waiting_pong_goes_before_the_next_message() {
    let mut end = with_room(1);
    end.out = vec![0];
    end.hear(&masked(FIN | PING, b"p"));
    end.out.clear();
    end.connection.send(Message::Text("t"), &mut end.out).unwrap();
    assert_eq!(end.said(), [plain(FIN | PONG, b"p"), plain(FIN | TEXT, b"t")].concat());
}

#[test]
fn a_waiting_pong_goes_before_our_close() {
    let mut end = with_room(1);
    end.out = vec![0];
    end.hear(&masked(FIN | PING, b"p"));
    end.out.clear();
    end.connection.close(None, &mut end.out).unwrap();
    assert_eq!(end.said(), [plain(FIN | PONG, b"p"), plain(FIN | CLOSE, b"")].concat());
}

#[test]
fn a_waiting_pong_is_forgotten_when_the_connection_ends() {
    let mut end = with_room(1);
    end.out = vec![0];
    end.hear(&[masked(FIN | PING, b"p"), masked(FIN | CLOSE, b"")].concat());
    assert_eq!(end.said(), [&[0][..], &plain(FIN | CLOSE, b"")].concat());
    end.connection.flush_replies(&mut end.out);
    end.hear(b"");
    assert_eq!(end.said(), b"");
}

/// [rfc6455:5.5.2-pong-until-close-received]
#[test]
fn pings_are_answered_until_the_close_of_the_peer() {
    let mut end = server();
    end.connection.close(None, &mut end.out).unwrap();
    end.said();
    assert_eq!(end.hear(&masked(FIN | PING, b"p")), [Heard::Ping(b"p".to_vec())]);
    assert_eq!(end.said(), plain(FIN | PONG, b"p"));
    end.hear(&masked(FIN | CLOSE, b""));
    assert_eq!(end.connection.state(), State::Closed);
    assert_eq!(end.hear(&masked(FIN | PING, b"p")), []);
    assert_eq!(end.said(), b"");
}

/// [rfc6455:5.5-application-control-length]
#[test]
fn we_send_at_most_125_bytes() {
    let mut end = server();
    assert_eq!(end.connection.ping(&[0; 126], &mut end.out), Err(UsageError::ControlTooLong));
    assert_eq!(end.connection.pong(&[0; 126], &mut end.out), Err(UsageError::ControlTooLong));
    assert_eq!(end.said(), b"");
    end.connection.ping(&[7; 125], &mut end.out).unwrap();
    end.connection.pong(b"beat", &mut end.out).unwrap();
    assert_eq!(end.said(), [plain(FIN | PING, &[7; 125]), plain(FIN | PONG, b"beat")].concat());
}

#[test]
fn a_million_pings_cost_bounded_memory() {
    let mut end = with_room(1000);
    let flood: Vec<_> = (0..1000).flat_map(|_| masked(FIN | PING, &[0; 125])).collect();
    for _ in 0..1000 {
        end.hear(&flood);
    }
    assert!(end.out.len() < 1000 + 127);
}
