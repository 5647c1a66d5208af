//! Peers that cause work, and peers that only look like it.

use sockeye_http::Status;
use sockeye_http2::frame::{Flags, Frame, FrameKind};
use sockeye_http2::{EndStream, ErrorCode, FieldBlock, Limits, Rate};

use crate::common::{
    GET, Rig, block, data, frame, get, headers, id, ping, post, raw, rst, settings, update,
};

/// Feeds the same bytes until the connection fails, and says how often it did not.
fn until_failure(rig: &mut Rig, mut bytes: impl FnMut(u32) -> Vec<u8>) -> (u32, String) {
    for times in 0..100_000 {
        let told = rig.feed(bytes(times));
        rig.said();
        if let Some(error) = told.last().filter(|it| it.starts_with('!')) {
            return (times, error.clone());
        }
    }
    panic!("no end");
}

const CALM: &str = "! ENHANCE_YOUR_CALM";

fn respond(rig: &mut Rig, stream: u32, end: EndStream) {
    let (status, fields) = (Status::OK, FieldBlock::new());
    rig.connection.respond(id(stream), status, &fields, end, &mut rig.out).unwrap();
}

/// [http2:10.5-rapid-reset]
#[test]
fn rapid_reset() {
    let cancelled = |times| {
        let stream = times * 2 + 1;
        [get(stream), rst(stream, ErrorCode::CANCEL)].concat()
    };
    let mut rig = Rig::server();
    assert_eq!(until_failure(&mut rig, cancelled), (512, CALM.to_owned()));
    assert_eq!(rig.connection.stream_count(), 0);
    assert!(rig.connection.memory_bytes() < 8192);
}

/// Streams that are answered at once, such as event streams: the peer did not wait for the answer. [http2:10.5-rapid-reset]
#[test]
fn rapid_reset_of_answered_streams() {
    for end in [EndStream::No, EndStream::Yes] {
        let mut rig = Rig::server();
        let resets = (0..5000).take_while(|times| {
            let stream = times * 2 + 1;
            rig.feed(post(stream));
            respond(&mut rig, stream, end);
            rig.feed(rst(stream, ErrorCode::CANCEL)) == [format!("reset {stream} CANCEL")]
        });
        assert_eq!(resets.count(), 512);
        let said = rig.said();
        assert!(said.last().unwrap().contains("ENHANCE_YOUR_CALM"), "{said:?}");
    }
}

/// Time forgives: 64 with each tick.
#[test]
fn a_tick_lets_the_rates_leak() {
    let mut rig = Rig::server();
    for times in 0..5000 {
        let stream = times * 2 + 1;
        rig.feed([get(stream), rst(stream, ErrorCode::CANCEL)].concat());
        if times % 64 == 63 {
            rig.connection.tick(1);
        }
    }
    assert!(!rig.connection.is_over());
}

/// A page with 256 event streams closes, and another one with 256 held requests.
#[test]
fn closing_256_streams_at_once_is_no_abuse() {
    let mut rig = Rig::server();
    for stream in (0..256).map(|at| at * 2 + 1) {
        rig.feed(get(stream));
        respond(&mut rig, stream, EndStream::No);
    }
    for _ in 0..3 {
        rig.said();
    }
    for stream in (0..256).map(|at| at * 2 + 1) {
        let reset = rig.feed(rst(stream, ErrorCode::CANCEL));
        assert_eq!(reset, [format!("reset {stream} CANCEL")]);
    }
    for stream in (256..512).map(|at| at * 2 + 1) {
        assert_eq!(rig.feed(get(stream)).len(), 1);
    }
    for stream in (256..512).map(|at| at * 2 + 1) {
        assert_eq!(rig.feed(rst(stream, ErrorCode::CANCEL)).len(), 1);
    }
    assert!(!rig.connection.is_over());
    // Resets behind our head cost nothing once the peer can have read that.
    for stream in (512..5000).map(|at| at * 2 + 1) {
        rig.feed(get(stream));
        respond(&mut rig, stream, EndStream::No);
        rig.said();
        assert_eq!(rig.feed(rst(stream, ErrorCode::CANCEL)).len(), 1);
    }
}

/// Firefox opens as many as it has: some are refused.
#[test]
fn opening_400_streams_at_once_is_no_abuse() {
    let mut rig = Rig::server();
    let told = rig.feed((0..400).flat_map(|at| get(at * 2 + 1)).collect());
    assert_eq!(told.len(), 256);
    let said = rig.said();
    assert_eq!(said.len(), 144);
    assert!(said.iter().all(|it| it.ends_with("REFUSED_STREAM")));
}

