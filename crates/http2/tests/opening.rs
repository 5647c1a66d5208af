//! The preface, the first SETTINGS, their values and acknowledgements.

use sockeye_http2::frame::{Flags, Frame, FrameKind, SettingId, Settings};
use sockeye_http2::{Config, ConnectProtocol, ErrorCode, PREFACE};
use std::sync::Arc;

use crate::common::{Rig, config, frame, frames, get, id, ping, raw, settings};

fn settings_of(out: &[u8]) -> Vec<(SettingId, u32)> {
    let (head, payload) = frames(out).into_iter().next().expect("a frame");
    let Ok(Frame::Settings(settings)) = Frame::parse(head, &payload) else {
        panic!("SETTINGS come first")
    };
    settings.iter().map(|setting| (setting.id, setting.value)).collect()
}

/// [http2:3.4-settings-first] [http2:5.3-no-priorities] [http2:8441.3-announced]
#[test]
fn a_server_begins_with_its_settings() {
    let rig = Rig::fresh_server(&config(|limits| limits.concurrent_streams_max = 100));
    let all = settings_of(&rig.out);
    for setting in [
        (SettingId::MAX_CONCURRENT_STREAMS, 100),
        (SettingId::ENABLE_CONNECT_PROTOCOL, 1),
        (SettingId::NO_RFC7540_PRIORITIES, 1),
        (SettingId::INITIAL_WINDOW_SIZE, 65_535),
        (SettingId::MAX_HEADER_LIST_SIZE, 16 << 10),
        (SettingId::HEADER_TABLE_SIZE, 4096),
    ] {
        assert!(all.contains(&setting), "{setting:?}");
    }
    assert!(all.iter().all(|(id, _)| *id != SettingId::ENABLE_PUSH));
    let refused = Config { connect_protocol: ConnectProtocol::Refused, ..Config::default() };
    let all = settings_of(&Rig::fresh_server(&Arc::new(refused)).out);
    assert!(all.iter().all(|(id, _)| *id != SettingId::ENABLE_CONNECT_PROTOCOL));
}

/// [http2:3.4-client-preface] [http2:8.4-push-disabled] [http2:3.4-settings-first]
#[test]
fn a_client_begins_with_the_preface_and_its_settings() {
    let rig = Rig::fresh_client(&config(|_| {}));
    assert!(rig.out.starts_with(PREFACE));
    let all = settings_of(&rig.out[PREFACE.len()..]);
    assert!(all.contains(&(SettingId::ENABLE_PUSH, 0)));
    assert!(all.contains(&(SettingId::NO_RFC7540_PRIORITIES, 1)));
    assert!(all.iter().all(|(id, _)| *id != SettingId::ENABLE_CONNECT_PROTOCOL));
    let mut rig = rig;
    rig.out.drain(..PREFACE.len());
    assert_eq!(rig.said(), ["SETTINGS", "WINDOW_UPDATE 0 983041"]);
}

/// [http2:3.4-preface-checked]
#[test]
fn the_preface_is_compared_byte_by_byte() {
    for at in 0..PREFACE.len() {
        let mut bytes = PREFACE.to_vec();
        bytes[at] ^= 1;
        let mut rig = Rig::fresh_server(&config(|_| {}));
        rig.said();
        for byte in &bytes[..at] {
            assert!(rig.feed(vec![*byte]).is_empty());
        }
        assert_eq!(rig.feed(bytes[at..].to_vec()), ["! PROTOCOL_ERROR"], "{at}");
        assert_eq!(rig.said(), ["GOAWAY 0 PROTOCOL_ERROR"]);
        assert!(rig.feed(get(1)).is_empty(), "nothing is read after a failure");
        assert!(rig.connection.is_over());
    }
}

/// [http2:3.4-first-frame]
#[test]
fn the_first_frame_is_settings() {
    for first in [
        ping(),
        get(1),
        frame(Frame::SettingsAck),
        raw(FrameKind::Unknown(99), Flags::NONE, 0, b""),
    ] {
        let mut rig = Rig::fresh_server(&config(|_| {}));
        let mut bytes = PREFACE.to_vec();
        bytes.extend(first.clone());
        assert_eq!(rig.feed(bytes), ["! PROTOCOL_ERROR"]);
        let mut rig = Rig::fresh_client(&config(|_| {}));
        assert_eq!(rig.feed(first), ["! PROTOCOL_ERROR"]);
    }
}

/// [http2:6.5.3-settings-acknowledged] [http2:6.5.2-unknown-settings]
#[test]
fn settings_are_acknowledged_once_each_and_unknown_ones_ignored() {
    let mut rig = Rig::server();
    let mut bytes = settings(&[(SettingId::new(0xff), 9), (SettingId::MAX_HEADER_LIST_SIZE, 0)]);
    bytes.extend(settings(&[]));
    assert_eq!(rig.feed(bytes), ["settings", "settings"]);
    assert_eq!(rig.said(), ["SETTINGS ack", "SETTINGS ack"]);
}

#[test]
fn an_acknowledgement_of_nothing_is_an_error() {
    let mut rig = Rig::server();
    assert_eq!(rig.feed(frame(Frame::SettingsAck)), ["! PROTOCOL_ERROR"]);
}

