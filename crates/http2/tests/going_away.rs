//! The end of a connection, in good order.

use sockeye_http::Status;
use sockeye_http2::frame::{Flags, FrameKind};
use sockeye_http2::{EndStream, ErrorCode, FieldBlock, UsageError};

use crate::common::{Rig, data, frames, get, headers, id, post, raw};

/// The answer to the PING frame in the output.
fn pong(rig: &mut Rig) -> Vec<u8> {
    let out = std::mem::take(&mut rig.out);
    let all = frames(&out);
    let (_, payload) = all.iter().find(|(head, _)| head.kind == FrameKind::Ping).expect("a PING");
    raw(FrameKind::Ping, Flags::ACK, 0, payload)
}

/// [http2:6.8-two-steps] [http2:6.8-streams-above-last]
#[test]
fn a_server_goes_away_in_two_steps() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    rig.connection.shut_down(&mut rig.out);
    rig.connection.shut_down(&mut rig.out);
    let pong = {
        let copy = rig.out.clone();
        let answer = pong(&mut rig);
        rig.out = copy;
        answer
    };
    assert_eq!(rig.said(), ["GOAWAY 2147483647 NO_ERROR", "PING"]);
    // Requests that were on their way are served.
    assert_eq!(rig.feed(get(3)), ["request 3 end"]);
    let other = raw(FrameKind::Ping, Flags::ACK, 0, &[0; 8]);
    assert_eq!(rig.feed(other), ["pong"]);
    assert_eq!(rig.feed(pong), ["draining"]);
    assert_eq!(rig.said(), ["GOAWAY 3 NO_ERROR"]);
    // Later ones are not, and nobody answers them; their blocks are decoded.
    assert!(rig.feed([post(5), data(5, true, b"x")].concat()).is_empty());
    assert!(rig.said().is_empty());
    assert!(!rig.connection.is_over());
    for stream in [1, 3] {
        let (status, fields) = (Status::OK, FieldBlock::new());
        rig.connection.respond(id(stream), status, &fields, EndStream::Yes, &mut rig.out).unwrap();
    }
    assert_eq!(rig.feed(data(1, true, b"x")), ["data 1 1 end"]);
    assert!(rig.connection.is_over());
}

#[test]
fn a_server_goes_away_at_once() {
    let mut rig = Rig::server();
    rig.feed(get(1));
    rig.connection.go_away(ErrorCode::ENHANCE_YOUR_CALM, &mut rig.out);
    rig.connection.go_away(ErrorCode::NO_ERROR, &mut rig.out);
    assert_eq!(rig.said(), ["GOAWAY 1 ENHANCE_YOUR_CALM"]);
    assert!(rig.feed(get(3)).is_empty());
    assert!(!rig.connection.is_over());
}

#[test]
fn a_client_goes_away_and_keeps_its_streams() {
    let mut rig = Rig::client();
    crate::sending::request(&mut rig, EndStream::Yes).unwrap();
    rig.said();
    rig.connection.shut_down(&mut rig.out);
    assert_eq!(rig.said(), ["GOAWAY 0 NO_ERROR"]);
    let refused = crate::sending::request(&mut rig, EndStream::Yes);
    assert_eq!(refused, Err(UsageError::GoingAway));
    assert_eq!(rig.feed(headers(1, true, &[(":status", "200")])), ["response 1 200 end"]);
    assert!(rig.connection.is_over());
}
