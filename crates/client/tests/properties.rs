//! The properties over generated servers.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sockeye_client::Transport;
use sockeye_client::properties::{self, Handshake};

/// What responses are made of, whole and broken.
const HTTP: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /next\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"Content-Type: text/event-stream\r\n",
    b"Content-Type: text/html\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Length: 20\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"5\r\ndata:\r\n",
    b"2;x=y\r\n\n\n\r\n",
    b"0\r\n\r\n",
    b"A: b\r\n",
    b"X",
];

/// What event streams are made of.
const EVENTS: &[&[u8]] = &[
    b"data: one\n",
    b"data: \xE9\xAE\xAD\n",
    b"event: t\r\n",
    b"id: 7\r",
    b"retry: 5\n",
    b": note\n",
    b"\n",
    b"\n\n",
    b"\xEF\xBB\xBF",
    b"data: 01234567890123456789012345678901234567890123456789\n",
];

/// What a server's side of a WebSocket is made of.
const FRAMES: &[&[u8]] = &[
    b"\x81\x03one",
    b"\x01\x02tw",
    b"\x80\x01o",
    b"\x00\x01x",
    b"\x89\x02hi",
    b"\x8A\x00",
    b"\x88\x02\x03\xE8",
    b"\x88\x00",
    b"\xC1\x05\x4A\xCC\x4F\x05\x00",
    b"\x82\x7E\x00\x80",
    b"\x82\x7F\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\x81\x01\xFF",
    b"\xFF",
    b"01234567890123456789012345678901234567890123456789",
    b"\x81\x02{}",
];

/// A whole head of an event stream, often, and then anything.
fn response() -> impl Strategy<Value = Vec<u8>> {
    let head = select(vec![
        &b""[..],
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n",
    ]);
    let parts = vec(prop_oneof![select(HTTP), select(EVENTS)], 0..20);
    (head, parts).prop_map(|(head, parts)| [head, &parts.concat()].concat())
}

fn cuts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(vec![0; 500]), vec(any::<u8>(), 0..20), vec(0_u8..9, 0..200)]
}

fn frame(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).expect("a short one");
    assert!(len < 126, "a short one");
    [&[0x81, len], text.as_bytes()].concat()
}

