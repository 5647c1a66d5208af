//! The life of streams, frame by frame.

use sockeye_http::Status;
use sockeye_http2::frame::{Flags, Frame, FrameKind, Priority};
use sockeye_http2::{EndStream, ErrorCode, FieldBlock, UsageError};

use crate::common::{GET, Rig, block, data, frame, get, headers, id, post, raw, rst, update};

fn respond(rig: &mut Rig, stream: u32, end: EndStream) -> Result<(), UsageError> {
    rig.connection.respond(id(stream), Status::OK, &FieldBlock::new(), end, &mut rig.out)
}

/// [http2:5.1-idle]
#[test]
fn only_headers_and_priority_come_on_an_idle_stream() {
    for wrong in [data(1, true, b"x"), rst(1, ErrorCode::CANCEL), update(1, 1)] {
        assert_eq!(Rig::server().feed(wrong), ["! PROTOCOL_ERROR"]);
    }
    let priority = Priority { dependency: id(0), exclusive: false, weight: 9 };
    let priority = frame(Frame::Priority { stream: id(1), priority });
    assert!(Rig::server().feed(priority).is_empty());
}

/// [http2:5.1.1-stream-parity]
#[test]
fn clients_open_odd_streams_and_servers_none() {
    assert_eq!(Rig::server().feed(get(2)), ["! PROTOCOL_ERROR"]);
    assert_eq!(Rig::client().feed(headers(2, true, &[(":status", "200")])), ["! PROTOCOL_ERROR"]);
    assert_eq!(Rig::client().feed(headers(1, true, &[(":status", "200")])), ["! PROTOCOL_ERROR"]);
}

/// [http2:5.1.1-stream-order] [http2:5.1-closed]
#[test]
fn identifiers_only_grow() {
    let mut rig = Rig::server();
    assert_eq!(rig.feed(get(5)), ["request 5 end"]);
    assert_eq!(rig.feed(get(3)), ["! PROTOCOL_ERROR"]);
    assert_eq!(rig.said(), ["GOAWAY 5 PROTOCOL_ERROR"]);
    // A stream that has ended.
    let mut rig = Rig::server();
    rig.feed(get(1));
    respond(&mut rig, 1, EndStream::Yes).unwrap();
    assert_eq!(rig.connection.stream_count(), 0);
    assert_eq!(rig.feed(get(1)), ["! STREAM_CLOSED"]);
    // One that the peer reset.
    let mut rig = Rig::server();
    rig.feed([post(1), rst(1, ErrorCode::CANCEL)].concat());
    assert_eq!(rig.feed(data(1, false, b"x")), ["! STREAM_CLOSED"]);
}

/// [http2:5.1-half-closed-remote]
#[test]
fn nothing_but_control_comes_behind_end_stream() {
    for frame in [data(1, false, b"x"), data(1, true, b""), headers(1, true, &[("a", "b")])] {
        let mut rig = Rig::server();
        rig.feed(get(1));
        assert_eq!(rig.feed(frame), ["fault 1 STREAM_CLOSED"]);
        assert_eq!(rig.said(), ["RST_STREAM 1 STREAM_CLOSED"]);
        assert!(!rig.connection.has_stream(id(1)));
    }
    let mut rig = Rig::server();
    rig.feed(get(1));
    assert!(rig.feed(update(1, 5)).is_empty());
    assert_eq!(rig.feed(rst(1, ErrorCode::CANCEL)), ["reset 1 CANCEL"]);
}

/// [http2:5.1-late-frames] [http2:4.3-every-block-decoded]
#[test]
fn frames_on_their_way_to_a_stream_that_we_reset_are_dropped() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    rig.connection.reset(id(1), ErrorCode::CANCEL, &mut rig.out).unwrap();
    assert_eq!(rig.said(), ["RST_STREAM 1 CANCEL"]);
    // The trailers put a field into the table, and the next request refers to it.
    let mut trailers = vec![0x40, 1];
    trailers.extend(b"x\x03abc");
    let late = frame(Frame::Headers {
        stream: id(1),
        end_stream: true,
        end_headers: true,
        priority: None,
        block: &trailers,
    });
    let late = [data(1, false, b"late"), late, rst(1, ErrorCode::CANCEL), update(1, 3)].concat();
    assert!(rig.feed(late).is_empty());
    let mut referring = block(&GET);
    referring.push(0xbe);
    let next = frame(Frame::Headers {
        stream: id(3),
        end_stream: true,
        end_headers: true,
        priority: None,
        block: &referring,
    });
    assert_eq!(rig.feed(next), ["request 3 end"]);
    let lines = rig.reader.fields.lines();
    assert_eq!((lines[0].name, lines[0].value), (&b"x"[..], &b"abc"[..]));
}

