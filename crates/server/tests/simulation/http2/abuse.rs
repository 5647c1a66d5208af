//! Abuse by a peer (RFC 9113 §10.5): it ends the peer's own connection with the right code, and no other.

use sockeye_http2::{EndStream, ErrorCode, StreamId};
use sockeye_server::{Http2Limits, Rate};

use super::client::{Client, frame};
use super::stage;
use crate::simulation::stage::Stage;

/// The raw frame.
pub(super) fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).expect("short").to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The code of the GOAWAY frame that is the last one.
fn goaway(mut bytes: &[u8]) -> ErrorCode {
    let mut last = None;
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let (payload, next) = rest.split_at(u32::from_be_bytes([0, *a, *b, *c]) as usize);
        last = (*kind == 7).then(|| payload[4..8].try_into().expect("four bytes"));
        bytes = next;
    }
    ErrorCode::new(u32::from_be_bytes(last.expect("the connection ends")))
}

/// Sends `bytes` to a server with another client on it. Returns the code with which the connection ended.
/// The other client is served all the while.
fn attack(
    stage: &mut Stage,
    prepare: impl FnOnce(&mut Stage, &mut Client),
    bytes: &[u8],
) -> ErrorCode {
    let mut victim = Client::connect(stage);
    let held = victim.get(stage, "/hold");
    let mut client = Client::connect(stage);
    prepare(stage, &mut client);
    for part in bytes.chunks(16 * 1024) {
        client.peer.write(part);
        stage.turns();
    }
    let code = goaway(&client.peer.read(usize::MAX).expect("its end is not read yet"));
    let unaffected = victim.get(stage, "/fine");
    assert_eq!(victim.got[&unaffected].text(), "/fine");
    assert_eq!((victim.goaway, victim.got[&held].reset), (None, None));
    assert_eq!(client.peer.read(usize::MAX), None, "the server's direction ends");
    client.peer.shutdown();
    stage.turns();
    assert_eq!(stage.server.connections(), 1);
    code
}

fn nothing(_: &mut Stage, _: &mut Client) {}

/// [server:http2-abuse]
#[test]
fn floods_end_with_the_right_code() {
    let calm = ErrorCode::ENHANCE_YOUR_CALM;
    let ping = raw(6, 0, 0, b"floodfld").repeat(200);
    let settings = raw(4, 0, 0, &[]).repeat(50);
    let priority = raw(2, 0, 1, &[0, 0, 0, 0, 1]).repeat(1_200);
    let update = raw(8, 0, 0, &[0, 0, 0, 1]).repeat(2_200);
    let unknown = raw(0xee, 0, 1, &[]).repeat(1_200);
    // A head of one indexed field each, without END_HEADERS, and empty CONTINUATION frames.
    let mut continuation = raw(1, 1, 1, &[0x82]);
    continuation.extend(raw(9, 0, 1, &[]).repeat(20));
    for bytes in [ping, settings, priority, update, unknown, continuation] {
        assert_eq!(attack(&mut stage(), nothing, &bytes), calm, "{:?}", &bytes[..12]);
    }
    for (bytes, code) in [
        (raw(9, 4, 1, &[]), ErrorCode::PROTOCOL_ERROR),
        (raw(0, 0, 1, b"early"), ErrorCode::PROTOCOL_ERROR),
        (raw(5, 4, 1, &[0, 0, 0, 2]), ErrorCode::PROTOCOL_ERROR),
        (raw(6, 0, 0, b"short"), ErrorCode::FRAME_SIZE_ERROR),
        (raw(1, 5, 1, &[0x80]), ErrorCode::COMPRESSION_ERROR),
        (raw(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), ErrorCode::FLOW_CONTROL_ERROR),
    ] {
        assert_eq!(attack(&mut stage(), nothing, &bytes), code, "{bytes:?}");
    }
}

/// Empty DATA frames on a WebSocket that is open. [server:http2-abuse]
#[test]
fn empty_content_is_counted() {
    let open = |stage: &mut Stage, client: &mut Client| {
        assert_eq!(client.web_socket(stage, "/ws"), StreamId::new(1));
    };
    let bytes = raw(0, 0, 1, &[]).repeat(200);
    assert_eq!(attack(&mut stage(), open, &bytes), ErrorCode::ENHANCE_YOUR_CALM);
}