/// What a hub says on a WebSocket, in any order.
fn hub_frames() -> impl Strategy<Value = Vec<u8>> {
    let said = select(vec![
        r#"{"type":"welcome","cursor":"1mubbs7i8-15","session":"p3x9","ping_ms":25000}"#,
        r#"{"type":"subscribed","id":"s1","channels":["a","b"],"cursor":"1mubbs7i8-15"}"#,
        r#"{"type":"message","channel":"a","cursor":"1mubbs7i8-16","time":5,"data":{"x":1}}"#,
        r#"{"type":"message","channel":"b","cursor":"1mubbs7i8-17","time":5,"event":"e","data":"t"}"#,
        r#"{"type":"gap","channel":"a","reason":"trimmed","missed":{"after":17,"through":30}}"#,
        r#"{"type":"gap","all":true,"reason":"unreadable"}"#,
        r#"{"type":"sync","cursor":"1mubbs7i8-18","recovered":true,"gaps":0,"replayed":1}"#,
        r#"{"type":"end","channel":"a","cursor":"1mubbs7i8-19"}"#,
        r#"{"type":"error","id":"s1","channel":"a","code":"forbidden","message":"no"}"#,
        r#"{"type":"goaway","code":1012,"reason":"restart","retry_ms":10,"cursor":"1mubbs7i8-18"}"#,
        r#"{"type":"pong","id":7,"cursor":"1mubbs7i8-15"}"#,
        r#"{}"#,
        r#"["#,
    ]);
    let one = prop_oneof![8 => said.prop_map(frame), 1 => select(FRAMES).prop_map(<[u8]>::to_vec)];
    let welcome = frame(r#"{"type":"welcome","cursor":"1mubbs7i8-15","session":"p","ping_ms":9}"#);
    let begun = frame(r#"{"type":"subscribed","channels":["a","b"],"cursor":"1mubbs7i8-15"}"#);
    let start = select(vec![Vec::new(), [welcome, begun].concat()]);
    (start, vec(one, 0..12)).prop_map(|(start, frames)| [start, frames.concat()].concat())
}

/// Frames of a server of HTTP/2, most of them on one of the three streams that are open.
fn http2_frames() -> impl Strategy<Value = Vec<u8>> {
    let fields = select(vec![
        &b"\x88"[..],
        b"\x89",
        b"\x8d",
        b"\x08\x03103",
        b"\x88\x5c\x012",
        b"\x88\x40\x01a\x01b",
        b"\x40\x01a\x01b",
    ]);
    let headers = (fields, any::<bool>()).prop_map(|(it, end)| (1, 4 | u8::from(end), it.to_vec()));
    let data =
        (vec(any::<u8>(), 0..40), any::<bool>()).prop_map(|(it, end)| (0, u8::from(end), it));
    let reset = select(vec![0_u8, 7, 8, 13]).prop_map(|code| (3, 0, vec![0, 0, 0, code]));
    let ping = Just((6, 0, vec![1; 8]));
    let goaway = select(vec![0_u8, 1, 3]).prop_map(|last| (7, 0, vec![0, 0, 0, last, 0, 0, 0, 0]));
    let strange = (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..12));
    let one =
        prop_oneof![6 => headers, 6 => data, 1 => reset, 1 => ping, 1 => goaway, 1 => strange];
    let stream = select(vec![1_u8, 1, 3, 3, 5, 5, 0, 7]);
    let frame = (one, stream).prop_map(|((kind, flags, payload), stream)| {
        let stream = if matches!(kind, 6 | 7) { 0 } else { stream };
        let len = u8::try_from(payload.len()).expect("short");
        [&[0, 0, len, kind, flags, 0, 0, 0, stream], &payload[..]].concat()
    });
    vec(frame, 0..20).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn cuts_change_nothing_for_an_event_source(wire in response(), cuts in cuts(), again: bool) {
        properties::event_source(&wire, &cuts, again);
    }

    #[test]
    fn cuts_change_nothing_for_a_web_socket(
        wire in vec(select(FRAMES), 0..20),
        cuts in cuts(),
        handshake in select(vec![Handshake::Done, Handshake::Compressed]),
    ) {
        properties::web_socket(&wire.concat(), &cuts, handshake);
    }

    #[test]
    fn cuts_change_nothing_for_a_handshake(wire in response(), cuts in cuts()) {
        properties::web_socket(&wire, &cuts, Handshake::Ahead);
    }

    #[test]
    fn cuts_change_nothing_for_a_subscription_on_a_socket(
        wire in hub_frames(),
        cuts in cuts(),
        resumes: bool,
    ) {
        let cursor = resumes.then_some("1mubbs7i8-15");
        properties::subscription(&wire, &cuts, Transport::WebSocket, cursor);
    }

    #[test]
    fn cuts_change_nothing_for_a_subscription_on_a_response(
        wire in response(),
        cuts in cuts(),
        transport in select(vec![Transport::EventStream, Transport::LongPoll, Transport::ShortPoll]),
        resumes: bool,
    ) {
        properties::subscription(&wire, &cuts, transport, resumes.then_some("1mubbs7i8-15"));
    }

    #[test]
    fn cuts_change_nothing_over_http2(wire in http2_frames(), cuts in cuts()) {
        properties::http2(&wire, &cuts);
    }

    /// [client:shared-same]
    #[test]
    fn machines_that_share_a_connection_are_told_what_each_would_be_told_alone(
        streams in vec(vec(select(EVENTS), 0..20).prop_map(|parts| parts.concat()), 1..5),
        order in vec((any::<u8>(), 1_u8..90), 1..40),
        cuts in cuts(),
    ) {
        properties::fleet(&streams, &order, &cuts);
    }

    #[test]
    fn urls_stay_themselves(
        base in "(http|ws|https|wss|HTTP)://[a-zA-Z0-9.:\\[\\]%é-]{0,9}(/[a-z./?#%é -]{0,12})?",
        reference in "(//|/|\\.\\./|http:|\\?|#)?[a-z.:/?#%é@\\[\\] -]{0,12}",
    ) {
        properties::url(&base, &reference);
    }
}
