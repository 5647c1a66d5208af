//! Messages in, a server's frames out.

use std::hint::black_box;

use bytes::Bytes;
use futures_executor::block_on;
use futures_util::SinkExt;
use sockeye_frame::{Header, Opcode, Rsv};
use sockeye_websocket::{Config, Connection, Message};

use crate::inputs::ascii;
use crate::replay::Replay;
use crate::{Group, each};

pub(super) fn groups() -> Vec<Group> {
    [16, 125, 1024, 64 << 10, 1 << 20].map(group).into()
}

fn group(len: usize) -> Group {
    Group::new(format!("encode {len} B"), len)
        .row("sockeye-websocket", websocket(ascii(len)))
        .row("sockeye-frame", frame(ascii(len)))
        .row("fastwebsockets", fastwebsockets(ascii(len)))
        .row("tungstenite", tungstenite(ascii(len)))
        .row("tokio-websockets", tokio_websockets(ascii(len)))
        .row("floor: copy", copy(ascii(len)))
}

fn websocket(payload: Vec<u8>) -> impl FnMut(u64) {
    let mut connection = Connection::server(&Config::default());
    let mut out = Vec::new();
    each(move || {
        out.clear();
        let message = Message::Binary(black_box(&payload));
        connection.send(message, &mut out).expect("the connection is open");
        black_box(&out);
    })
}

fn frame(payload: Vec<u8>) -> impl FnMut(u64) {
    let mut out = Vec::new();
    each(move || {
        let payload = black_box(&payload);
        let payload_len = payload.len() as u64;
        let (rsv, opcode) = (Rsv::NONE, Opcode::Binary);
        let header = Header { fin: true, rsv, opcode, mask: None, payload_len };
        out.clear();
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(payload);
        black_box(&out);
    })
}

fn fastwebsockets(payload: Vec<u8>) -> impl FnMut(u64) {
    use fastwebsockets::{Frame, Payload};
    let mut out = Vec::new();
    each(move || {
        let mut frame = Frame::binary(Payload::Borrowed(black_box(&payload)));
        black_box(frame.write(&mut out));
    })
}

fn tungstenite(payload: Vec<u8>) -> impl FnMut(u64) {
    use tungstenite::Message;
    use tungstenite::protocol::{Role, WebSocket};
    let mut websocket = WebSocket::from_raw_socket(Replay::new(&[0]), Role::Server, None);
    let payload = Bytes::from(payload);
    each(move || {
        websocket.send(Message::Binary(payload.clone())).expect("the connection is open");
    })
}

fn tokio_websockets(payload: Vec<u8>) -> impl FnMut(u64) {
    use tokio_websockets::{Config, Message, ServerBuilder};
    let config = Config::default().frame_size(usize::MAX);
    let mut websocket = ServerBuilder::new().config(config).serve(Replay::new(&[0]));
    let payload = Bytes::from(payload);
    move |units| {
        block_on(async {
            for _ in 0..units {
                let message = Message::binary(payload.clone());
                websocket.send(message).await.expect("the connection is open");
            }
        });
    }
}

fn copy(payload: Vec<u8>) -> impl FnMut(u64) {
    let mut out = Vec::new();
    each(move || {
        out.clear();
        out.extend_from_slice(black_box(&payload));
        black_box(&out);
    })
}
