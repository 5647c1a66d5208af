//! Windows in both directions.

use sockeye_http::Status;
use sockeye_http2::frame::{Flags, FrameKind, SettingId};
use sockeye_http2::{EndStream, ErrorCode, FieldBlock, PREFACE};

use crate::common::{Rig, config, data, frame, get, id, post, raw, rst, settings, update};

/// A server with answers to streams that are under way.
fn answering(streams: &[u32]) -> Rig {
    let mut rig = Rig::server();
    for stream in streams {
        rig.feed(post(*stream));
        let (status, fields) = (Status::OK, FieldBlock::new());
        rig.connection.respond(id(*stream), status, &fields, EndStream::No, &mut rig.out).unwrap();
    }
    rig.said();
    rig
}

fn send(rig: &mut Rig, stream: u32, mut len: usize) {
    while len > 0 {
        let part = len.min(16_384);
        rig.connection.write_data_head(id(stream), part, EndStream::No, &mut rig.out).unwrap();
        len -= part;
    }
    rig.out.clear();
}

/// [http2:6.9.2-initial-window-change]
#[test]
fn a_change_of_the_initial_window_moves_all_windows() {
    let mut rig = answering(&[1, 3]);
    send(&mut rig, 1, 1000);
    let initial = |bytes| settings(&[(SettingId::INITIAL_WINDOW_SIZE, bytes)]);
    rig.feed(initial(400));
    assert_eq!(rig.connection.send_capacity(id(3)), 400);
    assert_eq!(rig.connection.send_capacity(id(1)), 0, "600 below zero");
    assert!(rig.feed(update(1, 600)).is_empty());
    assert_eq!(rig.connection.send_capacity(id(1)), 0);
    assert_eq!(rig.feed(update(1, 1)), ["writable 1"]);
    assert_eq!(rig.connection.send_capacity(id(1)), 1);
    rig.feed(initial(1000));
    assert_eq!(rig.connection.send_capacity(id(1)), 601);
    rig.feed(get(5));
    let (status, fields) = (Status::OK, FieldBlock::new());
    rig.connection.respond(id(5), status, &fields, EndStream::No, &mut rig.out).unwrap();
    assert_eq!(rig.connection.send_capacity(id(5)), 1000);
}

/// [http2:6.9.2-initial-window-overflow]
#[test]
fn a_change_that_makes_a_window_too_big_is_an_error() {
    let mut rig = answering(&[1, 3]);
    rig.feed(update(3, 100));
    let initial = |bytes| settings(&[(SettingId::INITIAL_WINDOW_SIZE, bytes)]);
    assert_eq!(rig.feed(initial(0x7fff_ffff - 100)), ["settings"]);
    assert_eq!(rig.feed(initial(0x7fff_ffff - 99)), ["! FLOW_CONTROL_ERROR"]);
    // A stream that has ended does not count.
    let mut rig = answering(&[1, 3]);
    rig.feed([update(3, 100), rst(3, ErrorCode::CANCEL)].concat());
    assert_eq!(rig.feed(initial(0x7fff_ffff)), ["settings"]);
    assert_eq!(rig.feed(update(1, 1)), ["fault 1 FLOW_CONTROL_ERROR"]);
}

/// Even if every stream has sent something, so that no window would be too big.
/// [http2:6.5.2-initial-window-size]
#[test]
fn an_initial_window_has_31_bits() {
    let mut rig = answering(&[1, 3]);
    send(&mut rig, 1, 1000);
    rig.feed([update(3, 100), rst(3, ErrorCode::CANCEL)].concat());
    let initial = |bytes| settings(&[(SettingId::INITIAL_WINDOW_SIZE, bytes)]);
    assert_eq!(rig.feed(initial(0x7fff_ffff)), ["settings"]);
    assert_eq!(rig.feed(initial(0x8000_0000)), ["! FLOW_CONTROL_ERROR"]);
}

