//! The frame codec: each rule of lengths, streams, padding and values.

use sockeye_http2::frame::{
    Flags, Frame, FrameError, FrameHead, FrameKind, PAYLOAD_BYTES_MAX, Priority, Setting,
    SettingId, Settings,
};
use sockeye_http2::{ErrorCode, StreamId};

const KINDS: [FrameKind; 11] = [
    FrameKind::Data,
    FrameKind::Headers,
    FrameKind::Priority,
    FrameKind::RstStream,
    FrameKind::Settings,
    FrameKind::PushPromise,
    FrameKind::Ping,
    FrameKind::Goaway,
    FrameKind::WindowUpdate,
    FrameKind::Continuation,
    FrameKind::Unknown(0xfe),
];

fn head(kind: FrameKind, flags: Flags, stream: u32, len: u32) -> FrameHead {
    FrameHead { len, kind, flags, stream: StreamId::new(stream) }
}

/// A stream on which the kind may come, and a length that it may have.
fn fitting(kind: FrameKind) -> (u32, u32) {
    match kind {
        FrameKind::Data | FrameKind::Headers | FrameKind::Continuation => (1, 10),
        FrameKind::Priority => (1, 5),
        FrameKind::RstStream | FrameKind::PushPromise => (1, 4),
        FrameKind::WindowUpdate => (0, 4),
        FrameKind::Settings => (0, 12),
        FrameKind::Ping | FrameKind::Goaway => (0, 8),
        FrameKind::Unknown(_) => (0, 77),
    }
}

/// [http2:4.2-frame-size] [http2:5.5-unknown-frames]
#[test]
fn no_payload_is_longer_than_the_maximum() {
    for kind in KINDS {
        let (stream, len) = fitting(kind);
        assert_eq!(head(kind, Flags::NONE, stream, len).check(), Ok(()), "{kind:?}");
        let over = head(kind, Flags::NONE, stream, PAYLOAD_BYTES_MAX + 1).check();
        assert_eq!(over, Err(FrameError::TooLong), "{kind:?}");
    }
    assert_eq!(FrameError::TooLong.code(), ErrorCode::FRAME_SIZE_ERROR);
    assert!(!FrameError::TooLong.is_of_stream());
    for kind in [FrameKind::Data, FrameKind::Headers, FrameKind::Unknown(77)] {
        assert_eq!(head(kind, Flags::NONE, 1, PAYLOAD_BYTES_MAX).check(), Ok(()), "{kind:?}");
    }
}

/// [http2:6-fixed-length] [http2:6.3-priority-length]
#[test]
fn each_length_that_a_type_may_have() {
    for kind in KINDS {
        let (stream, _) = fitting(kind);
        for len in 0..40 {
            let fits = match kind {
                FrameKind::Data | FrameKind::Headers | FrameKind::Continuation => true,
                FrameKind::Priority => len == 5,
                FrameKind::RstStream | FrameKind::WindowUpdate => len == 4,
                FrameKind::Settings => len % 6 == 0,
                FrameKind::PushPromise => len >= 4,
                FrameKind::Ping => len == 8,
                FrameKind::Goaway => len >= 8,
                FrameKind::Unknown(_) => true,
            };
            let wrong = match kind {
                FrameKind::Priority => FrameError::PriorityLength,
                _ => FrameError::Length,
            };
            let expected = if fits { Ok(()) } else { Err(wrong) };
            assert_eq!(head(kind, Flags::NONE, stream, len).check(), expected, "{kind:?} {len}");
        }
    }
    for error in [FrameError::Length, FrameError::PriorityLength] {
        assert_eq!(error.code(), ErrorCode::FRAME_SIZE_ERROR);
        assert_eq!(error.is_of_stream(), error == FrameError::PriorityLength);
    }
    let check = |kind, flags, stream, len| head(kind, flags, stream, len).check();
    assert_eq!(check(FrameKind::Settings, Flags::ACK, 0, 0), Ok(()));
    assert_eq!(check(FrameKind::Settings, Flags::ACK, 0, 6), Err(FrameError::Length));
    assert_eq!(check(FrameKind::Data, Flags::PADDED, 1, 0), Err(FrameError::Length));
    assert_eq!(check(FrameKind::Headers, Flags::PRIORITY, 1, 4), Err(FrameError::Length));
    let both = Flags::PRIORITY.with(Flags::PADDED, true);
    assert_eq!(check(FrameKind::Headers, both, 1, 5), Err(FrameError::Length));
    assert_eq!(check(FrameKind::Headers, both, 1, 6), Ok(()));
    assert_eq!(check(FrameKind::PushPromise, Flags::PADDED, 1, 4), Err(FrameError::Length));
}