/// [http2:10.5-made-you-reset]
#[test]
fn made_you_reset() {
    // A window update that overflows, on a stream that was just opened.
    let overflow = |times| {
        let stream = times * 2 + 1;
        [get(stream), update(stream, 0x7fff_ffff)].concat()
    };
    assert_eq!(until_failure(&mut Rig::server(), overflow), (512, CALM.to_owned()));
    // Behind our head, too: the peer makes us reset.
    let mut rig = Rig::server();
    let mut failed = None;
    for times in 0..1000 {
        let stream = times * 2 + 1;
        rig.feed(get(stream));
        if failed.is_some() {
            break;
        }
        respond(&mut rig, stream, EndStream::No);
        let told = rig.feed(data(stream, false, b"x"));
        rig.said();
        failed = told.last().filter(|it| it.starts_with('!')).map(|_| times);
    }
    assert_eq!(failed, Some(512));
    // Malformed requests, and requests above the limit of streams.
    let malformed = |times: u32| headers(times * 2 + 1, true, &[("x", "y")]);
    assert_eq!(until_failure(&mut Rig::server(), malformed), (512, CALM.to_owned()));
    let refused = |times: u32| get(times * 2 + 1);
    assert_eq!(until_failure(&mut Rig::server(), refused), (256 + 512, CALM.to_owned()));
}

/// [http2:10.5-continuations] [http2:10.5-block-bytes]
#[test]
fn continuation_floods() {
    let begin = |size| {
        let block = &vec![0x82; size];
        let stream = id(1);
        frame(Frame::Headers {
            stream,
            end_stream: true,
            end_headers: false,
            priority: None,
            block,
        })
    };
    let go_on = |size| {
        let block = &vec![0x82; size];
        frame(Frame::Continuation { stream: id(1), end_headers: false, block })
    };
    for size in [0, 1, 100] {
        let mut rig = Rig::server();
        assert!(rig.feed(begin(size)).is_empty());
        assert!(rig.connection.is_mid_frame());
        assert_eq!(until_failure(&mut rig, |_| go_on(size)), (8, CALM.to_owned()));
        assert!(rig.connection.memory_bytes() < 4096);
    }
    let mut rig = Rig::server();
    assert!(rig.feed([begin(16_384), go_on(16_384)].concat()).is_empty());
    assert_eq!(rig.feed(go_on(1)), [CALM]);
    // Few frames with few bytes are in order.
    let all = block(&GET);
    let mut bytes = begin(0);
    for (at, byte) in all.iter().enumerate().take(7) {
        let block = std::slice::from_ref(byte);
        bytes.extend(frame(Frame::Continuation {
            stream: id(1),
            end_headers: at + 1 == all.len(),
            block,
        }));
    }
    let block = &all[7..];
    bytes.extend(frame(Frame::Continuation { stream: id(1), end_headers: true, block }));
    assert_eq!(Rig::server().feed(bytes), ["request 1 end"]);
}

fn request(block: &[u8]) -> Vec<u8> {
    let (stream, end_stream, end_headers) = (id(1), true, true);
    frame(Frame::Headers { stream, end_stream, end_headers, priority: None, block })
}

/// [http2:10.5-field-limits]
#[test]
fn too_many_fields_are_answered_and_more_end_the_connection() {
    let crumbs = |count| {
        let mut block = block(&GET);
        block.extend(block_of_crumbs(count));
        request(&block)
    };
    assert_eq!(Rig::server().feed(crumbs(96)), ["request 1 end"]);
    let mut rig = Rig::server();
    assert_eq!(rig.feed(crumbs(97)), ["too large 1 end"]);
    respond(&mut rig, 1, EndStream::Yes);
    assert_eq!(rig.said(), ["HEADERS 1 end"]);
    assert_eq!(rig.feed(get(3)), ["request 3 end"]);
    // A field of 4,000 bytes in the table, and references of one byte.
    let bomb = |references: usize| {
        let mut block = block(&GET);
        block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
        block.extend(vec![b'v'; 4000]);
        block.extend(vec![0xbe; references]);
        request(&block)
    };
    assert_eq!(Rig::server().feed(bomb(2)), ["request 1 end"]);
    assert_eq!(Rig::server().feed(bomb(10)), ["too large 1 end"]);
    assert_eq!(Rig::server().feed(bomb(10_000)), [CALM]);
}

fn block_of_crumbs(count: usize) -> Vec<u8> {
    [0, 6, b'c', b'o', b'o', b'k', b'i', b'e', 1, b'a'].repeat(count)
}

#[test]
fn responses_with_too_many_fields_end_their_stream() {
    let mut rig = Rig::client();
    crate::sending::request(&mut rig, EndStream::Yes).unwrap();
    let mut block = block(&[(":status", "200")]);
    block.extend(block_of_crumbs(100));
    assert_eq!(rig.feed(request(&block)), ["fault 1 ENHANCE_YOUR_CALM"]);
}