/// [http2:6.9.1-stream-window-overflow] [http2:6.9.1-connection-window-overflow]
#[test]
fn no_window_grows_beyond_31_bits() {
    let mut rig = answering(&[1, 3]);
    assert!(rig.feed(update(1, 0x7fff_ffff - 65_535)).is_empty());
    assert_eq!(rig.feed(update(1, 1)), ["fault 1 FLOW_CONTROL_ERROR"]);
    assert_eq!(rig.said(), ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
    assert!(rig.feed(update(0, 0x7fff_ffff - 65_535)).is_empty());
    assert_eq!(rig.feed(update(0, 1)), ["! FLOW_CONTROL_ERROR"]);
}

/// [http2:6.9-zero-increment]
#[test]
fn an_update_by_zero_ends_what_it_names() {
    let zero = |stream| raw(FrameKind::WindowUpdate, Flags::NONE, stream, &[0; 4]);
    let mut rig = answering(&[1]);
    assert_eq!(rig.feed(zero(1)), ["fault 1 PROTOCOL_ERROR"]);
    assert_eq!(rig.feed(zero(0)), ["! PROTOCOL_ERROR"]);
}

#[test]
fn the_connections_window_is_shared_and_tells_when_it_opens() {
    let mut rig = answering(&[1, 3]);
    send(&mut rig, 1, 65_535);
    assert_eq!(rig.connection.send_capacity(id(3)), 0);
    assert_eq!(rig.feed(update(0, 10)), ["writable 0"]);
    assert_eq!(rig.connection.send_capacity(id(3)), 10);
    assert_eq!(rig.connection.send_capacity(id(1)), 0);
    assert!(rig.feed(update(0, 10)).is_empty(), "it was open");
    assert_eq!(rig.feed(update(1, 5)), ["writable 1"]);
    assert_eq!(rig.connection.send_capacity(id(1)), 5);
}

/// [http2:6.9.1-stream-window-exceeded] [http2:6.9.1-padding-credit]
#[test]
fn a_stream_may_send_its_window_and_no_more() {
    let mut rig = Rig::server_with(|limits| limits.window_bytes = 100);
    rig.feed([post(1), post(3)].concat());
    assert_eq!(rig.feed(data(1, false, &[0; 100])), ["data 1 100"]);
    assert_eq!(rig.feed(data(1, false, &[0; 1])), ["fault 1 FLOW_CONTROL_ERROR"]);
    assert_eq!(rig.said(), ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
    // Padding and its length count, and come back by themselves.
    let padded = |pad: u8, len: usize| {
        let mut payload = vec![pad];
        payload.resize(1 + len + usize::from(pad), 0);
        raw(FrameKind::Data, Flags::PADDED, 3, &payload)
    };
    assert_eq!(rig.feed(padded(59, 40)), ["data 3 40"]);
    assert_eq!(rig.said(), ["WINDOW_UPDATE 3 60"]);
    assert_eq!(rig.feed(padded(59, 0)), [] as [&str; 0]);
    assert_eq!(rig.said(), ["WINDOW_UPDATE 3 60"]);
    assert_eq!(rig.feed(padded(59, 0)), [] as [&str; 0]);
    assert_eq!(rig.feed(data(3, false, &[0; 61])), ["fault 3 FLOW_CONTROL_ERROR"]);
}

/// [http2:6.9-no-update-after-end]
#[test]
fn what_is_consumed_comes_back_at_half_a_window() {
    let mut rig = Rig::server_with(|limits| limits.window_bytes = 100);
    rig.feed(post(1));
    rig.feed(data(1, false, &[0; 90]));
    let consume = |rig: &mut Rig, bytes| {
        rig.connection.consumed(id(1), bytes, &mut rig.out);
        rig.said()
    };
    assert!(consume(&mut rig, 49).is_empty());
    assert_eq!(consume(&mut rig, 1), ["WINDOW_UPDATE 1 50"]);
    // More than came is not given back.
    assert!(consume(&mut rig, 10_000).is_empty());
    assert_eq!(rig.feed(data(1, false, &[0; 60])), ["data 1 60"]);
    assert_eq!(rig.feed(data(1, true, b"")), ["data 1 0 end"]);
    assert!(consume(&mut rig, 60).is_empty(), "it has ended");
}

/// [http2:6.9-connection-credit]
#[test]
fn a_stream_that_is_held_back_stops_no_other() {
    let mut rig = Rig::server_with(|limits| {
        limits.window_bytes = 65_535;
        limits.connection_window_bytes = 100_000;
    });
    rig.feed([post(1), post(3), post(5)].concat());
    let full = |stream| data(stream, false, &[0; 16_000]).repeat(4);
    assert_eq!(rig.feed(full(1)).len(), 4);
    assert_eq!(rig.said(), ["WINDOW_UPDATE 0 64000"]);
    assert_eq!(rig.feed(full(3)).len(), 4);
    // Content on a stream that is gone comes back, too.
    rig.connection.reset(id(5), ErrorCode::CANCEL, &mut rig.out).unwrap();
    rig.said();
    assert!(rig.feed(full(5)).is_empty());
    assert!(rig.feed(full(5)).is_empty());
    assert_eq!(rig.said(), ["WINDOW_UPDATE 0 64000"; 2]);
}

/// [http2:6.9.2-until-acknowledged]
#[test]
fn a_smaller_window_counts_from_the_acknowledgement() {
    let mut rig = Rig::fresh_server(&config(|limits| limits.window_bytes = 10));
    let mut bytes = PREFACE.to_vec();
    bytes.extend([settings(&[]), post(1), data(1, false, &[0; 11])].concat());
    assert_eq!(rig.feed(bytes), ["settings", "request 1", "data 1 11"]);
    rig.feed(frame(sockeye_http2::frame::Frame::SettingsAck));
    assert_eq!(rig.feed(data(1, false, b"x")), ["fault 1 FLOW_CONTROL_ERROR"]);
}