/// [http2:6-stream-identifier]
#[test]
fn frames_of_streams_name_one_and_frames_of_the_connection_do_not() {
    for kind in KINDS {
        let (stream, len) = fitting(kind);
        let either = matches!(kind, FrameKind::WindowUpdate | FrameKind::Unknown(_));
        let other = head(kind, Flags::NONE, 1 - stream, len).check();
        assert_eq!(other, if either { Ok(()) } else { Err(FrameError::Stream) }, "{kind:?}");
    }
    assert_eq!(FrameError::Stream.code(), ErrorCode::PROTOCOL_ERROR);
    assert!(!FrameError::Stream.is_of_stream());
}

/// [http2:4.1-reserved-bit]
#[test]
fn the_reserved_bit_means_nothing() {
    let frame = FrameHead::parse([0, 0, 4, 8, 0, 0x80, 0, 0, 1]);
    assert_eq!(frame.stream, StreamId::new(1));
    let update = Frame::parse(frame, &[0x80, 0, 0, 7]);
    assert_eq!(update, Ok(Frame::WindowUpdate { stream: StreamId::new(1), increment: 7 }));
    assert_eq!(FrameHead { kind: FrameKind::Unknown(255), ..frame }.to_bytes()[5], 0);
}

/// [http2:6.1-padding]
#[test]
fn padding_is_shorter_than_the_payload() {
    let padded = |kind, payload: &'static [u8]| {
        let len = u32::try_from(payload.len()).unwrap();
        Frame::parse(head(kind, Flags::PADDED, 1, len), payload)
    };
    let data = |data| Frame::Data { stream: StreamId::new(1), end_stream: false, data };
    assert_eq!(padded(FrameKind::Data, b"\x02abcd"), Ok(data(b"ab")));
    assert_eq!(padded(FrameKind::Data, b"\x04abcd"), Ok(data(b"")));
    assert_eq!(padded(FrameKind::Data, b"\x05abcd"), Err(FrameError::Padding));
    assert_eq!(padded(FrameKind::Headers, b"\x05abcd"), Err(FrameError::Padding));
    assert_eq!(padded(FrameKind::PushPromise, b"\x05abcd"), Err(FrameError::Padding));
    let flags = Flags::PADDED.with(Flags::PRIORITY, true);
    let taken = Frame::parse(head(FrameKind::Headers, flags, 1, 7), b"\x02\0\0\0\x03\0!");
    assert_eq!(taken, Err(FrameError::Padding));
    assert_eq!(FrameError::Padding.code(), ErrorCode::PROTOCOL_ERROR);
    assert!(!FrameError::Padding.is_of_stream());
}

/// [http2:6.9-zero-increment]
#[test]
fn a_window_grows_by_something() {
    let update =
        |stream| Frame::parse(head(FrameKind::WindowUpdate, Flags::NONE, stream, 4), &[0; 4]);
    assert_eq!(update(0), Err(FrameError::Increment));
    assert_eq!(update(5), Err(FrameError::StreamIncrement));
    for error in [FrameError::Increment, FrameError::StreamIncrement] {
        assert_eq!(error.code(), ErrorCode::PROTOCOL_ERROR);
        assert_eq!(error.is_of_stream(), error == FrameError::StreamIncrement);
    }
}

