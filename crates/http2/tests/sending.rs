//! Heads, content, trailers and requests that we send.

use sockeye_http::{Date, HeaderName, HeaderValue, Method, Status};
use sockeye_http2::frame::{Flags, Frame, FrameKind, SettingId};
use sockeye_http2::{EndStream, ErrorCode, FieldBlock, RequestLine, StreamId, UsageError};

use crate::common::{Rig, data, frame, frames, get, headers, id, post, settings, update};

const LINE: RequestLine<'_> = RequestLine {
    method: Method::GET,
    scheme: "https",
    authority: "a.example",
    path: "/",
    protocol: None,
};

pub(crate) fn request(rig: &mut Rig, end: EndStream) -> Result<StreamId, UsageError> {
    rig.connection.request(&LINE, &FieldBlock::new(), end, &mut rig.out)
}

/// [http2:5.1.1-ids-increase]
#[test]
fn a_client_opens_odd_streams_in_order() {
    let mut rig = Rig::client();
    for expected in [1, 3, 5] {
        assert_eq!(request(&mut rig, EndStream::Yes), Ok(id(expected)));
    }
    assert_eq!(rig.said(), ["HEADERS 1 end", "HEADERS 3 end", "HEADERS 5 end"]);
    let mut server = Rig::server();
    let refused =
        server.connection.request(&LINE, &FieldBlock::new(), EndStream::Yes, &mut server.out);
    assert_eq!(refused, Err(UsageError::Role));
    let (status, fields) = (Status::OK, FieldBlock::new());
    let refused = rig.connection.respond(id(1), status, &fields, EndStream::Yes, &mut rig.out);
    assert_eq!(refused, Err(UsageError::Role));
}

/// [http2:5.1.2-peer-limit]
#[test]
fn a_client_keeps_to_the_servers_number_of_streams() {
    let mut rig = Rig::client();
    rig.feed(settings(&[(SettingId::MAX_CONCURRENT_STREAMS, 1)]));
    request(&mut rig, EndStream::Yes).unwrap();
    assert_eq!(request(&mut rig, EndStream::Yes), Err(UsageError::TooManyStreams));
    assert_eq!(rig.feed(headers(1, true, &[(":status", "204")])), ["response 1 204 end"]);
    assert_eq!(request(&mut rig, EndStream::Yes), Ok(id(3)));
}

#[test]
fn a_request_is_what_the_server_reads() {
    let (mut client, mut server) = (Rig::client(), Rig::server());
    let fields = FieldBlock::new()
        .field(HeaderName::from_static("Accept"), HeaderValue::from_static("text/event-stream"))
        .secret(HeaderName::from_static("X-Key"), HeaderValue::from_static("k"));
    let line = RequestLine { path: "/v1/sse?channel=a", ..LINE };
    client.connection.request(&line, &fields, EndStream::Yes, &mut client.out).unwrap();
    let out = std::mem::take(&mut client.out);
    assert_eq!(server.feed(out), ["request 1 end"]);
    let lines = server.reader.fields.lines();
    let head = server.reader.fields.request(&lines).unwrap();
    assert_eq!(
        (head.method(), head.path(), head.query()),
        (Method::GET, "/v1/sse", Some("channel=a"))
    );
    assert_eq!(head.authority(), Some("a.example"));
    let all: Vec<_> = head.headers().iter().collect();
    assert_eq!(all, [("accept", &b"text/event-stream"[..]), ("x-key", b"k")]);
}

