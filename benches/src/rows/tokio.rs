//! Echoes and event streams through the adapters for tokio, on a stream in memory.

use std::hint::black_box;

use bytes::Bytes;
use futures_executor::block_on;
use futures_util::{SinkExt, StreamExt};
use sockeye_frame::Opcode;
use sockeye_tokio::{EventStream, Role, Settings};

use super::sse;
use crate::Group;
use crate::inputs::{self, ascii, event_streams, masked_frame};
use crate::replay::Replay;

const MESSAGE_BYTES_MAX: usize = 16 << 20;
const PEERS: &[&str] = &["tokio-tungstenite", "fastwebsockets", "tokio-websockets"];

pub(super) fn groups() -> Vec<Group> {
    let echoes = [(16, 1), (16, 32), (1024, 1), (64 << 10, 1), (1 << 20, 1)];
    let mut groups: Vec<_> =
        echoes.map(|(len, in_flight)| echo(len, in_flight, Opcode::Text)).into();
    groups.extend([64 << 10, 1 << 20].map(|len| echo(len, 1, Opcode::Binary)));
    groups.extend(event_streams().iter().map(events));
    groups
}

/// A read brings so many messages, and their echoes are flushed once.
fn echo(len: usize, in_flight: u64, opcode: Opcode) -> Group {
    let frame = masked_frame(opcode, &ascii(len));
    let socket = Replay::new(&frame.repeat(usize::try_from(in_flight).expect("few")));
    let kind = if opcode == Opcode::Text { "text" } else { "bytes" };
    Group::new(format!("echo {len} B of {kind}, {in_flight} in a read"), len)
        .row("sockeye-tokio", sockeye(socket.clone()))
        .row("tokio-tungstenite", tungstenite(socket.clone(), in_flight))
        .row("fastwebsockets", fastwebsockets(socket.clone()))
        .row("tokio-websockets", tokio_websockets(socket, in_flight))
        .target("sockeye-tokio", PEERS, 1.0)
}

/// The receiver sends what is queued before it reads.
fn sockeye(socket: Replay) -> impl FnMut(u64) {
    let mut settings = Settings::default();
    settings.limits.frame_bytes_max = MESSAGE_BYTES_MAX as u64;
    settings.limits.message_bytes_max = MESSAGE_BYTES_MAX as u64;
    settings.whole_bytes_max = MESSAGE_BYTES_MAX as u64;
    let mut websocket =
        sockeye_tokio::WebSocket::after_handshake(socket, Role::Server, Vec::new(), settings);
    move |units| {
        block_on(async {
            for _ in 0..units {
                let message = websocket.receive().await.expect("no end").expect("legal frames");
                websocket.ready().await.expect("the connection is open");
                websocket.queue(message).expect("the connection is open");
            }
        });
    }
}

fn tungstenite(socket: Replay, in_flight: u64) -> impl FnMut(u64) {
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let websocket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config));
    let mut websocket = block_on(websocket);
    move |units| {
        block_on(async {
            for n in 1..=units {
                let message = websocket.next().await.expect("no end").expect("legal frames");
                websocket.feed(message).await.expect("the connection is open");
                if n % in_flight == 0 {
                    websocket.flush().await.expect("the connection is open");
                }
            }
        });
    }
}

/// It has no queue: each echo is a write.
fn fastwebsockets(socket: Replay) -> impl FnMut(u64) {
    use fastwebsockets::{FragmentCollector, Role, WebSocket};
    let mut websocket = WebSocket::after_handshake(socket, Role::Server);
    websocket.set_max_message_size(MESSAGE_BYTES_MAX);
    let mut websocket = FragmentCollector::new(websocket);
    move |units| {
        block_on(async {
            for _ in 0..units {
                let frame = websocket.read_frame().await.expect("legal frames");
                websocket.write_frame(frame).await.expect("the connection is open");
            }
        });
    }
}

fn tokio_websockets(socket: Replay, in_flight: u64) -> impl FnMut(u64) {
    use tokio_websockets::{Config, Limits, ServerBuilder};
    let config = Config::default().frame_size(usize::MAX);
    let mut websocket =
        ServerBuilder::new().config(config).limits(Limits::unlimited()).serve(socket);
    move |units| {
        block_on(async {
            for n in 1..=units {
                let message = websocket.next().await.expect("no end").expect("legal frames");
                websocket.feed(message).await.expect("the connection is open");
                if n % in_flight == 0 {
                    websocket.flush().await.expect("the connection is open");
                }
            }
        });
    }
}

/// Events that are handed over, from chunks of a packet.
fn events(stream: &inputs::EventStream) -> Group {
    let ours =
        |chunks: &[Bytes]| block_on(EventStream::new(sse::body(chunks)).map(black_box).count());
    let lent = |chunks: &[Bytes]| {
        block_on(async {
            let (mut events, mut count) = (EventStream::new(sse::body(chunks)), 0);
            while events.next_with(|event| _ = black_box(event)).await.is_some() {
                count += 1;
            }
            count
        })
    };
    let group = Group::new(format!("events of a body: {}", stream.name), stream.bytes.len())
        .parts(stream.events)
        .row("sockeye-tokio", sse::row(stream, sse::CHUNKS[0], ours))
        .row("sockeye-tokio, lent", sse::row(stream, sse::CHUNKS[0], lent));
    sse::peers(group, stream, sse::CHUNKS[0]).target("sockeye-tokio", sse::PEERS, 2.0).target(
        "sockeye-tokio, lent",
        sse::PEERS,
        2.0,
    )
}