/// The latest streams that we reset are remembered, and older ones are not.
#[test]
fn late_frames_are_tolerated_on_the_latest_streams() {
    let mut rig = Rig::server_with(|limits| limits.closed_streams_max = 2);
    for stream in [1, 3, 5, 7] {
        rig.feed(post(stream));
        rig.connection.reset(id(stream), ErrorCode::CANCEL, &mut rig.out).unwrap();
    }
    assert!(rig.feed([data(5, false, b"x"), data(7, false, b"x")].concat()).is_empty());
    assert_eq!(rig.feed(data(3, false, b"x")), ["! STREAM_CLOSED"]);
}

/// The rest of a frame whose stream was reset while it came is dropped.
#[test]
fn a_stream_may_be_reset_inside_a_frame() {
    for at in [9, 10, 12, 20] {
        let mut rig = Rig::server();
        rig.feed(post(1));
        let padded = raw(FrameKind::Data, Flags::PADDED, 1, b"\x03content...");
        rig.feed(padded[..at].to_vec());
        rig.connection.reset(id(1), ErrorCode::CANCEL, &mut rig.out).unwrap();
        assert!(rig.feed(padded[at..].to_vec()).is_empty(), "{at}");
        assert_eq!(rig.feed(get(3)), ["request 3 end"]);
    }
}

/// [http2:5.1-window-update-after-end]
#[test]
fn updates_and_resets_may_come_late() {
    let mut rig = Rig::server();
    rig.feed(get(1));
    respond(&mut rig, 1, EndStream::Yes).unwrap();
    assert!(rig.feed([update(1, 5), rst(1, ErrorCode::NO_ERROR)].concat()).is_empty());
    assert_eq!(rig.feed(get(3)), ["request 3 end"]);
}

/// [http2:5.1-no-frame-after-our-end] [http2:8.1-our-head-first]
#[test]
fn we_end_a_stream_once_and_in_order() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    let stream = id(1);
    let out = &mut rig.out;
    let connection = &mut rig.connection;
    assert_eq!(connection.send_capacity(stream), 0);
    let early = connection.write_data_head(stream, 0, EndStream::Yes, out);
    assert_eq!(early, Err(UsageError::HeadOrder));
    let early = connection.send_trailers(stream, &FieldBlock::new(), out);
    assert_eq!(early, Err(UsageError::HeadOrder));
    let ok = |status: Status, end| (status, FieldBlock::new(), end);
    let (status, fields, end) = ok(Status::CONTINUE, EndStream::No);
    connection.respond(stream, status, &fields, end, out).unwrap();
    let (status, fields, end) = ok(Status::OK, EndStream::No);
    connection.respond(stream, status, &fields, end, out).unwrap();
    let again = connection.respond(stream, status, &fields, end, out);
    assert_eq!(again, Err(UsageError::HeadOrder));
    connection.write_data_head(stream, 0, EndStream::Yes, out).unwrap();
    for refused in [
        connection.write_data_head(stream, 0, EndStream::Yes, out),
        connection.respond(stream, status, &fields, end, out),
        connection.send_trailers(stream, &fields, out),
    ] {
        assert_eq!(refused, Err(UsageError::StreamClosed));
    }
    assert_eq!(rig.said(), ["HEADERS 1", "HEADERS 1", "DATA 1 end 0"]);
    // The peer's direction goes on.
    assert_eq!(rig.feed(data(1, true, b"abc")), ["data 1 3 end"]);
    assert_eq!(rig.connection.stream_count(), 0);
}