#[test]
fn a_response_is_what_the_client_reads() {
    let (mut client, mut server) = (Rig::client(), Rig::server());
    request(&mut client, EndStream::Yes).unwrap();
    server.feed(std::mem::take(&mut client.out));
    let fields = FieldBlock::new().date(Date::from_unix(0)).content_length(1_234_567_890_123);
    let (stream, out) = (id(1), &mut server.out);
    let hints = Status::new(103).unwrap();
    server.connection.respond(stream, hints, &FieldBlock::new(), EndStream::No, out).unwrap();
    server.connection.respond(stream, Status::OK, &fields, EndStream::No, out).unwrap();
    let told = client.feed(std::mem::take(&mut server.out));
    assert_eq!(told, ["interim 1 103", "response 1 200"]);
    assert_eq!(client.reader.fields.status(), Some(Status::OK));
    let lines = client.reader.fields.lines();
    assert_eq!(lines[0].value, b"Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(lines[1].value, b"1234567890123");
}

#[test]
fn requests_that_make_no_target_are_refused() {
    let mut rig = Rig::client();
    for line in [
        RequestLine { scheme: "ftp", ..LINE },
        RequestLine { authority: "a b", ..LINE },
        RequestLine { authority: "", ..LINE },
        RequestLine { path: "", ..LINE },
        RequestLine { path: "x", ..LINE },
        RequestLine { path: "/\r\n", ..LINE },
        RequestLine { method: Method::CONNECT, ..LINE },
        RequestLine { protocol: Some("websocket"), ..LINE },
        RequestLine { method: Method::CONNECT, protocol: Some("a b"), ..LINE },
    ] {
        let refused =
            rig.connection.request(&line, &FieldBlock::new(), EndStream::No, &mut rig.out);
        assert_eq!(refused, Err(UsageError::Target), "{line:?}");
    }
    assert!(rig.out.is_empty());
}

/// [http2:8.6-never-101]
#[test]
fn interim_responses_do_not_end_and_101_is_never_sent() {
    let mut rig = Rig::server();
    rig.feed(get(1));
    let mut respond =
        |status, end| rig.connection.respond(id(1), status, &FieldBlock::new(), end, &mut rig.out);
    let switching = Status::SWITCHING_PROTOCOLS;
    assert_eq!(respond(switching, EndStream::No), Err(UsageError::Status));
    assert_eq!(respond(Status::CONTINUE, EndStream::Yes), Err(UsageError::Status));
    assert_eq!(respond(Status::CONTINUE, EndStream::No), Ok(()));
    assert_eq!(respond(Status::OK, EndStream::Yes), Ok(()));
    assert_eq!(rig.said(), ["HEADERS 1", "HEADERS 1 end"]);
}

/// [http2:4.2-our-frame-size]
#[test]
fn a_long_block_goes_out_in_frames() {
    let mut rig = Rig::server();
    rig.feed([get(1), get(3)].concat());
    let name = HeaderName::from_static("x-long");
    let long = "~".repeat(40_000);
    let fields = FieldBlock::new().field(name, HeaderValue::new(&long).unwrap());
    rig.connection.respond(id(1), Status::OK, &fields, EndStream::Yes, &mut rig.out).unwrap();
    let all = frames(&rig.out);
    assert!(all.iter().all(|(head, _)| head.len <= 16_384));
    assert!(!all[0].0.flags.has(Flags::END_HEADERS) && all[0].0.flags.has(Flags::END_STREAM));
    assert_eq!(rig.said(), ["HEADERS 1 end", "CONTINUATION 1 false", "CONTINUATION 1 true"]);
    let exact = FieldBlock::new();
    rig.connection.respond(id(3), Status::OK, &exact, EndStream::Yes, &mut rig.out).unwrap();
    assert_eq!(rig.said(), ["HEADERS 3 end"]);
}

/// [http2:6.9.1-never-above-the-windows]
#[test]
fn content_stays_below_the_windows_and_the_frame_size() {
    let mut rig = Rig::server();
    rig.feed([get(1), get(3)].concat());
    for stream in [1, 3] {
        let (status, fields) = (Status::OK, FieldBlock::new());
        rig.connection.respond(id(stream), status, &fields, EndStream::No, &mut rig.out).unwrap();
    }
    rig.said();
    let mut write = |stream, len| {
        rig.connection.write_data_head(id(stream), len, EndStream::No, &mut Vec::new())
    };
    assert_eq!(write(1, 16_385), Err(UsageError::Capacity));
    for _ in 0..3 {
        assert_eq!(write(1, 16_384), Ok(()));
    }
    assert_eq!(write(1, 16_384), Err(UsageError::Capacity));
    assert_eq!(write(1, 16_000), Ok(()));
    // The connection's window has 383 bytes left.
    assert_eq!(write(3, 384), Err(UsageError::Capacity));
    assert_eq!(write(3, 383), Ok(()));
    assert_eq!(write(3, 0), Ok(()));
    assert_eq!(rig.connection.send_capacity(id(3)), 0);
    assert_eq!(rig.connection.send_capacity(id(9)), 0);
    // The stream's window has 383 bytes left, the connection's has more.
    rig.feed(update(0, 100_000));
    let mut write =
        |len| rig.connection.write_data_head(id(1), len, EndStream::No, &mut Vec::new());
    assert_eq!(write(384), Err(UsageError::Capacity));
    assert_eq!(write(383), Ok(()));
}

/// [http2:6.9.1-never-above-the-windows]
#[test]
fn as_much_content_goes_as_windows_and_frame_allow() {
    let mut rig = Rig::server();
    rig.feed([get(1), get(3)].concat());
    let (no, yes) = (EndStream::No, EndStream::Yes);
    let write = |rig: &mut Rig, stream, waiting, end| {
        let head = rig.connection.write_content_head(id(stream), waiting, end, &mut rig.out);
        head.map(|head| (head.len, head.is_end, head.is_shut))
    };
    // Before the head nothing goes, and nobody takes what waits for a stream that is not there.
    assert_eq!(write(&mut rig, 1, 7, no), Ok((0, false, true)));
    assert_eq!(write(&mut rig, 9, 7, no), Err(UsageError::StreamClosed));
    for stream in [1, 3] {
        let (status, fields) = (Status::OK, FieldBlock::new());
        rig.connection.respond(id(stream), status, &fields, no, &mut rig.out).unwrap();
    }
    rig.said();
    for _ in 0..3 {
        assert_eq!(write(&mut rig, 1, 100_000, yes), Ok((16_384, false, false)));
        rig.out.clear();
    }
    assert_eq!(write(&mut rig, 1, 16_000, no), Ok((16_000, false, false)));
    rig.out.clear();
    // The connection's window has 383 bytes left.
    assert_eq!(write(&mut rig, 3, 384, yes), Ok((383, false, true)));
    rig.out.clear();
    assert_eq!(write(&mut rig, 3, 1, yes), Ok((0, false, true)));
    assert!(rig.out.is_empty());
    // An end needs no window.
    assert_eq!(write(&mut rig, 3, 0, no), Ok((0, false, true)));
    assert!(rig.out.is_empty());
    assert_eq!(write(&mut rig, 3, 0, yes), Ok((0, true, true)));
    assert_eq!(rig.said(), ["DATA 3 end 0"]);
    assert_eq!(write(&mut rig, 3, 0, yes), Err(UsageError::StreamClosed));
}

#[test]
fn trailers_end_a_stream() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    let (stream, out) = (id(1), &mut rig.out);
    rig.connection.respond(stream, Status::OK, &FieldBlock::new(), EndStream::No, out).unwrap();
    let fields =
        FieldBlock::new().field(HeaderName::from_static("X-Sum"), HeaderValue::from_static("1"));
    rig.connection.send_trailers(stream, &fields, out).unwrap();
    assert_eq!(rig.said(), ["HEADERS 1", "HEADERS 1 end"]);
    assert_eq!(rig.feed(data(1, true, b"")), ["data 1 0 end"]);
    assert_eq!(rig.connection.stream_count(), 0);
}