/// A field block whose references decode to far more than they take. [server:http2-abuse]
#[test]
fn references_are_counted() {
    // `:method: GET`, `:scheme: http`, `:path: /`, a long field into the table, and references to it.
    let mut block = vec![0x82, 0x86, 0x84, 0x40, 1, b'x', 0x7f, 0x81, 0x1d];
    block.truncate(6);
    block.extend([0x7f, 0xa9, 0x0f]);
    block.extend(vec![b'v'; 127 + 0x29 + (0x0f << 7)]);
    block.extend(vec![0xbe; 4_000]);
    let bytes = raw(1, 5, 1, &block);
    assert_eq!(attack(&mut stage(), nothing, &bytes), ErrorCode::ENHANCE_YOUR_CALM);
}

/// [server:http2-abuse] [server:http2-reset]
#[test]
fn rapid_resets_end_the_connection() {
    let mut stage = stage();
    let mut few = Http2Limits::DEFAULT;
    few.resets = Rate::new(20, 1);
    let mut limits = sockeye_server::Limits::default();
    limits.http2 = Some(few);
    stage.server.set_limits(limits);
    let mut client = Client::connect(&mut stage);
    for _ in 0..21 {
        let stream = client.send("GET", "/hold", &[], EndStream::Yes);
        client.protocol.reset(stream, ErrorCode::CANCEL, &mut client.out).expect("it is open");
    }
    client.pump(&mut stage);
    assert_eq!(client.goaway, Some(ErrorCode::ENHANCE_YOUR_CALM));
    let stats = stage.server.stats();
    assert_eq!(stats.holds_opened, stats.holds_closed);
    assert_eq!((stats.http2_connections, stats.http2_connections_closed), (1, 1));
    assert_eq!((stats.http2_streams, stats.http2_resets_received), (21, 20));
    assert_eq!(stats.goaways.count(ErrorCode::ENHANCE_YOUR_CALM), 1);
    assert_eq!(stats.goaways.iter().map(|(_, count)| count).sum::<u64>(), 1);
}

/// A plain CONNECT has no end, and no content before its answer: it is not waited for.
/// [rfc8441:unknown-protocol]
#[test]
fn a_tunnel_is_refused_at_once() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let block = [&b"\x42\x07CONNECT"[..], b"\x41\x06sim:80"].concat();
    client.peer.write(&raw(1, 4, 1, &block));
    stage.turns();
    let answer = client.peer.read(usize::MAX).expect("the connection goes on");
    assert!(String::from_utf8_lossy(&answer).ends_with("Not Implemented"), "{answer:?}");
    assert_eq!(stage.server.connections(), 1);
}

/// Answers that nobody reads are as many as streams may be open, and a buffer full. [server:http2-abuse]
#[test]
fn unread_answers_end_the_connection() {
    let mut stage = Stage::new(20_000, |_| {});
    let mut client = Client::connect(&mut stage);
    let mut bytes = Vec::new();
    for stream in 0..5_000 {
        let mut block = vec![0x82, 0x86, 0x44, 101, b'/'];
        block.extend([b'x'; 100]);
        block.extend([0x41, 3, b's', b'i', b'm']);
        bytes.extend(raw(1, 5, 2 * stream + 1, &block));
    }
    client.peer.write(&bytes);
    (0..100).for_each(|_| stage.turns());
    let served = stage.server.stats().requests;
    assert!(served < 1_000, "{served} requests were served");
    let mut answers = Vec::new();
    while let Some(more) = client.peer.read(usize::MAX) {
        answers.extend(more);
        stage.turns();
    }
    assert_eq!(goaway(&answers), ErrorCode::ENHANCE_YOUR_CALM);
}

/// Browsers' habits are no abuse: 256 streams at once, closed at once, and again; tiny frames.
/// [server:http2-abuse]
#[test]
fn legitimate_bursts_pass() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    for _ in 0..3 {
        let all: Vec<_> =
            (0..256).map(|_| client.send("GET", "/events", &[], EndStream::Yes)).collect();
        client.pump(&mut stage);
        assert!(all.iter().all(|stream| client.got[stream].status == 200));
        for stream in all {
            client.protocol.reset(stream, ErrorCode::CANCEL, &mut client.out).expect("it is open");
        }
        client.pump(&mut stage);
        client.pump(&mut stage);
    }
    let socket = client.web_socket(&mut stage, "/ws");
    for _ in 0..500 {
        for byte in frame(9, b"?") {
            client.write(socket, &[byte], EndStream::No);
        }
    }
    client.pump(&mut stage);
    assert_eq!(client.take(socket).len(), 1_500);
    assert_eq!((client.goaway, stage.server.connections()), (None, 1));
}