/// [http2:6.4-no-reset-of-idle]
#[test]
fn only_streams_that_live_are_reset() {
    let mut rig = Rig::server();
    rig.feed(get(3));
    let reset =
        |rig: &mut Rig, stream| rig.connection.reset(id(stream), ErrorCode::CANCEL, &mut rig.out);
    for stream in [0, 1, 2, 5] {
        assert_eq!(reset(&mut rig, stream), Err(UsageError::StreamClosed), "{stream}");
    }
    assert_eq!(reset(&mut rig, 3), Ok(()));
    assert_eq!(reset(&mut rig, 3), Err(UsageError::StreamClosed));
    assert_eq!(rig.said(), ["RST_STREAM 3 CANCEL"]);
}

/// [http2:5.1.2-concurrent-streams] [http2:4.3-every-block-decoded]
#[test]
fn streams_above_the_limit_are_refused_and_their_blocks_decoded() {
    let mut rig = Rig::server_with(|limits| limits.concurrent_streams_max = 2);
    assert_eq!(rig.feed([get(1), get(3)].concat()), ["request 1 end", "request 3 end"]);
    // The refused block puts a field into the table.
    let mut refused = block(&GET);
    refused.extend(b"\x40\x01x\x03abc");
    let request = |stream, end_stream, block: &[u8]| {
        frame(Frame::Headers {
            stream: id(stream),
            end_stream,
            end_headers: true,
            priority: None,
            block,
        })
    };
    assert!(rig.feed(request(5, false, &refused)).is_empty());
    assert_eq!(rig.said(), ["RST_STREAM 5 REFUSED_STREAM"]);
    assert!(rig.feed(data(5, true, b"its content")).is_empty());
    // A place is free when both directions have ended.
    respond(&mut rig, 1, EndStream::No).unwrap();
    assert!(rig.feed(get(7)).is_empty());
    rig.connection.write_data_head(id(1), 0, EndStream::Yes, &mut rig.out).unwrap();
    let mut referring = block(&GET);
    referring.push(0xbe);
    assert_eq!(rig.feed(request(9, true, &referring)), ["request 9 end"]);
    assert_eq!(rig.reader.fields.lines()[0].value, b"abc");
}

/// [http2:8.4-no-push]
#[test]
fn nobody_pushes() {
    let push = |stream| {
        let promised = id(2);
        let block = &block(&GET);
        frame(Frame::PushPromise { stream: id(stream), promised, end_headers: true, block })
    };
    let mut rig = Rig::server();
    rig.feed(get(1));
    assert_eq!(rig.feed(push(1)), ["! PROTOCOL_ERROR"]);
    let mut rig = Rig::client();
    crate::sending::request(&mut rig, EndStream::Yes).unwrap();
    assert_eq!(rig.feed(push(1)), ["! PROTOCOL_ERROR"]);
}

/// [http2:4.3-block-contiguous] [http2:6.10-continuation-placed]
#[test]
fn nothing_comes_inside_a_field_block() {
    let all = block(&GET);
    let (first, rest) = all.split_at(3);
    let begin = || {
        let stream = id(1);
        frame(Frame::Headers {
            stream,
            end_stream: true,
            end_headers: false,
            priority: None,
            block: first,
        })
    };
    let go_on =
        |stream, block| frame(Frame::Continuation { stream: id(stream), end_headers: true, block });
    assert_eq!(Rig::server().feed([begin(), go_on(1, rest)].concat()), ["request 1 end"]);
    let unknown = raw(FrameKind::Unknown(99), Flags::NONE, 0, b"x");
    for wrong in [crate::common::ping(), get(3), go_on(3, rest), data(1, false, b""), unknown] {
        let mut rig = Rig::server();
        assert_eq!(rig.feed([begin(), wrong].concat()), ["! PROTOCOL_ERROR"]);
        assert_eq!(rig.said(), ["GOAWAY 0 PROTOCOL_ERROR"]);
    }
    let mut rig = Rig::server();
    rig.feed(get(1));
    assert_eq!(rig.feed(go_on(1, rest)), ["! PROTOCOL_ERROR"]);
    // Content between the fragments of trailers.
    let mut rig = Rig::server();
    rig.feed(post(1));
    assert!(rig.feed(begin()).is_empty());
    assert_eq!(rig.feed(data(1, false, b"x")), ["! PROTOCOL_ERROR"]);
}