/// [http2:6.8-no-stream-after-goaway] [http2:6.8-goaway-received]
#[test]
fn a_client_opens_nothing_on_a_connection_that_goes_away() {
    let mut rig = Rig::client();
    for _ in 0..3 {
        request(&mut rig, EndStream::Yes).unwrap();
    }
    let goaway =
        |last| frame(Frame::Goaway { last: id(last), code: ErrorCode::NO_ERROR, debug: b"why" });
    assert_eq!(rig.feed(goaway(0x7fff_ffff)), ["goaway 2147483647 NO_ERROR"]);
    assert_eq!(rig.connection.stream_count(), 3);
    assert_eq!(request(&mut rig, EndStream::Yes), Err(UsageError::GoingAway));
    assert_eq!(rig.feed(goaway(3)), ["goaway 3 NO_ERROR"]);
    assert_eq!(rig.connection.stream_count(), 2);
    assert!(!rig.connection.has_stream(id(5)));
    // The last stream never grows again.
    assert_eq!(rig.feed(goaway(5)), ["goaway 3 NO_ERROR"]);
    assert_eq!(rig.feed(headers(3, true, &[(":status", "200")])), ["response 3 200 end"]);
    assert_eq!(frames(&raw_ping_ack()).len(), 1);
}

fn raw_ping_ack() -> Vec<u8> {
    crate::common::raw(FrameKind::Ping, Flags::ACK, 0, &[0; 8])
}

#[test]
fn pings_are_answered_and_asked() {
    let mut rig = Rig::client();
    rig.connection.ping(*b"01234567", &mut rig.out).unwrap();
    assert_eq!(rig.feed(frame(Frame::Ping { ack: true, payload: *b"01234567" })), ["pong"]);
    assert_eq!(rig.said(), ["PING"]);
}

/// [http2:6.7-ping-answered]
#[test]
fn the_answer_repeats_the_payload() {
    let mut rig = Rig::server();
    assert!(rig.feed(frame(Frame::Ping { ack: false, payload: *b"abcdefgh" })).is_empty());
    let (head, payload) = frames(&rig.out).remove(0);
    assert_eq!((head.flags, &payload[..]), (Flags::ACK, &b"abcdefgh"[..]));
}