/// [http2:10.5-floods]
#[test]
fn floods_of_each_kind() {
    let limits = Limits::DEFAULT;
    let goaway = Frame::Goaway { last: id(0), code: ErrorCode::NO_ERROR, debug: b"" };
    let cases: [(Vec<u8>, Rate); 9] = [
        (ping(), limits.pings),
        (raw(FrameKind::Ping, Flags::ACK, 0, &[0; 8]), limits.pings),
        (frame(goaway), limits.settings),
        (settings(&[]), limits.settings),
        (raw(FrameKind::Priority, Flags::NONE, 9, &[0; 5]), limits.priorities),
        (raw(FrameKind::Unknown(0x10), Flags::NONE, 0, b"u=1"), limits.priorities),
        (update(0, 1), limits.window_updates),
        (data(1, false, b""), limits.empty_data),
        (raw(FrameKind::Data, Flags::PADDED, 1, &[1, 0]), limits.empty_data),
    ];
    for (bytes, rate) in cases {
        let mut rig = Rig::server();
        rig.feed(post(1));
        // The settings at the beginning were one, and the request let one leak.
        let (times, error) = until_failure(&mut rig, |_| bytes.clone());
        assert_eq!((times, &error[..]), (rate.burst, CALM));
        // As many again after some time.
        let mut rig = Rig::server();
        rig.feed(post(1));
        for _ in 0..rate.burst {
            rig.feed(bytes.clone());
        }
        rig.said();
        rig.connection.tick(1);
        let (times, error) = until_failure(&mut rig, |_| bytes.clone());
        assert_eq!((times, &error[..]), (rate.per_tick, CALM));
    }
}

/// A gateway whose buffer wraps gives each DATA frame back in two parts on both levels, and one with small
/// buffers in a dozen. [http2:10.5-updates-of-content]
#[test]
fn updates_in_parts_are_no_flood() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    respond(&mut rig, 1, EndStream::No);
    for (len, parts) in [(4, 2), (16_384, 10)] {
        for _ in 0..5_000 {
            rig.connection.write_data_head(id(1), len, EndStream::No, &mut Vec::new()).unwrap();
            let part = u32::try_from(len / parts).unwrap();
            let rest = u32::try_from(len - len / parts * (parts - 1)).unwrap();
            for part in (1..parts).map(|_| part).chain([rest]) {
                rig.feed([update(1, part), update(0, part)].concat());
            }
            rig.said();
        }
        assert!(!rig.connection.is_over(), "{parts} parts of {len} bytes");
    }
}

#[test]
fn interim_responses_without_end() {
    let mut rig = Rig::client();
    for _ in 0..3 {
        crate::sending::request(&mut rig, EndStream::Yes).unwrap();
    }
    let head = |stream, status| headers(stream, false, &[(":status", status)]);
    // A final response lets one leak.
    rig.feed([head(1, "103"), head(1, "200")].concat());
    let (times, error) = until_failure(&mut rig, |_| head(3, "103"));
    assert_eq!((times, &error[..]), (128, CALM));
}

#[test]
fn late_frames_are_counted() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    rig.connection.reset(id(1), ErrorCode::CANCEL, &mut rig.out).unwrap();
    let (times, error) = until_failure(&mut rig, |_| data(1, false, b"x"));
    assert_eq!((times, &error[..]), (2048, CALM));
    let mut rig = Rig::server();
    rig.feed([post(1), rst(1, ErrorCode::CANCEL)].concat());
    let (times, error) = until_failure(&mut rig, |_| rst(1, ErrorCode::CANCEL));
    assert_eq!((times, &error[..]), (2048, CALM));
}

/// Content at the end of the input leaves no frame open, whose end would have a deadline.
#[test]
fn whole_content_ends_its_frame() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    let padded = raw(FrameKind::Data, Flags::PADDED, 1, b"\x01x\0");
    for (mut bytes, is_open) in [(data(1, false, b"x"), false), (padded, true)] {
        let mut input = &mut bytes[..];
        // One call: its caller has nothing more to read.
        let told = rig.connection.receive(&mut input, &mut rig.reader, &mut rig.out);
        assert!(told.is_ok_and(|told| told.is_some()));
        assert_eq!(rig.connection.is_mid_frame(), is_open, "only padding may be left");
    }
}

/// [http2:10.5-output-bound]
#[test]
fn a_peer_that_does_not_read_is_cut_off() {
    let mut rig = Rig::server_with(|limits| limits.pings = Rate::new(1_000_000, 0));
    let mut replies = 0;
    while rig.feed(ping()).is_empty() {
        replies += 1;
    }
    assert_eq!(replies, (64 << 10) / 17);
    assert!(rig.out.len() <= (64 << 10) + 17 + 17);
    assert_eq!(rig.said().last().unwrap(), "GOAWAY 0 ENHANCE_YOUR_CALM");
}

/// A WebSocket of small messages, and a client that gives back each byte.
#[test]
fn one_byte_frames_are_no_abuse() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    respond(&mut rig, 1, EndStream::No);
    for _ in 0..100_000 {
        assert_eq!(rig.feed(data(1, false, b"x")), ["data 1 1"]);
        rig.connection.consumed(id(1), 1, &mut rig.out);
        let (stream, end) = (id(1), EndStream::No);
        rig.connection.write_data_head(stream, 1, end, &mut rig.out).unwrap();
        rig.feed([update(1, 1), update(0, 1)].concat());
        rig.out.clear();
        rig.connection.output_sent();
    }
}