/// [http2:5.3-self-dependency]
#[test]
fn no_stream_depends_on_itself() {
    let priority = |stream| head(FrameKind::Priority, Flags::NONE, stream, 5);
    let bytes = [0x80, 0, 0, 3, 15];
    let dependency = Priority { dependency: StreamId::new(3), exclusive: true, weight: 15 };
    let stream = StreamId::new(5);
    assert_eq!(
        Frame::parse(priority(5), &bytes),
        Ok(Frame::Priority { stream, priority: dependency })
    );
    assert_eq!(Frame::parse(priority(3), &bytes), Err(FrameError::SelfDependency));
    assert_eq!(dependency.check(StreamId::new(3)), Err(FrameError::SelfDependency));
    assert_eq!(FrameError::SelfDependency.code(), ErrorCode::PROTOCOL_ERROR);
    assert!(FrameError::SelfDependency.is_of_stream());
}

#[test]
fn a_wrong_length_of_the_payload_is_told() {
    let ping = head(FrameKind::Ping, Flags::NONE, 0, 8);
    assert_eq!(Frame::parse(ping, &[0; 7]), Err(FrameError::Length));
}

#[test]
fn each_frame_on_the_wire() {
    let stream = StreamId::new(0x0102_0304);
    let priority = Priority { dependency: StreamId::new(9), exclusive: true, weight: 200 };
    let settings = Setting::new(SettingId::INITIAL_WINDOW_SIZE, 0x0a0b_0c0d).to_bytes();
    let cases: [(Frame<'_>, &[u8]); 10] = [
        (
            Frame::Data { stream, end_stream: true, data: b"hi" },
            &[0, 0, 2, 0, 1, 1, 2, 3, 4, b'h', b'i'],
        ),
        (
            Frame::Headers {
                stream,
                end_stream: false,
                end_headers: true,
                priority: Some(priority),
                block: &[0x88],
            },
            &[0, 0, 6, 1, 0x24, 1, 2, 3, 4, 0x80, 0, 0, 9, 200, 0x88],
        ),
        (Frame::Priority { stream, priority }, &[0, 0, 5, 2, 0, 1, 2, 3, 4, 0x80, 0, 0, 9, 200]),
        (
            Frame::RstStream { stream, code: ErrorCode::CANCEL },
            &[0, 0, 4, 3, 0, 1, 2, 3, 4, 0, 0, 0, 8],
        ),
        (
            Frame::Settings(Settings::new(&settings)),
            &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 10, 11, 12, 13],
        ),
        (Frame::SettingsAck, &[0, 0, 0, 4, 1, 0, 0, 0, 0]),
        (
            Frame::Ping { ack: true, payload: [1, 2, 3, 4, 5, 6, 7, 8] },
            &[0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
        ),
        (
            Frame::Goaway { last: stream, code: ErrorCode::ENHANCE_YOUR_CALM, debug: b"!" },
            &[0, 0, 9, 7, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 11, b'!'],
        ),
        (
            Frame::WindowUpdate { stream: StreamId::CONNECTION, increment: 0x7fff_ffff },
            &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff],
        ),
        (
            Frame::Continuation { stream, end_headers: true, block: &[0x82] },
            &[0, 0, 1, 9, 4, 1, 2, 3, 4, 0x82],
        ),
    ];
    for (frame, wire) in cases {
        let mut out = vec![];
        frame.write(&mut out);
        assert_eq!(out, wire);
        let (head, payload) = out.split_first_chunk().unwrap();
        assert_eq!(Frame::parse(FrameHead::parse(*head), payload), Ok(frame));
    }
}

#[test]
fn debug_shows_no_payload() {
    let frame = Frame::Data { stream: StreamId::new(1), end_stream: false, data: b"secret" };
    let shown = format!("{frame:?}");
    assert!(!shown.contains("secret") && shown.contains("len: 6"), "{shown}");
}

#[test]
fn codes_have_names() {
    assert_eq!(ErrorCode::HTTP_1_1_REQUIRED.to_string(), "HTTP_1_1_REQUIRED");
    assert_eq!(ErrorCode::new(0x99).to_string(), "error code 0x99");
    assert!((0..=0xd).all(|code| ErrorCode::new(code).name().is_some()));
    assert_eq!(ErrorCode::new(0xe).name(), None);
}
