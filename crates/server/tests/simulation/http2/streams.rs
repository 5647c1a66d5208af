//! Event streams, held requests and WebSockets on streams of HTTP/2.

use sockeye_http2::{EndStream, ErrorCode, StreamId};
use sockeye_server::{
    CloseCause, CloseCode, Context, Event, Limits, Message, Reply, SharedEvent, Status, StreamKey,
};

use super::client::{Client, frame};
use super::stage;
use crate::simulation::stage::{Stage, Told};

/// A stream that the application has got for `path`.
fn open(stage: &mut Stage, client: &mut Client, path: &str) -> (StreamId, StreamKey) {
    stage.told();
    let stream = match path {
        "/ws" => client.web_socket(stage, path),
        _ => client.get(stage, path),
    };
    let Some(Told::Opened(key)) = stage.told().pop() else { panic!("no stream was opened") };
    (stream, key)
}

/// [server:http2-stream-deadlines]
#[test]
fn streams_have_their_own_deadlines() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let (_, events_key) = open(&mut stage, &mut client, "/events");
    let (held, _) = open(&mut stage, &mut client, "/hold/second");
    stage.pass(1_100);
    client.pump(&mut stage);
    assert_eq!(client.got[&held].status, 503);
    stage.told();
    stage.pass(Limits::default().heartbeat_ms);
    assert!(stage.told().contains(&Told::Heartbeat(events_key)));
}

#[test]
fn many_streams_live_side_by_side() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let (events, events_key) = open(&mut stage, &mut client, "/events");
    let (held, held_key) = open(&mut stage, &mut client, "/hold");
    let (socket, socket_key) = open(&mut stage, &mut client, "/ws");
    assert_eq!(client.take(events), b":\n\n");
    assert_eq!(client.got[&events].fields["content-type"], "text/event-stream");
    let writes = client.peer.writes();
    stage.act(move |context| {
        context.send_event(events_key, &Event::message("one")).expect("it is open");
        context.respond(held_key, Reply::text(Status::OK, "late")).expect("it is held");
        context.send(socket_key, Message::Text("hi")).expect("it is open");
    });
    // [server:http2-one-write]
    assert_eq!(client.peer.writes(), writes + 1, "one write for three streams");
    client.pump(&mut stage);
    assert_eq!(client.take(events), b"data: one\n\n");
    assert_eq!((client.got[&held].text(), client.got[&held].ended), ("late".to_owned(), true));
    assert_eq!(client.take(socket), [0x81, 2, b'h', b'i']);
    assert_eq!(stage.server.connections(), 1);
}

/// The shared form of an event is referred to by each stream, and is as on HTTP/1.0.
#[test]
fn a_shared_event_reaches_all_streams_in_one_write() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let streams: Vec<_> = (0..100).map(|_| open(&mut stage, &mut client, "/events")).collect();
    streams.iter().for_each(|(stream, _)| drop(client.take(*stream)));
    for text in ["short".to_owned(), "long".repeat(5_000)] {
        let (keys, writes) = (streams.clone(), client.peer.writes());
        let data = text.clone();
        stage.act(move |context| {
            let event = SharedEvent::new(&Event::message(&data));
            for (_, key) in keys {
                context.send_shared_event(key, &event).expect("it is open");
            }
        });
        let count = client.peer.writes() - writes;
        assert!(text.len() > 5 || count == 1, "{count} writes");
        (0..40).for_each(|_| client.pump(&mut stage));
        for (stream, _) in &streams {
            assert_eq!(client.take(*stream), format!("data: {text}\n\n").as_bytes());
        }
    }
}

/// [server:http2-shut-window]
#[test]
fn a_shut_window_stops_nobody_else() {
    let mut stage = stage();
    let mut client = Client::with_window(&mut stage, 1_000);
    let (shut, shut_key) = open(&mut stage, &mut client, "/events");
    let (other, other_key) = open(&mut stage, &mut client, "/events");
    client.withholds = true;
    stage.act(move |context| {
        let event = "x".repeat(5_000);
        context.send_event(shut_key, &Event::message(&event)).expect("it is open");
        context.notify_drained(shut_key);
    });
    client.pump(&mut stage);
    assert_eq!(client.got[&shut].body.len(), 1_000);
    let waiting = |context: &mut Context<'_>, key| context.outbox_bytes(key);
    stage.act(move |context| {
        assert!(waiting(context, shut_key) > 4_000);
        context.send_event(other_key, &Event::message("on")).expect("it is open");
    });
    client.pump(&mut stage);
    assert_eq!(client.take(other), b":\n\ndata: on\n\n");
    // The window opens again, and everything comes.
    client.withholds = false;
    client.protocol.consumed(shut, 1_000, &mut client.out);
    (0..20).for_each(|_| client.pump(&mut stage));
    assert_eq!(client.take(shut).len(), 3 + 6 + 5_000 + 2);
    // A window that stays shut ends its stream, and no other.
    client.withholds = true;
    stage.told();
    stage.act(move |context| {
        let event = "x".repeat(5_000);
        context.send_event(shut_key, &Event::message(&event)).expect("it is open");
    });
    stage.pass(Limits::default().write_stall_ms + 20);
    client.pump(&mut stage);
    assert_eq!(client.got[&shut].reset, Some(ErrorCode::CANCEL));
    assert_eq!(client.got[&other].reset, None);
    let timeout = CloseCause::Timeout(sockeye_server::Deadline::WriteStall);
    assert!(stage.told().contains(&Told::Closed(shut_key, timeout)));
}