/// [http2:6.5.2-enable-push] [http2:6.5.2-initial-window-size] [http2:6.5.2-max-frame-size]
/// [http2:9218.2.1-no-priorities-fixed]
#[test]
fn values_have_ranges() {
    let wrong = [
        (SettingId::ENABLE_PUSH, 2, "! PROTOCOL_ERROR"),
        (SettingId::INITIAL_WINDOW_SIZE, 0x8000_0000, "! FLOW_CONTROL_ERROR"),
        (SettingId::MAX_FRAME_SIZE, 16_383, "! PROTOCOL_ERROR"),
        (SettingId::MAX_FRAME_SIZE, 0x0100_0000, "! PROTOCOL_ERROR"),
        (SettingId::ENABLE_CONNECT_PROTOCOL, 2, "! PROTOCOL_ERROR"),
        (SettingId::NO_RFC7540_PRIORITIES, 2, "! PROTOCOL_ERROR"),
        (SettingId::NO_RFC7540_PRIORITIES, 1, "! PROTOCOL_ERROR"), // it was 0 in the first SETTINGS
    ];
    for (id, value, error) in wrong {
        assert_eq!(Rig::server().feed(settings(&[(id, value)])), [error], "{id:?} {value}");
    }
    assert_eq!(Rig::client().feed(settings(&[(SettingId::ENABLE_PUSH, 1)])), ["! PROTOCOL_ERROR"]);
    for (id, value) in [
        (SettingId::ENABLE_PUSH, 1),
        (SettingId::INITIAL_WINDOW_SIZE, 0x7fff_ffff),
        (SettingId::MAX_FRAME_SIZE, 16_384),
        (SettingId::MAX_FRAME_SIZE, 0x00ff_ffff),
        (SettingId::NO_RFC7540_PRIORITIES, 0),
    ] {
        assert_eq!(Rig::server().feed(settings(&[(id, value)])), ["settings"], "{id:?} {value}");
    }
}

/// [http2:8441.3-not-withdrawn]
#[test]
fn a_server_does_not_take_connect_protocol_back() {
    let withdrawn = settings(&[(SettingId::ENABLE_CONNECT_PROTOCOL, 0)]);
    assert_eq!(Rig::client().feed(withdrawn), ["! PROTOCOL_ERROR"]);
}

/// The last of several values counts. [http2:6.5.3-settings-in-order]
#[test]
fn settings_take_effect_in_their_order() {
    let mut rig = Rig::server();
    rig.feed(get(1));
    let twice = [(SettingId::INITIAL_WINDOW_SIZE, 100), (SettingId::INITIAL_WINDOW_SIZE, 7)];
    rig.feed(settings(&twice));
    rig.connection
        .respond(
            id(1),
            sockeye_http::Status::OK,
            &sockeye_http2::FieldBlock::new(),
            sockeye_http2::EndStream::No,
            &mut rig.out,
        )
        .unwrap();
    assert_eq!(rig.connection.send_capacity(id(1)), 7);
}

/// [http2:4.3.1-table-size-acknowledged]
#[test]
fn a_smaller_table_counts_from_the_acknowledgement() {
    let mut rig = Rig::fresh_server(&config(|limits| limits.table_bytes = 100));
    // Before it, the table has 4096 bytes: a size update to 4096 is in order.
    let mut bytes = PREFACE.to_vec();
    bytes.extend(settings(&[]));
    let mut block = vec![0x3f, 0xe1, 0x1f];
    block.extend(crate::common::block(&crate::common::GET));
    let request = |stream, block: &[u8]| {
        frame(Frame::Headers {
            stream: id(stream),
            end_stream: true,
            end_headers: true,
            priority: None,
            block,
        })
    };
    bytes.extend(request(1, &block));
    assert_eq!(rig.feed(bytes), ["settings", "request 1 end"]);
    // After it, the next block has to lower the table.
    rig.feed(frame(Frame::SettingsAck));
    assert_eq!(rig.feed(request(3, &block)), ["! COMPRESSION_ERROR"]);
}

/// Our encoder obeys the peer's table: one size update when it was lowered.
#[test]
fn our_blocks_say_that_the_table_is_small() {
    let mut rig = Rig::server();
    rig.feed(settings(&[(SettingId::HEADER_TABLE_SIZE, 0)]));
    rig.feed([get(1), get(3)].concat());
    rig.said();
    for stream in [1, 3] {
        let (status, fields) = (sockeye_http::Status::OK, sockeye_http2::FieldBlock::new());
        let end = sockeye_http2::EndStream::Yes;
        rig.connection.respond(id(stream), status, &fields, end, &mut rig.out).unwrap();
    }
    let blocks: Vec<_> = frames(&rig.out).into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(blocks, [vec![0x20, 0x88], vec![0x88]]);
}

#[test]
fn frames_are_read_byte_by_byte() {
    let mut rig = Rig::fresh_server(&config(|_| {}));
    assert!(!rig.connection.is_established());
    let mut bytes = PREFACE.to_vec();
    bytes.extend([settings(&[]), get(1), ping()].concat());
    let told: Vec<_> = bytes.into_iter().flat_map(|byte| rig.feed(vec![byte])).collect();
    assert_eq!(told, ["settings", "request 1 end"]);
    assert!(rig.connection.is_established() && !rig.connection.is_mid_frame());
    assert_eq!(rig.said(), ["SETTINGS", "WINDOW_UPDATE 0 983041", "SETTINGS ack", "PING ack"]);
    assert_eq!(ErrorCode::NO_ERROR.to_u32(), 0);
    assert_eq!(Settings::new(&[]).iter().count(), 0);
}