/// [http2:4.3-compression-error] [http2:5.4.1-goaway]
#[test]
fn a_block_that_cannot_be_decoded_ends_the_connection() {
    let mut rig = Rig::server();
    rig.feed([get(1), get(5)].concat());
    respond(&mut rig, 5, EndStream::No).unwrap();
    rig.said();
    let stream = id(7);
    let block = &[0x80];
    let bad = Frame::Headers { stream, end_stream: true, end_headers: true, priority: None, block };
    assert_eq!(rig.feed(frame(bad)), ["! COMPRESSION_ERROR"]);
    assert_eq!(rig.said(), ["GOAWAY 5 COMPRESSION_ERROR"]);
    let refused = respond(&mut rig, 1, EndStream::Yes);
    assert_eq!(refused, Err(UsageError::StreamClosed));
    let refused = rig.connection.write_data_head(id(5), 0, EndStream::Yes, &mut rig.out);
    assert_eq!(refused, Err(UsageError::StreamClosed));
    assert!(rig.out.is_empty());
}

/// [http2:5.3-priority-ignored] [http2:5.3-self-dependency] [http2:6.3-priority-length]
#[test]
fn priorities_are_read_and_mean_nothing() {
    let depends = |stream, on| {
        let priority = Priority { dependency: id(on), exclusive: true, weight: 0 };
        let block = &block(&GET);
        let (end_stream, end_headers) = (true, true);
        let priority = Some(priority);
        frame(Frame::Headers { stream: id(stream), end_stream, end_headers, priority, block })
    };
    let mut rig = Rig::server();
    assert_eq!(rig.feed(depends(1, 3)), ["request 1 end"]);
    assert!(rig.feed(depends(3, 3)).is_empty());
    assert_eq!(rig.said(), ["RST_STREAM 3 PROTOCOL_ERROR"]);
    let priority = |stream, bytes: &[u8]| raw(FrameKind::Priority, Flags::NONE, stream, bytes);
    assert_eq!(rig.feed(priority(1, &[0, 0, 0, 1, 9])), ["fault 1 PROTOCOL_ERROR"]);
    assert_eq!(rig.feed(get(5)), ["request 5 end"]);
    assert_eq!(rig.feed(priority(5, &[0; 4])), ["fault 5 FRAME_SIZE_ERROR"]);
    // It has ended, and is not reset again.
    assert_eq!(rig.feed(priority(5, &[0; 4])), ["! FRAME_SIZE_ERROR"]);
    assert_eq!(Rig::server().feed(priority(7, &[0; 6])), ["! FRAME_SIZE_ERROR"]);
}

/// [http2:5.5-unknown-frames]
#[test]
fn unknown_frames_are_skipped() {
    let mut rig = Rig::server();
    let mut bytes = raw(FrameKind::Unknown(0x10), Flags(0xff), 0, &[1; 300]);
    bytes.extend(raw(FrameKind::Unknown(0xff), Flags(0xff), 77, b""));
    bytes.extend(get(1));
    assert_eq!(rig.feed(bytes), ["request 1 end"]);
}

#[test]
fn a_stream_has_a_number_of_the_callers() {
    let mut rig = Rig::server();
    rig.feed(get(1));
    assert_eq!(rig.connection.tag(id(1)), Some(0));
    rig.connection.set_tag(id(1), 77);
    assert_eq!(rig.connection.tag(id(1)), Some(77));
    respond(&mut rig, 1, EndStream::Yes).unwrap();
    assert_eq!(rig.connection.tag(id(1)), None);
}

/// Streams come and go in any order, and each is found.
#[test]
fn a_thousand_streams() {
    let mut rig = Rig::server_with(|limits| limits.concurrent_streams_max = 1000);
    for stream in 0..1000 {
        assert_eq!(rig.feed(post(stream * 2 + 1)).len(), 1);
    }
    for stream in (0..1000).map(|at| at * 7 % 1000) {
        assert_eq!(rig.feed(data(stream * 2 + 1, false, b"x")).len(), 1, "{stream}");
        assert_eq!(rig.feed(rst(stream * 2 + 1, ErrorCode::CANCEL)).len(), 1, "{stream}");
        assert!(!rig.connection.has_stream(id(stream * 2 + 1)));
        // The rapid resets are another test.
        rig.connection.tick(10);
    }
    assert_eq!(rig.connection.stream_count(), 0);
    assert!(rig.connection.memory_bytes() < 4096, "{}", rig.connection.memory_bytes());
}