/// [server:http2-turns]
#[test]
fn streams_take_turns() {
    let mut stage = stage();
    let mut client = Client::with_window(&mut stage, 1 << 20);
    let (long, long_key) = open(&mut stage, &mut client, "/events");
    let (short, short_key) = open(&mut stage, &mut client, "/events");
    stage.act(move |context| {
        let event = "x".repeat(60_000);
        context.send_event(long_key, &Event::message(&event)).expect("it is open");
        context.send_event(short_key, &Event::message("short")).expect("it is open");
    });
    // As much as comes before the first of the short one.
    let bytes = client.peer.read(usize::MAX).expect("it is open");
    let at = bytes.windows(5).position(|part| part == b"short").expect("it is there");
    assert!(at < 17_000, "{at}");
    let _ = (long, short);
}

/// [server:http2-web-socket] [rfc8441:end-before-close]
#[test]
fn a_web_socket_is_echoed_closed_and_cut() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let (socket, key) = open(&mut stage, &mut client, "/ws");
    assert_eq!(client.got[&socket].fields.get("sec-websocket-accept"), None);
    // A Close, and the end behind it.
    client.write(socket, &frame(8, &[0x03, 0xe8]), EndStream::No);
    client.pump(&mut stage);
    assert_eq!(client.take(socket), [0x88, 2, 0x03, 0xe8]);
    assert!(client.got[&socket].ended);
    assert_eq!(stage.told(), [Told::Closed(key, CloseCause::Remote(CloseCode::NORMAL))]);
    // The stream is not reset for a while.
    stage.pass(1_999);
    client.pump(&mut stage);
    assert_eq!(client.got[&socket].reset, None);
    stage.pass(20);
    client.pump(&mut stage);
    assert_eq!(client.got[&socket].reset, Some(ErrorCode::NO_ERROR));
    // The end without a Close.
    let (socket, key) = open(&mut stage, &mut client, "/ws");
    client.write(socket, &[], EndStream::Yes);
    client.pump(&mut stage);
    assert_eq!(stage.told(), [Told::Closed(key, CloseCause::Ended)]);
    assert!(client.got[&socket].ended);
    // A reset.
    let (socket, key) = open(&mut stage, &mut client, "/ws");
    client.protocol.reset(socket, ErrorCode::CANCEL, &mut client.out).expect("it is open");
    client.pump(&mut stage);
    assert_eq!(stage.told(), [Told::Closed(key, CloseCause::Transport)]);
    assert_eq!((stage.server.connections(), client.goaway), (1, None));
}

/// [server:http2-web-socket] [rfc8441:unknown-protocol]
#[test]
fn handshakes_are_refused() {
    let mut stage = stage();
    stage.server.app_mut().origins = Some(vec!["https://good".to_owned()]);
    let mut client = Client::connect(&mut stage);
    let version = ("Sec-WebSocket-Version", "13");
    let mut status = |method, protocol, fields: &[(&'static str, &str)]| {
        let end = if method == "GET" { EndStream::Yes } else { EndStream::No };
        let stream = client.ask((method, "/ws", protocol), fields, end);
        client.pump(&mut stage);
        client.got[&stream].status
    };
    let web_socket = Some("websocket");
    assert_eq!(status("CONNECT", web_socket, &[version]), 200);
    assert_eq!(status("CONNECT", web_socket, &[version, ("Origin", "https://good")]), 200);
    assert_eq!(status("CONNECT", web_socket, &[version, ("Origin", "https://bad")]), 403);
    assert_eq!(status("CONNECT", Some("WebSocket"), &[version]), 200);
    assert_eq!(status("CONNECT", web_socket, &[]), 400);
    assert_eq!(status("CONNECT", web_socket, &[("Sec-WebSocket-Version", "12")]), 400);
    assert_eq!(status("CONNECT", Some("connect-udp"), &[version]), 501);
    assert_eq!(status("GET", None, &[version]), 400);
    assert_eq!(stage.server.connections(), 1);
}

/// A message in one-byte frames of HTTP/2, and one that is longer than a window.
#[test]
fn frames_of_both_layers_need_not_agree() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let (socket, key) = open(&mut stage, &mut client, "/ws");
    for byte in frame(9, b"ping in single bytes") {
        client.write(socket, &[byte], EndStream::No);
    }
    client.pump(&mut stage);
    assert_eq!(&client.take(socket)[2..], b"ping in single bytes");
    let message = frame(2, &vec![7; 300_000]);
    let mut sent = 0;
    while sent < message.len() {
        let more = client.write(socket, &message[sent..], EndStream::No);
        assert!(more > 0, "the window opens again");
        sent += more;
        client.pump(&mut stage);
    }
    stage.act(move |context| context.close(key, CloseCode::NORMAL, ""));
    client.pump(&mut stage);
    assert_eq!(stage.server.stats().messages_received, 1);
}

/// A WebSocket that the application does not read has a window of its own.
/// [server:http2-backpressure]
#[test]
fn a_paused_stream_stops_its_sender_only() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let (paused, key) = open(&mut stage, &mut client, "/ws");
    let (other, _) = open(&mut stage, &mut client, "/ws");
    stage.act(move |context| context.pause(key, 10_000));
    let messages = frame(2, &[7; 1_000]).repeat(200);
    let mut sent = client.write(paused, &messages, EndStream::No);
    client.pump(&mut stage);
    assert_eq!((sent, client.write(paused, &messages[sent..], EndStream::No)), (65_535, 0));
    client.write(other, &frame(9, b"?"), EndStream::No);
    client.pump(&mut stage);
    assert_eq!(client.take(other), [0x8a, 1, b'?']);
    assert_eq!(stage.server.stats().messages_received, 0);
    stage.pass(10_020);
    client.pump(&mut stage);
    while sent < messages.len() {
        let more = client.write(paused, &messages[sent..], EndStream::No);
        assert!(more > 0, "the window opens again");
        sent += more;
        client.pump(&mut stage);
    }
    assert_eq!(stage.server.stats().messages_received, 200);
}
